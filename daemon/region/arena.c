/* SPDX-License-Identifier: MIT */
/*
 * See arena.h.  All functions but arena_snapshot() run on the thread that owns
 * the arena.
 */
#include "daemon/region/arena.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "daemon/base/atomic.h"
#include "daemon/base/failpoint.h"
#include "daemon/region/checksum.h"

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

/* -- the record ---------------------------------------------------------- */

uint64_t arena_check(uint64_t seq, const struct arena_record *rec,
		     const char name[ARENA_NAME])
{
	uint64_t sum = checksum_word(CHECKSUM_START, seq);

	sum = checksum(sum, rec, sizeof(*rec));
	if (rec->step == ARENA_FILLING)
		return sum;
	return checksum(sum, name, ARENA_NAME);
}

/* Makes a->now and a->name the record, in one step. */
static void store_record(struct arena *a)
{
	/* relaxed: only this thread writes it */
	uint64_t seq = load_relaxed(&a->region->cur) + 1;
	struct arena_cell *cell = &a->region->cell[seq & 1];
	const uint64_t *word = (const uint64_t *)&a->now;
	size_t i;

	assert(a->now.count <= a->now.taken && a->now.lanes <= a->now.taken);
	/*
	 * A reader that still copies this cell, two changes late, must learn
	 * from `cur` that it was overtaken: this fence, after the last store
	 * of `cur`, pairs with the fence in arena_snapshot().
	 */
	atomic_thread_fence(memory_order_release);
	/* relaxed: the store of cur orders the cell */
	store_relaxed(&cell->seq, seq);
	for (i = 0; i < ARENA_WORDS; i++)
		store_relaxed(&cell->word[i], word[i]);
	if (a->now.step != ARENA_FILLING)
		memcpy(cell->name, a->name, ARENA_NAME);
	store_relaxed(&cell->check, arena_check(seq, &a->now, a->name));
	/*
	 * release: the cell, and the arena's bytes, come first; pairs with the
	 * acquire in arena_snapshot(), and recovery relies on it
	 */
	store_release(&a->region->cur, seq);
}

static void set_empty(struct arena *a)
{
	memset(&a->now, 0, sizeof(a->now));
	a->fill = 0;
	store_record(a);
}

void arena_format(struct arena *a)
{
	memset(a->region, 0, sizeof(*a->region));
	set_empty(a);
}

static bool is_sensible(const struct arena *a)
{
	const struct arena_record *rec = &a->now;

	if (rec->step > ARENA_RENAMING ||
	    rec->where > (ARENA_BESIDE_FINAL | ARENA_FROM_LANE))
		return false;
	if (arena_is_large(rec) &&
	    (!arena_is_lane(rec) || rec->count != 1 || !rec->lanes))
		return false;
	if (rec->step == ARENA_FILLING && rec->where != ARENA_IN_TEMP)
		return false;
	/* No file is begun for nothing. */
	if (rec->step != ARENA_FILLING && !rec->len)
		return false;
	if (!arena_is_lane(rec) && rec->begin > rec->end)
		return false;
	return (arena_is_large(rec) || rec->len <= a->capacity) &&
	       rec->count <= rec->taken && rec->lanes <= rec->taken;
}

/*
 * A complete file's name is one component of a path, and never begins with a
 * dot: it is neither `..` nor the name of a temporary file.
 */
static bool is_name_sensible(const char *name)
{
	return memchr(name, 0, ARENA_NAME) && name[0] && name[0] != '.' &&
	       !strchr(name, '/');
}

int arena_load(struct arena *a, const char **why)
{
	/* relaxed: no other thread uses the arena */
	uint64_t cur = load_relaxed(&a->region->cur);
	struct arena_cell *cell = &a->region->cell[cur & 1];
	uint64_t *word = (uint64_t *)&a->now;
	size_t i;

	for (i = 0; i < ARENA_WORDS; i++)
		word[i] = load_relaxed(&cell->word[i]);
	memcpy(a->name, cell->name, ARENA_NAME);
	*why = "an arena's record is damaged";
	if (load_relaxed(&cell->seq) != cur ||
	    load_relaxed(&cell->check) != arena_check(cur, &a->now, a->name))
		return -EBADMSG;
	*why = "an arena's record makes no sense";
	if (!is_sensible(a))
		return -EBADMSG;
	*why = "an arena's file name makes no sense";
	if (a->now.step != ARENA_FILLING && !is_name_sensible(a->name))
		return -EBADMSG;
	a->fill = a->now.len;
	return 0;
}

void arena_snapshot(const struct arena *a, struct arena_record *out)
{
	uint64_t *word = (uint64_t *)out, cur;
	size_t i;

	/* Repeats only if the owner makes two changes meanwhile. */
	do {
		/* pairs with the release in store_record() */
		cur = load_acquire(&a->region->cur);
		for (i = 0; i < ARENA_WORDS; i++)
			word[i] = load_relaxed(
				&a->region->cell[cur & 1].word[i]);
		/* The words are read before cur: pairs with store_record(). */
		atomic_thread_fence(memory_order_acquire);
	} while (load_relaxed(&a->region->cur) != cur);
	assert(out->count <= out->taken && out->lanes <= out->taken);
}

/* -- messages ------------------------------------------------------------ */

