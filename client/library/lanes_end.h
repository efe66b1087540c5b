/* SPDX-License-Identifier: MIT */
/*
 * The end of the lanes of a handle: waits until all that is in them is with a
 * daemon.
 */
#ifndef BUFWRITER_LANES_END_H
#define BUFWRITER_LANES_END_H

#include <stdbool.h>
#include <stdint.h>

struct bw;

/*
 * Looks whether the daemon of each lane lives, whatever it has promised.  True:
 * it does, or nothing is left in the lane.  Waits for a lane that another thread
 * has, for a second and until the timeout of a call that began then, at most.
 * The handle has lanes.  Any thread.
 */
bool bw_lanes_are_settled(struct bw *bw, int64_t start_ms);

/*
 * Waits until every lane that has ended is settled, at most until the timeout
 * of a call that began then.  True: none is left.  The handle has lanes.  Any
 * thread.
 */
bool bw_lanes_settle(struct bw *bw, int64_t start_ms);

/*
 * Waits until the daemon has taken what is in open lanes, and until the others
 * are settled, at most for the timeout.  Returns how many messages went to no
 * daemon yet, and in *bytes how long they are together.  No other thread is in
 * a call.
 */
uint64_t bw_lanes_left(struct bw *bw, uint64_t *bytes);

/* Messages that no daemon will take; see struct bw_lanes.  Any thread. */
uint64_t bw_lanes_lost(struct bw *bw, uint64_t *bytes);

/* bw_close(): does the same and frees all. */
void bw_lanes_close(struct bw *bw);

#endif
