/* SPDX-License-Identifier: MIT */
/*
 * The arena: framed bytes, and a record that changes in one step or not at
 * all, for the next process and for another thread.
 */
#include <pthread.h>
#include <stddef.h>

#include "tests/lib/core.h"
#include "daemon/region/arena.h"

#define SIZE 1000
#define MAX 300

static struct arena arena;
static void *mem;
static size_t bytes;

static void make(enum config_framing framing)
{
	bytes = arena_bytes(SIZE, MAX);
	ck_assert_uint_gt(bytes, 0);
	mem = core_map(bytes);
	arena_open(&arena, mem, SIZE, MAX, framing);
	arena_format(&arena);
}

static void drop(void)
{
	munmap(mem, bytes);
}

/* The arena as the next process finds it. */
static int load(struct arena *next, const char **why)
{
	arena_open(next, mem, SIZE, MAX, FRAMING_NONE);
	return arena_load(next, why);
}

static void append(const char *text, size_t cut)
{
	const uint8_t *part[2] = { (const uint8_t *)text,
				   (const uint8_t *)text + cut };
	uint32_t len[2] = { cut, strlen(text) - cut };
	bool newline = *text && text[strlen(text) - 1] == '\n';

	arena_append(&arena, part, len, newline);
}

/* Messages [begin, end), one byte each. */
static void commit(uint64_t begin, uint64_t end)
{
	uint64_t i;

	for (i = begin; i < end; i++)
		append("x", 1);
	arena_commit(&arena, begin, end, end - begin, begin * 10);
}

/* --- framing ------------------------------------------------------------- */

static const struct {
	enum config_framing framing;
	const char *text, *framed;
	size_t len; /* of framed */
} frames[] = {
	{ FRAMING_NONE, "", "", 0 },
	{ FRAMING_NONE, "abc", "abc", 3 },
	{ FRAMING_NONE, "abc\n", "abc\n", 4 },
	{ FRAMING_NEWLINE, "", "", 0 },
	{ FRAMING_NEWLINE, "abc", "abc\n", 4 },
	{ FRAMING_NEWLINE, "abc\n", "abc\n", 4 },
	{ FRAMING_NEWLINE, "\n", "\n", 1 },
	{ FRAMING_NEWLINE, "a\nb", "a\nb\n", 4 },
	{ FRAMING_NEWLINE, "a\n\n", "a\n\n", 3 },
	{ FRAMING_LENGTH, "", "\0\0\0\0", 4 },
	{ FRAMING_LENGTH, "abc", "\3\0\0\0abc", 7 },
	{ FRAMING_LENGTH, "abc\n", "\4\0\0\0abc\n", 8 },
};

START_TEST(a_message_is_framed_and_costs_what_it_takes)
{
	const char *text = frames[_i].text;
	size_t len = strlen(text), cut;

	make(frames[_i].framing);
	for (cut = 0; cut <= len; cut++) {
		uint64_t at = arena.fill;

		append(text, cut);
		ck_assert_uint_eq(arena.fill - at, frames[_i].len);
		ck_assert_uint_eq(arena_cost(&arena, len,
					     len && text[len - 1] == '\n'),
				  frames[_i].len);
		ck_assert_mem_eq(arena.data + at, frames[_i].framed,
				 frames[_i].len);
	}
	drop();
}
END_TEST

START_TEST(a_length_is_little_endian)
{
	static uint8_t big[0x30201];
	const uint8_t *part[2] = { big, big + 1000 };
	const uint32_t len[2] = { 1000, sizeof(big) - 1000 };

	bytes = arena_bytes(1, sizeof(big));
	mem = core_map(bytes);
	arena_open(&arena, mem, 1, sizeof(big), FRAMING_LENGTH);
	arena_format(&arena);
	arena_append(&arena, part, len, false);
	ck_assert_mem_eq(arena.data, "\1\2\3\0", 4);
	ck_assert_uint_eq(arena.fill, sizeof(big) + 4);
	drop();
}
END_TEST

