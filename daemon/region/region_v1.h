/* SPDX-License-Identifier: MIT */
/*
 * Regions of layout version 1, which earlier daemons left: the header has
 * other checksums, and a record has one word less.  Everything else is as it
 * is now.  One thread, before the workers start.  This is the only file that
 * knows the old layout.
 */
#ifndef BUFWRITER_REGION_V1_H
#define BUFWRITER_REGION_V1_H

#include "daemon/base/failure.h"
#include "daemon/region/region_header.h"

/*
 * Turns a header of version 1 into one of the present version, which may still
 * make no sense.  Leaves any other header as it is.  0, or -EBADMSG with a
 * text: the header is of version 1, and damaged.
 */
int region_v1_convert_header(struct region_header *h, struct failure *error);

/*
 * Replaces a region of version 1 at path by one of the present version that
 * holds the same messages.  Needs as much memory again while it runs.  Safe to
 * be killed in: until the last step, the old region is there.
 * 0: the region is of another version, too, or was replaced; -ENOENT,
 * -EBADMSG, -errno as from region_open_old().
 */
int region_v1_replace(const char *path, struct failure *error);

#endif
