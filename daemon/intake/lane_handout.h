/* SPDX-License-Identifier: MIT */
/*
 * OPEN: who gets a lane, and how it is made.  These are the lanes that are out.
 *
 * A lane is made in this order, so that a kill at any point leaves what the
 * next start understands (lane_restore.h): its entry in the region, its memory,
 * the store, its slot among the open lanes, the answer.  systemd has the memory
 * before the client does: what the client writes survives this process.
 *
 * Root and the daemon's own user may have all lanes, any other user a quarter.
 * Large lanes are not among these: whoever waits for one may have an ordinary
 * lane, and others may have all of them for years.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_LANE_HANDOUT_H
#define BUFWRITER_LANE_HANDOUT_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/config.h"
#include "daemon/intake/lane_clients.h"
#include "daemon/intake/lane_store.h"
#include "daemon/region/lane.h"
#include "daemon/worker/workers.h"

/* Large lanes of one user at one time; LANE_TABLE_LARGE: in all. */
#define LANE_HANDOUT_LARGE_SHARE 1

struct lane_handout {
	/* constant after lane_handout_open() */
	struct lane_clients *clients;
	struct lane_store *store;
	struct workers *workers;
	struct lane_table *table;
	uint64_t count, size, large; /* [lanes] */
	char state[PATH_MAX];	     /* state.path, or empty */
	/* loop thread */
	unsigned lanes;	 /* that are out */
	unsigned unread; /* copies that lane_restore() could not read */
};

/* All arguments outlive it, but for `cfg`, which is read now. */
void lane_handout_open(struct lane_handout *h, struct lane_clients *clients,
		       struct lane_store *store, struct workers *workers,
		       struct lane_table *table, const struct config *cfg);

/* How many ordinary lanes this user may have. */
uint64_t lane_handout_share(const struct lane_handout *h, uid_t uid);
/* OPEN of this client, for a message of `large` bytes, or 0: gives a lane or
 * refuses. */
void lane_handout_request(struct lane_handout *h, struct lane_client *c,
			  uint64_t large);
/* Room for one more lane in the region; NULL: there is none. */
struct lane_entry *lane_handout_room(struct lane_handout *h);
/* From now on workers read this lane, which is given up to them. */
void lane_handout_add(struct lane_handout *h, struct lane *lane);
/* The lane of this entry has ended, and no worker reads it any more; `kept`: it
 * was a copy. */
void lane_handout_remove(struct lane_handout *h, const struct lane_entry *e,
			 bool kept);
/* All of this copy is filed: removes it, or the log says why not. */
void lane_handout_remove_copy(const struct lane_handout *h, uint64_t id);

#endif
