/* SPDX-License-Identifier: MIT */
/*
 * See worker_thread.h: what a worker does.  What the loop thread does with
 * workers is in worker.c.
 *
 * Parking.  A worker announces PARKED, then looks once more for anything to
 * do, then sleeps on its `signal`.  Whoever has something for it publishes
 * that first and then looks at the state or sets the signal.  Both sides
 * have a full fence between their store and their load, so at least one of
 * them sees the other.  (Messages alone would not even need that: while the
 * ring is not empty the listener kicks each millisecond.)
 *
 * Lending.  While a worker is PARKED the loop thread may take its arena:
 * PARKED -> LENT, and back to PARKED, or to FILING when it is full.  A worker
 * that wakes takes it back the same way, PARKED -> LOOKING; while it is LENT
 * it says so in `wants_back` and sleeps again.  That is parking once more:
 * each side stores (wants_back; state), then loads the other's.
 */
#include "daemon/worker/worker.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/remedy.h"
#include "daemon/filing/transfer.h"

enum reason { FULL, FORCED, ASKED };

/* Sleeps until signalled or until the time (CLOCK_MONOTONIC, 0: for ever). */
static void park(struct worker *w, uint64_t until)
{
	struct timespec ts = clock_timespec(until);

	/* acquire: pairs with the release in wake(), worker.c */
	while (!atomic_exchange_explicit(&w->signal, 0, memory_order_acquire)) {
		long n = syscall(SYS_futex, &w->signal,
				 FUTEX_WAIT_BITSET_PRIVATE, 0,
				 until ? &ts : NULL, NULL,
				 FUTEX_BITSET_MATCH_ANY);

		if (n < 0 && errno == ETIMEDOUT)
			return;
	}
}

static void set_state(struct worker *w, enum worker_state state)
{
	atomic_store_explicit(&w->state, state, memory_order_release);
}

/* What the loop thread wants seen at each turn. */
static void look_around(struct worker *w)
{
	struct workers *ws = w->all;
	uint64_t generation = worker_number(&ws->cfg_generation);

	atomic_store_explicit(&w->heartbeat_seen, worker_number(&ws->heartbeat),
			      memory_order_relaxed);
	/* relaxed: only this worker writes it */
	if (atomic_load_explicit(&w->cfg_seen, memory_order_relaxed) ==
	    generation)
		return;
	w->flush.cfg = atomic_load_explicit(&ws->cfg, memory_order_acquire);
	/* release: the old settings are not used after this */
	atomic_store_explicit(&w->cfg_seen, generation, memory_order_release);
	ws->notify(ws->arg);
}

static void count_flush(struct worker *w, enum reason why, uint64_t bytes,
			uint64_t ns)
{
	struct stats_worker *st = &w->stats;

	if (!bytes)
		return;
	stats_add(&st->files, 1);
	stats_add(&st->file_bytes, bytes);
	STATS_OBSERVE(st, file_size_bytes, bytes);
	STATS_OBSERVE(st, flush_seconds, ns);
	stats_add(why == FULL	? &st->flushes_full :
		  why == FORCED ? &st->flushes_forced :
				  &st->flushes_asked,
		  1);
}

static void set_failing(struct worker *w, int err)
{
	int before = atomic_load_explicit(&w->error, memory_order_relaxed);

	stats_add(&w->stats.failures, 1);
	if (before == -err)
		return;
	if (!before)
		atomic_store_explicit(&w->failing_since_ns, clock_now(),
				      memory_order_relaxed);
	atomic_store_explicit(&w->error, -err, memory_order_release);
	/* For the status; see control_notified(). */
	w->all->notify(w->all->arg);
	log_error("worker %u: %s %s: %s; %s; the data is kept and tried "
		  "again",
		  w->index, w->flush.op, w->flush.where, strerror(-err),
		  remedy(err));
}

static void set_working(struct worker *w)
{
	uint64_t since;

	if (!atomic_load_explicit(&w->error, memory_order_relaxed))
		return;
	since = atomic_load_explicit(&w->failing_since_ns,
				     memory_order_relaxed);
	atomic_store_explicit(&w->error, 0, memory_order_release);
	w->all->notify(w->all->arg);
	log_notice("worker %u: filing again after %.1f s; what it held is in a "
		   "file",
		   w->index, (clock_now() - since) / 1e9);
}

/*
 * Files the arena, however long the disk refuses.  False: abandoned, the
 * data stays in the arena.
 */
