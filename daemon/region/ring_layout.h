/* SPDX-License-Identifier: MIT */
/*
 * How a ring lies in the region: where each part is, and how tickets and
 * lengths are written.  ring.c is the living ring on top of it, ring_check.c
 * reads the ring that a dead process left.  This file knows no thread; each
 * function says what the caller must have ensured.
 *
 * A datagram's number is its ticket: it only ever rises, and the ticket modulo
 * the number of slots is the slot.
 */
#ifndef BUFWRITER_RING_LAYOUT_H
#define BUFWRITER_RING_LAYOUT_H

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "daemon/base/atomic.h"
#include "daemon/region/checksum.h"

#define CACHE_LINE 64

/* Bytes that a slot holds inline; the rest is in an overflow buffer. */
#define RING_INLINE 2048
/* Most datagrams that one system call takes; as many overflow buffers exist. */
#define RING_BATCH 64

/* msg_len of an armed slot that has not received anything yet. */
#define RING_NOTHING UINT32_MAX
/* msg_len of a datagram that ring_refuse() dropped: longer than any. */
#define RING_REFUSED (UINT32_MAX - 1)

/* What decides the layout of a ring.  Part of the region's header. */
struct ring_geometry {
	uint64_t slots;
	uint64_t max_message; /* bytes */
	uint64_t inlined;     /* bytes of a slot's own buffer */
	uint64_t overflows;   /* number of overflow buffers, may be 0 */
};

/* Written by the loop thread only.  Both tickets are sealed: ring_seal(). */
struct ring_region {
	alignas(CACHE_LINE) _Atomic uint64_t
		head;		/* the end of what is published */
	_Atomic uint64_t armed; /* the end of what is armed */
};

_Static_assert(sizeof(struct ring_region) == CACHE_LINE, "region layout");
_Static_assert(offsetof(struct ring_region, armed) == 8, "region layout");
_Static_assert(sizeof(struct mmsghdr) == 64, "region layout");
_Static_assert(offsetof(struct mmsghdr, msg_len) == 56, "region layout");

/* The parts of a ring in a mapped region.  All of it constant after start. */
struct ring_layout {
	struct ring_geometry geo;
	uint64_t stride;	  /* bytes from slot to slot */
	uint64_t overflow_stride; /* bytes from buffer to buffer */
	uint64_t mask; /* slots - 1 if slots is a power of 2, else 0 */
	struct ring_region *region;
	struct mmsghdr *msgs;	    /* loop thread; the kernel writes here */
	_Atomic uint64_t *released; /* ticket + 1 of the last one released */
	_Atomic uint64_t *meta;	    /* ring_make_meta() */
	uint64_t *received_ns;	    /* CLOCK_MONOTONIC at the receipt */
	uint32_t *overflow_of;	    /* index of the slot's overflow buffer */
	uint8_t *slots;
	uint8_t *overflow;
};

/* Where a message lies: part 1 is empty if the message is inline. */
struct ring_message {
	const uint8_t *part[2];
	uint32_t part_len[2]; /* bytes */
	uint32_t len;	      /* bytes */
	bool newline;	      /* the last byte is '\n' */
	bool oversized;	      /* too large: counted already, nothing to file */
	uint64_t received_ns;
};

/* A meta word: low half length and flags, high half the ticket's low half. */
#define RING_META_NEWLINE (UINT32_C(1) << 31)
#define RING_META_OVERSIZED (UINT32_C(1) << 30)
#define RING_META_LEN (RING_META_OVERSIZED - 1)

/* The geometry for these settings.  max_message in bytes. */
struct ring_geometry ring_geometry(uint64_t slots, uint64_t max_message);
/* Bytes of the region that a ring takes, a multiple of the page size;
 * 0 if the geometry makes no sense. */
size_t ring_bytes(const struct ring_geometry *geo);
/* The parts of a ring at `mem`: page aligned, ring_bytes() long. */
void ring_layout_at(struct ring_layout *l, const struct ring_geometry *geo,
		    void *mem);

/* The slot of a ticket.  A mask where possible: the division would double the
 * cost of a small message. */
static inline uint64_t ring_slot(const struct ring_layout *l, uint64_t ticket)
{
	return l->mask ? ticket & l->mask : ticket % l->geo.slots;
}

/*
 * A ticket has 56 bits (2000 years at a million a second).  The other 8 bits
 * of its word are a checksum, so that a damaged word is recognised; ticket and
 * checksum still change in one store.
 */
static inline uint64_t ring_seal(uint64_t ticket)
{
	return ticket | (checksum_word(0, ticket + 1) & (UINT64_C(0xff) << 56));
}

/* 0 and *ticket, or -EBADMSG. */
static inline int ring_unseal(uint64_t word, uint64_t *ticket)
{
	*ticket = word & ((UINT64_C(1) << 56) - 1);
	return ring_seal(*ticket) == word ? 0 : -EBADMSG;
}

/* Loop thread, or recovery: what the region calls published, and armed. */
static inline void ring_set_head(struct ring_layout *l, uint64_t ticket)
{
	/* release: metas and bytes come first; only recovery reads it */
	store_release(&l->region->head, ring_seal(ticket));
}

static inline void ring_set_armed(struct ring_layout *l, uint64_t ticket)
{
	/* release: the RING_NOTHINGs come first; only recovery reads it */
	store_release(&l->region->armed, ring_seal(ticket));
}

/*
 * Recovery, and a start: the end of what the region calls published.  Only
 * after ring_check() has verified the seal.
 */
static inline uint64_t ring_head(const struct ring_layout *l)
{
	uint64_t ticket;

	/* relaxed: no other thread uses the ring */
	(void)ring_unseal(load_relaxed(&l->region->head), &ticket);
	return ticket;
}

/* Completes a message whose `len` is set: where its bytes are. */
static inline void ring_locate(const struct ring_layout *l, uint64_t slot,
			       struct ring_message *m)
{
	m->part[0] = l->slots + slot * l->stride;
	m->part[1] = NULL;
	m->part_len[0] = m->len;
	m->part_len[1] = 0;
	if (m->len > l->geo.inlined) {
		m->part[1] = l->overflow +
			     l->overflow_of[slot] * l->overflow_stride;
		m->part_len[0] = l->geo.inlined;
		m->part_len[1] = m->len - l->geo.inlined;
	}
}

/* The meta word of a slot that the kernel filled. */
static inline uint64_t ring_make_meta(const struct ring_layout *l,
				      uint64_t slot, uint64_t ticket)
{
	uint32_t len = l->msgs[slot].msg_len;
	struct ring_message m = { .len = len };
	uint32_t low = len;
	unsigned last;

	/* I6: a length above the bound has no bytes here. */
	if (len > l->geo.max_message)
		return (ticket << 32) | RING_META_OVERSIZED;
	if (len) {
		ring_locate(l, slot, &m);
		last = m.part_len[1] > 0;
		if (m.part[last][m.part_len[last] - 1] == '\n')
			low |= RING_META_NEWLINE;
	}
	return (ticket << 32) | low;
}

#endif
