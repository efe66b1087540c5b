/* SPDX-License-Identifier: MIT */
/*
 * The end of lanes.  A worker ends a lane when all is taken that had been
 * written before its client went, or before the daemon began to stop; or when
 * its content cannot be a lane's.  Here the rest is done: the slot becomes free,
 * systemd forgets the lane, the connection is closed, and ASK is answered.
 *
 * ASK comes from a client that lost its connection, as after a kill of the
 * daemon: up to where was my lane taken?  It then sends the rest again.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_LANE_END_H
#define BUFWRITER_LANE_END_H

#include <stdint.h>
#include <uv.h>

#include "daemon/intake/lane_handout.h"
#include "daemon/intake/listener.h"

/* Until a slot is looked at again that a worker had not let go of. */
#define LANE_END_RETRY_MS 1

struct lane_end {
	/* constant after lane_end_open() */
	struct lane_handout *handout;
	struct listener *listener; /* counts what was dropped */
	/* loop thread */
	uv_timer_t timer;
	uint64_t settled; /* of lanes->ended, those that were dealt with */
};

/* The pointers outlive it. */
void lane_end_open(struct lane_end *e, uv_loop_t *uv,
		   struct lane_handout *handout, struct listener *listener);
/* The loop must run once more. */
void lane_end_close(struct lane_end *e);

/* A worker notified: lanes may have ended, or messages in them were dropped. */
void lane_end_notified(struct lane_end *e);
/* ASK of this client, for the lane `id`: answers now, or when it has ended. */
void lane_end_request(struct lane_end *e, struct lane_client *c, uint64_t id);

#endif
