/* SPDX-License-Identifier: MIT */
/*
 * The header of a syslog message (socket.strip).
 *
 * The first byte of the input says how: bit 0 tag, bits 1 and 2 the framing,
 * the rest where the message is cut in two.  All others are the message.
 *
 * - What goes into the arena is what regular expressions say
 *   (tests/lib/headers.h), framed.
 * - It never takes more than the whole message would.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/filing/strip.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/headers.h"

#define MOST 8192

static uint8_t memory[sizeof(struct arena_region) + 2 * MOST]
	__attribute__((aligned(4096)));

/* A copy of exact size, so that the sanitizer sees a byte too many. */
static uint8_t *copy(const uint8_t *from, size_t len)
{
	uint8_t *to = malloc(len + !len);

	FUZZ_CHECK(to, "out of memory");
	if (len)
		memcpy(to, from, len);
	return to;
}

static void check(const struct arena *a, const uint8_t *wanted, size_t len)
{
	uint64_t cost = arena_cost(a, (uint32_t)len,
				   len && wanted[len - 1] == '\n');
	size_t skip = a->framing == FRAMING_LENGTH ? 4 : 0;

	FUZZ_CHECK(a->fill == cost, "%zu bytes instead of %zu", (size_t)a->fill,
		   (size_t)cost);
	FUZZ_CHECK(!memcmp(a->data + skip, wanted, len), "other bytes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char wanted[MOST];
	struct ring_message m = { 0 };
	struct arena a;
	uint8_t how, *part[2];
	size_t first, len;

	if (size < 1 || size > MOST)
		return 0;
	how = *data++;
	size--;
	first = size * (how >> 3) / 31;
	part[0] = copy(data, first);
	part[1] = copy(data + first, size - first);
	m.part[0] = part[0];
	m.part[1] = part[1];
	m.part_len[0] = (uint32_t)first;
	m.part_len[1] = (uint32_t)(size - first);
	m.len = (uint32_t)size;
	m.newline = size && data[size - 1] == '\n';

	arena_open(&a, memory, MOST, MOST - 4,
		   (enum config_framing)((how >> 1 & 3) % 3));
	arena_format(&a);
	a.strip = how & 1 ? STRIP_TAG : STRIP_SYSLOG;
	strip_append(&a, &m);
	FUZZ_CHECK(a.fill <= arena_cost(&a, m.len, m.newline),
		   "more than the whole message");
	len = headers_expect((const char *)data, size, how & 1, wanted);
	check(&a, (const uint8_t *)wanted, len);
	free(part[0]);
	free(part[1]);
	return 0;
}
