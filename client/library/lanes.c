/* SPDX-License-Identifier: MIT */
/* See lanes.h. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/library/fork.h"
#include "client/library/handout.h"
#include "client/library/lanes.h"
#include "client/library/leftover.h"
#include "client/library/settle.h"

/*
 * A lane is asked for when BW_LANES_AFTER datagrams, or MEETINGS tries that
 * found a lane taken, came within this time.
 */
#define SPAN_MS 100
#define MEETINGS 256
/* After a refusal, and when no answer came: the time until the next try. */
#define RETRY_MS 1000

__thread uint32_t bw_lanes_hint;

static int64_t coarse_ms(void)
{
	return bw_clock_ms(CLOCK_MONOTONIC_COARSE);
}

struct bw_lanes *bw_lanes_make(struct bw *bw)
{
	struct bw_lanes *lanes = bw_lanes_of(bw);
	struct bw_lanes *made;

	if (lanes || bw->lanes_mode == BW_LANES_NEVER)
		return lanes;
	made = bw_fork_memory(sizeof(*made));
	if (!made)
		return NULL;
	/* Release: pairs with bw_lanes_of(); acquire: another thread's. */
	if (atomic_compare_exchange_strong_explicit(&bw->lanes, &lanes, made,
						    memory_order_acq_rel,
						    memory_order_acquire))
		return made;
	munmap(made, sizeof(*made));
	return lanes;
}

/* --- asking for a lane ---------------------------------------------------- */

static void retry_later(struct bw_lanes *lanes)
{
	atomic_store_explicit(&lanes->not_before_ms, coarse_ms() + RETRY_MS,
			      memory_order_relaxed);
}

static bool may_ask(struct bw_lanes *lanes)
{
	return coarse_ms() >= atomic_load_explicit(&lanes->not_before_ms,
						   memory_order_relaxed);
}

/* Owner of lane number i, which is in the state NONE. */
static void ask(struct bw *bw, struct bw_lanes *lanes, int i)
{
	struct bw_lane *lane = &lanes->lane[i];

	if (bw_handout_ask(bw, i, BW_REQUEST_LANE, 0)) {
		retry_later(lanes);
		return;
	}
	lane->since_ms = coarse_ms();
	bw_lane_become(lane, BW_LANE_OPENING);
}

/* Owner of lane number i, which is in the state OPENING. */
static void look_for_lane(struct bw *bw, struct bw_lanes *lanes, int i)
{
	struct bw_lane *lane = &lanes->lane[i];
	struct bw_answer answer;
	int err = bw_handout_answer(bw_fork_fd(bw, i), &answer);

	if (err == -EAGAIN && coarse_ms() - lane->since_ms < BW_HANDOUT_MS)
		return;
	if (!err)
		err = answer.status;
	if (!err)
		err = answer.memory < 0 ? -EPROTO :
					  bw_lane_map(lane, answer.memory, 0);
	if (answer.memory >= 0)
		close(answer.memory);
	if (!err)
		return;
	bw_fork_close(bw, i);
	bw_lane_become(lane, BW_LANE_NONE);
	retry_later(lanes);
}

/* Asks for a lane in the first place that is free, unless one is on its way. */
static void ask_for_one(struct bw *bw, struct bw_lanes *lanes)
{
	enum bw_lane_state state;
	int i, cancel;

	if (!may_ask(lanes))
		return;
	for (i = 0; i < BW_LANES; i++) {
		state = bw_lane_state(&lanes->lane[i]);
		if (state == BW_LANE_NONE)
			break;
		if (state != BW_LANE_OPEN)
			return;
	}
	if (i == BW_LANES || !bw_lane_take(&lanes->lane[i]))
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (bw_lane_state(&lanes->lane[i]) == BW_LANE_NONE)
		ask(bw, lanes, i);
	bw_lane_leave(&lanes->lane[i]);
	pthread_setcancelstate(cancel, NULL);
}

