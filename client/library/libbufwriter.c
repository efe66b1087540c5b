/* SPDX-License-Identifier: MIT */
/*
 * The client library: the calls that write a message.
 *
 * The library runs in the threads of its callers and has no threads of its own.
 * All it knows of the daemon is the path of a socket and what the daemon
 * publishes beside it; and it shares no source with the daemon.
 *
 * A message takes the first of these roads that is open:
 *
 *	lane		a copy into memory that the daemon shares; no system
 *			call (lane.h, lanes.h)
 *	datagram	one system call (datagram.h)
 *
 * A message that is too long for both has a lane of its own (large.h).
 *
 * What must be fast is write_to_lane(): a lock that is taken with one try, the
 * copy, and a look at whether the daemon attends.  All else is in other files
 * and is called by name.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "bufwriter.h"
#include "client/library/datagram.h"
#include "client/library/handle.h"
#include "client/library/lanes.h"
#include "client/library/large.h"

/* Copies all pieces to the place in a lane. */
static inline void gather(char *to, const struct iovec *iov, size_t iovcnt)
{
	size_t i;

	for (i = 0; i < iovcnt; i++) {
		/* An empty piece may have no address. */
		if (iov[i].iov_len)
			memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
}

/*
 * Owner of the lane.  Publishes the message and gives the lane back.  Returns 0
 * or BW_NO_LANE.
 */
static inline int publish(struct bw *bw, struct bw_lane *lane, char *place,
			  size_t len)
{
	const bool is_in = bw_lane_publish(lane, place, len);
	int err;

	if (likely(is_in && bw_lanes_is_attended(lane))) {
		bw_lane_leave(lane);
		return 0;
	}
	err = bw_lanes_published(bw, lane, is_in);
	if (err)
		bw_lane_leave(lane);
	return err;
}

/* The lane that this thread used last has room and is free: 0. */
static inline int write_to_lane(struct bw *bw, const struct iovec *iov,
				size_t iovcnt, size_t len)
{
	struct bw_lanes *lanes = bw_lanes_of(bw);
	struct bw_lane *lane;
	char *place;

	if (!lanes)
		return BW_NO_LANE;
	lane = bw_lanes_first(lanes);
	if (!likely(bw_lane_take(lane)))
		return BW_NO_LANE;
	place = bw_lane_place(lane, len);
	if (!likely(place != NULL)) {
		bw_lane_leave(lane);
		return BW_NO_LANE;
	}
	gather(place, iov, iovcnt);
	return publish(bw, lane, place, len);
}

/* Any lane, after a wait for room if need be. */
static int write_to_any_lane(struct bw *bw, const struct iovec *iov,
			     size_t iovcnt, size_t len, int64_t start_ms)
{
	struct bw_lane *lane;
	char *place;
	int err = bw_lanes_room(bw, len, start_ms, &lane, &place);

	if (err)
		return err;
	gather(place, iov, iovcnt);
	return publish(bw, lane, place, len);
}

/* The message is longer than the daemon takes as a datagram. */
static int write_large(struct bw *bw, const struct iovec *iov, size_t iovcnt,
		       size_t len)
{
	/* Relaxed: see limit.h. */
	if (bw->lanes_mode == BW_LANES_NEVER ||
	    len > atomic_load_explicit(&bw->limit.large, memory_order_relaxed))
		return BW_TOO_LARGE;
	return bw_large_write(bw, iov, iovcnt, len, bw_start_ms(bw));
}

int bw_write(struct bw *bw, const void *data, size_t len)
{
	const struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	int64_t start_ms;
	int err;

	if (bw_limit_refuses(&bw->limit, bw->address.sun_path, len))
		return write_large(bw, &iov, 1, len);
	err = write_to_lane(bw, &iov, 1, len);
	if (likely(err != BW_NO_LANE))
		return err;
	start_ms = bw_start_ms(bw);
	err = write_to_any_lane(bw, &iov, 1, len, start_ms);
	if (err == BW_NO_LANE) {
		err = bw_datagram_write(bw, data, len, start_ms);
		bw_lanes_count(bw);
	}
	return err;
}

int bw_writev(struct bw *bw, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov };
	int64_t start_ms;
	size_t len;
	int err;

	/* The kernel would return EMSGSIZE, as for a message that is too large. */
	if (iovcnt < 0 || iovcnt > IOV_MAX)
		return BW_INVALID;
	msg.msg_iovlen = iovcnt;
	/* The kernel finds what is wrong with pieces that have no length. */
	len = iov ? bw_limit_length(iov, msg.msg_iovlen) : 0;
	if (bw_limit_refuses(&bw->limit, bw->address.sun_path, len))
		return write_large(bw, iov, msg.msg_iovlen, len);
	err = BW_NO_LANE;
	if (likely(len || !iovcnt))
		err = write_to_lane(bw, iov, msg.msg_iovlen, len);
	if (likely(err != BW_NO_LANE))
		return err;
	start_ms = bw_start_ms(bw);
	if (len || !iovcnt)
		err = write_to_any_lane(bw, iov, msg.msg_iovlen, len, start_ms);
	if (err == BW_NO_LANE) {
		err = bw_datagram_writev(bw, &msg, start_ms);
		bw_lanes_count(bw);
	}
	return err;
}
