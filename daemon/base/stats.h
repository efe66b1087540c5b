/* SPDX-License-Identifier: MIT */
/*
 * Counters and histograms from one table, stats.def.  Each has one writing
 * thread; any thread may read.  All accesses are relaxed: a counter orders
 * nothing.
 */
#ifndef BUFWRITER_STATS_H
#define BUFWRITER_STATS_H

#include <stdint.h>

#include "daemon/base/atomic.h"

typedef _Atomic uint64_t stats_counter;

struct stats_listener {
#define LISTENER(name, doc) stats_counter name;
#define DROPPED(name, doc) stats_counter name;
#include "daemon/base/stats.def"
};

struct stats_control {
#define CONTROL(name, doc) stats_counter name;
#include "daemon/base/stats.def"
};

struct stats_keeper {
#define KEEPER(name, doc) stats_counter name;
#include "daemon/base/stats.def"
};

/* Bounds of a histogram; one more bucket counts what is above all of them. */
#define STATS_BUCKETS 18

struct stats_histogram {
	stats_counter bucket[STATS_BUCKETS + 1];
	stats_counter sum;
};

struct stats_worker {
#define WORKER(name, doc) stats_counter name;
#define HISTOGRAM(name, doc) struct stats_histogram name;
#include "daemon/base/stats.def"
};

/*
 * Upper bounds, ascending, in the unit in which values are observed: bytes,
 * and nanoseconds where the name ends in _seconds.
 */
struct stats_bounds {
#define HISTOGRAM(name, doc) uint64_t name[STATS_BUCKETS];
#include "daemon/base/stats.def"
};

extern const struct stats_bounds stats_bounds;

/* By the counter's one writer, so that no locked instruction is needed. */
static inline void stats_add(stats_counter *counter, uint64_t n)
{
	store_relaxed(counter, load_relaxed(counter) + n);
}

static inline uint64_t stats_get(const stats_counter *counter)
{
	return load_relaxed(counter);
}

/* By the histogram's one writer. */
void stats_observe(struct stats_histogram *histogram,
		   const uint64_t bounds[STATS_BUCKETS], uint64_t value);
#define STATS_OBSERVE(stats, name, value) \
	stats_observe(&(stats)->name, stats_bounds.name, value)

#endif
