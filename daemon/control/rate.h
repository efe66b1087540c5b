/* SPDX-License-Identifier: MIT */
/*
 * Rates over the last seconds of a daemon that may sleep for days: a ring of
 * samples, one for each second since the start, brought up to date whenever
 * the loop is awake anyway.
 *
 * Before each sleep the loop notes its counters in `latest`.  They hold for
 * every second that passes until it wakes, because the loop thread
 * writes those counters; so no timer has to take samples.  What workers
 * count can change meanwhile; that is put to the beginning of the sleep,
 * which is wrong by `forced` at most, unless the disk refused.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_RATE_H
#define BUFWRITER_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_MINUTE 60
#define RATE_SAMPLES 64 /* a power of two, more than a minute's */

struct rate_sample {
	/* the loop thread's */
	uint64_t received, received_bytes;
#define DROPPED(name, doc) uint64_t name;
#include "daemon/base/stats.def"
	/* the workers' */
	uint64_t written, files, file_bytes;
};

struct rate {
	uint64_t start;		   /* CLOCK_MONOTONIC, ns */
	uint64_t second;	   /* the last one that has a sample */
	uint64_t next;		   /* when the one after it has passed */
	struct rate_sample latest; /* noted by the caller before a sleep */
	struct rate_sample at[RATE_SAMPLES];
};

void rate_open(struct rate *r, uint64_t now);
/* True if rate_advance() has something to do. */
static inline bool rate_is_due(const struct rate *r, uint64_t now)
{
	return now >= r->next;
}
/* Gives the seconds that have passed their samples. */
void rate_advance(struct rate *r, uint64_t now,
		  const struct rate_sample *current);
/*
 * What was counted since `seconds` full seconds ago, 60 at most, or since
 * the start; returns the time since then in seconds, 0 for none.
 */
double rate_since(const struct rate *r, uint64_t now, unsigned seconds,
		  const struct rate_sample *current,
		  struct rate_sample *difference);

#endif
