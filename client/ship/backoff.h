/* SPDX-License-Identifier: MIT */
/*
 * How long the shipper pauses after runs that moved nothing: from 1 s to 5 min,
 * doubled each time, and with a random part, so that a hundred hosts do not
 * return to the centre at once.
 */
#ifndef BUFWRITER_SHIP_BACKOFF_H
#define BUFWRITER_SHIP_BACKOFF_H

#include <stdint.h>

#define BACKOFF_MIN_MS 1000u
#define BACKOFF_MAX_MS 300000u

/*
 * The pause after the failure of this number, from 0, with 32 random bits:
 * between the half and the whole of 2 s, 4 s, 8 s ... 5 min.
 */
uint32_t backoff_ms(unsigned failures, uint32_t bits);

/* `ms`, and up to a tenth more or less. */
uint64_t backoff_spread(uint64_t ms, uint32_t bits);

/* 32 random bits. */
uint32_t backoff_random(void);

#endif
