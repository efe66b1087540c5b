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
