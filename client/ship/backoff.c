/* SPDX-License-Identifier: MIT */
/* See backoff.h. */
#include "client/ship/backoff.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

uint32_t backoff_ms(unsigned failures, uint32_t bits)
{
	uint64_t whole = BACKOFF_MAX_MS;

	if (failures < 16 && (2 * BACKOFF_MIN_MS) << failures < BACKOFF_MAX_MS)
		whole = (2 * BACKOFF_MIN_MS) << failures;
	return (uint32_t)(whole / 2 + ((whole - whole / 2) * bits >> 32));
}

uint64_t backoff_spread(uint64_t ms, uint32_t bits)
{
	uint64_t tenth = ms / 10;

	/* ms is below 2^27, a day */
	return ms - tenth + (2 * tenth * bits >> 32);
}

uint32_t backoff_random(void)
{
	struct timespec now;
	uint32_t bits;

	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == sizeof(bits))
		return bits;
	/* Early at the boot of a host; its time differs from that of others. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint32_t)now.tv_nsec ^ (uint32_t)getpid()) * 2654435761u;
}
