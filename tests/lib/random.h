/* SPDX-License-Identifier: MIT */
/*
 * Random numbers that a seed repeats (splitmix64), and messages made of them.
 */
#ifndef BUFWRITER_TEST_RANDOM_H
#define BUFWRITER_TEST_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* The next number of the sequence that *state stands in. */
uint64_t random_next(uint64_t *state);
/* A number that depends on every bit of `n`. */
uint64_t random_mix(uint64_t n);

/* Where random_below() stands; a test may set it. */
extern uint64_t random_seed;
/* 0 .. n - 1 */
uint64_t random_below(uint64_t n);

/* A message of any bytes, made from its number and length. */
void random_message(uint8_t *to, uint32_t len, uint64_t number);
/* True if it is that message. */
bool random_is_message(const uint8_t *data, uint32_t len, uint64_t number);

#endif
