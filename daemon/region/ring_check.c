/* SPDX-License-Identifier: MIT */
/*
 * Reading the ring that a dead process left.  Main thread, before any other
 * runs, so the default orders below are more than it needs.
 *
 * Why a dead process leaves a ring that can be read: each thread's stores
 * reach the mapping in program order as far as it got, because the kernel
 * stops a thread between two instructions and a release store is not moved
 * before what precedes it.  So after a SIGKILL
 *
 *  - [.., head)	is published: meta and bytes are complete.
 *  - [head, armed)	was handed to the kernel.  Each msg_len was
 *			RING_NOTHING before `armed` said so, and the kernel
 *			writes msg_len last, in order: the first RING_NOTHING
 *			ends what was received.  (Not 0: an empty datagram
 *			has that length.)
 *  - released[slot] == ticket + 1 says that the message is in an arena, by
 *			a commit that came before.
 */
#include <assert.h>
#include <string.h>

#include "daemon/region/ring_layout.h"

static uint64_t old_armed(const struct ring *r)
{
	uint64_t ticket;

	ring_unseal(atomic_load(&r->region->armed), &ticket);
	return ticket;
}

/*
 * A buffer belongs to one message: notes in `owned` that this slot has it.
 * The spare stack serves as the note pad; nothing else uses it yet.
 */
static int own_overflow(const struct ring *r, uint64_t slot)
{
	uint32_t overflow = r->overflow_of[slot];

	if (overflow >= r->geo.overflows || r->spare[overflow])
		return -EBADMSG;
	r->spare[overflow] = 1;
	return 0;
}

static int check_slot(const struct ring *r, uint64_t ticket, const char **why)
{
	uint64_t n = r->geo.slots, slot = ticket % n;
	uint64_t mark = atomic_load(&r->released[slot]);
	uint32_t len;

	*why = "a slot's release mark is of no lap it could be of";
	if (mark != ticket + 1 && mark != ticket + 1 - n)
		return -EBADMSG;
	if (mark == ticket + 1)
		return 0;
	*why = "a message's overflow buffer is not its own";
	len = r->msgs[slot].msg_len;
	if (len > r->geo.inlined && len <= r->geo.max_message &&
	    own_overflow(r, slot))
		return -EBADMSG;
	/* The receive header stays as it was until the slot is armed again. */
	*why = "a published slot's length is not what was received";
	if (atomic_load(&r->meta[slot]) != ring_make_meta(r, slot, ticket))
		return -EBADMSG;
	return 0;
}

int ring_check(const struct ring *r, const char **why)
{
	uint64_t head, armed, ticket, n = r->geo.slots;
	bool ended = false;

	memset(r->spare, 0, r->geo.overflows * sizeof(*r->spare));
	*why = "the ring's tickets are damaged";
	if (ring_unseal(atomic_load(&r->region->head), &head) ||
	    ring_unseal(atomic_load(&r->region->armed), &armed))
		return -EBADMSG;
	*why = "the ring's tickets contradict each other";
	if (head < n || armed < head || armed - head > n)
		return -EBADMSG;
	for (ticket = head - n; ticket < head; ticket++)
		if (check_slot(r, ticket, why))
			return -EBADMSG;
	for (ticket = head; ticket < armed; ticket++) {
		uint64_t slot = ticket % n;

		*why = "a slot was armed before it was released";
		if (atomic_load(&r->released[slot]) != ticket + 1 - n)
			return -EBADMSG;
		*why = "an armed slot's overflow buffer is not its own";
		if (r->geo.overflows && own_overflow(r, slot))
			return -EBADMSG;
		*why = "a datagram was received behind a slot without one";
		if (r->msgs[slot].msg_len == RING_NOTHING)
			ended = true;
		else if (ended)
			return -EBADMSG;
	}
	return 0;
}

uint64_t ring_recover(struct ring *r)
{
	uint64_t head = ring_head(r), armed = old_armed(r);
	uint64_t ticket, slot;

	for (ticket = head; ticket < armed; ticket++) {
		slot = ticket % r->geo.slots;
		if (r->msgs[slot].msg_len == RING_NOTHING)
			break;
		atomic_store_explicit(&r->meta[slot],
				      ring_make_meta(r, slot, ticket),
				      memory_order_relaxed);
	}
	ring_set_head(r, ticket);
	return ticket - head;
}

bool ring_is_held(const struct ring *r, uint64_t ticket)
{
	uint64_t head = ring_head(r), n = r->geo.slots;

	return ticket < head && ticket + n >= head &&
	       atomic_load(&r->released[ticket % n]) == ticket + 1 - n;
}
