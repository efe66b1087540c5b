/* SPDX-License-Identifier: MIT */
/*
 * The disk under bed.files, and what is done to it; the failpoints that are
 * switched on and off; the clock that the daemon sees.
 */
#ifndef BUFWRITER_TEST_STAGE_H
#define BUFWRITER_TEST_STAGE_H

#include <stdbool.h>

#include "tests/chaos/plan.h"
#include "tests/lib/bed.h"

/*
 * Makes the disk, of this size where a test may mount one, and points
 * bed.files to a directory in it.
 */
void stage_open(const char *size);

/* BW_FAILPOINTS for this life. */
const char *stage_points(const struct life *life);
/* Switches fault number `which` on. */
void stage_fault(unsigned which);
/* Switches all of them off. */
void stage_end_faults(void);

void stage_fill(void);
void stage_read_only(void);
void stage_remove_path(void);
void stage_make_path(void);
/* Where number i of the directories moved away is, if there are so many. */
#define STAGE_MOVED 40
void stage_moved(char path[BED_PATH], unsigned i);
void stage_remove_temp(void);
/*
 * The processes that are started next see a clock that stage_step_clock()
 * moves, but not in a build with a sanitizer.
 */
void stage_use_clock(void);
void stage_step_clock(int64_t ms);

/* Whatever is wrong with the disk ends, and every fault. */
void stage_mend(void);

/*
 * Calls `one` for each complete file that the shipper has not taken, also in
 * directories that were moved away.  Returns the number of files that are
 * none: what is left of unfinished ones.
 */
unsigned stage_each_file(void (*one)(const char *path, const char *name));

#endif
