/* SPDX-License-Identifier: MIT */
/*
 * Reads from the end of a run, and from what the command said, whose fault a
 * failure is, and puts it into one line.  Touches nothing; any thread.
 */
#ifndef BUFWRITER_SHIP_VERDICT_H
#define BUFWRITER_SHIP_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "client/ship/plan.h"

/* How the run ended. */
struct ending {
	const char *program; /* argv[0] of the command */
	int start_error;     /* -errno: it could not be started */
	int status;	     /* its exit status */
	int signal;	     /* that killed it, or 0 */
	bool has_stalled;    /* it was ended, because nothing moved */
	unsigned stall_s;    /* for so long */
	size_t files;	     /* in the batch */
	size_t left;	     /* of them in the directory after the run */
	const char *said;    /* its output, up to a bound */
};

struct verdict {
	enum blame blame;
	bool has_failed;
	bool is_broken; /* no run can succeed before somebody repairs this */
	/* "rsync ended with status 10: ...; check ...", without control chars */
	char line[512];
};

void verdict_make(struct verdict *v, const struct ending *e);

/* Replaces what could forge a line of the log, in place. */
void verdict_clean(char *text);

#endif
