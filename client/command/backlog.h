/* SPDX-License-Identifier: MIT */
/*
 * The directory of complete files: which names are the daemon's, and how much
 * waits there to be shipped.  Any thread.
 */
#ifndef BUFWRITER_BACKLOG_H
#define BUFWRITER_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

/* Names that backlog_count() looks at; more are not counted. */
#define BACKLOG_NAMES 1000000u

struct backlog {
	uint64_t files;
	uint64_t bytes;
	uint64_t oldest_ns; /* since 1970, of the oldest file; or 0 */
	bool is_part;	    /* there are more than BACKLOG_NAMES names */
};

/*
 * The time in the name of a complete file, in nanoseconds since 1970, or 0 if
 * no daemon makes such a name: <prefix><worker>_<daemon>_<time><suffix>.  Any
 * prefix and suffix will do, because settings change and files stay.
 */
uint64_t backlog_time(const char *name);

/* Adds one file of this age and size. */
void backlog_add(struct backlog *b, uint64_t time_ns, uint64_t bytes);

/* Seconds since the oldest file was made, or 0. */
double backlog_age(const struct backlog *b);

/*
 * Counts the complete files in a directory: 0 or -errno.  It reads the whole
 * directory, which takes about 2 us a file.
 */
int backlog_count(struct backlog *b, const char *path);

#endif
