/* SPDX-License-Identifier: MIT */
/*
 * The open lanes, as the workers and the loop thread share them.
 *
 * A worker claims a lane for a moment, takes what is there into its arena, and
 * gives the claim back; whoever does not get the claim goes on to the next
 * lane.
 *
 * Who looks.  A client that writes does not tell anybody as long as the lane is
 * attended: one worker, the attendant, looks at all lanes again and again, and
 * each lane says until when that is promised.  The attendant sleeps between two
 * looks, so long that no lane becomes more than a quarter full at the rate just
 * seen.  When no lane had a record for LANES_CALM_NS it puts the lanes to
 * sleep:  the next record rings the doorbell (intake/lane_clients.h), which
 * wakes a worker.  A worker that goes to the disk hands the task on.
 *
 * What is done with one lane, under its claim, is in lanes_slot.h.
 */
#ifndef BUFWRITER_LANES_H
#define BUFWRITER_LANES_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/stats.h"
#include "daemon/filing/transfer_lane.h"
#include "daemon/region/lane.h"
#include "daemon/region/ring_layout.h"
#include "daemon/worker/lanes_slot.h"

/* Without a record for so long, the lanes are put to sleep. */
#define LANES_CALM_NS UINT64_C(10000000)
/* How long the attendant sleeps between two looks. */
#define LANES_LOOK_MIN_NS UINT64_C(50000)
#define LANES_LOOK_MAX_NS UINT64_C(1000000)
/* Lanes that a worker takes from before it looks at the ring again. */
#define LANES_TURN 4

struct lanes {
	/* constant after start */
	struct lanes_slot *slot;
	struct lane_table *table; /* slot i is of its entry i */
	uint64_t slots;
	uint64_t max_message;
	uint64_t words; /* of `open` */
	/* shared, atomic: slots that are OPEN, one bit each */
	_Atomic uint64_t *open;
	/* shared, atomic: some lane is attended, or was rung for */
	alignas(CACHE_LINE) _Atomic bool awake;
	_Atomic bool rung;
	_Atomic unsigned attendant; /* 1 + index of the worker, 0: none */
	_Atomic uint64_t ended;	    /* lanes that became ENDED, ever */
	_Atomic uint64_t taken_ns;  /* when a record was taken last */
	/* shared, atomic: of too large messages, until the loop takes them */
	_Atomic uint64_t large_bytes, large_most;
};

/* What a worker remembers from one look to the next. */
struct lanes_look {
	unsigned worker;
	unsigned next;	/* the slot at which the look goes on */
	uint64_t at_ns; /* the end of the last look */
	uint64_t fill;	/* of the fullest lane, in 1024ths of its size */
	bool more;	/* of this look: something was left */
	bool moved;	/* of the last lane: something was taken */
	bool behind;	/* a lane was more than half full: more workers help */
	struct lanes_slot *held; /* its large message is being filed */
	bool notify;		 /* a lane ENDED, or a message was dropped */
};

/* -- loop thread --------------------------------------------------------- */

/*
 * For the lanes of this table, which outlives it; no slots: there are no
 * lanes.  0 or -ENOMEM.  Before the workers start.
 */
int lanes_open(struct lanes *ls, struct lane_table *table,
	       uint64_t max_message);
/* After the workers have ended.  Unmaps all lanes. */
void lanes_close(struct lanes *ls);
static inline bool lanes_is_free(const struct lanes *ls, unsigned slot)
{
	/* relaxed: this thread made it FREE */
	return load_relaxed(&ls->slot[slot].state) == LANES_FREE;
}
/* A mapped lane becomes OPEN; it is given up to `lanes`. */
void lanes_add(struct lanes *ls, struct lane *lane);
/* The slot of an ENDED lane is FREE again.  False: a worker still looks at it,
 * try again soon. */
bool lanes_remove(struct lanes *ls, unsigned slot);
/* What is written by now is taken, and then the lane ends. */
void lanes_end(struct lanes *ls, unsigned slot);
/* The doorbell: a worker must look.  workers_ring() wakes one. */
void lanes_ring(struct lanes *ls);
/* A flush covers what is written by now. */
void lanes_mark_flush(struct lanes *ls);

/* -- workers ------------------------------------------------------------- */

/* Is there a reason to look at the lanes? */
static inline bool lanes_are_awake(const struct lanes *ls)
{
	/* relaxed: park() asks again after its fence */
	return load_relaxed(&ls->awake) || load_relaxed(&ls->rung);
}

/*
 * The arena's owner.  Takes from a few lanes that have records.  EMPTY: no
 * lane has any, or only so few that they can wait for the next look.
 */
enum transfer_result lanes_take(struct lanes *ls, struct lanes_look *look,
				struct arena *a, struct stats_worker *stats);
/* After FULL and the flush: the message of a large lane is in a file. */
void lanes_filed(struct lanes *ls, struct lanes_look *look, struct arena *a);
/* Is everything in arenas that the last flush covers? */
bool lanes_reached(const struct lanes *ls);
/*
 * Before the worker sleeps: becomes or stays the attendant if there is none.
 * Returns when to look again, CLOCK_MONOTONIC, 0: the worker is not the
 * attendant.
 */
uint64_t lanes_attend(struct lanes *ls, struct lanes_look *look);
/*
 * After the worker has published that it sleeps, and a full fence: must it
 * look again, because the lanes have no attendant?
 */
bool lanes_lack_attendant(const struct lanes *ls);
/* Before the worker goes to the disk.  True: somebody else must attend. */
bool lanes_pass_on(struct lanes *ls, unsigned worker);

#endif
