/* SPDX-License-Identifier: MIT */
/*
 * Lane -> arena, safe to be killed in.  The order is that of the ring: copy,
 * commit, release.  The commit stores the arena's length and the lane's
 * position in one step, and names the lane by its id.  A kill between the
 * commit and the release leaves the position in the arena's record, where
 * lane_table_settle() finds it.
 *
 * The caller holds the lane's claim until this returns: so the next commit of
 * this arena, and the next one of this lane, come after the release.
 */
#ifndef BUFWRITER_TRANSFER_LANE_H
#define BUFWRITER_TRANSFER_LANE_H

#include "daemon/filing/transfer.h"
#include "daemon/region/lane.h"

/* Most that is taken from a lane at once. */
#define TRANSFER_LANE_BYTES 65536
#define TRANSFER_LANE_RECORDS 1024

struct lane_taken {
	uint64_t messages;
	uint64_t bytes;	    /* of these, without framing */
	uint64_t too_large; /* records above max_message, skipped */
	uint64_t too_large_bytes, too_large_most;
	bool broken; /* what follows cannot be a record */
	bool more;   /* something is left below `to` */
};

/*
 * Whoever owns the arena and reads the lane.  Takes records up to the position
 * `to`, which lane_written() returned, as many as the bounds above allow and as
 * fit.  `now_ns` is CLOCK_MONOTONIC.
 */
enum transfer_result transfer_lane(struct lane *l, uint64_t to, struct arena *a,
				   uint64_t max_message, uint64_t now_ns,
				   struct lane_taken *taken);

/*
 * The same of a large lane, whose one record becomes a file of its own straight
 * from the lane.  FULL: the caller flushes the arena.  With taken->messages it
 * stands for that message, and the caller keeps the lane's claim until
 * transfer_large_done(); else it holds others, and the lane waits.
 */
enum transfer_result transfer_large(struct lane *l, uint64_t to,
				    struct arena *a, uint64_t now_ns,
				    struct lane_taken *taken);
/* The message is in a file. */
void transfer_large_done(struct lane *l, struct arena *a);

#endif
