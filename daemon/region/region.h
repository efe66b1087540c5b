/* SPDX-License-Identifier: MIT */
/*
 * The region: ring and arenas in one mapping that outlives the process.  It is
 * a file on tmpfs, allocated in full when it is made: a file system that is
 * too small is an error at start and never a SIGBUS later.
 *
 * Layout: the header (16 KiB), the ring, the arenas, then the lane table.  The
 * header describes the rest.  No pointer in a region means anything to another
 * process (the receive headers are the kernel's struct mmsghdr; of these only
 * msg_len is read again).
 *
 * Only one process at a time uses a region: it is locked with flock(2) as long
 * as it is mapped, and so is `<path>.lock`, which holds the owner's process id.
 * One thread at a time calls these functions: the recovery's, then the main
 * thread.
 */
#ifndef BUFWRITER_REGION_H
#define BUFWRITER_REGION_H

#include "conf/config.h"
#include "daemon/base/failure.h"
#include "daemon/region/arena.h"
#include "daemon/region/lane_table.h"
#include "daemon/region/region_header.h"
#include "daemon/region/ring.h"

/* A mapped region, this process's own or a dead one's. */
struct region {
	struct region_header *header;
	size_t bytes;
	struct ring ring;
	struct arena *arenas; /* header->workers of them */
	struct lane_table lanes;
	bool anonymous;
};

/*
 * Makes the region for these settings and maps it: a new file under
 * state_path in place of what is there, or anonymous memory if that is empty.
 * 0 or -errno with a text.
 */
int region_create(struct region *s, const struct config *cfg,
		  struct failure *error);
/* The same, with these lanes in its table from the beginning. */
int region_create_with(struct region *s, const struct config *cfg,
		       const struct lane_table *lanes, struct failure *error);

/*
 * Maps the region that a dead process left and checks every part of it.  Its
 * arenas have the framing and the strip that it records; if it records none,
 * `framing`, and no header is removed.
 * 0; -ENOENT: there is none, or one from before a reboot that has nothing to
 * file; -EBADMSG: the region is not sound; -errno: it cannot be read, or does
 * not belong to the daemon.  Each error with a text.
 */
int region_open_old(struct region *s, const char *path,
		    enum config_framing framing, struct failure *error);

/*
 * An old region has the layout that these settings want, and room for each lane
 * that is left from a former life.
 */
bool region_fits(const struct region *s, const struct config *cfg);
/* Takes over an old region from which everything was filed, for these settings.
 */
void region_adopt(struct region *s, const struct config *cfg);

/*
 * Records in the header whether a later start has anything to file.  Only a
 * region with empty arenas may be called clean.
 */
void region_set_clean(struct region *s, bool clean);
/*
 * Reads the file at path: 0 if it is a region that an orderly stop left clean;
 * -ENOTEMPTY: it is a region that may hold messages; -errno: it is not one, or
 * cannot be read.  Each error with a text.  Changes nothing, locks nothing.
 */
int region_check_clean(const char *path, struct failure *error);

/* Unmaps; the file stays. */
void region_close(struct region *s);

#endif
