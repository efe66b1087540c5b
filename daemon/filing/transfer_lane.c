/* SPDX-License-Identifier: MIT */
/* See transfer_lane.h. */
#include "daemon/filing/transfer_lane.h"

#include <assert.h>
#include <string.h>

#include "daemon/base/failpoint.h"

/* Copies the record with its framing; the newline is looked for in the copy. */
static void append(struct arena *a, const uint8_t *data, uint32_t len)
{
	const uint8_t *const part[2] = { data, NULL };
	const uint32_t part_len[2] = { len, 0 };

	/* true: none is added, because the client's byte may change */
	arena_append(a, part, part_len, true);
	if (a->framing == FRAMING_NEWLINE && len &&
	    a->data[a->fill - 1] != '\n')
		a->data[a->fill++] = '\n';
}

/* Copies what fits; returns the end of what was copied or skipped. */
static uint64_t copy_records(const struct lane *l, uint64_t at, uint64_t to,
			     struct arena *a, uint64_t max_message,
			     struct lane_taken *taken)
{
	uint64_t begin = at, records = 0;
	const uint8_t *data;
	enum lane_found found;
	uint32_t len;

	while (records < TRANSFER_LANE_RECORDS &&
	       at - begin < TRANSFER_LANE_BYTES && a->fill <= a->size) {
		found = lane_record(l, at, to, &data, &len);
		taken->broken = found == LANE_BROKEN;
		if (found != LANE_FOUND)
			break;
		if (len > max_message) {
			taken->too_large++;
			taken->too_large_bytes += len;
			if (len > taken->too_large_most)
				taken->too_large_most = len;
		} else {
			/* as if it had no newline, which is not known yet */
			if (transfer_must_flush(a, arena_cost(a, len, false)))
				break;
			append(a, data, len);
			taken->messages++;
			taken->bytes += len;
		}
		at += lane_record_bytes(len);
		records++;
	}
	return at;
}

enum transfer_result transfer_lane(struct lane *l, uint64_t to, struct arena *a,
				   uint64_t max_message, uint64_t now_ns,
				   struct lane_taken *taken)
{
	uint64_t at = lane_position(l), end;

	memset(taken, 0, sizeof(*taken));
	/* one claim at a time is open */
	assert(arena_is_settled(a));
	assert(to - at <= l->size);
	if (a->fill > a->size)
		return TRANSFER_FULL;
	end = copy_records(l, at, to, a, max_message, taken);
	(void)FAILPOINT("lane.copied");
	if (end != at) {
		arena_commit_lane(a, l->entry->id, end, taken->messages,
				  now_ns);
		lane_release(l, end);
	}
	taken->more = end != to && !taken->broken;
	if (a->fill > a->size || (taken->more && end == at))
		return TRANSFER_FULL;
	return end != at ? TRANSFER_TOOK : TRANSFER_EMPTY;
}

/*
 * The framing is written into the lane, around the message: there is room for
 * it (lane_large_size()).  A client that changes it harms its own file.
 */
static uint64_t frame(const struct arena *a, uint8_t **data, uint32_t len)
{
	uint8_t *at = *data;

	if (a->framing == FRAMING_NEWLINE && at[len - 1] != '\n') {
		at[len] = '\n';
		return (uint64_t)len + 1;
	}
	if (a->framing != FRAMING_LENGTH)
		return len;
	at -= 4;
	at[0] = len & 0xff;
	at[1] = len >> 8 & 0xff;
	at[2] = len >> 16 & 0xff;
	at[3] = len >> 24;
	*data = at;
	return (uint64_t)len + 4;
}

enum transfer_result transfer_large(struct lane *l, uint64_t to,
				    struct arena *a, uint64_t now_ns,
				    struct lane_taken *taken)
{
	uint64_t at = lane_position(l), bytes;
	const uint8_t *record;
	uint8_t *data;
	uint32_t len;

	memset(taken, 0, sizeof(*taken));
	if (at || lane_record(l, at, to, &record, &len) != LANE_FOUND || !len ||
	    len > l->entry->large || lane_record_bytes(len) != to) {
		taken->broken = true;
		return TRANSFER_EMPTY;
	}
	if (!arena_is_empty(a))
		return TRANSFER_FULL;
	data = l->data + LANE_RECORD;
	bytes = frame(a, &data, len);
	arena_begin_large(a, l->entry->id, to, data, bytes, now_ns);
	taken->messages = 1;
	taken->bytes = len;
	return TRANSFER_FULL;
}

void transfer_large_done(struct lane *l, struct arena *a)
{
	assert(arena_lane_id(&a->now) == l->entry->id);
	/*
	 * The arena's record names the lane and its position until the next
	 * commit, so a kill before this is a kill after a commit.
	 */
	(void)FAILPOINT("lane.large");
	lane_release(l, a->now.end);
	arena_end_large(a);
}
