/* SPDX-License-Identifier: MIT */
/*
 * See arena.h.  All of it but arena_snapshot() runs on the thread that has the
 * arena: its worker, or the loop thread while that is lent it.
 */
#include "daemon/region/arena.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "daemon/base/failpoint.h"

#define PAGE 4096

static size_t capacity_of(uint64_t size, uint64_t max_message)
{
	return size + max_message + ARENA_FRAME;
}

size_t arena_bytes(uint64_t size, uint64_t max_message)
{
	size_t n;

	if (size < 1 || size > (UINT64_C(1) << 40))
		return 0;
	if (max_message < 1 || max_message > (UINT64_C(1) << 24))
		return 0;
	n = sizeof(struct arena_region) + capacity_of(size, max_message);
	return (n + PAGE - 1) / PAGE * PAGE;
}

void arena_open(struct arena *a, void *mem, uint64_t size, uint64_t max_message,
		enum config_framing framing)
{
	memset(a, 0, sizeof(*a));
	a->region = mem;
	a->data = (uint8_t *)mem + sizeof(struct arena_region);
	a->size = size;
	a->capacity = capacity_of(size, max_message);
	a->framing = framing;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ (h >> 32);
}

static uint64_t check_of(uint64_t seq, const struct arena_record *rec,
			 const char *name)
{
	const uint64_t *word = (const uint64_t *)rec;
	/* Not from 0: a page of zeroes is no record. */
	uint64_t h = mix(UINT64_C(0x9e3779b97f4a7c15), seq), w;
	size_t i;

	for (i = 0; i < ARENA_WORDS; i++)
		h = mix(h, word[i]);
	if (rec->step == ARENA_FILLING)
		return h;
	for (i = 0; i < ARENA_NAME; i += sizeof(w)) {
		memcpy(&w, name + i, sizeof(w));
		h = mix(h, w);
	}
	return h;
}

static void store(_Atomic uint64_t *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

/* Makes a->now and a->name the record, in one step. */
static void put(struct arena *a)
{
	/* relaxed: only this worker writes it */
	uint64_t seq =
		atomic_load_explicit(&a->region->cur, memory_order_relaxed) + 1;
	struct arena_cell *cell = &a->region->cell[seq & 1];
	const uint64_t *word = (const uint64_t *)&a->now;
	size_t i;

	/*
	 * A reader that still copies this cell, two changes late, must see
	 * from `cur` that it was overtaken: this fence, after the last store
	 * of `cur`, pairs with the one in arena_snapshot().
	 */
	atomic_thread_fence(memory_order_release);
	store(&cell->seq, seq);
	for (i = 0; i < ARENA_WORDS; i++)
		store(&cell->word[i], word[i]);
	if (a->now.step != ARENA_FILLING)
		memcpy(cell->name, a->name, ARENA_NAME);
	store(&cell->check, check_of(seq, &a->now, a->name));
	/* release: the cell, and the arena's bytes, come first */
	atomic_store_explicit(&a->region->cur, seq, memory_order_release);
}

void arena_format(struct arena *a)
{
	memset(a->region, 0, sizeof(*a->region));
	memset(&a->now, 0, sizeof(a->now));
	a->fill = 0;
	put(a);
}

int arena_load(struct arena *a, const char **why)
{
	uint64_t cur = atomic_load(&a->region->cur);
	struct arena_cell *cell = &a->region->cell[cur & 1];
	uint64_t *word = (uint64_t *)&a->now;
	size_t i;

	for (i = 0; i < ARENA_WORDS; i++)
		word[i] = atomic_load(&cell->word[i]);
	memcpy(a->name, cell->name, ARENA_NAME);
	*why = "an arena's record is damaged";
	if (atomic_load(&cell->seq) != cur ||
	    atomic_load(&cell->check) != check_of(cur, &a->now, a->name))
		return -EBADMSG;
	*why = "an arena's record makes no sense";
	if ((a->now.step & ~ARENA_BESIDE) > ARENA_RENAMING ||
	    a->now.step == ARENA_BESIDE || a->now.len > a->capacity ||
	    a->now.begin > a->now.end ||
	    a->now.taken - a->now.written != a->now.count)
		return -EBADMSG;
	*why = "an arena's file name makes no sense";
	if (a->now.step != ARENA_FILLING &&
	    (!memchr(a->name, 0, ARENA_NAME) || !a->name[0] ||
	     strchr(a->name, '/')))
		return -EBADMSG;
	a->fill = a->now.len;
	return 0;
}

void arena_append(struct arena *a, const uint8_t *const part[2],
		  const uint32_t part_len[2], bool newline)
{
	uint32_t len = part_len[0] + part_len[1];
	uint8_t *to = a->data + a->fill;

	assert(a->fill + arena_cost(a, len, newline) <= a->capacity);
	if (a->framing == FRAMING_LENGTH) {
		*to++ = len & 0xff;
		*to++ = len >> 8 & 0xff;
		*to++ = len >> 16 & 0xff;
		*to++ = len >> 24;
	}
	memcpy(to, part[0], part_len[0]);
	to += part_len[0];
	if (part_len[1]) {
		memcpy(to, part[1], part_len[1]);
		to += part_len[1];
	}
	if (a->framing == FRAMING_NEWLINE && len && !newline)
		*to++ = '\n';
	a->fill = to - a->data;
}

void arena_commit(struct arena *a, uint64_t begin, uint64_t end, uint64_t count,
		  uint64_t oldest)
{
	assert(a->now.step == ARENA_FILLING);
	if (arena_is_empty(a))
		a->now.oldest_ns = oldest;
	a->now.len = a->fill;
	a->now.count += count;
	a->now.taken += count;
	a->now.skipped += end - begin - count;
	a->now.begin = begin;
	a->now.end = end;
	(void)FAILPOINT("commit.before");
	put(a);
	(void)FAILPOINT("commit.after");
}

void arena_begin_write(struct arena *a, const char *name, bool beside)
{
	assert(a->fill == a->now.len);
	/* the same name again is a->name itself */
	if (name != a->name) {
		memset(a->name, 0, sizeof(a->name));
		memcpy(a->name, name, strnlen(name, ARENA_NAME - 1));
	}
	a->now.step = ARENA_WRITING | (beside ? ARENA_BESIDE : 0);
	put(a);
}

void arena_begin_rename(struct arena *a)
{
	assert((a->now.step & ~ARENA_BESIDE) == ARENA_WRITING);
	a->now.step = ARENA_RENAMING | (a->now.step & ARENA_BESIDE);
	put(a);
}

void arena_emptied(struct arena *a)
{
	a->now.step = ARENA_FILLING;
	a->now.written += a->now.count;
	a->now.len = 0;
	a->now.count = 0;
	a->fill = 0;
	put(a);
}

void arena_restart(struct arena *a)
{
	assert(arena_is_empty(a));
	memset(&a->now, 0, sizeof(a->now));
	a->fill = 0;
	put(a);
}

void arena_snapshot(const struct arena *a, struct arena_record *out)
{
	uint64_t *word = (uint64_t *)out, cur;
	size_t i;

	/* Repeats only while the worker gets on with two changes. */
	do {
		/* acquire: pairs with the release in put() */
		cur = atomic_load_explicit(&a->region->cur,
					   memory_order_acquire);
		for (i = 0; i < ARENA_WORDS; i++)
			word[i] = atomic_load_explicit(
				&a->region->cell[cur & 1].word[i],
				memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load_explicit(&a->region->cur, memory_order_relaxed) !=
		 cur);
}
