/* SPDX-License-Identifier: MIT */
/*
 * The lane table: which entry a new lane gets, which one a question finds, and
 * what the next process believes and carries over.
 */
#include "daemon/base/atomic.h"
#include "daemon/region/checksum.h"
#include "daemon/region/lane_table.h"
#include "tests/lib/core.h"

#define SIZE 4096

static struct lane_table table, other;
static unsigned made; /* entries that have been opened: their ids */

/* In memory that a child shares. */
static void open_table(struct lane_table *t, unsigned entries)
{
	t->entries = entries;
	t->entry = entries ? core_map(lane_table_bytes(entries)) : NULL;
}

static void setup(void)
{
	core_open();
	open_table(&table, 8);
	made = 0;
}

static struct lane_entry *open_one(struct lane_table *t, uint32_t uid)
{
	struct lane_entry *e = lane_table_room(t);

	ck_assert_ptr_nonnull(e);
	made++;
	lane_entry_open(e, made, SIZE, 0, uid, 42, 8 * made);
	return e;
}

static void close_at(struct lane_entry *e, uint64_t closed_ns)
{
	lane_entry_close(e);
	store_relaxed(&e->closed_ns, closed_ns);
}

/*
 * A table in these states, one letter an entry: `.` FREE, `O` OPEN, a digit:
 * CLOSED at that time.  Entry i is the lane 1 + i.
 */
static void fill(struct lane_table *t, const char *states)
{
	unsigned i;

	for (i = 0; i < t->entries; i++) {
		if (states[i] == '.')
			continue;
		lane_entry_open(&t->entry[i], 1 + i, SIZE, i % 3, 1000 + i % 2,
				i, 8 * i);
		if (states[i] != 'O')
			close_at(&t->entry[i], (uint64_t)(states[i] - '0'));
	}
}

/* --- room ---------------------------------------------------------------- */

static const struct {
	const char *states;
	int room; /* the entry that a new lane gets; -1: none */
} rooms[] = {
	{ "........", 0 }, { "O.......", 1 }, { "OOOOOOO.", 7 },
	{ "5.4.3...", 1 }, { "1234567.", 7 }, { "OOOOOOOO", -1 },
	{ "OOO7OOOO", 3 }, { "54321678", 4 }, { "12345678", 0 },
	{ "87654321", 7 }, { "OO3O2O4O", 4 }, { "99999999", 0 },
	{ "O0O1OOOO", 1 },
};

START_TEST(a_new_lane_gets_a_free_entry_or_the_one_closed_first)
{
	struct lane_entry *e;

	fill(&table, rooms[_i].states);
	e = lane_table_room(&table);
	ck_assert_int_eq(e ? (int)lane_entry_index(&table, e) : -1,
			 rooms[_i].room);
}
END_TEST

START_TEST(a_reused_entry_is_the_new_lane_and_not_the_old_one)
{
	struct lane_entry *e;

	fill(&table, "54321678");
	e = lane_table_room(&table);
	ck_assert_ptr_eq(lane_table_find(&table, 5), e);
	lane_entry_open(e, 500, 2 * SIZE, 9, 7, 8, 640);
	ck_assert_ptr_null(lane_table_find(&table, 5));
	ck_assert_ptr_eq(lane_table_find(&table, 500), e);
	ck_assert_uint_eq(e->state, LANE_ENTRY_OPEN);
	ck_assert_uint_eq(e->size, 2 * SIZE);
	ck_assert_uint_eq(e->large, 9);
	ck_assert_uint_eq(e->uid, 7);
	ck_assert_uint_eq(e->pid, 8);
	ck_assert_uint_eq(e->position, 640);
	ck_assert_uint_eq(e->closed_ns, 0);
}
END_TEST

/* Lanes come and go for longer than there are entries. */
START_TEST(a_lane_can_be_asked_for_until_the_others_have_been_used)
{
	struct lane_entry *e;
	unsigned i;

	for (i = 0; i < 100; i++) {
		e = open_one(&table, 0);
		close_at(e, 1 + i);
		ck_assert_ptr_eq(lane_table_find(&table, made), e);
		if (made >= 8)
			ck_assert_ptr_nonnull(
				lane_table_find(&table, made - 7));
		ck_assert(made < 9 || !lane_table_find(&table, made - 8));
	}
}
END_TEST

