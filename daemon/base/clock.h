/* SPDX-License-Identifier: MIT */
/* CLOCK_MONOTONIC in nanoseconds, and conversions.  Any thread. */
#ifndef BUFWRITER_CLOCK_H
#define BUFWRITER_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_US UINT64_C(1000)
#define CLOCK_MS UINT64_C(1000000)
#define CLOCK_SECOND UINT64_C(1000000000)

static inline uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * CLOCK_SECOND + ts.tv_nsec;
}

static inline struct timespec clock_timespec(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / CLOCK_SECOND,
		.tv_nsec = ns % CLOCK_SECOND,
	};

	return ts;
}

/* Nanoseconds as milliseconds, rounded up: a timer that never fires early. */
static inline uint64_t clock_ms_up(uint64_t ns)
{
	return ns / CLOCK_MS + (ns % CLOCK_MS != 0);
}

/* Nanoseconds as milliseconds, rounded down: a timer that never fires late. */
static inline uint64_t clock_ms_down(uint64_t ns)
{
	return ns / CLOCK_MS;
}

#endif
