/* SPDX-License-Identifier: MIT */
/*
 * What a handle consists of.  Each part has a file of its own:
 *
 *	limit		what the daemon publishes beside its socket
 *	datagram	the road of datagrams: one message, one system call
 *	lanes		the lanes of the process: memory shared with the daemon
 *
 * Every field is constant after bw_open() unless it says otherwise.
 */
#ifndef BUFWRITER_HANDLE_H
#define BUFWRITER_HANDLE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>
#include <time.h>

#include "bufwriter.h"
#include "client/library/limit.h"

#define likely(x) __builtin_expect(!!(x), 1)

struct bw_lanes;

/* A handle has so many ordinary lanes, and so many for a large message. */
#define BW_LANES 4
#define BW_LARGE_LANES 2
#define BW_ALL_LANES (BW_LANES + BW_LARGE_LANES)

struct bw {
	/*
	 * Shared, atomic: when the daemon was found gone, in milliseconds of
	 * CLOCK_MONOTONIC, or 0.  The value only bounds a wait and guards no
	 * other memory, so every access is relaxed and pairs with none.  Every
	 * datagram reads it, and it changes only when the daemon goes or
	 * returns, so it may share a cache line with the constants.
	 */
	_Atomic int64_t gone_since_ms;
	struct bw_limit limit; /* shared, atomic: see limit.h */

	int fd;
	int flags; /* for send(2): with MSG_DONTWAIT if timeout_ms is 0 */
	int timeout_ms;
	int slack_ms;	/* how much the coarse clock may be behind */
	int lanes_mode; /* BW_LANES_AUTO, _ALWAYS, _NEVER */
	struct sockaddr_un address;

	/*
	 * Shared, atomic: set once, by the first thread that wants a lane, and
	 * NULL until then (release; pairs with the acquire of every reader).
	 */
	_Atomic(struct bw_lanes *) lanes;
	/* Shared, atomic: for the decision to take a lane, see lanes.c. */
	_Atomic uint32_t datagrams;
	_Atomic int64_t counted_from_ms;

	/* guarded by the lock of fork.c */
	int lane_fds[BW_ALL_LANES]; /* a descriptor, or 0: none */
	struct bw *next, *previous;
	bool is_listed;
};

static inline int64_t bw_clock_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* When a call begins.  Without a time limit nothing reads the result. */
static inline int64_t bw_start_ms(const struct bw *bw)
{
	return bw->timeout_ms > 0 ? bw_clock_ms(CLOCK_MONOTONIC_COARSE) : 0;
}

/*
 * The same by the precise clock.  The coarse clock is behind by up to two ticks
 * and a little.  If no more time than that has passed, the call has not waited
 * yet, and it begins now.  Otherwise the result is a little too late rather
 * than too early.
 */
static inline int64_t bw_precise_ms(const struct bw *bw, int64_t start_ms)
{
	int64_t now_ms = bw_clock_ms(CLOCK_MONOTONIC);

	return now_ms - start_ms < bw->slack_ms ? now_ms :
						  start_ms + bw->slack_ms;
}

/* What is left of the timeout; -1: there is no limit. */
static inline int bw_left_ms(const struct bw *bw, int64_t start_ms)
{
	int64_t left_ms;

	if (bw->timeout_ms <= 0)
		return bw->timeout_ms == 0 ? 0 : -1;
	left_ms = start_ms + bw->timeout_ms + 1 - bw_clock_ms(CLOCK_MONOTONIC);
	if (left_ms <= 0)
		return 0;
	return left_ms <= bw->timeout_ms ? left_ms : bw->timeout_ms;
}

/* One slice of a wait: what bw_left_ms() returned, but at most `most_ms`. */
static inline int bw_slice_ms(int left_ms, int most_ms)
{
	return left_ms < 0 || left_ms > most_ms ? most_ms : left_ms;
}

#endif