/* --- what is found -------------------------------------------------------- */

START_TEST(open_and_closed_lanes_are_found_by_their_id)
{
	uint64_t id;

	fill(&table, "O.1O..2.");
	for (id = 0; id < 12; id++) {
		struct lane_entry *e = lane_table_find(&table, id);

		if (id == 1 || id == 3 || id == 4 || id == 7)
			ck_assert_ptr_eq(e, &table.entry[id - 1]);
		else
			ck_assert_ptr_null(e);
	}
	ck_assert_ptr_null(lane_table_find(&table, UINT64_MAX));
}
END_TEST

START_TEST(open_lanes_count_for_their_user)
{
	/* odd entries: user 1001, even ones: 1000 */
	fill(&table, "OO1O2.OO");
	ck_assert_uint_eq(lane_table_count(&table, 1000), 2);
	ck_assert_uint_eq(lane_table_count(&table, 1001), 3);
	ck_assert_uint_eq(lane_table_count(&table, 0), 0);
	lane_entry_close(&table.entry[1]);
	ck_assert_uint_eq(lane_table_count(&table, 1001), 2);
}
END_TEST

START_TEST(a_table_is_used_while_an_entry_is_open_or_closed)
{
	static const char *const states[] = { "........", ".......O",
					      ".......1", "O......." };

	fill(&table, states[_i]);
	ck_assert((lane_table_used(&table) != 0) == (_i != 0));
}
END_TEST

START_TEST(an_id_is_that_of_no_other_lane)
{
	uint64_t id, last = 0;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		id = lane_table_new_id(&table);
		ck_assert(id && id <= LANE_ID_MAX && id != last);
		ck_assert_ptr_null(lane_table_find(&table, id));
		lane_entry_open(&table.entry[i % 8], id, SIZE, 0, 0, 0, 0);
		close_at(&table.entry[i % 8], 1 + i);
		last = id;
	}
}
END_TEST

/* lanes.count = 0 */
START_TEST(a_table_without_entries_has_no_lanes)
{
	struct arena_record rec = { .begin = ARENA_LANE | 1, .end = 8 };
	struct lane_table none;
	const char *why;

	open_table(&none, 0);
	ck_assert_uint_eq(lane_table_bytes(0), 0);
	ck_assert_int_eq(lane_table_check(&none, &why), 0);
	ck_assert_ptr_null(lane_table_find(&none, 0));
	ck_assert_ptr_null(lane_table_room(&none));
	ck_assert_uint_eq(lane_table_used(&none), 0);
	ck_assert_uint_eq(lane_table_count(&none, 0), 0);
	ck_assert_uint_ne(lane_table_new_id(&none), 0);
	lane_table_settle(&none, &rec);
	lane_table_carry(&none, &none);
}
END_TEST

START_TEST(the_bytes_of_a_table_are_whole_pages)
{
	static const struct {
		uint64_t entries, bytes;
	} cases[] = { { 1, 4096 },  { 31, 4096 }, { 32, 4096 },
		      { 33, 8192 }, { 64, 8192 }, { LANE_TABLE_MOST, 524288 } };

	ck_assert_uint_eq(lane_table_bytes(cases[_i].entries), cases[_i].bytes);
}
END_TEST

/* --- what the next process finds ------------------------------------------ */

/* Every bit of what the check is over, and of the check. */
START_TEST(each_damaged_bit_of_an_entry_is_noticed)
{
	struct lane_entry *e = &table.entry[3];
	const char *why;
	unsigned bit;

	fill(&table, _i ? "...2...." : "...O....");
	ck_assert_int_eq(lane_table_check(&table, &why), 0);
	for (bit = 0; bit < 8 * 40; bit++) {
		((uint8_t *)e)[bit / 8] ^= 1 << bit % 8;
		ck_assert_msg(lane_table_check(&table, &why) == -EBADMSG,
			      "bit %u", bit);
		ck_assert_str_eq(why, "a lane's entry makes no sense");
		((uint8_t *)e)[bit / 8] ^= 1 << bit % 8;
	}
	ck_assert_int_eq(lane_table_check(&table, &why), 0);
	/* Nobody looks at an entry that is free. */
	e->check ^= 1;
	store_relaxed(&e->state, LANE_ENTRY_FREE);
	ck_assert_int_eq(lane_table_check(&table, &why), 0);
}
END_TEST

