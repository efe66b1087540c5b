/* SPDX-License-Identifier: MIT */
/* See lane_report.h. */
#include "daemon/intake/lane_report.h"

#include <inttypes.h>
#include <string.h>

enum { REFUSED, BROKEN, NO_ACCEPT };

static void say_refused(void *arg)
{
	struct lane_news *n = &((struct lane_report *)arg)->refused;

	log_notice("lanes: process %d of user %u got no lane: %s; it sends "
		   "datagrams, and larger messages wait; see lanes.count "
		   "(%" PRIu64 " times since the last report)",
		   (int)n->pid, (unsigned)n->uid, strerror(n->error), n->count);
	n->count = 0;
}

static void say_broken(void *arg)
{
	struct lane_news *n = &((struct lane_report *)arg)->broken;

	log_warning("lanes: a lane of process %d, user %u, holds what no "
		    "library writes; it was closed, and what came before is "
		    "filed; look for a fault in that program (%" PRIu64
		    " times since the last report)",
		    (int)n->pid, (unsigned)n->uid, n->count);
	n->count = 0;
}

static void say_no_accept(void *arg)
{
	struct lane_news *n = &((struct lane_report *)arg)->no_accept;

	log_error("lanes: accept: %s; programs send datagrams (%" PRIu64
		  " times since the last report)",
		  strerror(n->error), n->count);
	n->count = 0;
}

void lane_report_open(struct lane_report *r, uv_loop_t *uv)
{
	static report_fn *const say[REPORT_LINES] = {
		[REFUSED] = say_refused,
		[BROKEN] = say_broken,
		[NO_ACCEPT] = say_no_accept,
	};

	memset(r, 0, sizeof(*r));
	report_open(&r->report, uv, say, r);
}

void lane_report_close(struct lane_report *r)
{
	report_close(&r->report);
}

static void note(struct lane_report *r, struct lane_news *n, pid_t pid,
		 uid_t uid, int error, unsigned line)
{
	n->count++;
	n->pid = pid;
	n->uid = uid;
	n->error = error;
	report_due(&r->report, line);
}

void lane_report_refused(struct lane_report *r, pid_t pid, uid_t uid, int err)
{
	note(r, &r->refused, pid, uid, -err, REFUSED);
}

void lane_report_broken(struct lane_report *r, pid_t pid, uid_t uid)
{
	note(r, &r->broken, pid, uid, 0, BROKEN);
}

void lane_report_no_accept(struct lane_report *r, int error)
{
	note(r, &r->no_accept, 0, 0, error, NO_ACCEPT);
}
