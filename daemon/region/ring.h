/* SPDX-License-Identifier: MIT */
/*
 * The ring between the loop thread and the workers: one producer, any number
 * of consumers, no locks.
 *
 * A datagram's number is its ticket: it counts up for ever, and the ticket
 * modulo the number of slots is the slot.  The loop thread arms slots, lets
 * the kernel fill them, and publishes them.  A worker claims a run of
 * published tickets, copies the messages, and releases the slots, which the
 * loop thread arms again a lap later.
 *
 *	released <= claimed <= published (head) <= armed <= released + slots
 *
 * "Worker" in this file is whoever fills an arena: the worker that owns it, or
 * the loop thread while a parked worker has lent it (workers_take()).
 *
 * All that recovery needs lies in the region (struct ring_region and the
 * arrays behind it); what only a living process needs lies in struct ring.
 * Progress: the loop thread never waits for a worker in here; a worker only
 * repeats when another worker has got on.
 */
#ifndef BUFWRITER_RING_H
#define BUFWRITER_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define CACHE_LINE 64

/* What a slot holds inline; a longer message goes on in an overflow buffer. */
#define RING_INLINE 2048
/* Most datagrams taken by one system call, and so the overflow buffers. */
#define RING_BATCH 64

/* msg_len of an armed slot into which nothing was received yet. */
#define RING_NOTHING UINT32_MAX

/* What decides the layout of a ring.  Part of the region's header. */
struct ring_geometry {
	uint64_t slots;
	uint64_t max_message; /* bytes */
	uint64_t inlined;     /* bytes of a slot's own buffer */
	uint64_t overflows;   /* number of overflow buffers, may be 0 */
};

/*
 * Written by the loop thread only.  Tickets are sealed: see ring_seal().
 */
struct ring_region {
	alignas(CACHE_LINE) _Atomic uint64_t head;
	_Atomic uint64_t armed;
};

_Static_assert(sizeof(struct ring_region) == CACHE_LINE, "region layout");

struct ring {
	/* constant after start */
	alignas(CACHE_LINE) struct ring_geometry geo;
	uint64_t stride;	  /* bytes from slot to slot */
	uint64_t overflow_stride; /* bytes from buffer to buffer */
	uint64_t mask;		  /* slots - 1 if that is a mask, else 0 */
	/* in the region */
	struct ring_region *region;
	struct mmsghdr *msgs;	    /* loop thread; the kernel writes here */
	_Atomic uint64_t *released; /* ticket + 1 of the last lap let go */
	_Atomic uint64_t *meta;	    /* see ring_meta() */
	uint64_t *received_ns;	    /* CLOCK_MONOTONIC ns of the receipt */
	uint32_t *overflow_of;	    /* the slot's overflow buffer */
	uint8_t *slots;
	uint8_t *overflow;
	/* private memory */
	struct iovec *iovs; /* two for each slot */
	uint32_t *spare;    /* stack of free overflow buffers, loop thread */
	_Atomic uint32_t *next; /* links of the returned list */

	/* loop thread */
	alignas(CACHE_LINE) uint64_t first; /* ticket of this life */
	uint64_t next_ticket;		    /* = published */
	uint64_t next_slot;		    /* its slot */
	uint64_t armed;
	uint32_t spares;

	/* shared, atomic: written by the loop thread */
	alignas(CACHE_LINE) _Atomic uint64_t published;
	/* shared, atomic: written by workers, and so by the loop thread */
	alignas(CACHE_LINE) _Atomic uint64_t claimed;
	/* shared, atomic: overflow buffers on their way back, 1 + index */
	alignas(CACHE_LINE) _Atomic uint32_t returned;
	/* shared, atomic: the loop thread waits for a slot */
	alignas(CACHE_LINE) _Atomic bool producer_waits;
};

/* What ring_publish() saw in a batch. */
struct ring_batch {
	uint64_t bytes;	    /* of all datagrams, also of too large ones */
	uint64_t too_large; /* datagrams */
	uint64_t too_large_bytes;
	uint64_t largest; /* bytes of the largest too large one */
};

