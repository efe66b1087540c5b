/* SPDX-License-Identifier: MIT */
/*
 * Counters and histograms from one table, stats.def.  Each has one writer;
 * any thread may read.  Relaxed: a counter orders nothing.
 */
#ifndef BUFWRITER_STATS_H
#define BUFWRITER_STATS_H

#include <stdatomic.h>
#include <stdint.h>

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

/* Bounds of a histogram's buckets; one more bucket takes what is above. */
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

/* The counter's one writer: no locked instruction is needed. */
static inline void stats_add(stats_counter *counter, uint64_t n)
{
	atomic_store_explicit(
		counter,
		atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static inline uint64_t stats_get(const stats_counter *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The histogram's one writer. */
void stats_observe(struct stats_histogram *histogram,
		   const uint64_t bounds[STATS_BUCKETS], uint64_t value);
#define STATS_OBSERVE(stats, name, value) \
	stats_observe(&(stats)->name, stats_bounds.name, value)

#endif
