/* SPDX-License-Identifier: MIT */
/*
 * A snapshot as text: JSON for `status` (status.c), and the lines of
 * Prometheus and OpenMetrics for `metrics` (metrics.c).  Both are generated
 * from stats.def; bufwriter-control(7) documents them.  Loop thread only.
 */
#ifndef BUFWRITER_SHOW_H
#define BUFWRITER_SHOW_H

#include "daemon/control/health.h"
#include "daemon/control/snapshot.h"
#include "daemon/control/text.h"

/* Increased when a member of the status changes its meaning or is removed. */
#define SHOW_SCHEMA 1

/*
 * Bytes that either text takes at most, with this many workers, and with or
 * without senders.identify.
 */
size_t show_room(unsigned workers, bool identify);

/* One JSON object, without a newline. */
void show_status(struct text *t, const struct snapshot *s,
		 const struct health *health, const struct sources *from);

/*
 * Lines, the last one `# EOF`.  The two formats differ in the name of a family
 * of counters and in details of the specification.  Promtool, the node
 * exporter and Prometheus read the first; the second follows OpenMetrics to
 * the letter.
 */
enum show_format { SHOW_PROMETHEUS, SHOW_OPENMETRICS };
void show_metrics(struct text *t, const struct snapshot *s,
		  const struct sources *from, enum show_format format);

#endif
