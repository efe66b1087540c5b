/* SPDX-License-Identifier: MIT */
/*
 * A snapshot as text: JSON for `status`, and the text that Prometheus and
 * OpenMetrics read for `metrics`.  Both are made from stats.def.
 * bufwriter-control(7) documents them.  Loop thread only.
 */
#ifndef BUFWRITER_SHOW_H
#define BUFWRITER_SHOW_H

#include "daemon/control/snapshot.h"
#include "daemon/control/text.h"

/* Counts up when a member of the status changes its meaning or goes away. */
#define SHOW_SCHEMA 1

/* Room for either text in full, with this many workers. */
size_t show_room(unsigned workers);

/* One JSON object, without a newline. */
void show_status(struct text *t, const struct snapshot *s,
		 const struct sources *from);

/*
 * Lines, the last one `# EOF`.  The two formats have different names for a
 * family of counters, and nothing else: PROMETHEUS is what promtool and the
 * node exporter take (and Prometheus also as OpenMetrics), OPENMETRICS
 * follows that specification to the letter.
 */
enum show_format { SHOW_PROMETHEUS, SHOW_OPENMETRICS };
void show_metrics(struct text *t, const struct snapshot *s,
		  const struct sources *from, enum show_format format);

#endif
