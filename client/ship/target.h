/* SPDX-License-Identifier: MIT */
/* What rsync(1) makes of a destination.  Any thread. */
#ifndef BUFWRITER_SHIP_TARGET_H
#define BUFWRITER_SHIP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

enum target {
	TARGET_LOCAL,  /* /path */
	TARGET_SSH,    /* host:path */
	TARGET_DAEMON, /* rsync://host/module/path, host::module/path */
};

enum target target_kind(const char *destination);

/*
 * The directory to which the centre moves a file that has arrived: if the
 * destination is .../in/NAME, that is .../done/NAME, counted from the root of
 * the module, of rrsync's directory or of the file system.  False: there is
 * none, or no room for it.
 */
bool target_done(const char *destination, char *out, size_t room);

#endif
