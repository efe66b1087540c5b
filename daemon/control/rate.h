/* SPDX-License-Identifier: MIT */
/*
 * Rates over the last seconds of a daemon that may sleep for days: a ring of
 * samples, one for each second, updated whenever the loop is awake anyway.
 *
 * Before each sleep the loop thread notes its counters in `latest`.  Only the
 * loop thread changes them, so they hold for every second that it sleeps, and
 * no timer has to take samples.  The workers' counters may change during the
 * sleep.  Such counts are attributed to the start of the sleep, an error of at
 * most buffer.forced, unless the disk failed.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_RATE_H
#define BUFWRITER_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/control/dropped.h"

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
	uint64_t start_ns;	   /* CLOCK_MONOTONIC */
	uint64_t second;	   /* since start_ns, the last with a sample */
	uint64_t next_ns;	   /* when the second after it is over */
	struct rate_sample latest; /* the caller sets it before a sleep */
	struct rate_sample at[RATE_SAMPLES];
	struct dropped_run drops; /* the caller notes them */
};

/* Datagrams dropped, for all reasons together. */
static inline uint64_t rate_dropped(const struct rate_sample *sample)
{
	uint64_t n = 0;

#define DROPPED(name, doc) n += sample->name;
#include "daemon/base/stats.def"
	return n;
}

/* All times are CLOCK_MONOTONIC, ns. */
void rate_open(struct rate *r, uint64_t now);
/* True if rate_advance() has something to do. */
static inline bool rate_is_due(const struct rate *r, uint64_t now)
{
	return now >= r->next_ns;
}
/* Stores a sample for each second that has passed. */
void rate_advance(struct rate *r, uint64_t now,
		  const struct rate_sample *current);
/*
 * The difference of all counters since `seconds` full seconds ago, at most
 * RATE_MINUTE, or since the start.  Returns the length of that time in
 * seconds; 0: none has passed.
 */
double rate_since(const struct rate *r, uint64_t now, unsigned seconds,
		  const struct rate_sample *current,
		  struct rate_sample *difference);

#endif
