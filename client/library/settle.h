/* SPDX-License-Identifier: MIT */
/*
 * Settles a lane that has ended: what the daemon has not taken from it goes to
 * the next daemon as datagrams, each message once.
 *
 * A daemon that stops in order closes its lanes and says how far it took them.
 * After a daemon that was killed, its successor is asked, because the state
 * region knows how far a lane was taken.  Until then the messages stay in the
 * lane, which is this process's memory as well.
 */
#ifndef BUFWRITER_SETTLE_H
#define BUFWRITER_SETTLE_H

#include <stdint.h>

struct bw;
struct bw_lane;

/* Messages that no daemon can have, because no datagram is so long. */
struct bw_lost {
	uint64_t messages, bytes;
};

/*
 * Owner of the lane, with cancellation disabled.  Goes as far as is possible
 * without a wait; connection `index` belongs to the lane.  In the end, an
 * ordinary lane is in the state NONE, and a large one stays in SETTLING.
 * Messages of an ordinary lane that are lost are added to *lost.
 */
void bw_settle(struct bw *bw, struct bw_lane *lane, int index,
	       struct bw_lost *lost);

#endif