START_TEST(a_largest_message_fits_behind_a_full_arena)
{
	static const struct {
		uint64_t size, max;
	} cases[] = { { 1, 1 }, { 1, 2048 }, { 5, 2049 }, { 4096, 208 * 1024 } };
	uint64_t size = cases[_i].size, max = cases[_i].max;
	uint8_t *big = calloc(1, size + max);
	const uint8_t *part[2] = { big, NULL };
	uint32_t len[2] = { size, 0 };
	enum config_framing framing;

	for (framing = FRAMING_NEWLINE; framing <= FRAMING_LENGTH; framing++) {
		bytes = arena_bytes(size, max);
		mem = core_map(bytes);
		arena_open(&arena, mem, size, max, FRAMING_NONE);
		arena_format(&arena);
		len[0] = size;
		arena_append(&arena, part, len, false);
		arena.framing = framing;
		len[0] = max;
		arena_append(&arena, part, len, false);
		ck_assert_uint_le(arena.data + arena.fill - (uint8_t *)mem,
				  bytes);
		drop();
	}
	free(big);
}
END_TEST

START_TEST(a_size_out_of_all_bounds_has_no_region)
{
	ck_assert_uint_eq(arena_bytes(0, 1), 0);
	ck_assert_uint_eq(arena_bytes(1, 0), 0);
	ck_assert_uint_eq(arena_bytes(UINT64_MAX, 1), 0);
	ck_assert_uint_eq(arena_bytes(1, UINT64_MAX), 0);
	ck_assert_uint_eq(arena_bytes(UINT64_MAX, UINT64_MAX), 0);
	ck_assert_uint_gt(arena_bytes(UINT64_C(1) << 30, 208 * 1024), 0);
}
END_TEST

/* --- the record ---------------------------------------------------------- */

START_TEST(what_was_not_committed_is_not_there)
{
	struct arena next;
	const char *why;

	make(FRAMING_NONE);
	append("abc", 3);
	arena_commit(&arena, 10, 11, 1, 77);
	append("def", 3);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.len, 3);
	ck_assert_uint_eq(next.fill, 3);
	ck_assert_mem_eq(next.data, "abc", 3);
	drop();
}
END_TEST

START_TEST(a_commit_adds_up_and_keeps_the_oldest)
{
	struct arena next;
	const char *why;

	make(FRAMING_NONE);
	append("abc", 3);
	append("", 0);
	/* four tickets, two of them too large to be messages */
	arena_commit(&arena, 10, 14, 2, 77);
	append("de", 2);
	arena_commit(&arena, 20, 21, 1, 99);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.step, ARENA_FILLING);
	ck_assert_uint_eq(next.now.len, 5);
	ck_assert_uint_eq(next.now.count, 3);
	ck_assert_uint_eq(next.now.taken, 3);
	ck_assert_uint_eq(arena_written(&next.now), 0);
	ck_assert_uint_eq(next.now.skipped, 2);
	ck_assert_uint_eq(next.now.begin, 20);
	ck_assert_uint_eq(next.now.end, 21);
	ck_assert_uint_eq(next.now.oldest_ns, 77);
	drop();
}
END_TEST

START_TEST(the_oldest_is_of_the_first_message_after_a_file)
{
	make(FRAMING_NONE);
	/* only a ticket without a message: nothing is old yet */
	arena_commit(&arena, 1, 2, 0, 0);
	ck_assert(arena_is_empty(&arena));
	append("a", 1);
	arena_commit(&arena, 2, 3, 1, 50);
	ck_assert_uint_eq(arena.now.oldest_ns, 50);
	arena_begin_write(&arena, "n", ARENA_IN_TEMP);
	arena_begin_rename(&arena);
	arena_emptied(&arena);
	append("b", 1);
	arena_commit(&arena, 3, 4, 1, 60);
	ck_assert_uint_eq(arena.now.oldest_ns, 60);
	drop();
}
END_TEST

START_TEST(each_step_is_what_the_next_process_finds)
{
	struct arena next;
	const char *why;

	make(FRAMING_NONE);
	commit(1, 6);
	arena_begin_write(&arena, "name-1", ARENA_IN_TEMP);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.step, ARENA_WRITING);
	ck_assert_str_eq(next.name, "name-1");
	/* the name was taken: another one */
	arena_begin_write(&arena, "n2", ARENA_IN_TEMP);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_str_eq(next.name, "n2");
	arena_begin_rename(&arena);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.step, ARENA_RENAMING);
	ck_assert_str_eq(next.name, "n2");
	ck_assert_uint_eq(next.now.len, 5);
	arena_emptied(&arena);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.step, ARENA_FILLING);
	ck_assert_uint_eq(next.now.len, 0);
	ck_assert_uint_eq(next.now.count, 0);
	ck_assert_uint_eq(next.now.taken, 5);
	ck_assert_uint_eq(arena_written(&next.now), 5);
	/* the tickets stay, until there are others */
	ck_assert_uint_eq(next.now.begin, 1);
	ck_assert_uint_eq(next.now.end, 6);
	arena_restart(&arena);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.taken + next.now.end, 0);
	drop();
}
END_TEST

