/* SPDX-License-Identifier: MIT */
/* See random.h. */
#include "tests/lib/random.h"

uint64_t random_seed = 1;

uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t random_mix(uint64_t n)
{
	return random_next(&n);
}

uint64_t random_below(uint64_t n)
{
	return random_next(&random_seed) % n;
}

/* Byte i of a message; *word is kept from one byte to the next. */
static uint8_t byte_of(uint64_t number, uint32_t i, uint64_t *word)
{
	if (i % 8 == 0)
		*word = random_mix(number * 31 + i);
	return *word >> i % 8 * 8;
}

void random_message(uint8_t *to, uint32_t len, uint64_t number)
{
	uint64_t word = 0;
	uint32_t i;

	for (i = 0; i < len; i++)
		to[i] = byte_of(number, i, &word);
}

bool random_is_message(const uint8_t *data, uint32_t len, uint64_t number)
{
	uint64_t word = 0;
	uint32_t i;

	for (i = 0; i < len; i++)
		if (data[i] != byte_of(number, i, &word))
			return false;
	return true;
}
