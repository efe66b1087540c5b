/* SPDX-License-Identifier: MIT */
/*
 * Counters from one table, stats.def.  Each has one writer; any thread may
 * read.  Relaxed: a counter orders nothing.
 */
#ifndef BUFWRITER_STATS_H
#define BUFWRITER_STATS_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t stats_counter;

struct stats_listener {
#define LISTENER(name, doc) stats_counter name;
#define WORKER(name, doc)
#include "stats.def"
#undef LISTENER
#undef WORKER
};

struct stats_worker {
#define LISTENER(name, doc)
#define WORKER(name, doc) stats_counter name;
#include "stats.def"
#undef LISTENER
#undef WORKER
};

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

#endif
