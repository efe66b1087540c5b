/* SPDX-License-Identifier: MIT */
/*
 * What the log says about clients of lanes, each kind in a line of report.h.
 * Messages that are too large are in drops.h.  Loop thread only.
 */
#ifndef BUFWRITER_LANE_REPORT_H
#define BUFWRITER_LANE_REPORT_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/intake/report.h"

/* How often since the last line, and the last client. */
struct lane_news {
	uint64_t count;
	pid_t pid;
	uid_t uid;
	int error;
};

struct lane_report {
	struct report report;
	struct lane_news refused, broken, no_accept;
};

void lane_report_open(struct lane_report *r, uv_loop_t *uv);
/* Reports what is left; the loop must run once more. */
void lane_report_close(struct lane_report *r);

/* This client got no lane, and -errno why. */
void lane_report_refused(struct lane_report *r, pid_t pid, uid_t uid, int err);
/* A lane of this client held what cannot be a record. */
void lane_report_broken(struct lane_report *r, pid_t pid, uid_t uid);
/* accept(2) failed with this errno. */
void lane_report_no_accept(struct lane_report *r, int error);

#endif
