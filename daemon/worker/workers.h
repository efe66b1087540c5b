/* SPDX-License-Identifier: MIT */
/*
 * The workers: threads that take messages from the ring into their arena and
 * make files of it.
 *
 * A worker is LOOKING (takes what is there), PARKED (sleeps, costs nothing)
 * or FILING (at the disk, holds no slot).
 *
 * The loop thread takes messages itself, right after it received them: it is
 * LENT the arena of a parked worker for a batch, and wakes the worker only to
 * file it.  The bytes are still in its cache then, and nobody has to be woken
 * for them.  What it can not take, because no worker is parked, is for the
 * workers, which workers_wake() wakes: while one is looking none is woken.
 *
 * Of the parked ones, one that has data already comes first, so that under
 * light load one arena takes everything and a trickle makes one file an
 * interval.
 */
#ifndef BUFWRITER_WORKER_H
#define BUFWRITER_WORKER_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/region/arena.h"
#include "daemon/filing/flush.h"
#include "daemon/region/ring.h"
#include "daemon/base/stats.h"

enum worker_state {
	WORKER_PARKED,
	WORKER_LENT, /* PARKED, and the loop thread uses the arena */
	WORKER_LOOKING,
	WORKER_FLUSHING, /* or woken to file what the loop thread put in */
	WORKER_EXITED
};

struct workers;

struct worker {
	/* constant after start */
	alignas(CACHE_LINE) struct workers *all;
	struct arena *arena;
	unsigned index;
	pthread_t thread;
	/* worker */
	struct flush flush;
	uint64_t flush_seen; /* the flush request being answered */
	/* shared, atomic: written by the worker */
	alignas(CACHE_LINE) _Atomic int state; /* enum worker_state */
	_Atomic int error; /* errno of the failing flush, or 0 */
	_Atomic uint64_t failing_since_ns;  /* since when, CLOCK_MONOTONIC */
	_Atomic uint64_t flushing_since_ns; /* at the disk since then, or 0 */
	_Atomic uint64_t flushed;	 /* last flush request that was done */
	_Atomic uint64_t heartbeat_seen; /* last ping that was seen */
	_Atomic uint64_t cfg_seen;	 /* generation of settings in use */
	struct stats_worker stats;
	/* shared, atomic: the futex it parks on */
	alignas(CACHE_LINE) _Atomic uint32_t signal;
	_Atomic bool wants_back; /* woke while its arena was lent */
};

/* Called by a worker: wakes the loop thread.  Must not wait. */
typedef void workers_notify_fn(void *arg);

struct workers {
	/* constant after start */
	struct ring *ring;
	struct worker *list;
	unsigned count;
	workers_notify_fn *notify;
	void *arg;
	/* loop thread */
	struct worker *last; /* whose arena it was lent last, or NULL */
	/* shared, atomic: written by the loop thread */
	alignas(CACHE_LINE) _Atomic(const struct config *) cfg;
	_Atomic uint64_t cfg_generation;
	_Atomic uint64_t flush_request; /* number of the last flush request */
	_Atomic uint64_t flush_up_to;	/* which covers tickets below this */
	_Atomic uint64_t heartbeat;
	_Atomic bool stop;    /* file everything, then exit */
	_Atomic bool abandon; /* exit, leave data in the region */
};

/*
 * Starts cfg->buffer_workers threads, one for each arena.  All signals are
 * blocked in them.  0 or -errno.  `beside` as in struct flush.
 */
int workers_start(struct workers *ws, const struct config *cfg,
		  struct ring *ring, struct arena *arenas, bool beside,
		  workers_notify_fn *notify, void *arg);

/*
 * Loop thread, after messages were published: puts them into arenas of parked
 * workers, as far as there are any.  True if an arena began to fill, so that
 * workers_due() has a new answer.
 */
bool workers_take(struct workers *ws);
/*
 * Loop thread.  A worker that parked with an empty arena does not know when
 * what was put there must be filed.  Wakes those for which that is now, or
 * within WORKERS_EARLY ns, from where on they watch the time themselves.
 * Returns when the next is due (CLOCK_MONOTONIC, ns), 0: none.
 */
uint64_t workers_due(struct workers *ws);
#define WORKERS_EARLY 2000000

/* Loop thread, for messages left in the ring: wakes a worker if needed. */
void workers_wake(struct workers *ws);

/*
 * Loop thread.  Asks that every message received before now is filed;
 * returns the request's number, see workers_flushed().
 */
uint64_t workers_flush(struct workers *ws);
/* Loop thread.  True once that request is done by all workers. */
bool workers_flushed(const struct workers *ws, uint64_t request);

/*
 * Loop thread.  New settings for all workers; `cfg` stays valid until
 * workers_settled() is true.
 */
void workers_configure(struct workers *ws, const struct config *cfg);
bool workers_settled(const struct workers *ws);

/*
 * Loop thread.  Checks that every worker that is not at the disk has moved
 * since the last call.  A worker that retries is alive.
 */
bool workers_alive(struct workers *ws);

/* Loop thread.  No more messages will come: file all and exit. */
void workers_stop(struct workers *ws);
/* Loop thread.  Exit even if there is data left. */
void workers_abandon(struct workers *ws);
bool workers_exited(const struct workers *ws);
/* Joins the threads, all of which have exited, and frees the list. */
void workers_join(struct workers *ws);

#endif
