/* SPDX-License-Identifier: MIT */
/*
 * bw_reserve() and bw_commit(): a message is built where it is sent from.
 *
 * Both kinds of place, in a lane and in memory of the heap, have a mark of
 * eight bytes before them.  In a lane the record's head has that place; the
 * daemon does not read it before the record is published.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bufwriter.h"
#include "client/library/datagram.h"
#include "client/library/handle.h"
#include "client/library/lanes.h"

#define MARK 0xb1f5c0de /* no length of a record */

struct mark {
	uint32_t mark;
	uint32_t lane; /* number of the lane, or ON_HEAP */
};

#define ON_HEAP UINT32_MAX

/* A place of the heap.  Alignment: any kind of message may be built there. */
struct heap_place {
	size_t room;
	struct mark mark;
	_Alignas(max_align_t) char data[];
};

_Static_assert(sizeof(struct mark) == sizeof(struct bw_record) &&
		       offsetof(struct heap_place, mark) +
				       sizeof(struct mark) ==
			       offsetof(struct heap_place, data),
	       "the mark is directly before the place");

static struct mark *mark_of(void *place)
{
	return (struct mark *)((char *)place - sizeof(struct mark));
}

static int reserve_on_heap(size_t len, void **place)
{
	struct heap_place *p = malloc(sizeof(*p) + len);

	if (!p)
		return BW_NO_MEMORY;
	p->room = len;
	p->mark = (struct mark){ MARK, ON_HEAP };
	*place = p->data;
	/* cppcheck-suppress memleak ; mark_of() finds it again */
	return 0;
}

int bw_reserve(struct bw *bw, size_t len, void **place)
{
	struct bw_lane *lane;
	char *found;
	int err;

	*place = NULL;
	if (bw_limit_refuses(&bw->limit, bw->address.sun_path, len)) {
		/* Relaxed: see limit.h. */
		if (bw->lanes_mode == BW_LANES_NEVER ||
		    len > atomic_load_explicit(&bw->limit.large,
					       memory_order_relaxed))
			return BW_TOO_LARGE;
		return reserve_on_heap(len, place);
	}
	err = bw_lanes_room(bw, len, bw_start_ms(bw), &lane, &found);
	if (err == BW_NO_LANE)
		return reserve_on_heap(len, place);
	if (err)
		return err;
	lane->reserved = len;
	*mark_of(found) =
		(struct mark){ MARK, (uint32_t)(lane - bw_lanes_of(bw)->lane) };
	*place = found;
	return 0;
}

static int commit_from_heap(struct bw *bw, void *place, size_t len)
{
	struct heap_place *p = (struct heap_place *)((char *)place -
						     offsetof(struct heap_place,
							      data));
	int err = 0;

	if (len != BW_DISCARD && len > p->room)
		return BW_INVALID;
	if (len != BW_DISCARD)
		err = bw_write(bw, place, len);
	free(p);
	return err;
}

/* The lane is sealed, and the message goes another way. */
static int commit_elsewhere(struct bw *bw, struct bw_lane *lane,
			    const void *place, size_t len)
{
	void *copy = malloc(len ? len : 1);
	int err;

	if (!copy) {
		bw_lane_leave(lane);
		return BW_NO_MEMORY;
	}
	memcpy(copy, place, len);
	bw_lane_leave(lane);
	err = bw_write(bw, copy, len);
	free(copy);
	return err;
}

int bw_commit(struct bw *bw, void *place, size_t len)
{
	const struct mark mark = *mark_of(place);
	struct bw_lanes *lanes = bw_lanes_of(bw);
	struct bw_lane *lane;
	bool is_in;

	if (mark.mark != MARK)
		return BW_INVALID;
	if (mark.lane == ON_HEAP)
		return commit_from_heap(bw, place, len);
	if (!lanes || mark.lane >= BW_LANES)
		return BW_INVALID;
	lane = &lanes->lane[mark.lane];
	if (len == BW_DISCARD) {
		mark_of(place)->mark = 0;
		bw_lane_leave(lane);
		return 0;
	}
	if (len > lane->reserved)
		return BW_INVALID;
	is_in = bw_lane_publish(lane, place, len);
	if (likely(is_in && bw_lanes_is_attended(lane))) {
		bw_lane_leave(lane);
		return 0;
	}
	if (bw_lanes_published(bw, lane, is_in) == BW_NO_LANE)
		return commit_elsewhere(bw, lane, place, len);
	return 0;
}
