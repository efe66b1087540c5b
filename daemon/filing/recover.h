/* SPDX-License-Identifier: MIT */
/*
 * What a dead process left in the region -> files, and then this process's
 * region.  The recovery's thread (start.h), before the workers start.
 */
#ifndef BUFWRITER_RECOVER_H
#define BUFWRITER_RECOVER_H

#include <limits.h>
#include <stdint.h>

#include "daemon/region/region.h"

struct recovered {
	uint64_t messages; /* filed by this start */
	uint64_t former;   /* the number in names of the old region, or 0 */
	uint64_t files;
	uint64_t bytes;
	uint64_t ns; /* how long recovery took */
	/* by files.when_full, as the counters of these names */
	uint64_t deleted_files, deleted_bytes, deleted_messages;
	uint64_t deleted_uncounted;
	char aside[PATH_MAX]; /* where an unsound region was set aside, or "" */
};

/* Called before each pause while the disk refuses, with its -errno. */
typedef void recover_wait_fn(void *arg, int err, const char *remedy,
			     uint64_t pause_ns);

/*
 * Gives the daemon its region: files what is in an old one and takes that over
 * if it fits, or makes a new one.  The caller has locked the region.
 * Retries, with pauses, while the disk refuses what must be filed; before each
 * pause it calls waits(arg, ...), unless `waits` is NULL.
 * 0, or -errno with a text.
 */
int recover_region(struct region *s, const struct config *cfg,
		   recover_wait_fn *waits, void *arg, struct recovered *out,
		   struct failure *error);

#endif