void bw_lanes_ask_if_fast(struct bw *bw)
{
	int64_t now_ms = coarse_ms();
	/* Relaxed: of several threads that come here at once, any may win. */
	int64_t from_ms = atomic_exchange_explicit(&bw->counted_from_ms, now_ms,
						   memory_order_relaxed);
	struct bw_lanes *lanes;

	atomic_store_explicit(&bw->datagrams, 0, memory_order_relaxed);
	if (now_ms - from_ms > SPAN_MS)
		return;
	lanes = bw_lanes_make(bw);
	if (lanes)
		ask_for_one(bw, lanes);
}

/* A thread found lane number i taken by another one. */
static void count_meeting(struct bw *bw, struct bw_lanes *lanes)
{
	/* Relaxed, and no addition in one step: a few may be lost. */
	uint32_t n = atomic_load_explicit(&lanes->meetings,
					  memory_order_relaxed) +
		     1;
	int64_t now_ms, from_ms;

	if (n < MEETINGS) {
		atomic_store_explicit(&lanes->meetings, n,
				      memory_order_relaxed);
		return;
	}
	now_ms = coarse_ms();
	from_ms = atomic_exchange_explicit(&lanes->meetings_from_ms, now_ms,
					   memory_order_relaxed);
	atomic_store_explicit(&lanes->meetings, 0, memory_order_relaxed);
	if (now_ms - from_ms <= SPAN_MS)
		ask_for_one(bw, lanes);
}

void bw_lanes_open(struct bw *bw)
{
	int64_t start_ms = bw_clock_ms(CLOCK_MONOTONIC);
	struct bw_lanes *lanes = bw_lanes_make(bw);
	struct pollfd pfd = { .events = POLLIN };
	int left_ms = -1;

	if (!lanes)
		return;
	ask_for_one(bw, lanes);
	/* The handle is the caller's alone, so nobody takes the lane away. */
	while (bw_lane_state(&lanes->lane[0]) == BW_LANE_OPENING && left_ms) {
		left_ms = bw_left_ms(bw, start_ms);
		pfd.fd = bw_fork_fd(bw, 0);
		poll(&pfd, 1, bw_slice_ms(left_ms, BW_LANE_SLICE_MS));
		/* Gives the request up when no answer has come for long. */
		bw_lanes_mind(bw);
	}
}

/* --- writing -------------------------------------------------------------- */

/* Owner of lane number i.  A place for `len` bytes, or NULL. */
static char *place_in(struct bw *bw, struct bw_lanes *lanes, int i, size_t len)
{
	struct bw_lane *lane = &lanes->lane[i];
	char *place = bw_lane_place(lane, len);

	if (place || bw_lane_state(lane) != BW_LANE_OPEN || len > lane->max)
		return place;
	bw_lane_look(lane, bw_fork_fd(bw, i));
	return bw_lane_place(lane, len);
}

/*
 * Tries every lane once, beginning with the one that this thread used last.
 * Returns 0 as bw_lanes_room(), BW_NO_LANE, or -EAGAIN: the caller owns *lane,
 * which is full.
 */
static int try_lanes(struct bw *bw, struct bw_lanes *lanes, size_t len,
		     struct bw_lane **lane, char **place)
{
	struct bw_lane *full = NULL, *taken = NULL;
	uint32_t i, n;

	for (n = 0; n < BW_LANES; n++) {
		i = (bw_lanes_hint + n) % BW_LANES;
		*lane = &lanes->lane[i];
		if (bw_lane_state(*lane) != BW_LANE_OPEN)
			continue;
		if (!bw_lane_take(*lane)) {
			taken = *lane;
			count_meeting(bw, lanes);
			continue;
		}
		*place = place_in(bw, lanes, (int)i, len);
		if (*place) {
			if (full)
				bw_lane_leave(full);
			bw_lanes_hint = i;
			return 0;
		}
		if (!full && len <= (*lane)->max &&
		    bw_lane_state(*lane) == BW_LANE_OPEN)
			full = *lane;
		else
			bw_lane_leave(*lane);
	}
	*lane = full;
	if (full)
		return -EAGAIN;
	if (taken)
		atomic_fetch_add_explicit(&taken->fallbacks, 1,
					  memory_order_relaxed);
	return BW_NO_LANE;
}