START_TEST(a_rename_that_is_undone_keeps_name_and_place)
{
	struct arena next;
	const char *why;

	make(FRAMING_NONE);
	commit(1, 2);
	arena_begin_write(&arena, "keep-this", ARENA_BESIDE_FINAL);
	arena_begin_rename(&arena);
	arena_undo_rename(&arena);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.step, ARENA_WRITING);
	ck_assert_uint_eq(next.now.where, ARENA_BESIDE_FINAL);
	ck_assert_str_eq(next.name, "keep-this");
	/* the same name again, in the other place */
	arena_begin_write(&arena, arena.name, ARENA_IN_TEMP);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.where, ARENA_IN_TEMP);
	ck_assert_str_eq(next.name, "keep-this");
	drop();
}
END_TEST

START_TEST(the_longest_name_is_kept_whole)
{
	char name[256];
	struct arena next;
	const char *why;

	memset(name, 'n', 255);
	name[255] = 0;
	make(FRAMING_NONE);
	commit(1, 2);
	arena_begin_write(&arena, name, ARENA_IN_TEMP);
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_str_eq(next.name, name);
	drop();
}
END_TEST

/* --- damage -------------------------------------------------------------- */

static struct arena_cell *current(void)
{
	struct arena_region *region = mem;

	return &region->cell[atomic_load(&region->cur) & 1];
}

/* Each bit of these bytes; says if each time it was noticed. */
static void flip(void *at, size_t n, bool noticed)
{
	struct arena next;
	const char *why;
	uint8_t *p = at;
	size_t i;

	for (i = 0; i < 8 * n; i++) {
		p[i / 8] ^= 1 << i % 8;
		ck_assert_msg(load(&next, &why) == (noticed ? -EBADMSG : 0),
			      "bit %zu", i);
		p[i / 8] ^= 1 << i % 8;
	}
	ck_assert_int_eq(load(&next, &why), 0);
}

static void step_to(int step)
{
	commit(5, 9);
	if (step > ARENA_FILLING)
		arena_begin_write(&arena, "prefix-3_4711_1234567890.log",
				  ARENA_IN_TEMP);
	if (step > ARENA_WRITING)
		arena_begin_rename(&arena);
}

START_TEST(each_damaged_bit_of_the_record_is_noticed)
{
	struct arena_region *region;
	struct arena_cell *cell;
	struct arena next;
	const char *why;

	make(FRAMING_NONE);
	step_to(_i);
	region = mem;
	cell = current();
	flip((uint8_t *)mem + 1, 7, true); /* cur */
	/* one back is the record before; nothing else is a record */
	atomic_fetch_sub(&region->cur, 1);
	if (!load(&next, &why))
		ck_assert_uint_eq(next.now.step, _i ? _i - 1 : 0);
	atomic_fetch_add(&region->cur, 2);
	ck_assert_int_eq(load(&next, &why), -EBADMSG);
	atomic_fetch_sub(&region->cur, 1);
	flip(cell, offsetof(struct arena_cell, name), true);
	flip(cell->name, ARENA_NAME, _i != ARENA_FILLING);
	/* the other cell is of the past */
	flip(&region->cell[cell == region->cell], sizeof(*cell), false);
	drop();
}
END_TEST

START_TEST(memory_that_was_never_an_arena_is_none)
{
	static const int fill[] = { 0x00, 0x01, 0x80, 0xff };
	struct arena next;
	const char *why;

	make(FRAMING_NONE);
	memset(mem, fill[_i], bytes);
	ck_assert_int_eq(load(&next, &why), -EBADMSG);
	drop();
}
END_TEST

/* Makes this the current cell, under a right checksum. */
static void forge(const struct arena_record *rec, const char *name)
{
	const uint64_t *word = (const uint64_t *)rec;
	struct arena_cell *cell = current();
	uint64_t seq = atomic_load(&cell->seq);
	size_t i;

	for (i = 0; i < ARENA_WORDS; i++)
		atomic_store(&cell->word[i], word[i]);
	memset(cell->name, 0, sizeof(cell->name));
	memcpy(cell->name, name, strlen(name));
	atomic_store(&cell->check, arena_check(seq, rec, cell->name));
}

