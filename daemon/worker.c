/* SPDX-License-Identifier: MIT */
/*
 * See worker.h.
 *
 * Parking.  A worker announces PARKED, then looks once more for anything to
 * do, then sleeps on its `signal`.  Whoever has something for it publishes
 * that first and then looks at the state or sets the signal.  Both sides
 * have a full fence between their store and their load, so at least one of
 * them sees the other.  (Messages alone would not even need that: while the
 * ring is not empty the listener kicks each millisecond.)
 */
#include "worker.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "point.h"
#include "transfer.h"

enum reason { FULL, FORCED, ASKED };

static bool flag(const _Atomic bool *b)
{
	/* acquire: pairs with the release of the loop thread's store */
	return atomic_load_explicit(b, memory_order_acquire);
}

static uint64_t number(const _Atomic uint64_t *n)
{
	/* acquire: pairs with the release of the other thread's store */
	return atomic_load_explicit(n, memory_order_acquire);
}

/* Sleeps until signalled or until the time (CLOCK_MONOTONIC, 0: for ever). */
static void park(struct worker *w, uint64_t until)
{
	struct timespec ts = clock_timespec(until);

	/* acquire: pairs with the release in wake() */
	while (!atomic_exchange_explicit(&w->signal, 0, memory_order_acquire)) {
		long n = syscall(SYS_futex, &w->signal,
				 FUTEX_WAIT_BITSET_PRIVATE, 0,
				 until ? &ts : NULL, NULL,
				 FUTEX_BITSET_MATCH_ANY);

		if (n < 0 && errno == ETIMEDOUT)
			return;
	}
}

/* Loop thread. */
static void wake(struct worker *w)
{
	/* release: what the worker is woken for comes first */
	if (!atomic_exchange_explicit(&w->signal, 1, memory_order_release))
		syscall(SYS_futex, &w->signal, FUTEX_WAKE_PRIVATE, 1, NULL,
			NULL, 0);
}

static void wake_all(struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		wake(&ws->list[i]);
}

static void set_state(struct worker *w, enum worker_state state)
{
	atomic_store_explicit(&w->state, state, memory_order_release);
}

