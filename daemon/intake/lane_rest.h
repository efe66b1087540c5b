/* SPDX-License-Identifier: MIT */
/*
 * What a stop leaves in lanes because the disk refuses.  The memory of a lane
 * ends with the last process that has it, and with the unit systemd's store
 * ends, too.  So each lane that holds something is sealed and copied beside the
 * region (lane_keep.h), and its client learns that all of it was taken.
 *
 *	copied	client	what becomes of the messages
 *	yes	-	the next start files them (lane_restore.h)
 *	no	lives	it sends them to the next start
 *	no	ended	systemd has the lane, or they are lost: the next start
 *			counts them, or this one, if there is no region
 *
 * Loop thread, after the workers have taken their last message.
 */
#ifndef BUFWRITER_LANE_REST_H
#define BUFWRITER_LANE_REST_H

#include <stdint.h>

#include "daemon/intake/lane_handout.h"

/* Messages. */
struct lane_rest {
	uint64_t kept;	  /* in copies */
	uint64_t clients; /* in lanes of programs that run */
	uint64_t unkept;  /* in lanes of programs that have ended */
	int error;	  /* why there is no copy of the last two, or 0 */
	unsigned unread;  /* not messages: copies that the start had left */
};

/* Does that with all lanes that are open. */
void lane_rest_keep(struct lane_handout *h, struct lane_rest *rest);
/* Is anything left? */
static inline bool lane_rest_is_any(const struct lane_rest *rest)
{
	return rest->kept || rest->clients || rest->unkept || rest->unread;
}

#endif
