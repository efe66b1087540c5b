/* SPDX-License-Identifier: MIT */
/*
 * See worker.h for the states.
 *
 * Parking.  A worker stores PARKED, then looks once more for anything to do,
 * then sleeps on its `signal`.  Whoever has something for it publishes that
 * first, and then looks at the state or sets the signal.  Both sides have a
 * full fence between their store and their load, so at least one of them sees
 * the other.  (Messages alone would not need that: while the ring is not
 * empty, a timer of the listener wakes workers each millisecond.)
 *
 * Lending.  While a worker is PARKED the loop thread may take its arena, by a
 * compare-and-exchange PARKED -> LENT, and gives it back as PARKED, or as
 * FLUSHING when it is full.  A worker that wakes takes the arena back the same
 * way, PARKED -> LOOKING.  While the arena is LENT, the worker stores
 * `wants_back`, looks at the state once more, and sleeps again; the loop
 * thread stores the state, and then looks at `wants_back`.  That is parking
 * once more: each side stores its own word, then loads the other's, so these
 * four accesses are sequentially consistent.  The two compare-and-exchanges
 * are, too: whoever gets the arena sees all that its last owner wrote.
 */
#include "daemon/worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/base/thread.h"
#include "daemon/filing/transfer.h"

/* How often a worker looks whether a lane reached what a flush covers. */
#define FLUSH_LOOK_NS (1 * CLOCK_MS)
/* Of the sleeps of a worker; the kernel's own is 50 us. */
#define TIMER_SLACK_NS 1000UL

enum reason { FULL, FORCED, ASKED };

/* -- loop thread --------------------------------------------------------- */

void worker_open(struct worker *w, unsigned index, struct arena *arena,
		 const struct flush_place *place,
		 const struct worker_orders *orders)
{
	memset(w, 0, sizeof(*w));
	w->orders = orders;
	w->arena = arena;
	w->index = index;
	w->look.worker = index;
	w->cfg = load_relaxed(&orders->cfg);
	flush_open(&w->flush, w->cfg, index, orders->names);
	flush_set_place(&w->flush, place);
	atomic_init(&w->state, WORKER_LOOKING);
}

void worker_wake(struct worker *w)
{
	/* release: pairs with the acquire in sleep_until() */
	if (!atomic_exchange_explicit(&w->signal, 1, memory_order_release))
		syscall(SYS_futex, &w->signal, FUTEX_WAKE_PRIVATE, 1, NULL,
			NULL, 0);
}

bool worker_lend(struct worker *w)
{
	int state = WORKER_PARKED;

	/* seq_cst: pairs with park() and reclaim(), see the head */
	return atomic_compare_exchange_strong_explicit(&w->state, &state,
						       WORKER_LENT,
						       memory_order_seq_cst,
						       memory_order_relaxed);
}

void worker_give_back(struct worker *w, bool full)
{
	/* Only this thread ends a loan. */
	assert(load_relaxed(&w->state) == WORKER_LENT);
	if (full)
		store_relaxed(&w->flushing_since_ns, clock_now());
	/* seq_cst, both: pair with wants_back and state in reclaim() */
	atomic_store_explicit(&w->state, full ? WORKER_FLUSHING : WORKER_PARKED,
			      memory_order_seq_cst);
	/* Nor was it there to be woken for the lanes: pass_lanes_on(). */
	if (full ||
	    atomic_load_explicit(&w->wants_back, memory_order_seq_cst) ||
	    lanes_lack_attendant(w->orders->lanes)) {
		store_relaxed(&w->wants_back, false);
		worker_wake(w);
	}
}

uint64_t worker_deadline(const struct arena_record *rec, uint64_t forced_ns)
{
	return forced_ns && rec->count ? rec->oldest_ns + forced_ns : 0;
}

/* -- worker -------------------------------------------------------------- */

/* The transitions that a worker makes while nobody else may change the state;
 * see the table in worker.h. */
static bool may_follow(enum worker_state from, enum worker_state to)
{
	switch (to) {
	case WORKER_PARKED:
		return from == WORKER_LOOKING;
	case WORKER_FLUSHING:
		/* from FLUSHING: the loop thread has said so before */
		return from == WORKER_LOOKING || from == WORKER_FLUSHING;
	case WORKER_LOOKING:
		return from == WORKER_FLUSHING;
	case WORKER_EXITED:
		return from == WORKER_LOOKING || from == WORKER_FLUSHING;
	case WORKER_LENT:
	default:
		return false;
	}
}

static void set_state(struct worker *w, enum worker_state state)
{
	assert(may_follow(load_relaxed(&w->state), state));
	/* pairs with worker_state() */
	store_release(&w->state, state);
}

static void notify_loop(const struct worker *w)
{
	w->orders->notify(w->orders->arg);
}

