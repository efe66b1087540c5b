/* SPDX-License-Identifier: MIT */
/*
 * See large.h.
 *
 * A call holds one of the handle's large lanes from the request until the
 * daemon has taken the message, or until its timeout is over.  A message that
 * is in its lane by then is the daemon's; the lane stays, and later calls look
 * after it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/library/fork.h"
#include "client/library/handle.h"
#include "client/library/handout.h"
#include "client/library/large.h"
#include "client/library/lanes.h"
#include "client/library/leftover.h"

/* Pauses between two tries to get a lane; each one doubles. */
#define PAUSE_FIRST_MS 1
#define PAUSE_LAST_MS 50

/* One call.  The thread owns the lane. */
struct call {
	struct bw *bw;
	struct bw_lane *lane;
	int index;
	int cancel; /* whether the thread may be cancelled where it waits */
	int64_t start_ms;
};

/* The end of a call, also when its thread is cancelled in a wait. */
static void leave(void *arg)
{
	struct call *call = arg;

	/* Nothing was published: nobody needs the lane. */
	if (bw_lane_state(call->lane) == BW_LANE_OPENING)
		bw_leftover_drop(call->bw, call->lane, call->index);
	bw_lane_leave(call->lane);
}

/* The only places where a thread that owns the lane may be cancelled. */
static void wait_for_packet(const struct call *call, int fd, int left_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int cancel;

	pthread_setcancelstate(call->cancel, &cancel);
	poll(&pfd, 1, left_ms);
	pthread_setcancelstate(cancel, NULL);
}

static void wait_for_daemon(const struct call *call, int left_ms)
{
	int cancel;

	bw_lane_wait(call->lane, bw_slice_ms(left_ms, BW_LANE_SLICE_MS));
	pthread_setcancelstate(call->cancel, &cancel);
	pthread_testcancel();
	pthread_setcancelstate(cancel, NULL);
}

/*
 * The daemon's answer, within the timeout.  0 or -errno; -EAGAIN: it has not
 * come, and the request is given up.
 */
static int wait_for_answer(const struct call *call, struct bw_answer *answer)
{
	const int64_t end_ms = bw_clock_ms(CLOCK_MONOTONIC) + BW_HANDOUT_MS;
	const int fd = bw_fork_fd(call->bw, call->index);
	int left_ms, err;

	for (;;) {
		err = bw_handout_answer(fd, answer);
		if (err != -EAGAIN)
			return err ? err : answer->status;
		left_ms = bw_left_ms(call->bw, call->start_ms);
		if (left_ms == 0 || bw_clock_ms(CLOCK_MONOTONIC) >= end_ms)
			return -EAGAIN;
		wait_for_packet(call, fd,
				bw_slice_ms(left_ms, BW_LANE_SLICE_MS));
	}
}