START_TEST(an_impossible_record_is_refused)
{
	static const struct {
		uint64_t step, where, len, count, taken, begin, end;
		const char *name;
		const char *why; /* NULL: it is possible */
	} cases[] = {
		{ ARENA_WRITING, 0, SIZE + MAX + 4, 1, 1, 1, 2, "n", NULL },
		{ ARENA_WRITING, 0, SIZE + MAX + 5, 1, 1, 1, 2, "n", "sense" },
		{ ARENA_WRITING, 0, UINT64_MAX, 1, 1, 1, 2, "n", "sense" },
		{ ARENA_WRITING, 0, 1, 1, 1, 2, 1, "n", "sense" },
		{ ARENA_WRITING, 0, 1, 1, 3, 1, 2, "n", NULL },
		{ ARENA_WRITING, 0, 1, 3, 1, 1, 2, "n", "sense" },
		{ ARENA_WRITING, 0, 0, 1, 1, 1, 2, "n", "sense" },
		{ ARENA_RENAMING, 0, 0, 0, 0, 1, 2, "n", "sense" },
		{ ARENA_WRITING, 0, 1, 1, 1, 1, 2, "", "name" },
		{ ARENA_WRITING, 0, 1, 1, 1, 1, 2, "../n", "name" },
		{ ARENA_WRITING, 0, 1, 1, 1, 1, 2, "/etc/passwd", "name" },
		{ ARENA_WRITING, 0, 1, 1, 1, 1, 2, "..", "name" },
		{ ARENA_WRITING, 0, 1, 1, 1, 1, 2, ".tmp", "name" },
		{ ARENA_FILLING, 0, 1, 1, 1, 1, 2, "", NULL },
		{ ARENA_FILLING, 1, 1, 1, 1, 1, 2, "", "sense" },
		{ ARENA_RENAMING, 1, 1, 1, 1, 1, 2, "n", NULL },
		{ ARENA_RENAMING, 2, 1, 1, 1, 1, 2, "n", "sense" },
		{ 3, 0, 1, 1, 1, 1, 2, "n", "sense" },
		/* what version 1 wrote for a temp file beside */
		{ 5, 0, 1, 1, 1, 1, 2, "n", "sense" },
	};
	struct arena_record rec = {
		.step = cases[_i].step,
		.where = cases[_i].where,
		.len = cases[_i].len,
		.count = cases[_i].count,
		.taken = cases[_i].taken,
		.begin = cases[_i].begin,
		.end = cases[_i].end,
	};
	struct arena next;
	const char *why;

	make(FRAMING_NONE);
	commit(1, 2);
	forge(&rec, cases[_i].name);
	ck_assert_int_eq(load(&next, &why), cases[_i].why ? -EBADMSG : 0);
	ck_assert_msg(!cases[_i].why || strstr(why, cases[_i].why), "%s", why);
	drop();
}
END_TEST

/*
 * A process that dies within a change has stored some bytes of the new cell.
 * However many, what is found is the record before, until `cur` moves, and
 * then the one after.
 */
START_TEST(a_change_happens_in_one_step)
{
	struct arena_region before, after, between;
	struct arena next;
	const char *why;
	size_t at, i;

	make(FRAMING_NONE);
	step_to(_i);
	memcpy(&before, mem, sizeof(before));
	switch (_i) {
	case ARENA_FILLING:
		commit(9, 12);
		break;
	case ARENA_WRITING:
		arena_begin_rename(&arena);
		break;
	default:
		arena_emptied(&arena);
	}
	memcpy(&after, mem, sizeof(after));
	at = offsetof(struct arena_region, cell) +
	     (atomic_load(&after.cur) & 1) * sizeof(struct arena_cell);
	for (i = 0; i <= sizeof(struct arena_cell); i++) {
		memcpy(&between, &before, sizeof(before));
		memcpy((uint8_t *)&between + at, (uint8_t *)&after + at, i);
		memcpy(mem, &between, sizeof(between));
		ck_assert_int_eq(load(&next, &why), 0);
		ck_assert_uint_eq(next.now.step, _i);
		ck_assert_uint_eq(next.now.len, 4);
		ck_assert_uint_eq(next.now.end, 9);
	}
	atomic_store(&((struct arena_region *)mem)->cur,
		     atomic_load(&after.cur));
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert(next.now.step != (uint64_t)_i || next.now.len == 7);
	drop();
}
END_TEST

/* Killed at the points around a commit: it did not happen, or it did. */
static int commit_twice(void *arg)
{
	(void)arg;
	commit(1, 4);
	commit(4, 9);
	return 0;
}

