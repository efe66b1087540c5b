/* SPDX-License-Identifier: MIT */
/*
 * Checks text in the format of Prometheus, or of OpenMetrics: what promtool
 * would find where it is not installed.
 */
#ifndef BUFWRITER_TEST_METRICS_H
#define BUFWRITER_TEST_METRICS_H

/*
 * NULL, or what is wrong, with the line; valid until the next call.  Knows
 * counters, gauges, infos and histograms, and no timestamps or exemplars.
 */
const char *metrics_check(const char *text, int openmetrics);

/* The value of the sample with exactly this name and labels; -1: none. */
double metrics_value(const char *text, const char *sample);

#endif
