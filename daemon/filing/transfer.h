/* SPDX-License-Identifier: MIT */
/*
 * The two things that happen to a message after the ring, each safe to be
 * killed in: ring -> arena, and arena -> file.  A worker does both.  The loop
 * thread does the first one for an arena that a parked worker lends.  Recovery
 * does both for what a dead process left.
 */
#ifndef BUFWRITER_TRANSFER_H
#define BUFWRITER_TRANSFER_H

#include "daemon/filing/flush.h"
#include "daemon/region/arena.h"
#include "daemon/region/region_header.h"
#include "daemon/region/ring.h"

/* Most messages claimed at once: bounds how long a slot stays claimed. */
#define TRANSFER_RUN 256

enum transfer_result {
	TRANSFER_EMPTY, /* nothing is waiting */
	TRANSFER_TOOK,	/* messages were taken; there may be more */
	TRANSFER_FULL,	/* the arena must be flushed before the next message */
};

/*
 * The arena's owner.  Claims what is waiting and fits, copies, commits and
 * releases it.  Sets *producer_waits if the loop thread waits for a slot
 * (never clears it).
 */
enum transfer_result transfer_take(struct ring *r, struct arena *a,
				   bool *producer_waits);

/*
 * Recovery.  Appends, commits and releases one held ticket.  The caller has
 * ensured that there is room.
 */
void transfer_one(struct ring *r, struct arena *a, uint64_t ticket);

/* True if a message of this cost must wait until the arena was flushed. */
bool transfer_must_flush(const struct arena *a, uint64_t cost);

/*
 * The arena's owner.  Makes a file of the arena and empties it.  An arena
 * without a byte makes no file.  0 and *bytes (the file's length, 0 for none);
 * or -errno with f->op and f->where: the messages are still in the arena, try
 * again.
 */
int transfer_flush(struct arena *a, struct flush *f, uint64_t *bytes);

/*
 * After a death, before anything is waited for: a flush of which it can be seen
 * that its rename happened is complete.  What shows that, the directory of temp
 * files without this one, may be gone later.
 */
void transfer_settle_seen(struct arena *a, struct flush *f,
			  const struct region_dirs *dirs);
/*
 * Recovery, before anything makes a directory.  Settles the flush in which a
 * process died that used these directories: afterwards the arena is FILLING or
 * WRITING.  Sets *renamed if a rename was finished: the arena's messages are in
 * that file now, which is f->bytes long (never clears it).
 * 0; or -errno with f->op and f->where: the rename is done, and the directory
 * could not be synced.  Then the arena is still RENAMING; call this again.
 */
int transfer_settle(struct arena *a, struct flush *f,
		    const struct region_dirs *dirs, bool *renamed);

#endif
