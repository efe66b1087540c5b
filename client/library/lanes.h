/* SPDX-License-Identifier: MIT */
/*
 * The lanes of a handle: which one a thread writes to, when another one is
 * asked for, and what is left to do for those that have ended.
 *
 * A handle begins without a lane.  A process that writes little never gets
 * one.  A process that writes much gets one, and a second one when its threads
 * meet in the first.  Nothing is ever waited for, except by bw_open() with
 * BW_LANES_ALWAYS: a request is sent in one call, and a later call finds the
 * answer.
 *
 * Any thread, unless it says otherwise.
 */
#ifndef BUFWRITER_LANES_H
#define BUFWRITER_LANES_H

#include <stdatomic.h>
#include <stdint.h>

#include "client/library/handle.h"
#include "client/library/lane.h"

/* There is no lane for this message: it goes as a datagram. */
#define BW_NO_LANE 1

/* All zero is valid: a fork's child finds it so. */
struct bw_lanes {
	/* the ordinary ones, and behind them those for large messages */
	struct bw_lane lane[BW_ALL_LANES];
	/* shared, atomic, relaxed: they decide and guard nothing */
	_Atomic int64_t not_before_ms; /* when a lane may be asked for again */
	_Atomic uint32_t meetings;     /* tries that found a lane taken */
	_Atomic int64_t meetings_from_ms;
	/*
	 * What no daemon will take, although its write had returned 0: a daemon
	 * died with it, and the next one takes no message of this length.
	 */
	_Atomic uint64_t lost, lost_bytes;
	_Atomic uint64_t lost_told; /* of these, what bw_flush() has told */
};

/* The lane that this thread used last. */
extern __thread uint32_t bw_lanes_hint
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline struct bw_lane *bw_lanes_first(struct bw_lanes *lanes)
{
	return &lanes->lane[bw_lanes_hint % BW_LANES];
}

/* The handle's lanes, or NULL: it has never asked for one. */
static inline struct bw_lanes *bw_lanes_of(struct bw *bw)
{
	/* Acquire: pairs with the thread that made them. */
	return atomic_load_explicit(&bw->lanes, memory_order_acquire);
}

/* Makes them.  NULL: this process can have none. */
struct bw_lanes *bw_lanes_make(struct bw *bw);

/*
 * BW_LANES_ALWAYS, in bw_open(): asks for a lane and waits for the answer, at
 * most for the timeout and for BW_HANDOUT_MS.
 */
void bw_lanes_open(struct bw *bw);

/*
 * Finds a place for a message of `len` bytes and waits for room as bw_write()
 * promises.  Returns 0: the caller owns *lane and writes to *place; or
 * BW_NO_LANE; or BW_TIMEOUT.
 */
int bw_lanes_room(struct bw *bw, size_t len, int64_t start_ms,
		  struct bw_lane **lane, char **place);

/* Owner, after bw_lane_publish().  Does the daemon look without a ring? */
static inline bool bw_lanes_is_attended(const struct bw_lane *lane)
{
	return bw_lane_attended(lane) >
	       (uint64_t)bw_clock_ms(CLOCK_MONOTONIC_COARSE);
}

/*
 * After bw_lane_publish() by the owner of `lane`, if that returned false, or
 * the lane is not attended.  Returns 0: the message is the daemon's, and the
 * lane was given back.  Or returns BW_NO_LANE: the lane is sealed, and the
 * message is not in it; the caller still owns the lane.
 */
int bw_lanes_published(struct bw *bw, struct bw_lane *lane, bool is_in);

/* Does what can be done without a wait for lanes that are not open. */
void bw_lanes_mind(struct bw *bw);

/* Counted after each datagram: many of them in a short time ask for a lane. */
#define BW_LANES_AFTER 2000
void bw_lanes_ask_if_fast(struct bw *bw);

static inline void bw_lanes_count(struct bw *bw)
{
	/* Relaxed, and no addition in one step: a few may be lost. */
	uint32_t n =
		atomic_load_explicit(&bw->datagrams, memory_order_relaxed) + 1;

	atomic_store_explicit(&bw->datagrams, n, memory_order_relaxed);
	if (__builtin_expect(n >= BW_LANES_AFTER, 0))
		bw_lanes_ask_if_fast(bw);
}

#endif