/* Where a message lies: part 1 is empty for a message that is inline. */
struct ring_message {
	const uint8_t *part[2];
	uint32_t part_len[2];
	uint32_t len;
	bool newline;	/* the last byte is '\n' */
	bool oversized; /* too large: counted already, nothing to file */
	uint64_t received_ns;
};

/* The geometry for these settings.  max_message in bytes. */
struct ring_geometry ring_geometry(uint64_t slots, uint64_t max_message);
/* Bytes of the region that a ring takes, a multiple of the page size;
 * 0 if the geometry makes no sense. */
size_t ring_bytes(const struct ring_geometry *geo);

/*
 * Makes the view of a ring whose region part is at `mem` (page aligned,
 * ring_bytes() long).  Private memory is allocated; ring_close() frees it.
 * 0 or -ENOMEM.  Before threads start.
 */
int ring_open(struct ring *r, const struct ring_geometry *geo, void *mem);
void ring_close(struct ring *r);
/*
 * Writes an empty ring into new memory; the first ticket is `first`, at
 * least geo.slots.  Tests start close to an overflow of 32 bits.
 */
void ring_format(struct ring *r, uint64_t first);
/*
 * Takes an old ring over after all its messages were filed: arms nothing,
 * goes on with the tickets where they are.
 */
void ring_adopt(struct ring *r);
/*
 * Checks that what a dead process left is a ring that it could have left.
 * 0, or -EBADMSG and a text of what is wrong in *why.  Changes nothing.
 */
int ring_check(const struct ring *r, const char **why);
/*
 * Publishes what the kernel had received but the dead process not yet
 * published.  Returns the number of those datagrams.  Safe to be killed in.
 */
uint64_t ring_recover(struct ring *r);
/* True if this ticket was published and its slot not released. */
bool ring_is_held(const struct ring *r, uint64_t ticket);
/* The end of what the region calls published. */
uint64_t ring_head(const struct ring *r);

/*
 * Loop thread.  Arms up to `want` slots that follow each other in memory,
 * for recvmmsg(2) into *msgs.  Returns how many; 0: the ring is full.
 */
unsigned ring_arm(struct ring *r, unsigned want, struct mmsghdr **msgs);
/*
 * Loop thread.  Publishes the first n armed slots, which the kernel filled
 * at `now` (CLOCK_MONOTONIC, ns).
 */
void ring_publish(struct ring *r, unsigned n, uint64_t now,
		  struct ring_batch *batch);
/*
 * Loop thread, after ring_arm() returned 0: asks workers to say when they
 * release a slot.  False: one was released meanwhile, arm again.
 */
bool ring_wait_for_slot(struct ring *r);

/* Any thread.  Tickets that are published / claimed so far. */
static inline uint64_t ring_published(const struct ring *r)
{
	/* acquire: pairs with the release in ring_publish() */
	return atomic_load_explicit(&r->published, memory_order_acquire);
}

static inline uint64_t ring_claimed(const struct ring *r)
{
	/* acquire: the metas read next are not older than this ticket */
	return atomic_load_explicit(&r->claimed, memory_order_acquire);
}

/* Any thread.  Messages that no worker has claimed yet. */
static inline uint64_t ring_waiting(const struct ring *r)
{
	uint64_t claimed = ring_claimed(r);

	return ring_published(r) - claimed;
}

/*
 * Worker.  Length and newline flag of a published ticket, for deciding what
 * to claim.  It may already be another lap's: only if ring_claim() of this
 * ticket succeeds afterwards was it right.
 */
void ring_peek(const struct ring *r, uint64_t ticket, struct ring_message *m);
/*
 * Worker.  Claims tickets [from, from + n), n >= 1, all published.  False:
 * another worker was faster.
 */
bool ring_claim(struct ring *r, uint64_t from, uint64_t n);
/* Worker.  The message of a claimed ticket; valid until its release. */
void ring_message(const struct ring *r, uint64_t ticket,
		  struct ring_message *m);
/*
 * Worker.  Lets the slots of [from, from + n) go.  True: the loop thread
 * waits for them and must be told.
 */
bool ring_release(struct ring *r, uint64_t from, uint64_t n);

#endif
