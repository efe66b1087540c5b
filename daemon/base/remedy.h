/* SPDX-License-Identifier: MIT */
/* What an operator can do about an error of the file system.  Any thread. */
#ifndef BUFWRITER_REMEDY_H
#define BUFWRITER_REMEDY_H

/* An imperative phrase for the end of a log line; err is a -errno. */
const char *remedy(int err);
/* The same if the process came to one of its limits, otherwise NULL. */
const char *remedy_limit(int err);
/*
 * The same after a call that failed at this path.  Asks its file system whether
 * ENOSPC means that the inodes are used up, which `df` does not show; so this
 * may wait for the disk, as the call did.
 */
const char *remedy_at(int err, const char *path);

#endif
