/* SPDX-License-Identifier: MIT */
/*
 * What a dead process left in the state region -> files, before anything
 * else is read.  Main thread, before the workers start.
 */
#ifndef BUFWRITER_RECOVER_H
#define BUFWRITER_RECOVER_H

#include <limits.h>
#include <stdint.h>

#include "daemon/region/region.h"

struct recovered {
	uint64_t messages; /* filed by this start */
	uint64_t files;
	uint64_t bytes;
	uint64_t ns;	      /* that it took */
	char aside[PATH_MAX]; /* where a region without sense went, or "" */
};

/* Called before each pause while the disk refuses, with its -errno. */
typedef void recover_wait_fn(void *arg, int err, uint64_t pause_ns);

/*
 * Gives the daemon its region: files what is in an old one and takes it over
 * if it fits, or makes a new one.  The region is locked by the caller.
 * Repeats, with pauses, while the disk refuses what must be filed.
 * 0, or -errno with a text.
 */
int recover_region(struct region *s, const struct config *cfg,
		   recover_wait_fn *waits, void *arg, struct recovered *out,
		   struct failure *error);

#endif