/* Sleeps until it is signalled or until the time (CLOCK_MONOTONIC, 0: none). */
static void sleep_until(struct worker *w, uint64_t until_ns)
{
	struct timespec ts = clock_timespec(until_ns);

	/* acquire: pairs with the release in worker_wake() */
	while (!atomic_exchange_explicit(&w->signal, 0, memory_order_acquire)) {
		long n = syscall(SYS_futex, &w->signal,
				 FUTEX_WAIT_BITSET_PRIVATE, 0,
				 until_ns ? &ts : NULL, NULL,
				 FUTEX_BITSET_MATCH_ANY);

		if (n < 0 && errno == ETIMEDOUT)
			return;
	}
}

/* Answers the heartbeat and picks up new settings. */
static void heed_orders(struct worker *w)
{
	const struct worker_orders *o = w->orders;
	/* pairs with the release in workers_configure() */
	uint64_t generation = load_acquire(&o->cfg_generation);

	/* pairs with the release in workers_alive(); its reader orders nothing */
	store_relaxed(&w->heartbeat_seen, load_acquire(&o->heartbeat));
	/* relaxed: only this worker writes it */
	if (load_relaxed(&w->cfg_seen) == generation)
		return;
	/* pairs with the release in workers_configure() */
	w->cfg = w->flush.cfg = load_acquire(&o->cfg);
	assert(w->cfg);
	/* The old settings are not used after this: workers_settled(). */
	store_release(&w->cfg_seen, generation);
	notify_loop(w);
}

static void count_flush(struct worker *w, enum reason why, uint64_t framed,
			uint64_t bytes, uint64_t ns)
{
	struct stats_worker *st = &w->stats;

	if (!bytes)
		return;
	stats_add(&st->files, 1);
	stats_add(&st->file_bytes, bytes);
	stats_add(&st->framed_bytes, framed);
	STATS_OBSERVE(st, file_size_bytes, bytes);
	STATS_OBSERVE(st, flush_seconds, ns);
	stats_add(why == FULL	? &st->flushes_full :
		  why == FORCED ? &st->flushes_forced :
				  &st->flushes_asked,
		  1);
}

static void set_failing(struct worker *w, int err)
{
	const char *remedy = flush_remedy(&w->flush, err);
	int before = load_relaxed(&w->error);

	stats_add(&w->stats.failures, 1);
	if (before == -err && load_relaxed(&w->remedy) == remedy)
		return;
	if (!before)
		store_relaxed(&w->failing_since_ns, clock_now());
	store_relaxed(&w->remedy, remedy);
	/* These two come first: pairs with the readers of `error`. */
	store_release(&w->error, -err);
	/* For the status; see control_notified(). */
	notify_loop(w);
	log_error("worker %u: %s %s: %s; %s; the data is kept and tried "
		  "again",
		  w->index, w->flush.op, w->flush.where, strerror(-err),
		  remedy);
}

static void set_working(struct worker *w)
{
	uint64_t since_ns;

	if (!load_relaxed(&w->error))
		return;
	since_ns = load_relaxed(&w->failing_since_ns);
	store_release(&w->error, 0);
	notify_loop(w);
	log_notice("worker %u: writing again after %.1f s; nothing of what it "
		   "held is lost",
		   w->index, (clock_now() - since_ns) / 1e9);
}

/* The lanes need somebody who looks at them while this worker does not. */
static void pass_lanes_on(struct worker *w)
{
	if (!lanes_pass_on(w->orders->lanes, w->index))
		return;
	/* Publish, then look for a sleeper: pairs with park(). */
	atomic_thread_fence(memory_order_seq_cst);
	worker_wake_another(w);
}

/* Makes a file of the arena, if the limits admit it.  0 or -errno. */
static int try_flush(struct worker *w, uint64_t *bytes)
{
	struct keeper *k = w->orders->keeper;
	uint64_t len = w->arena->now.len;
	const char *limit = NULL;
	int err;

	/* A rename that is in doubt takes no more room. */
	if (k && !w->flush.pending)
		limit = keeper_admits(k, w->cfg, len);
	if (limit)
		return flush_refuse(&w->flush, limit);
	err = transfer_flush(w->arena, &w->flush, bytes);
	if (k && err)
		keeper_refused(k, w->cfg, err, len);
	else if (k)
		keeper_written(k, *bytes);
	return err;
}

/*
 * Makes a file of the arena, however long the disk refuses.  False: abandoned,
 * the data stays in the arena.
 */
static bool flush_arena(struct worker *w, enum reason why)
{
	uint64_t pause_ns = FLUSH_PAUSE_NS, bytes = 0, began_ns, took_ns;
	uint64_t framed = w->arena->now.len;
	bool refused = false;
	int err;

	if (arena_is_empty(w->arena))
		return true;
	pass_lanes_on(w);
	began_ns = clock_now();
	store_relaxed(&w->flushing_since_ns, began_ns);
	set_state(w, WORKER_FLUSHING);
	/* The loop thread may sleep; it watches how long this takes. */
	notify_loop(w);
	while ((err = try_flush(w, &bytes))) {
		set_failing(w, err);
		refused = true;
		/* pairs with the release in workers_abandon() */
		if (load_acquire(&w->orders->abandon))
			return false;
		sleep_until(w, clock_now() + pause_ns);
		heed_orders(w);
		pause_ns = flush_pause_after(pause_ns);
	}
	assert(arena_is_empty(w->arena));
	set_working(w);
	took_ns = clock_now() - began_ns;
	count_flush(w, why, framed, bytes, took_ns);
	if (took_ns >= WORKER_SLOW_NS && !refused)
		log_notice("worker %u: a file took %.1f s to write; nothing of "
			   "it is lost",
			   w->index, took_ns / 1e9);
	store_relaxed(&w->flushing_since_ns, 0);
	/* workers_alive() counts from here on, not from before the disk. */
	heed_orders(w);
	set_state(w, WORKER_LOOKING);
	return true;
}

