/* SPDX-License-Identifier: MIT */
/* See leftover.h. */
#include <errno.h>
#include <unistd.h>

#include "client/library/fork.h"
#include "client/library/handle.h"
#include "client/library/handout.h"
#include "client/library/lane.h"
#include "client/library/leftover.h"
#include "client/library/settle.h"

/* Between two requests for another lane. */
#define PAUSE_MS 50

void bw_leftover_drop(struct bw *bw, struct bw_lane *lane, int index)
{
	bw_fork_close(bw, index);
	bw_lane_unmap(lane);
	lane->pause_ms = 0;
	lane->is_resent = 0;
}

/* The daemon did not take it: asks for another lane.  As bw_leftover_mind(). */
static int ask_again(struct bw *bw, struct bw_lane *lane, int index)
{
	int64_t now_ms = bw_clock_ms(CLOCK_MONOTONIC_COARSE);
	int err;

	bw_fork_close(bw, index);
	lane->is_resent = 0;
	if (now_ms - lane->since_ms < PAUSE_MS)
		return 0;
	lane->since_ms = now_ms;
	err = bw_handout_ask(bw, index, BW_REQUEST_LANE, lane->max);
	lane->is_resent = !err;
	/* This daemon takes no large messages. */
	return err == -EOPNOTSUPP ? -EMSGSIZE : 0;
}

/* Moves the message from its old lane to a new one, unless that is sealed. */
static int move(struct bw_lane *lane, struct bw_lane *to, int connection)
{
	char *place = bw_lane_place(to, lane->max);

	memcpy(place, lane->data + sizeof(struct bw_record), lane->max);
	if (!bw_lane_publish(to, place, lane->max)) {
		bw_lane_unmap(to);
		return -ECONNRESET;
	}
	bw_lane_unmap(lane);
	lane->data = to->data;
	lane->mask = to->mask;
	lane->written = to->written;
	lane->settled = 0;
	lane->id = to->id;
	lane->rung_read = to->rung_read;
	lane->is_resent = 0;
	bw_lane_become(lane, BW_LANE_OPEN);
	bw_lane_look(lane, connection);
	return 0;
}

/* As bw_leftover_mind(). */
static int resend(struct bw *bw, struct bw_lane *lane, int index)
{
	struct bw_lane to = { .data = NULL };
	struct bw_answer answer;
	int err;

	if (!lane->is_resent)
		return ask_again(bw, lane, index);
	err = bw_handout_answer(bw_fork_fd(bw, index), &answer);
	if (err == -EAGAIN &&
	    bw_clock_ms(CLOCK_MONOTONIC_COARSE) - lane->since_ms <
		    BW_HANDOUT_MS)
		return 0;
	if (!err)
		err = answer.status;
	if (!err)
		err = answer.memory < 0 ?
			      -EPROTO :
			      bw_lane_map(&to, answer.memory, lane->max);
	if (answer.memory >= 0)
		close(answer.memory);
	if (!err)
		err = move(lane, &to, bw_fork_fd(bw, index));
	if (err && err != -EMSGSIZE)
		err = ask_again(bw, lane, index);
	return err;
}

int bw_leftover_mind(struct bw *bw, struct bw_lane *lane, int index)
{
	int err = 0;

	if (bw_lane_state(lane) == BW_LANE_OPEN)
		bw_lane_look(lane, bw_fork_fd(bw, index));
	if (bw_lane_state(lane) == BW_LANE_OPEN && bw_lane_is_read(lane))
		bw_leftover_drop(bw, lane, index);
	if (bw_lane_state(lane) != BW_LANE_SETTLING)
		bw_settle(bw, lane, index, NULL);
	if (bw_lane_state(lane) != BW_LANE_SETTLING)
		return 0;
	if (lane->settled != lane->written)
		err = resend(bw, lane, index);
	if (err || lane->settled == lane->written)
		bw_leftover_drop(bw, lane, index);
	return err;
}
