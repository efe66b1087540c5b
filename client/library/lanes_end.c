/* SPDX-License-Identifier: MIT */
/* See lanes_end.h. */
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "client/library/fork.h"
#include "client/library/lanes.h"
#include "client/library/lanes_end.h"

/* Between two looks at a lane that waits to be settled; each one doubles. */
#define PAUSE_LAST_MS 16
/* Between two looks at whether the daemon of an open lane is still there. */
#define READ_SLICE_MS 20

/* How long a lane is waited for that another thread has. */
#define TAKE_PAUSE_MS 1
#define TAKE_TRIES 1000

static bool is_settled(const struct bw_lanes *lanes)
{
	enum bw_lane_state state;
	int i;

	for (i = 0; i < BW_ALL_LANES; i++) {
		state = bw_lane_state(&lanes->lane[i]);
		if (state != BW_LANE_NONE && state != BW_LANE_OPEN &&
		    state != BW_LANE_OPENING)
			return false;
	}
	return true;
}

/* Waits a moment for the next look; false: no time is left. */
static bool pause_before_look(struct bw *bw, int64_t start_ms, int *pause_ms)
{
	struct timespec pause = { 0, 0 };
	int left_ms = bw_left_ms(bw, start_ms);

	if (left_ms == 0)
		return false;
	if (left_ms > 0 && left_ms < *pause_ms)
		*pause_ms = left_ms;
	pause.tv_nsec = *pause_ms * 1000000L;
	nanosleep(&pause, NULL);
	if (*pause_ms < PAUSE_LAST_MS)
		*pause_ms *= 2;
	return true;
}

/*
 * Another thread has the lane for the time of a copy, or from bw_reserve() to
 * bw_commit(), and need not look at the daemon.  False: it has it for longer.
 */
static bool take_soon(struct bw *bw, struct bw_lane *lane, int64_t start_ms)
{
	const struct timespec pause = { 0, TAKE_PAUSE_MS * 1000000L };
	int tries;

	for (tries = 0; !bw_lane_take(lane); tries++) {
		if (tries == TAKE_TRIES || !bw_left_ms(bw, start_ms))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

bool bw_lanes_are_settled(struct bw *bw, int64_t start_ms)
{
	struct bw_lanes *lanes = bw_lanes_of(bw);
	struct bw_lane *lane;
	int cancel, i;

	for (i = 0; i < BW_ALL_LANES; i++) {
		lane = &lanes->lane[i];
		if (bw_lane_state(lane) != BW_LANE_OPEN ||
		    !take_soon(bw, lane, start_ms))
			continue;
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		if (bw_lane_state(lane) == BW_LANE_OPEN)
			bw_lane_look_closely(lane, bw_fork_fd(bw, i));
		bw_lane_leave(lane);
		pthread_setcancelstate(cancel, NULL);
	}
	return is_settled(lanes);
}

bool bw_lanes_settle(struct bw *bw, int64_t start_ms)
{
	int pause_ms = 1;

	do {
		bw_lanes_mind(bw);
		if (bw_lanes_are_settled(bw, start_ms))
			return true;
	} while (pause_before_look(bw, start_ms, &pause_ms));
	return false;
}

/* The first lane whose messages the daemon has not taken all, or NULL. */
static struct bw_lane *find_unread(struct bw *bw, struct bw_lanes *lanes)
{
	struct bw_lane *lane;
	int i;

	for (i = 0; i < BW_ALL_LANES; i++) {
		lane = &lanes->lane[i];
		if (bw_lane_state(lane) != BW_LANE_OPEN)
			continue;
		bw_lane_look_closely(lane, bw_fork_fd(bw, i));
		if (bw_lane_state(lane) == BW_LANE_OPEN &&
		    !bw_lane_is_read(lane))
			return lane;
	}
	return NULL;
}

/*
 * Waits until the daemon has taken everything.  A message in a lane is lost if
 * this process ends and the daemon is then killed before it has taken it.
 */
static void wait_until_read(struct bw *bw, int64_t start_ms)
{
	struct bw_lane *lane;
	int left_ms;

	while ((lane = find_unread(bw, bw_lanes_of(bw)))) {
		left_ms = bw_left_ms(bw, start_ms);
		if (left_ms == 0)
			return;
		bw_lane_wait(lane, bw_slice_ms(left_ms, READ_SLICE_MS));
	}
}

/* What is in a lane that has ended and went to no daemon, as far as is known.
 */
static uint64_t count_left(const struct bw_lane *lane, uint64_t *bytes)
{
	uint64_t at = lane->settled, n = 0;
	struct bw_record record;

	/* Acquire: the daemon's store; until it is settled nothing else is known. */
	if (bw_lane_state(lane) != BW_LANE_SETTLING)
		at = atomic_load_explicit(&bw_lane_head(lane)->read,
					  memory_order_acquire);
	while (at < lane->written) {
		memcpy(&record, lane->data + (at & lane->mask), sizeof(record));
		at += BW_RECORD_BYTES(record.len);
		*bytes += record.len;
		n++;
	}
	return n;
}

uint64_t bw_lanes_left(struct bw *bw, uint64_t *bytes)
{
	const int64_t start_ms = bw_clock_ms(CLOCK_MONOTONIC);
	struct bw_lanes *lanes = bw_lanes_of(bw);
	enum bw_lane_state state;
	uint64_t n = 0;
	int i;

	*bytes = 0;
	if (!lanes)
		return 0;
	wait_until_read(bw, start_ms);
	if (bw_lanes_settle(bw, start_ms))
		return 0;
	for (i = 0; i < BW_ALL_LANES; i++) {
		state = bw_lane_state(&lanes->lane[i]);
		if (state != BW_LANE_NONE && state != BW_LANE_OPEN &&
		    state != BW_LANE_OPENING)
			n += count_left(&lanes->lane[i], bytes);
	}
	return n;
}

uint64_t bw_lanes_lost(struct bw *bw, uint64_t *bytes)
{
	struct bw_lanes *lanes = bw_lanes_of(bw);

	*bytes = 0;
	if (!lanes)
		return 0;
	/* Relaxed: numbers, which order nothing. */
	*bytes = atomic_load_explicit(&lanes->lost_bytes, memory_order_relaxed);
	return atomic_load_explicit(&lanes->lost, memory_order_relaxed);
}

void bw_lanes_close(struct bw *bw)
{
	struct bw_lanes *lanes = bw_lanes_of(bw);
	uint64_t bytes;
	int i;

	if (!lanes)
		return;
	bw_lanes_left(bw, &bytes);
	bw_fork_forget(bw);
	for (i = 0; i < BW_ALL_LANES; i++)
		bw_lane_unmap(&lanes->lane[i]);
	munmap(lanes, sizeof(*lanes));
}