static uint64_t deadline(const struct worker *w)
{
	return worker_deadline(&w->arena->now, w->cfg->buffer_forced_ns);
}

static bool is_due(const struct worker *w)
{
	uint64_t at_ns = deadline(w);

	return at_ns && clock_now() >= at_ns;
}

/* Is there a flush request that this worker has not answered? */
static bool is_flush_waiting(struct worker *w)
{
	/* Pairs with the release in workers_flush(); flush_up_to comes first. */
	w->flush_seen = load_acquire(&w->orders->flush_request);
	/* relaxed: only this worker writes it */
	return w->flush_seen != load_relaxed(&w->flushed);
}

/*
 * And are all its messages claimed, and those of lanes committed?  Each worker
 * asks before it flushes its arena, so whichever arena they are in, they are
 * in a file when all workers have answered.
 */
static bool is_flush_asked(struct worker *w)
{
	const struct worker_orders *o = w->orders;

	return is_flush_waiting(w) &&
	       ring_claimed(o->ring) >= load_relaxed(&o->flush_up_to) &&
	       lanes_reached(o->lanes);
}

static void answer_flush(struct worker *w)
{
	/* The file is there first: pairs with workers_flushed(). */
	store_release(&w->flushed, w->flush_seen);
	notify_loop(w);
}

/* Takes the arena back from the loop thread.  True: that has filled it. */
static bool reclaim(struct worker *w)
{
	int state = WORKER_PARKED;

	/* seq_cst: pairs with worker_lend() and worker_give_back(), see head */
	while (!atomic_compare_exchange_strong_explicit(
		&w->state, &state, WORKER_LOOKING, memory_order_seq_cst,
		memory_order_seq_cst)) {
		if (state == WORKER_FLUSHING)
			return true;
		assert(state == WORKER_LENT);
		atomic_store_explicit(&w->wants_back, true,
				      memory_order_seq_cst);
		if (atomic_load_explicit(&w->state, memory_order_seq_cst) ==
		    WORKER_LENT)
			sleep_until(w, 0);
		state = WORKER_PARKED;
	}
	return false;
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return !a_ns || (b_ns && b_ns < a_ns) ? b_ns : a_ns;
}

/* Sleeps until there is something to do.  False: as from flush_arena(). */
static bool park(struct worker *w)
{
	const struct worker_orders *o = w->orders;
	uint64_t until_ns = earlier(deadline(w),
				    lanes_attend(o->lanes, &w->look));

	/* Another worker has the lane that the flush waits for. */
	if (is_flush_waiting(w))
		until_ns = earlier(until_ns, clock_now() + FLUSH_LOOK_NS);
	/* From here on the loop thread may fill the arena. */
	set_state(w, WORKER_PARKED);
	/* Publish, then check again: see the head of this file. */
	atomic_thread_fence(memory_order_seq_cst);
	/* stop: pairs with the release in workers_stop() */
	if (!ring_waiting(o->ring) && !is_flush_asked(w) &&
	    !lanes_lack_attendant(o->lanes) && !load_acquire(&o->stop))
		sleep_until(w, until_ns);
	return reclaim(w) ? flush_arena(w, FULL) : true;
}

/* The worker's life: orders, ring and lanes, arena, disk, sleep. */
static void run(struct worker *w)
{
	const struct worker_orders *o = w->orders;
	enum transfer_result taken;
	bool stop, ok = true;

	while (ok) {
		heed_orders(w);
		/*
		 * The stop is read before the ring: with it, everything is
		 * published, so a ring that is empty afterwards stays so.
		 */
		stop = load_acquire(&o->stop);
		taken = worker_take(w);
		if (taken == TRANSFER_FULL) {
			ok = flush_arena(w, FULL);
			if (ok)
				lanes_filed(o->lanes, &w->look, w->arena);
		} else if (is_due(w)) {
			ok = flush_arena(w, FORCED);
		}
		if (!ok)
			break;
		/* Also when each take fills the arena: messages above size. */
		if (is_flush_asked(w)) {
			ok = flush_arena(w, ASKED);
			if (ok)
				answer_flush(w);
		} else if (taken == TRANSFER_EMPTY) {
			if (stop) {
				flush_arena(w, ASKED);
				break;
			}
			ok = park(w);
		}
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "worker %u", w->index);
	pthread_setname_np(pthread_self(), name);
	(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	run(w);
	set_state(w, WORKER_EXITED);
	notify_loop(w);
	return NULL;
}

int worker_start(struct worker *w)
{
	return thread_start(&w->thread, worker_main, w);
}