/* Inline, so that a message without a front costs nothing more. */
static inline void append(struct arena *a, const uint8_t *front,
			  uint32_t front_len, const uint8_t *const part[2],
			  const uint32_t part_len[2], bool newline)
{
	uint32_t len = front_len + part_len[0] + part_len[1];
	uint8_t *to = a->data + a->fill;

	assert(a->fill + arena_cost(a, len, newline) <= a->capacity);
	if (a->framing == FRAMING_LENGTH) {
		*to++ = len & 0xff;
		*to++ = len >> 8 & 0xff;
		*to++ = len >> 16 & 0xff;
		*to++ = len >> 24;
	}
	if (front_len) {
		memcpy(to, front, front_len);
		to += front_len;
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

void arena_append(struct arena *a, const uint8_t *const part[2],
		  const uint32_t part_len[2], bool newline)
{
	append(a, NULL, 0, part, part_len, newline);
}

void arena_append_behind(struct arena *a, const uint8_t *front,
			 uint32_t front_len, const uint8_t *const part[2],
			 const uint32_t part_len[2], bool newline)
{
	append(a, front, front_len, part, part_len, newline);
}

static void commit(struct arena *a, uint64_t begin, uint64_t end,
		   uint64_t count, uint64_t oldest_ns)
{
	assert(a->now.step == ARENA_FILLING);
	assert(a->now.len <= a->fill && a->fill <= a->capacity);
	if (arena_is_empty(a))
		a->now.oldest_ns = oldest_ns;
	a->now.len = a->fill;
	a->now.count += count;
	a->now.taken += count;
	a->now.begin = begin;
	a->now.end = end;
	(void)FAILPOINT("commit.before");
	store_record(a);
	(void)FAILPOINT("commit.after");
}

void arena_commit(struct arena *a, uint64_t begin, uint64_t end, uint64_t count,
		  uint64_t oldest_ns)
{
	assert(begin <= end && end < ARENA_LANE && count <= end - begin);
	a->now.skipped += end - begin - count;
	commit(a, begin, end, count, oldest_ns);
}

void arena_commit_lane(struct arena *a, uint64_t id, uint64_t end,
		       uint64_t count, uint64_t oldest_ns)
{
	assert(id && id < ARENA_LANE);
	a->now.lanes += count;
	commit(a, ARENA_LANE | id, end, count, oldest_ns);
}

/* -- large messages ------------------------------------------------------ */

void arena_begin_large(struct arena *a, uint64_t id, uint64_t end,
		       uint8_t *data, uint64_t len, uint64_t now_ns)
{
	assert(arena_is_empty(a) && arena_is_settled(a) && len);
	assert(a->now.step == ARENA_FILLING && id && id < ARENA_LANE);
	a->data = data;
	a->large = true;
	a->fill = a->now.len = len;
	a->now.count = 1;
	a->now.taken++;
	a->now.lanes++;
	a->now.begin = ARENA_LANE | id;
	a->now.end = end;
	a->now.oldest_ns = now_ns;
}

void arena_end_large(struct arena *a)
{
	assert(a->large && arena_is_empty(a));
	a->data = (uint8_t *)a->region + sizeof(struct arena_region);
	a->large = false;
}

void arena_forget_large(struct arena *a)
{
	assert(a->now.step == ARENA_WRITING && arena_is_large(&a->now));
	a->now.step = ARENA_FILLING;
	a->now.where = ARENA_IN_TEMP;
	a->now.len = a->now.count = 0;
	a->now.taken--;
	a->now.lanes--;
	a->now.begin = a->now.end = 0;
	a->fill = 0;
	store_record(a);
}

/* -- steps of a flush ---------------------------------------------------- */

void arena_begin_write(struct arena *a, const char *name,
		       enum arena_where where)
{
	assert(a->now.step == ARENA_FILLING || a->now.step == ARENA_WRITING);
	assert(arena_is_settled(a) && a->now.len > 0);
	assert(where == ARENA_IN_TEMP || where == ARENA_BESIDE_FINAL);
	if (name != a->name) {
		assert(strnlen(name, ARENA_NAME) < ARENA_NAME);
		memset(a->name, 0, sizeof(a->name));
		memcpy(a->name, name, strlen(name));
	}
	a->now.step = ARENA_WRITING;
	a->now.where = where | (a->large ? ARENA_FROM_LANE : 0);
	store_record(a);
}

void arena_begin_rename(struct arena *a)
{
	assert(a->now.step == ARENA_WRITING);
	a->now.step = ARENA_RENAMING;
	store_record(a);
}

void arena_undo_rename(struct arena *a)
{
	assert(a->now.step == ARENA_RENAMING);
	a->now.step = ARENA_WRITING;
	store_record(a);
}

void arena_emptied(struct arena *a)
{
	assert(a->now.step == ARENA_RENAMING ||
	       (a->now.step == ARENA_FILLING && !a->now.len));
	assert(arena_is_settled(a));
	a->now.step = ARENA_FILLING;
	a->now.where = ARENA_IN_TEMP;
	a->now.len = 0;
	a->now.count = 0;
	a->fill = 0;
	store_record(a);
}

void arena_restart(struct arena *a)
{
	assert(arena_is_empty(a) && a->now.step == ARENA_FILLING);
	set_empty(a);
}
