/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram of nanoseconds, after HdrHistogram: 64 linear
 * buckets for each power of two, so a value is known to 1.6 %, and adding
 * one is an increment.  No memory but the struct; not thread-safe.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_BITS 7
#define HIST_SUB (1u << HIST_BITS)
/* up to 2^40 ns, about 18 minutes */
#define HIST_BUCKETS ((40 - HIST_BITS + 2) * (HIST_SUB / 2))

struct hist {
	uint64_t count;
	uint64_t max;
	uint64_t bucket[HIST_BUCKETS];
};

static inline unsigned hist_index(uint64_t v)
{
	unsigned shift = 0;

	if (v >= HIST_SUB)
		shift = 63 - (unsigned)__builtin_clzll(v) - (HIST_BITS - 1);
	v = shift ? (v >> shift) + (uint64_t)shift * (HIST_SUB / 2) : v;
	return v < HIST_BUCKETS ? (unsigned)v : HIST_BUCKETS - 1;
}

/* Largest value that falls into this bucket. */
static inline uint64_t hist_value(unsigned i)
{
	unsigned shift;

	if (i < HIST_SUB)
		return i;
	shift = (i - HIST_SUB / 2) / (HIST_SUB / 2);
	return (((uint64_t)i - shift * (HIST_SUB / 2) + 1) << shift) - 1;
}

static inline void hist_add(struct hist *h, uint64_t v)
{
	h->bucket[hist_index(v)]++;
	h->count++;
	if (v > h->max)
		h->max = v;
}

static inline void hist_merge(struct hist *to, const struct hist *from)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	if (from->max > to->max)
		to->max = from->max;
}

/* The value that `part` (0.999 for p99.9) of all values do not exceed. */
static inline uint64_t hist_quantile(const struct hist *h, double part)
{
	uint64_t want = (uint64_t)(part * (double)h->count + 0.5);
	uint64_t seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= want && seen)
			return hist_value(i) < h->max ? hist_value(i) : h->max;
	}
	return h->max;
}

#endif
