/* SPDX-License-Identifier: MIT */
/*
 * Who writes into lanes: one row for each process, with the sums over its open
 * lanes.  A lane that has ended counts no more.  Loop thread only.
 *
 * What a client counts itself stands in its own memory, and may be any number.
 */
#ifndef BUFWRITER_LANE_USERS_H
#define BUFWRITER_LANE_USERS_H

#include <stdint.h>

#include "daemon/worker/lanes.h"

/* Rows that are told: the processes with the most messages. */
#define LANE_USERS_TOLD 16

struct lane_user {
	uint32_t pid, uid;
	uint64_t lanes;
	uint64_t messages, bytes; /* that were taken */
	uint64_t too_large;	  /* that were dropped */
	uint64_t unread;	  /* bytes that were not taken yet */
	/* as the client says */
	uint64_t waits, timeouts, fallbacks;
};

struct lane_users {
	/* constant after lane_users_open() */
	uint64_t most;
	/* loop thread */
	struct lane_user *user; /* by messages, the most first */
	uint64_t users;
};

/* Memory for the processes of so many lanes.  0 or -ENOMEM. */
int lane_users_open(struct lane_users *u, uint64_t lanes);
void lane_users_close(struct lane_users *u);

/* Looks at all open lanes, while workers read them. */
void lane_users_take(struct lane_users *u, const struct lanes *ls);

#endif
