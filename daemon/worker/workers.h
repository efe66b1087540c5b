/* SPDX-License-Identifier: MIT */
/*
 * The pool of workers as the loop thread sees it.  All of it runs on the loop
 * thread, which alone owns this struct.
 *
 * The loop thread puts messages into arenas itself, right after it received
 * them: it borrows the arena of a parked worker for a batch, and wakes the
 * worker only to flush it.  The bytes are still in this processor's cache
 * then, and no thread has to be woken for them.  If no worker is parked, the
 * messages stay in the ring and workers_wake() wakes a worker, unless one is
 * already awake.
 *
 * Of the parked workers, one that has data already comes first: under light
 * load one arena takes everything, and a trickle makes one file an interval.
 */
#ifndef BUFWRITER_WORKERS_H
#define BUFWRITER_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"
#include "daemon/region/region.h"
#include "daemon/worker/keeper.h"
#include "daemon/worker/worker.h"

struct workers {
	/* constant after start */
	struct ring *ring;
	struct region_header *header;
	struct worker *list;
	unsigned count;
	struct lanes lanes;
	/* shared: the loop thread writes, workers read */
	struct worker_orders orders;
	struct keeper keeper;
};

/* Sums over all workers. */
struct workers_totals {
	uint64_t written;	/* messages in files */
	uint64_t in_arenas;	/* messages in arenas */
	uint64_t lane_messages; /* messages taken from lanes */
	uint64_t lane_bytes;
	uint64_t lane_too_large; /* messages in lanes, dropped */
	uint64_t files;		 /* files made */
	uint64_t files_bytes;	 /* bytes in these, with framing */
};

/*
 * Starts cfg->buffer_workers threads, one for each arena.  All signals are
 * blocked in them.  `place` is used during the call; notify(arg) is called by
 * workers.  Region and settings outlive the threads.  0 or -errno.
 */
int workers_start(struct workers *ws, const struct config *cfg,
		  struct region *region, const struct flush_place *place,
		  worker_notify_fn *notify, void *arg);

/*
 * After messages were published: puts them into arenas of parked workers, as
 * far as there are any.  True if an arena began to fill, so that workers_due()
 * has a new answer.
 */
bool workers_take(struct workers *ws);
/*
 * A worker that parked with an empty arena sleeps without a deadline.  If the
 * loop thread then fills that arena, the loop thread must watch the deadline:
 * this wakes each worker whose deadline is within WORKERS_EARLY_NS, and
 * returns the next one (CLOCK_MONOTONIC), 0: there is none.
 */
uint64_t workers_due(struct workers *ws);
#define WORKERS_EARLY_NS 2000000
/* The doorbell of a lane: a worker looks at the lanes soon. */
void workers_ring(struct workers *ws);
/* For messages that stay in the ring: wakes a worker if that is needed. */
void workers_wake(struct workers *ws);

/*
 * Tells all workers to flush every message received before now.  Returns the
 * request's number.
 */
uint64_t workers_flush(struct workers *ws);
/* True once all workers have done that request. */
bool workers_flushed(const struct workers *ws, uint64_t request);

/*
 * New settings for all workers; the old ones stay valid until
 * workers_settled() is true.
 */
void workers_configure(struct workers *ws, const struct config *cfg);
bool workers_settled(const struct workers *ws);

/*
 * True if every worker that is not at the disk has moved since the last call.
 * A worker that retries a flush is alive.
 */
bool workers_alive(struct workers *ws);

/* notify(arg), as if a worker had called it. */
void workers_notify(struct workers *ws);

/* Each number is true by itself; workers go on meanwhile. */
void workers_sum(const struct workers *ws, struct workers_totals *totals);

/* No more messages will come: the workers flush everything and exit. */
void workers_stop(struct workers *ws);
/* The workers exit even if data is left. */
void workers_abandon(struct workers *ws);
bool workers_exited(const struct workers *ws);
/* Joins the threads, all of which have exited, and frees the list. */
void workers_join(struct workers *ws);

#endif