/* What the loop thread wants seen at each turn. */
static void look_around(struct worker *w)
{
	struct workers *ws = w->all;
	uint64_t generation = number(&ws->cfg_generation);

	atomic_store_explicit(&w->beat, number(&ws->ping),
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
		atomic_store_explicit(&w->failing, clock_now(),
				      memory_order_relaxed);
	atomic_store_explicit(&w->error, -err, memory_order_release);
	/* For the status; see control_notified(). */
	w->all->notify(w->all->arg);
	log_error("worker %u: %s %s: %s; %s; the data is kept and tried "
		  "again",
		  w->index, w->flush.op, w->flush.where, strerror(-err),
		  flush_remedy(err));
}

static void set_working(struct worker *w)
{
	uint64_t since;

	if (!atomic_load_explicit(&w->error, memory_order_relaxed))
		return;
	since = atomic_load_explicit(&w->failing, memory_order_relaxed);
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
	atomic_store_explicit(&w->filing, began, memory_order_relaxed);
	set_state(w, WORKER_FILING);
	while ((err = transfer_file(w->arena, &w->flush, &bytes))) {
		set_failing(w, err);
		if (flag(&w->all->abandon))
			return false;
		park(w, clock_now() + pause);
		look_around(w);
		pause = flush_pause_after(pause);
	}
	set_working(w);
	count_flush(w, why, bytes, clock_now() - began);
	atomic_store_explicit(&w->filing, 0, memory_order_relaxed);
	/* workers_alive() counts from here on, not from before the disk. */
	look_around(w);
	set_state(w, WORKER_LOOKING);
	return true;
}

/* When the arena must be filed, CLOCK_MONOTONIC; 0: when it is full. */
static uint64_t deadline(const struct worker *w)
{
	uint64_t forced = w->flush.cfg->buffer_forced;

	if (!forced || arena_is_empty(w->arena))
		return 0;
	return w->arena->now.oldest + forced;
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

	w->asked = number(&ws->ask);
	/* relaxed: only this worker writes it */
	return w->asked != atomic_load_explicit(&w->flushed,
						memory_order_relaxed) &&
	       ring_claimed(ws->ring) >= number(&ws->ask_ticket);
}

static void answer(struct worker *w)
{
	/* release: the file is there before the request is done */
	atomic_store_explicit(&w->flushed, w->asked, memory_order_release);
	w->all->notify(w->all->arg);
}

static void rest(struct worker *w)
{
	struct workers *ws = w->all;

	set_state(w, WORKER_PARKED);
	/* Publish, then check again: see the head of this file. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!ring_waiting(ws->ring) && !is_asked(w) && !flag(&ws->stop))
		park(w, deadline(w));
	set_state(w, WORKER_LOOKING);
}

static void run(struct worker *w)
{
	struct workers *ws = w->all;
	enum transfer_result taken;
	bool wanted, ok = true;

	while (ok) {
		look_around(w);
		wanted = false;
		taken = transfer_take(ws->ring, w->arena, &wanted);
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
			if (flag(&ws->stop)) {
				file(w, ASKED);
				break;
			}
			rest(w);
		}
	}
}

/*
 * A worker that is woken takes no processor from a sender or from the loop
 * thread, sched(7): what it has to do can wait a little, they can not.  With
 * two senders on two processors that is 5 % of the rate.
 */
static void yield_to_others(void)
{
	struct sched_param param = { 0 };

	/* A sandbox may forbid it; all works without. */
	(void)sched_setscheduler(0, SCHED_BATCH, &param);
}

static void *thread(void *arg)
{
	struct worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "worker %u", w->index);
	pthread_setname_np(pthread_self(), name);
	yield_to_others();
	run(w);
	set_state(w, WORKER_EXITED);
	w->all->notify(w->all->arg);
	return NULL;
}

static void init(struct worker *w, struct workers *ws, const struct config *cfg,
		 unsigned index)
{
	memset(w, 0, sizeof(*w));
	w->all = ws;
	w->index = index;
	flush_open(&w->flush, cfg, index);
}

int workers_start(struct workers *ws, const struct config *cfg,
		  struct ring *ring, struct arena *arenas, bool dot,
		  workers_notify_fn *notify, void *arg)
{
	sigset_t all, before;
	unsigned i;
	int err = 0;

	memset(ws, 0, sizeof(*ws));
	ws->ring = ring;
	ws->notify = notify;
	ws->arg = arg;
	atomic_init(&ws->cfg, cfg);
	ws->list = aligned_alloc(CACHE_LINE,
				 cfg->buffer_workers * sizeof(struct worker));
	if (!ws->list)
		return -ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (i = 0; i < cfg->buffer_workers && !err; i++) {
		struct worker *w = &ws->list[i];

		init(w, ws, cfg, i);
		w->arena = &arenas[i];
		w->flush.dot = dot;
		set_state(w, WORKER_LOOKING);
		err = -pthread_create(&w->thread, NULL, thread, w);
		if (!err)
			ws->count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		workers_stop(ws);
		workers_join(ws);
	}
	return err;
}

static bool is_parked(const struct worker *w)
{
	return atomic_load_explicit(&w->state, memory_order_acquire) ==
		       WORKER_PARKED &&
	       !atomic_load_explicit(&w->signal, memory_order_relaxed);
}

/* On its way to the ring: looking, or woken for it. */
static bool is_looking(const struct worker *w)
{
	int state = atomic_load_explicit(&w->state, memory_order_acquire);

	return state == WORKER_LOOKING ||
	       (state == WORKER_PARKED &&
		atomic_load_explicit(&w->signal, memory_order_relaxed));
}

/* The parked worker that has messages, else the first one; NULL: none. */
static struct worker *best_parked(struct workers *ws)
{
	struct worker *best = NULL;
	struct arena_record rec;
	unsigned i;

	for (i = 0; i < ws->count; i++) {
		if (!is_parked(&ws->list[i]))
			continue;
		arena_snapshot(ws->list[i].arena, &rec);
		if (rec.count)
			return &ws->list[i];
		if (!best)
			best = &ws->list[i];
	}
	return best;
}

void workers_kick(struct workers *ws)
{
	uint64_t waiting;
	unsigned i, looking = 0;
	struct worker *w;

	/* After publishing, before looking at states: see the file's head. */
	atomic_thread_fence(memory_order_seq_cst);
	waiting = ring_waiting(ws->ring);
	if (!waiting)
		return;
	for (i = 0; i < ws->count; i++)
		looking += is_looking(&ws->list[i]);
	/* One keeps up, unless the ring fills all the same. */
	if (looking && waiting * 2 < ws->ring->geo.slots)
		return;
	w = best_parked(ws);
	if (w)
		wake(w);
}

uint64_t workers_flush(struct workers *ws)
{
	uint64_t request =
		atomic_load_explicit(&ws->ask, memory_order_relaxed) + 1;

	atomic_store_explicit(&ws->ask_ticket, ring_published(ws->ring),
			      memory_order_relaxed);
	/* release: the ticket comes first */
	atomic_store_explicit(&ws->ask, request, memory_order_release);
	wake_all(ws);
	return request;
}

bool workers_flushed(const struct workers *ws, uint64_t request)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		if (number(&ws->list[i].flushed) < request)
			return false;
	return true;
}

void workers_configure(struct workers *ws, const struct config *cfg)
{
	atomic_store_explicit(&ws->cfg, cfg, memory_order_release);
	/* release: the settings come first */
	atomic_fetch_add_explicit(&ws->cfg_generation, 1, memory_order_release);
	wake_all(ws);
}

bool workers_settled(const struct workers *ws)
{
	uint64_t generation = number(&ws->cfg_generation);
	unsigned i;

	for (i = 0; i < ws->count; i++)
		if (number(&ws->list[i].cfg_seen) != generation)
			return false;
	return true;
}

bool workers_alive(struct workers *ws)
{
	uint64_t ping = atomic_load_explicit(&ws->ping, memory_order_relaxed);
	bool alive = true;
	unsigned i;
	int state;

	for (i = 0; i < ws->count; i++) {
		struct worker *w = &ws->list[i];

		state = atomic_load_explicit(&w->state, memory_order_acquire);
		/*
		 * A thread inside write(2) on a hung disk can not be helped
		 * by a restart, and its file would only be written again.
		 */
		if (state == WORKER_FILING || state == WORKER_EXITED)
			continue;
		if (atomic_load_explicit(&w->beat, memory_order_relaxed) !=
		    ping)
			alive = false;
	}
	atomic_store_explicit(&ws->ping, ping + 1, memory_order_release);
	wake_all(ws);
	return alive;
}

void workers_stop(struct workers *ws)
{
	atomic_store_explicit(&ws->stop, true, memory_order_release);
	wake_all(ws);
}

void workers_abandon(struct workers *ws)
{
	atomic_store_explicit(&ws->abandon, true, memory_order_release);
	wake_all(ws);
}

bool workers_exited(const struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		if (atomic_load_explicit(&ws->list[i].state,
					 memory_order_acquire) != WORKER_EXITED)
			return false;
	return true;
}

void workers_join(struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		pthread_join(ws->list[i].thread, NULL);
	free(ws->list);
	ws->list = NULL;
	ws->count = 0;
}
