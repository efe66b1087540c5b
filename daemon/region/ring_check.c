/* SPDX-License-Identifier: MIT */
/*
 * See ring_check.h.
 *
 * Why the ring of a dead process can be read: each thread's stores reach the
 * mapping in program order up to some instruction, because the kernel stops a
 * thread between two instructions, and because a release store is not moved
 * before what precedes it.  So after a SIGKILL
 *
 *  - [.., head)	is published: meta words and bytes are complete.
 *  - [head, armed)	was handed to the kernel.  Each msg_len was
 *			RING_NOTHING before `armed` said so, and the kernel
 *			writes msg_len last, in order: the first RING_NOTHING
 *			ends what was received.  (Not 0: an empty datagram
 *			has that length.)
 *  - released[slot] == ticket + 1 says that the message is in an arena, by a
 *			commit that came before.
 *
 * No other thread uses this ring, so all accesses are relaxed, except those
 * that the next start relies on if this process is killed, too.
 */
#include "daemon/region/ring_check.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/base/failpoint.h"

/* Each overflow buffer belongs to one message: marks it as owned by `slot`. */
static int own_overflow(const struct ring_layout *l, uint64_t slot, bool *owned)
{
	uint32_t overflow = l->overflow_of[slot];

	if (overflow >= l->geo.overflows || owned[overflow])
		return -EBADMSG;
	owned[overflow] = true;
	return 0;
}

static int check_published(const struct ring_layout *l, uint64_t ticket,
			   bool *owned, const char **why)
{
	uint64_t n = l->geo.slots, slot = ring_slot(l, ticket);
	uint64_t mark = load_relaxed(&l->released[slot]);
	uint32_t len;

	*why = "a slot's release mark does not belong to its ticket";
	if (mark != ticket + 1 && mark != ticket + 1 - n)
		return -EBADMSG;
	if (mark == ticket + 1)
		return 0;
	*why = "two messages share an overflow buffer";
	len = l->msgs[slot].msg_len;
	if (len > l->geo.inlined && len <= l->geo.max_message &&
	    own_overflow(l, slot, owned))
		return -EBADMSG;
	/* The receive header stays as it was until the slot is armed again. */
	*why = "a published slot's length is not what was received";
	if (load_relaxed(&l->meta[slot]) != ring_make_meta(l, slot, ticket))
		return -EBADMSG;
	return 0;
}

static int check_armed(const struct ring_layout *l, uint64_t ticket,
		       bool *owned, const char **why)
{
	uint64_t slot = ring_slot(l, ticket);

	*why = "a slot was armed before it was released";
	if (load_relaxed(&l->released[slot]) != ticket + 1 - l->geo.slots)
		return -EBADMSG;
	*why = "an armed slot shares its overflow buffer";
	if (l->geo.overflows && own_overflow(l, slot, owned))
		return -EBADMSG;
	return 0;
}

static int check_tickets(const struct ring_layout *l, uint64_t head,
			 uint64_t armed, bool *owned, const char **why)
{
	bool ended = false;
	uint64_t ticket;

	for (ticket = head - l->geo.slots; ticket < head; ticket++)
		if (check_published(l, ticket, owned, why))
			return -EBADMSG;
	for (ticket = head; ticket < armed; ticket++) {
		if (check_armed(l, ticket, owned, why))
			return -EBADMSG;
		*why = "a datagram follows an armed slot that received nothing";
		if (l->msgs[ring_slot(l, ticket)].msg_len == RING_NOTHING)
			ended = true;
		else if (ended)
			return -EBADMSG;
	}
	return 0;
}

int ring_check(const struct ring_layout *l, const char **why)
{
	uint64_t head, armed, n = l->geo.slots;
	bool *owned;
	int err;

	*why = "the ring's tickets are damaged";
	if (ring_unseal(load_relaxed(&l->region->head), &head) ||
	    ring_unseal(load_relaxed(&l->region->armed), &armed))
		return -EBADMSG;
	*why = "the ring's tickets contradict each other";
	if (head < n || armed < head || armed - head > n)
		return -EBADMSG;
	*why = "out of memory";
	owned = calloc(l->geo.overflows + 1, sizeof(*owned));
	if (!owned)
		return -ENOMEM;
	err = check_tickets(l, head, armed, owned, why);
	free(owned);
	return err;
}

uint64_t ring_recover(struct ring_layout *l)
{
	uint64_t head = ring_head(l), armed, ticket, slot;

	(void)ring_unseal(load_relaxed(&l->region->armed), &armed);
	assert(head <= armed && armed - head <= l->geo.slots);
	for (ticket = head; ticket < armed; ticket++) {
		slot = ring_slot(l, ticket);
		if (l->msgs[slot].msg_len == RING_NOTHING)
			break;
		store_relaxed(&l->meta[slot], ring_make_meta(l, slot, ticket));
	}
	ring_set_head(l, ticket);
	return ticket - head;
}

bool ring_is_held(const struct ring_layout *l, uint64_t ticket)
{
	uint64_t head = ring_head(l), n = l->geo.slots;

	return ticket < head && ticket + n >= head &&
	       load_relaxed(&l->released[ring_slot(l, ticket)]) ==
		       ticket + 1 - n;
}

void ring_release_held(struct ring_layout *l, uint64_t ticket)
{
	assert(ring_is_held(l, ticket));
	/* release: the commit comes first; the next recovery reads it */
	store_release(&l->released[ring_slot(l, ticket)], ticket + 1);
	(void)FAILPOINT("release.mid");
}