START_TEST(an_entry_that_nobody_can_have_made_is_refused)
{
	static const struct {
		uint64_t id, state;
		int err;
	} cases[] = {
		{ 1, LANE_ENTRY_OPEN, 0 },
		{ LANE_ID_MAX, LANE_ENTRY_CLOSED, 0 },
		{ 0, LANE_ENTRY_OPEN, -EBADMSG },
		{ 0, LANE_ENTRY_CLOSED, -EBADMSG },
		{ 0, LANE_ENTRY_FREE, 0 },
		{ (uint64_t)LANE_ID_MAX + 1, LANE_ENTRY_OPEN, -EBADMSG },
		{ UINT64_MAX, LANE_ENTRY_OPEN, -EBADMSG },
		{ 1, LANE_ENTRY_CLOSED + 1, -EBADMSG },
		{ 1, UINT64_MAX, -EBADMSG },
	};
	struct lane_entry *e = &table.entry[7];
	const char *why;

	e->id = cases[_i].id;
	e->check = checksum(CHECKSUM_START, e,
			    offsetof(struct lane_entry, check));
	store_relaxed(&e->state, cases[_i].state);
	ck_assert_int_eq(lane_table_check(&table, &why), cases[_i].err);
}
END_TEST

static int open_two(void *arg)
{
	(void)arg;
	open_one(&table, 1);
	open_one(&table, 1);
	return 0;
}

START_TEST(a_killed_hand_out_leaves_no_entry)
{
	const char *why;

	ck_assert(core_was_killed(
		core_child(_i ? "lane.entry=kill@2" : "lane.entry=kill@1",
			   open_two, NULL)));
	ck_assert_int_eq(lane_table_check(&table, &why), 0);
	ck_assert_uint_eq(lane_table_count(&table, 1), _i);
	ck_assert_ptr_eq(lane_table_room(&table), &table.entry[_i]);
}
END_TEST

/* An entry that is used again is never the old lane with new numbers. */
static int reopen(void *arg)
{
	(void)arg;
	fill(&table, "3.......");
	lane_entry_open(&table.entry[0], 99, SIZE, 0, 1, 1, 0);
	return 0;
}

START_TEST(a_killed_reuse_leaves_no_entry)
{
	const char *why;

	ck_assert(
		core_was_killed(core_child("lane.entry=kill@2", reopen, NULL)));
	ck_assert_int_eq(lane_table_check(&table, &why), 0);
	ck_assert_ptr_null(lane_table_find(&table, 1));
	ck_assert_ptr_null(lane_table_find(&table, 99));
}
END_TEST

/* --- what a dead worker had taken ------------------------------------------ */

static const struct {
	uint64_t begin, end;
	uint64_t where;
	uint64_t position; /* of lane 2, which was 8 */
} taken[] = {
	{ ARENA_LANE | 2, 64, ARENA_IN_TEMP, 64 },
	{ ARENA_LANE | 2, 64, ARENA_BESIDE_FINAL, 64 },
	/* another worker has taken more since */
	{ ARENA_LANE | 2, 0, ARENA_IN_TEMP, 8 },
	{ ARENA_LANE | 2, 8, ARENA_IN_TEMP, 8 },
	/* a lane that is long forgotten, and no lane */
	{ ARENA_LANE | 9, 64, ARENA_IN_TEMP, 8 },
	{ ARENA_LANE, 64, ARENA_IN_TEMP, 8 },
	/* tickets of the ring */
	{ 2, 64, ARENA_IN_TEMP, 8 },
	/* a large message is taken when it is in a file */
	{ ARENA_LANE | 2, 64, ARENA_IN_TEMP | ARENA_FROM_LANE, 8 },
	{ ARENA_LANE | 2, 64, ARENA_BESIDE_FINAL | ARENA_FROM_LANE, 8 },
};

START_TEST(what_an_arena_has_taken_from_a_lane_was_taken)
{
	struct arena_record rec = { .begin = taken[_i].begin,
				    .end = taken[_i].end,
				    .where = taken[_i].where };

	fill(&table, "OO1.....");
	lane_table_settle(&table, &rec);
	ck_assert_uint_eq(table.entry[0].position, 0);
	ck_assert_uint_eq(table.entry[1].position, taken[_i].position);
	ck_assert_uint_eq(table.entry[2].position, 16);
}
END_TEST

