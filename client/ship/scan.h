/* SPDX-License-Identifier: MIT */
/*
 * Reads the directory of complete files once: counts all of them and keeps the
 * oldest.  The memory has a bound, whatever the directory holds.
 *
 * scan_run() may run in a thread of its own; the struct belongs to it
 * meanwhile, except for `stop`.
 */
#ifndef BUFWRITER_SHIP_SCAN_H
#define BUFWRITER_SHIP_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "client/command/backlog.h"
#include "client/ship/file.h"
#include "client/ship/names.h"

/* Names that are left where they are, and that one scan can tell of. */
#define SCAN_ODD 256

/* Why a name is left. */
enum odd {
	ODD_FOREIGN, /* no name of the daemon */
	ODD_PREFIX,  /* the centre could have another file of this name */
	ODD_DIRECTORY,
	ODD_LINK,
	ODD_SPECIAL, /* a socket, a pipe, a device */
	ODD_UNREADABLE,
	ODD_REASONS
};

struct scan {
	/* for the scan */
	int dir;	     /* descriptor of the directory */
	const char *prefix;  /* that each name must have; "" for any */
	struct names *known; /* names to leave out; they count as backlog */
	size_t room;	     /* files to keep at most */
	bool is_quick;	     /* see scan_run() */
	_Atomic bool stop;   /* true: end soon, with -ECANCELED */

	/* results */
	int err;		  /* 0 or -errno */
	struct ship_file **files; /* oldest first */
	size_t n;
	bool is_more; /* there are files that are not among these */
	struct backlog total;
	uint64_t odd[ODD_REASONS];
	struct {
		char *name;
		enum odd why;
	} odd_names[SCAN_ODD];
	size_t odd_n;

	uid_t user; /* the scan's own */
};

/*
 * Looks at each name and each file.  If is_quick, it looks at the names, and
 * at the files that it keeps only, so that a large backlog begins to move
 * early: `total` then has an estimate of the bytes, and nothing is odd.
 */
void scan_run(struct scan *scan);
/* Frees the results; files that were taken over must be out of `files`. */
void scan_clear(struct scan *scan);

#endif
