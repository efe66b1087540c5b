/* SPDX-License-Identifier: MIT */
/*
 * A large message that a call has left in its lane, because its timeout was
 * over before the daemon took the message.  Later calls look after it: they
 * give the lane back when the message was taken, and send the message again
 * when the daemon was replaced by one that does not have it.
 *
 * The caller owns the lane, and its thread cannot be cancelled.  No call waits.
 */
#ifndef BUFWRITER_LEFTOVER_H
#define BUFWRITER_LEFTOVER_H

struct bw;
struct bw_lane;

/*
 * Does what can be done now.  The lane is NONE when its message is the daemon's,
 * or will never be: then the result is -EMSGSIZE, because the daemon that
 * followed takes no message of this length.  Otherwise it is 0.
 */
int bw_leftover_mind(struct bw *bw, struct bw_lane *lane, int index);
/* Gives the lane back, with what is in it. */
void bw_leftover_drop(struct bw *bw, struct bw_lane *lane, int index);

#endif
