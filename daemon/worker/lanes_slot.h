/* SPDX-License-Identifier: MIT */
/*
 * One lane in the table of open lanes, and its claim.
 *
 * The claim is one word of private memory.  Under the claim a lane has one
 * reader, and one writer of everything that the daemon writes into it.
 *
 *	slot		FROM	TO	[function, thread]
 *			FREE	OPEN	[lanes_slot_fill, loop thread]
 *			OPEN	ENDED	[lanes_slot_end, worker: under the claim]
 *			ENDED	FREE	[lanes_slot_empty, loop thread]
 *
 * A lane ends when its client is gone, or the daemon stops, and all that was
 * written by then is taken; or when its content cannot be a lane's.
 */
#ifndef BUFWRITER_LANES_SLOT_H
#define BUFWRITER_LANES_SLOT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/atomic.h"
#include "daemon/base/stats.h"
#include "daemon/region/lane.h"
#include "daemon/region/ring_layout.h"

/* How long clients rely on the attendant, and when that is renewed. */
#define LANES_LEASE_MS UINT64_C(100)
#define LANES_RENEW_MS UINT64_C(80)

enum lanes_state { LANES_FREE, LANES_OPEN, LANES_ENDED };

struct lanes_slot {
	/* the loop thread, while the slot is FREE or ENDED */
	alignas(CACHE_LINE) struct lane lane;
	/* whoever holds the claim */
	uint64_t lease_ms; /* the last `attended` that was stored */
	uint64_t last;	   /* with `ending`: the end of the records */
	bool ending;	   /* the lane is sealed */
	bool broken;
	/* shared, atomic: written under the claim */
	stats_counter messages, bytes, too_large;
	/* shared, atomic */
	alignas(CACHE_LINE) _Atomic bool claimed;
	_Atomic int state;   /* enum lanes_state */
	_Atomic bool end;    /* the loop thread: end this lane */
	_Atomic bool filing; /* the claim's holder is at the disk with it */
	_Atomic uint64_t flush_to; /* the loop thread: a flush covers this */
};

/* -- any thread of the daemon -------------------------------------------- */

/* False: somebody else has the claim. */
static inline bool lanes_slot_claim(struct lanes_slot *s)
{
	/* acquire: pairs with lanes_slot_unclaim(), whoever read the lane
	 * before */
	return !atomic_exchange_explicit(&s->claimed, true,
					 memory_order_acquire);
}

static inline void lanes_slot_unclaim(struct lanes_slot *s)
{
	/* pairs with lanes_slot_claim() */
	store_release(&s->claimed, false);
}

static inline bool lanes_slot_is_open(const struct lanes_slot *s)
{
	/* pairs with the releases of `state` */
	return load_acquire(&s->state) == LANES_OPEN;
}

/* -- loop thread --------------------------------------------------------- */

/* A FREE slot: its lane becomes OPEN; it is given up to the slot. */
void lanes_slot_fill(struct lanes_slot *s, struct lane *lane);
/* The slot of an ENDED lane is FREE again.  False: it is claimed. */
bool lanes_slot_empty(struct lanes_slot *s);
/* A flush covers what is written by now. */
void lanes_slot_mark_flush(struct lanes_slot *s);

/* -- workers, under the claim -------------------------------------------- */

/*
 * Up to where the lane may be taken.  False: it is broken.  So it is when its
 * client takes back what a flush covers: the flush would wait for ever.
 */
bool lanes_slot_find_end(struct lanes_slot *s, uint64_t *to);
/* Everything was taken that is ever taken. */
bool lanes_slot_is_at_end(const struct lanes_slot *s);
/* The lane becomes ENDED. */
void lanes_slot_end(struct lanes_slot *s);
/* The attendant looks again before the lease is over. */
void lanes_slot_promise(struct lanes_slot *s, uint64_t now_ms);
/*
 * An OPEN lane falls asleep: its client rings from now on.  False: a record
 * came, or the lane is to end.
 */
bool lanes_slot_sleep(struct lanes_slot *s);

#endif