static bool file(struct worker *w, enum reason why)
{
	uint64_t pause = FLUSH_PAUSE, bytes, began;
	int err;

	if (arena_is_empty(w->arena))
		return true;
	began = clock_now();
	atomic_store_explicit(&w->flushing_since_ns, began,
			      memory_order_relaxed);
	set_state(w, WORKER_FLUSHING);
	while ((err = transfer_flush(w->arena, &w->flush, &bytes))) {
		set_failing(w, err);
		if (worker_flag(&w->all->abandon))
			return false;
		park(w, clock_now() + pause);
		look_around(w);
		pause = flush_pause_after(pause);
	}
	set_working(w);
	count_flush(w, why, bytes, clock_now() - began);
	atomic_store_explicit(&w->flushing_since_ns, 0, memory_order_relaxed);
	/* workers_alive() counts from here on, not from before the disk. */
	look_around(w);
	set_state(w, WORKER_LOOKING);
	return true;
}

/* When the arena must be filed, CLOCK_MONOTONIC; 0: when it is full. */
static uint64_t deadline(const struct worker *w)
{
	uint64_t forced = w->flush.cfg->buffer_forced_ns;

	if (!forced || arena_is_empty(w->arena))
		return 0;
	return w->arena->now.oldest_ns + forced;
}

static bool is_due(const struct worker *w)
{
	uint64_t at = deadline(w);

	return at && clock_now() >= at;
}

/* A flush request that is not answered, and whose messages are all taken? */
static bool is_asked(struct worker *w)
{
	struct workers *ws = w->all;

	w->flush_seen = worker_number(&ws->flush_request);
	/* relaxed: only this worker writes it */
	return w->flush_seen != atomic_load_explicit(&w->flushed,
						     memory_order_relaxed) &&
	       ring_claimed(ws->ring) >= worker_number(&ws->flush_up_to);
}

static void answer(struct worker *w)
{
	/* release: the file is there before the request is done */
	atomic_store_explicit(&w->flushed, w->flush_seen, memory_order_release);
	w->all->notify(w->all->arg);
}

/* The arena, back from the loop thread.  True: that has filled it. */
static bool reclaim(struct worker *w)
{
	int state = WORKER_PARKED;

	/* acquire: pairs with the release in lend_ends() */
	while (!atomic_compare_exchange_strong(&w->state, &state,
					       WORKER_LOOKING)) {
		if (state == WORKER_FLUSHING)
			return true;
		atomic_store(&w->wants_back, true);
		if (atomic_load(&w->state) == WORKER_LENT)
			park(w, 0);
		state = WORKER_PARKED;
	}
	return false;
}

/* False: abandoned, as from file(). */
static bool rest(struct worker *w)
{
	struct workers *ws = w->all;
	uint64_t until = deadline(w);

	/* From here on the arena may be the loop thread's. */
	set_state(w, WORKER_PARKED);
	/* Publish, then check again: see the head of this file. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!ring_waiting(ws->ring) && !is_asked(w) && !worker_flag(&ws->stop))
		park(w, until);
	return reclaim(w) ? file(w, FULL) : true;
}

static void run(struct worker *w)
{
	struct workers *ws = w->all;
	enum transfer_result taken;
	bool wanted, stop, ok = true;

	while (ok) {
		look_around(w);
		/*
		 * Before the ring is looked at: all is published by then, so
		 * that what is empty afterwards stays so.
		 */
		stop = worker_flag(&ws->stop);
		wanted = false;
		taken = transfer_take(ws->ring, w->arena, true, &wanted);
		if (wanted)
			ws->notify(ws->arg);
		if (taken == TRANSFER_FULL)
			ok = file(w, FULL);
		else if (is_due(w))
			ok = file(w, FORCED);
		if (!ok)
			break;
		/* Also if each take fills the arena, as messages above size. */
		if (is_asked(w)) {
			ok = file(w, ASKED);
			if (ok)
				answer(w);
		} else if (taken == TRANSFER_EMPTY) {
			if (stop) {
				file(w, ASKED);
				break;
			}
			ok = rest(w);
		}
	}
}

void *worker_thread(void *arg)
{
	struct worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "worker %u", w->index);
	pthread_setname_np(pthread_self(), name);
	run(w);
	set_state(w, WORKER_EXITED);
	w->all->notify(w->all->arg);
	return NULL;
}
