/* SPDX-License-Identifier: MIT */
/*
 * One worker: a thread with an arena, which takes messages from the ring and
 * flushes them into files.  While the thread sleeps, the loop thread may fill
 * the arena: the worker LENDS it.  Both halves of that handshake are here.
 *
 *	            +------------- park ------------+
 *	            v                               |
 *	start -> LOOKING <----- reclaim -------- PARKED <---+
 *	         |  |   ^                           |       |
 *	         |  |   |                         lend   give back
 *	         |  +-flush-> FLUSHING              v       |
 *	         |             ^   +------------- LENT -----+
 *	         v             +--- arena full -----+
 *	       EXITED
 *
 * PARKED	sleeps and costs nothing; the arena may be lent.
 * LENT		the same, and the loop thread is filling the arena.
 * LOOKING	takes what is in the ring and in the lanes.
 * FLUSHING	is at the disk, or woken to flush what the loop thread filled.
 *		Its messages are in the arena: it holds no slot (I3).
 * EXITED	is the end.
 *
 *	FROM		TO		[function, thread]
 *	LOOKING		PARKED		[park, worker]
 *	LOOKING		FLUSHING	[flush_arena, worker]
 *	LOOKING		EXITED		[worker_main, worker]
 *	PARKED		LOOKING		[reclaim, worker]
 *	PARKED		LENT		[worker_lend, loop thread]
 *	LENT		PARKED		[worker_give_back, loop thread]
 *	LENT		FLUSHING	[worker_give_back, loop thread]
 *	FLUSHING	LOOKING		[flush_arena, worker]
 *	FLUSHING	EXITED		[worker_main, worker: abandoned]
 */
#ifndef BUFWRITER_WORKER_H
#define BUFWRITER_WORKER_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"
#include "daemon/base/stats.h"
#include "daemon/filing/flush.h"
#include "daemon/region/arena.h"
#include "daemon/region/region_header.h"
#include "daemon/region/ring.h"
#include "daemon/worker/keeper.h"
#include "daemon/worker/lanes.h"

/* A flush takes milliseconds.  One that takes this long is in the log. */
#define WORKER_SLOW_NS UINT64_C(10000000000)

enum worker_state {
	WORKER_PARKED,
	WORKER_LENT,
	WORKER_LOOKING,
	WORKER_FLUSHING,
	WORKER_EXITED
};

/* Called by a worker: wakes the loop thread.  Must not wait. */
typedef void worker_notify_fn(void *arg);

/* What the loop thread tells all workers. */
struct worker_orders {
	/* constant after start */
	struct ring *ring;
	struct lanes *lanes;
	struct region_names *names;
	struct keeper *keeper; /* NULL: complete files have no limits */
	struct worker *list;   /* all workers, all of them opened */
	unsigned count;
	worker_notify_fn *notify;
	void *arg;
	/* shared, atomic: written by the loop thread */
	alignas(CACHE_LINE) _Atomic(const struct config *) cfg;
	_Atomic uint64_t cfg_generation;
	_Atomic uint64_t flush_request; /* number of the last one */
	_Atomic uint64_t flush_up_to;	/* it covers tickets below this */
	_Atomic uint64_t heartbeat;
	_Atomic bool stop;    /* flush everything, then exit */
	_Atomic bool abandon; /* exit, leave the data in the region */
};

struct worker {
	/* constant after start */
	alignas(CACHE_LINE) const struct worker_orders *orders;
	struct arena *arena;
	unsigned index;
	pthread_t thread;
	/* worker */
	const struct config *cfg; /* in use, see cfg_seen */
	struct flush flush;
	uint64_t flush_seen; /* the flush request being answered */
	struct lanes_look look;
	bool lanes_first; /* take from the lanes before the ring */
	/* shared, atomic: written by the worker */
	alignas(CACHE_LINE) _Atomic int state; /* enum worker_state */
	_Atomic int error;	      /* errno of the failing flush, or 0 */
	_Atomic(const char *) remedy; /* for `error`, see remedy.h */
	_Atomic uint64_t failing_since_ns;  /* CLOCK_MONOTONIC */
	_Atomic uint64_t flushing_since_ns; /* the same, or 0 */
	_Atomic uint64_t flushed; /* last flush request that is done */
	_Atomic uint64_t heartbeat_seen;
	_Atomic uint64_t cfg_seen; /* generation of the settings in use */
	struct stats_worker stats;
	/* shared, atomic: the futex it parks on */
	alignas(CACHE_LINE) _Atomic uint32_t signal;
	_Atomic bool wants_back; /* it woke while its arena was lent */
};

/* -- loop thread --------------------------------------------------------- */

/*
 * Prepares a worker.  `arena` and `orders` outlive its thread; `place` is used
 * during the call.
 */
void worker_open(struct worker *w, unsigned index, struct arena *arena,
		 const struct flush_place *place,
		 const struct worker_orders *orders);
/* Starts the thread, which inherits the signal mask.  0 or -errno. */
int worker_start(struct worker *w);

/* Any thread.  Wakes the worker, or lets it go round once more before it parks. */
void worker_wake(struct worker *w);

static inline enum worker_state worker_state(const struct worker *w)
{
	/* acquire: pairs with the releases of set_state(), worker.c */
	return atomic_load_explicit(&w->state, memory_order_acquire);
}

static inline bool worker_is_signalled(const struct worker *w)
{
	/* relaxed: a hint; worker_lend() and worker_wake() decide */
	return atomic_load_explicit(&w->signal, memory_order_relaxed);
}

static inline bool worker_is_parked(const struct worker *w)
{
	return worker_state(w) == WORKER_PARKED && !worker_is_signalled(w);
}

/* It reads the ring, or was woken to do so. */
static inline bool worker_is_awake(const struct worker *w)
{
	enum worker_state state = worker_state(w);

	return state == WORKER_LOOKING ||
	       (state == WORKER_PARKED && worker_is_signalled(w));
}

/*
 * Takes the arena of a parked worker for a moment.  False: the worker woke.
 */
bool worker_lend(struct worker *w);
/*
 * Ends that.  `full`: the worker is woken to flush the arena, which it has to
 * itself again.
 */
void worker_give_back(struct worker *w, bool full);

/* -- worker: take.c ------------------------------------------------------ */

/*
 * Takes from the ring, and then from the lanes; after a full arena in the other
 * order, so that neither waits while the other one fills each arena.
 */
enum transfer_result worker_take(struct worker *w);
/* Wakes a parked worker, if there is one: it finds out what there is to do. */
void worker_wake_another(const struct worker *w);

/* -- any thread ---------------------------------------------------------- */

/*
 * When an arena with this record must be flushed, CLOCK_MONOTONIC; 0: not
 * before it is full.
 */
uint64_t worker_deadline(const struct arena_record *rec, uint64_t forced_ns);

#endif
