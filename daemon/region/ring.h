/* SPDX-License-Identifier: MIT */
/*
 * The living ring between the loop thread and the workers: one producer, any
 * number of consumers, no locks.
 *
 * The loop thread arms slots, lets the kernel fill them, and publishes them.
 * A worker claims a run of published tickets, copies the messages, and
 * releases the slots.  The loop thread arms a released slot again a lap later.
 *
 *	released <= claimed <= published (head) <= armed <= released + slots
 *
 * "Worker" in this file is whoever fills an arena: the worker that owns the
 * arena, or the loop thread while a parked worker lends it (workers_take()).
 *
 * All that recovery needs is in the region (ring_layout.h); struct ring holds
 * what only a living process needs.
 *
 * Progress (I3): the loop thread never waits for a worker in here.  A worker
 * repeats a step only when another worker has completed one.
 */
#ifndef BUFWRITER_RING_H
#define BUFWRITER_RING_H

#include <sys/uio.h>

#include "daemon/region/ring_layout.h"

struct ring {
	/* constant after start */
	alignas(CACHE_LINE) struct ring_layout layout;
	struct iovec *iovs; /* two for each slot */
	uint32_t *spare;    /* stack of free overflow buffers, loop thread */
	_Atomic uint32_t *next; /* links of the list of returned buffers */

	/* loop thread */
	alignas(CACHE_LINE) uint64_t first; /* ticket of this life */
	uint64_t next_ticket;		    /* = published */
	uint64_t next_slot;		    /* the slot of next_ticket */
	uint64_t armed;			    /* as in the region, not sealed */
	uint32_t spares;

	/* shared, atomic: written by the loop thread */
	alignas(CACHE_LINE) _Atomic uint64_t published;
	/* shared, atomic: written by whoever fills an arena */
	alignas(CACHE_LINE) _Atomic uint64_t claimed;
	/* shared, atomic: returned overflow buffers, 1 + index; 0: none */
	alignas(CACHE_LINE) _Atomic uint32_t returned;
	/* shared, atomic: the loop thread waits for a slot */
	alignas(CACHE_LINE) _Atomic bool producer_waits;
};

/* What ring_publish() saw in a batch. */
struct ring_batch {
	/* of all datagrams, also of too large ones, but not of refused ones */
	uint64_t bytes;
	uint64_t too_large; /* datagrams */
	uint64_t too_large_bytes;
	uint64_t largest; /* bytes of the largest too large one */
	uint64_t refused; /* datagrams, see ring_refuse() */
};

/*
 * Makes the view of a ring whose region part is at `mem` (page aligned,
 * ring_bytes() long).  Allocates private memory; ring_close() frees it.
 * 0 or -ENOMEM.  Before threads start.
 */
int ring_open(struct ring *r, const struct ring_geometry *geo, void *mem);
void ring_close(struct ring *r);
/*
 * Writes an empty ring into new memory; the first ticket is `first`, at
 * least geo.slots.  Tests start close to an overflow of 32 bits.  Before
 * threads start.
 */
void ring_format(struct ring *r, uint64_t first);
/*
 * Takes over an old ring after all its messages were filed.  Nothing is armed,
 * and the tickets continue.  Before threads start.
 */
void ring_adopt(struct ring *r);

static inline uint64_t ring_slots(const struct ring *r)
{
	return r->layout.geo.slots;
}

/*
 * Loop thread.  Arms up to `want` slots that follow each other in memory,
 * for recvmmsg(2) into *msgs.  Returns how many; 0: the ring is full.
 */
unsigned ring_arm(struct ring *r, unsigned want, struct mmsghdr **msgs);
/*
 * Loop thread, between the receipt and ring_publish(): drops the datagram of the
 * i-th armed slot.  It gets a ticket without bytes, as one that is too large,
 * so a kill at any moment leaves it dropped or, before this, received.
 */
void ring_refuse(struct ring *r, unsigned i);
/*
 * Loop thread.  Publishes the first n armed slots, which the kernel filled
 * at now_ns (CLOCK_MONOTONIC).
 */
void ring_publish(struct ring *r, unsigned n, uint64_t now_ns,
		  struct ring_batch *batch);
/*
 * Loop thread, after ring_arm() returned 0: the next ring_release() shall say
 * that the loop thread waits.  False: a slot was released meanwhile, arm again.
 */
bool ring_wait_for_slot(struct ring *r);

/* Any thread.  The end of the tickets that are published so far. */
static inline uint64_t ring_published(const struct ring *r)
{
	/* pairs with the release in ring_publish() */
	return load_acquire(&r->published);
}

/* Any thread.  The end of the tickets that are claimed so far. */
static inline uint64_t ring_claimed(const struct ring *r)
{
	/*
	 * Pairs with the CAS in ring_claim(): metas that the caller reads next
	 * are not older than this ticket.
	 */
	return load_acquire(&r->claimed);
}

/* Any thread.  Messages that no worker has claimed yet. */
static inline uint64_t ring_waiting(const struct ring *r)
{
	uint64_t claimed = ring_claimed(r);

	return ring_published(r) - claimed;
}

/* Loop thread.  When a published ticket was received, CLOCK_MONOTONIC. */
static inline uint64_t ring_received_ns(const struct ring *r, uint64_t ticket)
{
	return r->layout.received_ns[ring_slot(&r->layout, ticket)];
}

/*
 * Worker.  Length and flags of a published ticket, to decide what to claim.
 * The slot may already hold another lap's message: what was read is right only
 * if ring_claim() of this ticket succeeds afterwards.
 */
void ring_peek(const struct ring *r, uint64_t ticket, struct ring_message *m);
/*
 * Worker.  Claims tickets [from, from + n), n >= 1, all published.  False:
 * another worker was faster.
 */
bool ring_claim(struct ring *r, uint64_t from, uint64_t n);
/* Worker, or recovery.  The message of a claimed or held ticket; valid until
 * its release. */
void ring_message(const struct ring *r, uint64_t ticket,
		  struct ring_message *m);
/*
 * Worker.  Releases the slots of the claimed tickets [from, from + n).  True:
 * the loop thread waits for a slot, and the caller must notify it.
 */
bool ring_release(struct ring *r, uint64_t from, uint64_t n);

#endif
