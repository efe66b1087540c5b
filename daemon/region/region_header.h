/* SPDX-License-Identifier: MIT */
/*
 * What a region says about itself: made, checked, and the directories that
 * its renames go to.  For region.c, and for nobody else.  Main thread.
 */
#ifndef BUFWRITER_REGION_HEADER_H
#define BUFWRITER_REGION_HEADER_H

#include "daemon/region/region.h"

/* The header of an empty region for these settings. */
void region_header_describe(struct region_header *h, const struct config *cfg);
/*
 * Is this header, of a file of this many bytes, one that region_header_describe()
 * could have made?  0, or -EBADMSG with a text.
 */
int region_header_check(const struct region_header *h, size_t bytes,
			struct failure *error);
/* Is it of this boot, or of an orderly end?  0, or -EBADMSG with a text. */
int region_header_check_boot(struct region_header *h, struct failure *error);

#endif
