/* SPDX-License-Identifier: MIT */
/* See rate.h. */
#include "daemon/control/rate.h"

#include <assert.h>
#include <string.h>

#include "daemon/base/clock.h"

void rate_open(struct rate *r, uint64_t now)
{
	memset(r, 0, sizeof(*r));
	r->start_ns = now;
	r->next_ns = now + CLOCK_SECOND;
}

/* The time that the loop passes may lie before that of rate_open(). */
static uint64_t second_of(const struct rate *r, uint64_t now)
{
	return now > r->start_ns ? (now - r->start_ns) / CLOCK_SECOND : 0;
}

void rate_advance(struct rate *r, uint64_t now,
		  const struct rate_sample *current)
{
	uint64_t second = second_of(r, now), from = r->second + 1;
	struct rate_sample sample = r->latest;

	sample.written = current->written;
	sample.files = current->files;
	sample.file_bytes = current->file_bytes;
	if (second > from + RATE_SAMPLES)
		from = second - RATE_SAMPLES;
	for (; from <= second; from++)
		r->at[from % RATE_SAMPLES] = sample;
	if (second > r->second)
		r->second = second;
	r->next_ns = r->start_ns + (r->second + 1) * CLOCK_SECOND;
}

double rate_since(const struct rate *r, uint64_t now, unsigned seconds,
		  const struct rate_sample *current,
		  struct rate_sample *difference)
{
	uint64_t from = r->second > seconds ? r->second - seconds : 0;
	const struct rate_sample *old = &r->at[from % RATE_SAMPLES];

	assert(seconds <= RATE_MINUTE);
	difference->received = current->received - old->received;
	difference->received_bytes = current->received_bytes -
				     old->received_bytes;
#define DROPPED(name, doc) difference->name = current->name - old->name;
#include "daemon/base/stats.def"
	difference->written = current->written - old->written;
	difference->files = current->files - old->files;
	difference->file_bytes = current->file_bytes - old->file_bytes;
	from = r->start_ns + from * CLOCK_SECOND;
	return now > from ? (now - from) / 1e9 : 0;
}