/* --- a table of another size ----------------------------------------------- */

static const struct {
	const char *from;
	unsigned room;	/* entries of the new table */
	const char *to; /* the lanes there, by their entries before */
} carried[] = {
	{ "........", 8, "" },
	{ "OO1.....", 8, "012" },
	{ "..O..2.O", 8, "257" },
	{ "12345678", 8, "01234567" },
	{ "12345678", 80, "01234567" },
	{ "OOOOOOOO", 80, "01234567" },
	/* A smaller one: what is open, and then what was closed last. */
	{ "12O.....", 2, "12" },
	{ "21O.....", 2, "02" },
	{ "1234567O", 1, "7" },
	{ "1O2O3O4O", 4, "1357" },
	{ "1O2O3O4O", 5, "13567" },
	{ "1O2O3O4O", 6, "134567" },
	{ "54321678", 3, "567" },
	{ "87654321", 3, "012" },
	{ "OOOOOOOO", 3, "012" },
	/* lanes.count is 0 now, or was */
	{ "OO1.....", 0, "" },
	{ "", 8, "" },
};

#define CARRIED (sizeof(carried) / sizeof(carried[0]))

START_TEST(a_table_of_another_size_has_what_matters)
{
	const char *to = carried[_i].to, *why;
	unsigned i, used = 0;

	if (!carried[_i].from[0])
		open_table(&table, 0);
	fill(&table, carried[_i].from);
	open_table(&other, carried[_i].room);
	lane_table_carry(&other, &table);
	ck_assert_int_eq(lane_table_check(&other, &why), 0);
	for (i = 0; i < other.entries; i++)
		used += other.entry[i].state != LANE_ENTRY_FREE;
	ck_assert_uint_eq(used, strlen(to));
	for (; *to; to++) {
		const struct lane_entry *was = &table.entry[*to - '0'];
		const struct lane_entry *is = lane_table_find(&other, was->id);

		ck_assert_msg(is != NULL, "lane %c is gone", *to);
		ck_assert_uint_eq(is->state, was->state);
		ck_assert_uint_eq(is->size, was->size);
		ck_assert_uint_eq(is->large, was->large);
		ck_assert_uint_eq(is->uid, was->uid);
		ck_assert_uint_eq(is->pid, was->pid);
		ck_assert_uint_eq(is->position, was->position);
		ck_assert_uint_eq(is->closed_ns, was->closed_ns);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lane_table");
	TCase *tc = suite_case(suite, "entries", setup, core_close);

	tcase_add_loop_test(
		tc, a_new_lane_gets_a_free_entry_or_the_one_closed_first, 0,
		sizeof(rooms) / sizeof(rooms[0]));
	tcase_add_test(tc, a_reused_entry_is_the_new_lane_and_not_the_old_one);
	tcase_add_test(tc,
		       a_lane_can_be_asked_for_until_the_others_have_been_used);
	tcase_add_test(tc, open_and_closed_lanes_are_found_by_their_id);
	tcase_add_test(tc, open_lanes_count_for_their_user);
	tcase_add_loop_test(
		tc, a_table_is_used_while_an_entry_is_open_or_closed, 0, 4);
	tcase_add_test(tc, an_id_is_that_of_no_other_lane);
	tcase_add_test(tc, a_table_without_entries_has_no_lanes);
	tcase_add_loop_test(tc, the_bytes_of_a_table_are_whole_pages, 0, 6);
	tc = suite_case(suite, "the next process", setup, core_close);
	tcase_add_loop_test(tc, each_damaged_bit_of_an_entry_is_noticed, 0, 2);
	tcase_add_loop_test(tc, an_entry_that_nobody_can_have_made_is_refused,
			    0, 9);
	tcase_add_loop_test(tc, a_killed_hand_out_leaves_no_entry, 0, 2);
	tcase_add_test(tc, a_killed_reuse_leaves_no_entry);
	tcase_add_loop_test(tc, what_an_arena_has_taken_from_a_lane_was_taken,
			    0, sizeof(taken) / sizeof(taken[0]));
	tcase_add_loop_test(tc, a_table_of_another_size_has_what_matters, 0,
			    CARRIED);
	return suite_run(suite, CK_FORK);
}
