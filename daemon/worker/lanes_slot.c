/* SPDX-License-Identifier: MIT */
/*
 * See lanes_slot.h.
 *
 * Sleep.  The client stores `written`, then loads `attended`; the attendant
 * stores LANE_ASLEEP, then loads `written`.  Each has a full fence in between,
 * so one of them sees the other: the client rings, or the attendant stays
 * awake.
 */
#include "daemon/worker/lanes_slot.h"

#include <assert.h>
#include <string.h>

/* -- loop thread --------------------------------------------------------- */

void lanes_slot_fill(struct lanes_slot *s, struct lane *lane)
{
	assert(load_relaxed(&s->state) == LANES_FREE);
	s->lane = *lane;
	s->lease_ms = LANE_ASLEEP;
	s->ending = s->broken = false;
	store_relaxed(&s->messages, 0);
	store_relaxed(&s->bytes, 0);
	store_relaxed(&s->too_large, 0);
	store_relaxed(&s->end, false);
	store_relaxed(&s->filing, false);
	store_relaxed(&s->flush_to, 0);
	memset(lane, 0, sizeof(*lane));
	/* release: the slot comes first; pairs with lanes_slot_is_open() */
	store_release(&s->state, LANES_OPEN);
}

bool lanes_slot_empty(struct lanes_slot *s)
{
	/* Whoever has the claim may not have seen yet that the lane ended. */
	if (!lanes_slot_claim(s))
		return false;
	assert(load_relaxed(&s->state) == LANES_ENDED);
	lane_unmap(&s->lane);
	store_release(&s->state, LANES_FREE);
	lanes_slot_unclaim(s);
	return true;
}

void lanes_slot_mark_flush(struct lanes_slot *s)
{
	uint64_t written = load_acquire(&s->lane.head->written) & ~LANE_SEALED;
	uint64_t position = load_relaxed(&s->lane.entry->position);

	/* Else it will be found broken. */
	if (written - position <= s->lane.size)
		/* pairs with lanes_slot_find_end() */
		store_release(&s->flush_to, written);
}

/* -- workers, under the claim -------------------------------------------- */

bool lanes_slot_find_end(struct lanes_slot *s, uint64_t *to)
{
	uint64_t flush_to;

	/* pairs with lanes_end() */
	if (!s->ending && load_acquire(&s->end)) {
		if (!lane_seal(&s->lane, &s->last))
			return false;
		s->ending = true;
	}
	*to = s->last;
	if (s->ending)
		return true;
	/* pairs with lanes_slot_mark_flush(), which has read `written` before */
	flush_to = load_acquire(&s->flush_to);
	return lane_written(&s->lane, to) && *to >= flush_to;
}

bool lanes_slot_is_at_end(const struct lanes_slot *s)
{
	return s->ending && lane_position(&s->lane) == s->last;
}

void lanes_slot_end(struct lanes_slot *s)
{
	lane_finish(&s->lane);
	/* release: all of it comes first; pairs with the loop thread */
	store_release(&s->state, LANES_ENDED);
}

void lanes_slot_promise(struct lanes_slot *s, uint64_t now_ms)
{
	if (!lanes_slot_is_open(s) || s->ending ||
	    s->lease_ms >= now_ms + LANES_RENEW_MS)
		return;
	s->lease_ms = now_ms + LANES_LEASE_MS;
	lane_attend(&s->lane, s->lease_ms);
}

bool lanes_slot_sleep(struct lanes_slot *s)
{
	uint64_t written;

	if (s->lease_ms != LANE_ASLEEP && !s->ending) {
		s->lease_ms = LANE_ASLEEP;
		lane_attend(&s->lane, LANE_ASLEEP);
	}
	/* Publish, then check again: see the head of this file. */
	atomic_thread_fence(memory_order_seq_cst);
	return !s->ending && lane_written(&s->lane, &written) &&
	       written == lane_position(&s->lane) && !load_acquire(&s->end);
}
