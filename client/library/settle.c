/* SPDX-License-Identifier: MIT */
/* See settle.h. */
#include <errno.h>
#include <unistd.h>

#include "client/library/datagram.h"
#include "client/library/fork.h"
#include "client/library/handle.h"
#include "client/library/handout.h"
#include "client/library/lane.h"
#include "client/library/settle.h"

/* Pauses between two tries to reach the next daemon; each one doubles. */
#define PAUSE_FIRST_MS 1
#define PAUSE_LAST_MS 64

/* What the daemon has taken without doubt. */
static uint64_t read_for_sure(const struct bw_lane *lane)
{
	/* Acquire: the daemon's store releases nothing that is read here. */
	uint64_t read = atomic_load_explicit(&bw_lane_head(lane)->read,
					     memory_order_acquire);

	return read <= lane->written ? read : 0;
}

/* The daemon took the lane up to this position. */
static void settle_from(struct bw_lane *lane, uint64_t position)
{
	uint64_t read = read_for_sure(lane);

	if (position < read)
		position = read;
	if (position > lane->written)
		position = lane->written;
	lane->settled = position;
	bw_lane_become(lane, BW_LANE_SETTLING);
}

/* Is it time for the next try to reach a daemon? */
static bool is_due(struct bw_lane *lane)
{
	int64_t now_ms = bw_clock_ms(CLOCK_MONOTONIC_COARSE);

	if (lane->pause_ms && now_ms - lane->since_ms < lane->pause_ms)
		return false;
	lane->since_ms = now_ms;
	lane->pause_ms = lane->pause_ms ? 2 * lane->pause_ms : PAUSE_FIRST_MS;
	if (lane->pause_ms > PAUSE_LAST_MS)
		lane->pause_ms = PAUSE_LAST_MS;
	return true;
}

static void ask(struct bw *bw, struct bw_lane *lane, int index)
{
	int err;

	bw_fork_close(bw, index);
	/* Everything was taken, so nobody has to say how much. */
	if (read_for_sure(lane) == lane->written) {
		settle_from(lane, 0);
		return;
	}
	if (!is_due(lane))
		return;
	err = bw_handout_ask(bw, index, BW_REQUEST_READ, lane->id);
	if (!err)
		bw_lane_become(lane, BW_LANE_ASKING);
	else if (err == -EOPNOTSUPP)
		/* This daemon knows nothing of lanes: the head is all there is. */
		settle_from(lane, 0);
}

static void look_for_answer(struct bw *bw, struct bw_lane *lane, int index)
{
	struct bw_answer answer;
	int err = bw_handout_answer(bw_fork_fd(bw, index), &answer);

	if (err == -EAGAIN)
		return;
	if (!err && answer.memory >= 0)
		close(answer.memory);
	bw_fork_close(bw, index);
	if (!err && !answer.status)
		settle_from(lane, answer.value[1]);
	else if (!err && answer.status == -ENOENT)
		settle_from(lane, 0);
	else
		/* Not now: the daemon is gone again, or has no time. */
		bw_lane_become(lane, BW_LANE_ORPHANED);
}

/* Sends what is left, message by message, until one would have to wait. */
static void send_rest(struct bw *bw, struct bw_lane *lane, struct bw_lost *lost)
{
	struct bw_record record;
	char *place;
	int err;

	while (lane->settled < lane->written) {
		place = lane->data + (lane->settled & lane->mask);
		memcpy(&record, place, sizeof(record));
		/* This is not what a writer has left here. */
		if (record.len > lane->max) {
			lane->settled = lane->written;
			return;
		}
		err = bw_datagram_try(bw, place + sizeof(record), record.len);
		/*
		 * A message for which no datagram is large enough, since the
		 * limits of the system were lowered, cannot be sent at all.
		 */
		if (err == BW_TOO_LARGE) {
			lost->messages++;
			lost->bytes += record.len;
		} else if (err) {
			return;
		}
		lane->settled += BW_RECORD_BYTES(record.len);
	}
}

void bw_settle(struct bw *bw, struct bw_lane *lane, int index,
	       struct bw_lost *lost)
{
	if (bw_lane_state(lane) == BW_LANE_ENDING)
		bw_lane_look(lane, bw_fork_fd(bw, index));
	if (bw_lane_state(lane) == BW_LANE_ORPHANED)
		ask(bw, lane, index);
	if (bw_lane_state(lane) == BW_LANE_ASKING)
		look_for_answer(bw, lane, index);
	if (bw_lane_state(lane) != BW_LANE_SETTLING || index >= BW_LANES)
		return;
	bw_fork_close(bw, index);
	send_rest(bw, lane, lost);
	if (lane->settled == lane->written) {
		bw_lane_unmap(lane);
		lane->pause_ms = 0;
	}
}