START_TEST(a_killed_commit_happened_or_did_not)
{
	static const struct {
		const char *point;
		uint64_t len, begin, end;
	} cases[] = {
		{ "commit.before=kill@1", 0, 0, 0 },
		{ "commit.after=kill@1", 3, 1, 4 },
		{ "commit.before=kill@2", 3, 1, 4 },
		{ "commit.after=kill@2", 8, 4, 9 },
	};
	struct arena next;
	const char *why;

	make(FRAMING_NONE);
	ck_assert(core_was_killed(
		core_child(cases[_i].point, commit_twice, NULL)));
	ck_assert_int_eq(load(&next, &why), 0);
	ck_assert_uint_eq(next.now.len, cases[_i].len);
	ck_assert_uint_eq(next.now.begin, cases[_i].begin);
	ck_assert_uint_eq(next.now.end, cases[_i].end);
	drop();
}
END_TEST

/* --- another thread ------------------------------------------------------ */

/* More than there are processors, so that some are stopped within a copy. */
#define LOOKERS 6

static _Atomic bool done;
static _Atomic unsigned wrong;
static _Atomic uint64_t looks;

static void *look(void *arg)
{
	uint64_t last = 0, n = 0;
	struct arena_record rec;

	(void)arg;
	while (!atomic_load_explicit(&done, memory_order_relaxed)) {
		arena_snapshot(&arena, &rec);
		/* one byte a message, and tickets from 1 without a gap */
		if (rec.len != rec.count || rec.count > rec.taken ||
		    (rec.end ? rec.end - 1 : 0) != rec.taken ||
		    rec.taken < last ||
		    (rec.step != ARENA_FILLING && rec.len < SIZE))
			atomic_fetch_add(&wrong, 1);
		last = rec.taken;
		n++;
	}
	atomic_fetch_add(&looks, n);
	return NULL;
}

START_TEST(a_snapshot_is_never_of_two_records)
{
	pthread_t thread[LOOKERS];
	struct arena_record rec;
	uint64_t ticket = 1, n;
	unsigned i;

	make(FRAMING_NONE);
	for (i = 0; i < LOOKERS; i++)
		ck_assert(!pthread_create(&thread[i], NULL, look, NULL));
	for (i = 0; i < suite_scale(suite_scale(1500000)); i++) {
		n = 1 + i % 7;
		commit(ticket, ticket + n);
		ticket += n;
		if (arena.now.len < SIZE)
			continue;
		arena_begin_write(&arena, "a-name", ARENA_IN_TEMP);
		arena_begin_rename(&arena);
		arena_emptied(&arena);
	}
	atomic_store(&done, true);
	for (i = 0; i < LOOKERS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(looks, 100);
	arena_snapshot(&arena, &rec);
	ck_assert_uint_eq(rec.taken, ticket - 1);
	drop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *tc = core_case(suite, "arena");

	tcase_add_loop_test(tc, a_message_is_framed_and_costs_what_it_takes, 0,
			    sizeof(frames) / sizeof(frames[0]));
	tcase_add_test(tc, a_length_is_little_endian);
	tcase_add_loop_test(tc, a_largest_message_fits_behind_a_full_arena, 0,
			    4);
	tcase_add_test(tc, a_size_out_of_all_bounds_has_no_region);
	tcase_add_test(tc, what_was_not_committed_is_not_there);
	tcase_add_test(tc, a_commit_adds_up_and_keeps_the_oldest);
	tcase_add_test(tc, the_oldest_is_of_the_first_message_after_a_file);
	tcase_add_test(tc, each_step_is_what_the_next_process_finds);
	tcase_add_test(tc, a_rename_that_is_undone_keeps_name_and_place);
	tcase_add_test(tc, the_longest_name_is_kept_whole);
	tcase_add_loop_test(tc, each_damaged_bit_of_the_record_is_noticed, 0,
			    3);
	tcase_add_loop_test(tc, memory_that_was_never_an_arena_is_none, 0, 4);
	tcase_add_loop_test(tc, an_impossible_record_is_refused, 0, 19);
	tcase_add_loop_test(tc, a_change_happens_in_one_step, 0, 3);
	tcase_add_loop_test(tc, a_killed_commit_happened_or_did_not, 0, 4);
	tcase_add_test(tc, a_snapshot_is_never_of_two_records);
	return suite_run(suite, CK_FORK);
}
