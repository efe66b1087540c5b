/* SPDX-License-Identifier: MIT */
/*
 * The two steps that a message goes through after the ring, each safe to be
 * killed in: ring -> arena, and arena -> file.  A worker takes them while the
 * daemon lives, and the loop thread the first one for an arena that a parked
 * worker has lent; recovery takes the same ones for what a dead process left.
 */
#ifndef BUFWRITER_TRANSFER_H
#define BUFWRITER_TRANSFER_H

#include "daemon/region/arena.h"
#include "daemon/filing/flush.h"
#include "daemon/region/ring.h"

/* Most messages claimed at once: bounds how long a slot stays claimed. */
#define TRANSFER_RUN 256

enum transfer_result {
	TRANSFER_EMPTY, /* nothing is waiting */
	TRANSFER_TOOK,	/* messages were taken; there may be more */
	TRANSFER_FULL,	/* the arena must be filed before the next one */
};

/*
 * Claims what is waiting and fits, copies, commits and releases it.
 * Sets *producer_waits if the loop thread
 * waits for a slot (never clears it).
 */
enum transfer_result transfer_take(struct ring *r, struct arena *a,
				   bool *producer_waits);

/*
 * Appends, commits and releases one held ticket, for recovery.  The caller
 * has made sure of the room.
 */
void transfer_one(struct ring *r, struct arena *a, uint64_t ticket);

/* True if a message of this cost must wait for the arena to be filed. */
bool transfer_must_flush(const struct arena *a, uint64_t cost);

/*
 * Makes a file of the arena and empties it.  An arena without a byte makes no
 * file.  0 and *bytes (the file's length, 0 for none), or -errno with f->op
 * and f->where: the arena is as before, try again.
 */
int transfer_flush(struct arena *a, struct flush *f, uint64_t *bytes);

#endif
