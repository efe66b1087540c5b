/* SPDX-License-Identifier: MIT */
/*
 * The checksum of what the region says about itself: tickets, records of
 * arenas, header.  It is there to notice damage, not an attacker: each word
 * that changes changes the sum.  Pure functions.
 */
#ifndef BUFWRITER_CHECKSUM_H
#define BUFWRITER_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CHECKSUM_PRIME UINT64_C(0x9e3779b97f4a7c15)
/* Not 0, so that a page of zeroes does not carry its own checksum. */
#define CHECKSUM_START CHECKSUM_PRIME

static inline uint64_t checksum_word(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * CHECKSUM_PRIME;
	return sum ^ (sum >> 32);
}

/* `bytes` is a multiple of 8. */
static inline uint64_t checksum(uint64_t sum, const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint64_t word;
	size_t i;

	for (i = 0; i < bytes; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		sum = checksum_word(sum, word);
	}
	return sum;
}

#endif