static void copy(char *to, const struct iovec *iov, size_t iovcnt)
{
	size_t i;

	for (i = 0; i < iovcnt; i++) {
		/* bw_limit_length() has looked at the pieces. */
		if (iov[i].iov_len) /* NOLINTNEXTLINE(clang-analyzer-*) */
			memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
}

/* Asks for a lane and publishes the message in it.  0 or -errno. */
static int publish(struct call *call, const struct iovec *iov, size_t iovcnt,
		   size_t len)
{
	struct bw_lane *lane = call->lane;
	struct bw_answer answer = { .memory = -1 };
	char *place;
	int err;

	err = bw_handout_ask(call->bw, call->index, BW_REQUEST_LANE, len);
	if (err)
		return err;
	bw_lane_become(lane, BW_LANE_OPENING);
	err = wait_for_answer(call, &answer);
	if (!err)
		err = answer.memory < 0 ? -EPROTO :
					  bw_lane_map(lane, answer.memory, len);
	if (answer.memory >= 0)
		close(answer.memory);
	if (err)
		return err;
	place = bw_lane_place(lane, len);
	copy(place, iov, iovcnt);
	return bw_lane_publish(lane, place, len) ? 0 : -ECONNRESET;
}

/* Before the next try; each pause is twice as long as the one before. */
static void pause_a_while(int left_ms, int *pause_ms)
{
	const struct timespec pause = { 0, bw_slice_ms(left_ms, *pause_ms) *
						   1000000L };

	nanosleep(&pause, NULL);
	*pause_ms = *pause_ms < PAUSE_LAST_MS / 2 ? 2 * *pause_ms :
						    PAUSE_LAST_MS;
}

/*
 * The daemon is gone, and its lanes with it.  Waits until the next one has the
 * message, within the timeout.  0; or -EMSGSIZE: that one does not take it.
 */
static int wait_for_next(struct call *call)
{
	int pause_ms = PAUSE_FIRST_MS;
	int left_ms, cancel, err;

	for (;;) {
		err = bw_leftover_mind(call->bw, call->lane, call->index);
		left_ms = bw_left_ms(call->bw, call->start_ms);
		if (bw_lane_state(call->lane) == BW_LANE_NONE || left_ms == 0)
			return err;
		pthread_setcancelstate(call->cancel, &cancel);
		pause_a_while(left_ms, &pause_ms);
		pthread_setcancelstate(cancel, NULL);
	}
}

/*
 * Waits until a daemon has taken the message, within the timeout.  Returns 0,
 * or -errno: the daemon closed the lane and did not take it, or the next one
 * cannot.  The lane is given back, unless the message is still on its way.
 */
static int wait_until_taken(struct call *call)
{
	struct bw_lane *lane = call->lane;
	const int connection = bw_fork_fd(call->bw, call->index);
	int left_ms, err;

	for (;;) {
		bw_lane_look(lane, connection);
		if (bw_lane_state(lane) == BW_LANE_ORPHANED)
			return wait_for_next(call);
		if (bw_lane_state(lane) == BW_LANE_SETTLING ||
		    bw_lane_is_read(lane))
			break;
		left_ms = bw_left_ms(call->bw, call->start_ms);
		if (left_ms == 0)
			return 0;
		wait_for_daemon(call, left_ms);
	}
	err = bw_lane_state(lane) == BW_LANE_SETTLING &&
			      lane->settled != lane->written ?
		      -ECONNRESET :
		      0;
	bw_leftover_drop(call->bw, lane, call->index);
	return err;
}

/* Owner.  One try: 0 or -errno, with which the daemon does not have it. */
static int try_once(struct call *call, const struct iovec *iov, size_t iovcnt,
		    size_t len)
{
	int err;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancel);
	pthread_cleanup_push(leave, call);
	err = publish(call, iov, iovcnt, len);
	if (err)
		bw_leftover_drop(call->bw, call->lane, call->index);
	else
		err = wait_until_taken(call);
	pthread_cleanup_pop(1);
	pthread_setcancelstate(call->cancel, NULL);
	return err;
}

/* Becomes the owner of a large lane that is free. */
static bool find_free(struct call *call, struct bw_lanes *lanes)
{
	int i;

	for (i = BW_LANES; i < BW_ALL_LANES; i++) {
		call->lane = &lanes->lane[i];
		call->index = i;
		if (bw_lane_state(call->lane) != BW_LANE_NONE ||
		    !bw_lane_take(call->lane))
			continue;
		if (bw_lane_state(call->lane) == BW_LANE_NONE)
			return true;
		bw_lane_leave(call->lane);
	}
	return false;
}

/* What a try failed with, as far as the caller can act upon it. */
static int public_error(int err)
{
	switch (-err) {
	case EMSGSIZE:
	case EOPNOTSUPP:
		return BW_TOO_LARGE;
	case EACCES:
	case EPERM:
		return BW_NOT_PERMITTED;
	case ENOMEM:
	case ENOBUFS:
		return BW_NO_MEMORY;
	case EBUSY:
	case EDQUOT:
	case ENOSPC:
	case EAGAIN:
		return BW_TIMEOUT;
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
	case ENOTCONN:
		return BW_NO_DAEMON;
	default:
		return err;
	}
}

/* Can the same request succeed a little later? */
static bool may_pass(int err)
{
	err = public_error(err);
	return err == BW_TIMEOUT || err == BW_NO_DAEMON ||
	       err == BW_NOT_PERMITTED || err == BW_NO_MEMORY;
}

int bw_large_write(struct bw *bw, const struct iovec *iov, size_t iovcnt,
		   size_t len, int64_t start_ms)
{
	struct bw_lanes *lanes = bw_lanes_make(bw);
	struct call call = { .bw = bw };
	int pause_ms = PAUSE_FIRST_MS;
	int left_ms, err;

	if (!lanes)
		return BW_TOO_LARGE;
	call.start_ms = bw_precise_ms(bw, start_ms);
	for (;;) {
		bw_lanes_mind(bw);
		err = -EAGAIN;
		if (find_free(&call, lanes))
			err = try_once(&call, iov, iovcnt, len);
		left_ms = bw_left_ms(bw, call.start_ms);
		if (!err || !may_pass(err) || left_ms == 0)
			return err ? public_error(err) : 0;
		pause_a_while(left_ms, &pause_ms);
	}
}
