/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log about what somebody can repeat: each at most once in
 * REPORT_EVERY_NS, and nothing is left out.  What happens in between is in the
 * next line, and a timer brings that also if nothing happens any more.
 *
 * The owner counts what happens.  A function for each line says all of it, and
 * begins to count anew.  Loop thread only.
 */
#ifndef BUFWRITER_REPORT_H
#define BUFWRITER_REPORT_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/base/log.h"

#define REPORT_EVERY_NS UINT64_C(10000000000)
#define REPORT_LINES 4

typedef void report_fn(void *arg);

struct report {
	/* constant after report_open() */
	report_fn *say[REPORT_LINES];
	void *arg;
	/* private */
	uv_timer_t timer; /* until one of the lines that wait may go */
	struct log_limit limit[REPORT_LINES];
	bool waits[REPORT_LINES];
};

/* The functions for the lines, and their argument. */
void report_open(struct report *r, uv_loop_t *uv,
		 report_fn *const say[REPORT_LINES], void *arg);
/* Says what waits. */
void report_say(struct report *r);
/* The same, and closes the timer; the loop must run once more. */
void report_close(struct report *r);

/* Something happened: says this line now, or when it may. */
void report_due(struct report *r, unsigned line);
/* The line does not wait any more: its owner calls report_due() again. */
void report_withdraw(struct report *r, unsigned line);

#endif
