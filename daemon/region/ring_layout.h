/* SPDX-License-Identifier: MIT */
/*
 * How the ring writes tickets and lengths into the region: shared by the
 * living ring (ring.c) and the reading of a dead one (ring_old.c), and by
 * nobody else.
 */
#ifndef BUFWRITER_RING_LAYOUT_H
#define BUFWRITER_RING_LAYOUT_H

#include <errno.h>

#include "daemon/region/ring.h"

/* A meta word: low half length and flags, high half the ticket's low half. */
#define META_NEWLINE (UINT32_C(1) << 31)
#define META_OVERSIZED (UINT32_C(1) << 30)
#define META_LEN (META_OVERSIZED - 1)

/*
 * A ticket of 56 bits (2000 years at a million a second) and 8 bits that
 * depend on it, so that noise is not taken for a ticket; still one store.
 */
static inline uint64_t ring_seal(uint64_t ticket)
{
	uint64_t mix = (ticket + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return ticket | (mix & (UINT64_C(0xff) << 56));
}

static inline int ring_unseal(uint64_t word, uint64_t *ticket)
{
	*ticket = word & ((UINT64_C(1) << 56) - 1);
	return ring_seal(*ticket) == word ? 0 : -EBADMSG;
}

/* The meta word for a slot that the kernel filled. */
uint64_t ring_make_meta(const struct ring *r, uint64_t slot, uint64_t ticket);
/* Loop thread, or recovery: what the region calls published. */
void ring_set_head(struct ring *r, uint64_t ticket);

#endif
