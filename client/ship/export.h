/* SPDX-License-Identifier: MIT */
/*
 * The shipper's numbers, as a file in Prometheus's text format: for a textfile
 * collector, and for `bufwriter status`.  The file is complete at any time.
 * Single-threaded.
 */
#ifndef BUFWRITER_SHIP_EXPORT_H
#define BUFWRITER_SHIP_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/command/backlog.h"

/* How runs end.  X(name: the value of a label) */
#define EXPORT_RESULTS(X) \
	X(passed) X(partial) X(failed) X(stalled) X(not_started)

enum export_result {
#define EXPORT_RESULT(name) EXPORT_##name,
	EXPORT_RESULTS(EXPORT_RESULT)
#undef EXPORT_RESULT
		EXPORT_RESULT_COUNT
};

struct export
{
	const char *stream; /* the instance */
	struct backlog backlog;
	uint64_t aside; /* files that did not pass, in the backlog, too */
	uint64_t odd;	/* names that are left where they are */
	uint64_t runs[EXPORT_RESULT_COUNT];
	uint64_t files, bytes; /* that have left the directory */
	double last_success;   /* when; seconds since 1970, or 0 */
	double next_run;       /* when, after a failure; or 0 */
	bool is_failing;
	char why[512]; /* the last failure, while is_failing */
};

/* Replaces the file at `path`.  0 or -errno. */
int export_write(const struct export *e, const char *path);

#endif
