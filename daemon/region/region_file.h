/* SPDX-License-Identifier: MIT */
/*
 * The file of a region: its lock, its allocation, and whether the file that is
 * there can be one at all.  One thread, before the workers start.  This file
 * knows no content.
 */
#ifndef BUFWRITER_REGION_FILE_H
#define BUFWRITER_REGION_FILE_H

#include <limits.h>
#include <stddef.h>

#include "daemon/base/failure.h"

/*
 * Locks the region at path for this process and writes its process id into the
 * lock file.  Makes the directory if it is missing.  Returns the descriptor to
 * keep open, or -errno with a text; -EBUSY: another process uses the region.
 */
int region_file_lock(const char *path, struct failure *error);

/*
 * Opens the region at path.  Returns the descriptor and *bytes, its length;
 * -ENOENT: there is none; -EBUSY: another process uses it; -EBADMSG: it is too
 * short; -errno: it cannot be opened, or does not belong to the daemon.  Each
 * error with a text.
 */
int region_file_open(const char *path, size_t *bytes, struct failure *error);

/*
 * Makes a file of this length beside path, allocated in full, and writes its
 * name to `made`.  An old file of that name is replaced.  Returns the
 * descriptor, or -errno with a text.
 */
int region_file_make(const char *path, size_t bytes, char made[PATH_MAX],
		     struct failure *error);
/* Renames `made` to path.  0, or -errno with a text. */
int region_file_publish(const char *made, const char *path,
			struct failure *error);

/* Gives the file another name.  0 and the name in `aside`, or -errno. */
int region_file_set_aside(const char *path, char *aside, size_t n);

#endif