/* Relaxed: only the owner writes it, and the daemon shows it. */
static void count_up(_Atomic uint64_t *counter)
{
	uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}

int bw_lanes_room(struct bw *bw, size_t len, int64_t start_ms,
		  struct bw_lane **lane, char **place)
{
	struct bw_lanes *lanes = bw_lanes_of(bw);
	bool has_waited = false;
	int left_ms, err;

	if (!lanes)
		return BW_NO_LANE;
	if (bw->lanes_mode == BW_LANES_ALWAYS &&
	    bw_lane_state(&lanes->lane[0]) == BW_LANE_NONE)
		ask_for_one(bw, lanes);
	for (;;) {
		bw_lanes_mind(bw);
		err = try_lanes(bw, lanes, len, lane, place);
		if (err != -EAGAIN)
			return err;
		if (!has_waited) {
			start_ms = bw_precise_ms(bw, start_ms);
			count_up(&bw_lane_head(*lane)->waits);
		}
		has_waited = true;
		left_ms = bw_left_ms(bw, start_ms);
		if (left_ms == 0) {
			count_up(&bw_lane_head(*lane)->timeouts);
			bw_lane_leave(*lane);
			return BW_TIMEOUT;
		}
		bw_lane_wait(*lane, bw_slice_ms(left_ms, BW_LANE_SLICE_MS));
		bw_lane_leave(*lane);
		/* The message is not in the lane yet, and no lock is held. */
		pthread_testcancel();
	}
}

int bw_lanes_published(struct bw *bw, struct bw_lane *lane, bool is_in)
{
	bw_lane_look(lane, bw_fork_fd(bw, (int)(lane - bw_lanes_of(bw)->lane)));
	if (!is_in)
		return BW_NO_LANE;
	/* The daemon has the message, or it is settled with the others. */
	bw_lane_leave(lane);
	return 0;
}

/* --- lanes that have ended ------------------------------------------------ */

/* Is there something to do, as far as is known? */
static bool needs_mind(const struct bw_lanes *lanes, int i)
{
	enum bw_lane_state state = bw_lane_state(&lanes->lane[i]);

	return state != BW_LANE_NONE &&
	       (state != BW_LANE_OPEN || i >= BW_LANES);
}

/* Relaxed: numbers, which order nothing. */
static void lose(struct bw_lanes *lanes, const struct bw_lost *lost)
{
	atomic_fetch_add_explicit(&lanes->lost_bytes, lost->bytes,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&lanes->lost, lost->messages,
				  memory_order_relaxed);
}

/* Owner of lane number i. */
static void mind(struct bw *bw, struct bw_lanes *lanes, int i)
{
	struct bw_lane *lane = &lanes->lane[i];
	const uint64_t length = lane->max;
	struct bw_lost lost = { 0, 0 };

	if (i >= BW_LANES) {
		if (bw_leftover_mind(bw, lane, i))
			lost = (struct bw_lost){ 1, length };
	} else if (bw_lane_state(lane) == BW_LANE_OPENING) {
		look_for_lane(bw, lanes, i);
	} else if (needs_mind(lanes, i)) {
		bw_settle(bw, lane, i, &lost);
	}
	if (lost.messages)
		lose(lanes, &lost);
}

void bw_lanes_mind(struct bw *bw)
{
	struct bw_lanes *lanes = bw_lanes_of(bw);
	int cancel, i;

	for (i = 0; i < BW_ALL_LANES; i++) {
		if (!needs_mind(lanes, i) || !bw_lane_take(&lanes->lane[i]))
			continue;
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		mind(bw, lanes, i);
		bw_lane_leave(&lanes->lane[i]);
		pthread_setcancelstate(cancel, NULL);
	}
}
