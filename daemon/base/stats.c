/* SPDX-License-Identifier: MIT */
/* See stats.h. */
#include "daemon/base/stats.h"

#include <assert.h>

#include "daemon/base/clock.h"

#define US CLOCK_US
#define MS CLOCK_MS
#define S CLOCK_SECOND
#define K UINT64_C(1024)
#define M (1024 * K)

/*
 * Times reach from a flush of 1 MiB into the page cache, about 300 us, over a
 * sync on a disk, 5 to 50 ms, to a disk that is full for minutes.
 */
const struct stats_bounds stats_bounds = {
	.flush_seconds = { 50 * US, 100 * US, 200 * US, 500 * US, 1 * MS,
			   2 * MS, 5 * MS, 10 * MS, 20 * MS, 50 * MS, 100 * MS,
			   200 * MS, 500 * MS, 1 * S, 2 * S, 5 * S, 20 * S,
			   60 * S },
	.file_size_bytes = { 64, 256, 1 * K, 4 * K, 16 * K, 64 * K, 128 * K,
			     256 * K, 512 * K, 1 * M, 2 * M, 4 * M, 8 * M,
			     16 * M, 64 * M, 256 * M, 512 * M, 1024 * M },
};

void stats_observe(struct stats_histogram *histogram,
		   const uint64_t bounds[STATS_BUCKETS], uint64_t value)
{
	unsigned i = 0;

	for (; i < STATS_BUCKETS && value > bounds[i]; i++)
		assert(!i || bounds[i] > bounds[i - 1]);
	stats_add(&histogram->bucket[i], 1);
	stats_add(&histogram->sum, value);
}
