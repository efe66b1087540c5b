/* SPDX-License-Identifier: MIT */
/* CLOCK_MONOTONIC in nanoseconds.  Any thread. */
#ifndef BUFWRITER_CLOCK_H
#define BUFWRITER_CLOCK_H

#include <stdint.h>
#include <time.h>

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

#endif
