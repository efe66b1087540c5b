/* SPDX-License-Identifier: MIT */
/*
 * Which files a run gets: the plan against a centre that this test plays.  A
 * few files of the centre are bad: they never pass, alone, or with all others
 * of their run.  The centre can be away for a number of runs.
 */
#include "tests/lib/core.h"

#include "client/ship/plan.h"

/* More runs are no end. */
#define RUNS 5000

/* How the centre treats a run that has a bad file. */
enum centre {
	LEAVES, /* all others pass; the bad ones stay, as with rsync's 23 */
	STOPS,	/* those before the bad one pass; then the run breaks off */
	REFUSES /* nothing passes */
};

static const struct row {
	const char *name;
	size_t files, max;
	size_t bad[4]; /* places of bad files, from 1; 0 ends them */
	enum centre centre;
	unsigned away;	   /* the first runs find no centre */
	enum blame blames; /* what such a run says */
	size_t most_runs;  /* that the whole may take, or 0 */
} rows[] = {
	{ "nothing", 0, 10, { 0 }, LEAVES, 0, 0, 0 },
	{ "all pass", 100, 10, { 0 }, LEAVES, 0, 0, 10 },
	{ "one file", 1, 10, { 0 }, LEAVES, 0, 0, 1 },
	{ "a bad one, alone", 1, 10, { 1 }, REFUSES, 0, 0, 0 },
	{ "a bad one stays", 100, 10, { 5 }, LEAVES, 0, 0, 20 },
	{ "the first stops", 100, 10, { 1 }, STOPS, 0, 0, 30 },
	{ "the fifth stops", 100, 10, { 5 }, STOPS, 0, 0, 30 },
	{ "the last but one stops", 100, 10, { 99 }, STOPS, 0, 0, 30 },
	{ "the fifth is refused", 100, 10, { 5 }, REFUSES, 0, 0, 30 },
	{ "four are refused", 100, 10, { 1, 2, 3, 4 }, REFUSES, 0, 0, 60 },
	{ "some are refused", 100, 10, { 1, 7, 33, 99 }, REFUSES, 0, 0, 90 },
	{ "one of a large batch", 4000, 1000, { 1500 }, REFUSES, 0, 0, 50 },
	{ "away, said so", 100, 10, { 0 }, LEAVES, 50, BLAME_CENTRE, 60 },
	{ "away, not said", 100, 10, { 0 }, LEAVES, 50, BLAME_UNKNOWN, 150 },
	{ "away, one is bad", 100, 10, { 3 }, REFUSES, 20, BLAME_UNKNOWN, 150 },
	{ "only bad ones", 4, 10, { 1, 2, 3, 4 }, REFUSES, 0, 0, 0 },
};

static struct {
	const struct row *row;
	struct plan plan;
	unsigned away;
	size_t runs, passed, aside;
	size_t last;	   /* the place of the file that passed last */
	size_t disordered; /* files that passed before an older one */
	bool is_aside[5000];
	bool has_passed[5000];
} play;

static size_t place_of(const struct ship_file *file)
{
	return strtoul(file->name, NULL, 10);
}

static bool is_bad(size_t place)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		if (play.row->bad[i] && play.row->bad[i] == place)
			return true;
	return false;
}

static struct ship_file *new_file(size_t place)
{
	struct ship_file *file = calloc(1, sizeof(*file) + 16);

	ck_assert_ptr_nonnull(file);
	sprintf(file->name, "%zu", place);
	file->time_ns = place;
	file->bytes = 1;
	return file;
}

static void fill(size_t from, size_t to)
{
	struct ship_file *files[5000];
	size_t n = 0;

	/* in any order: the plan sorts */
	for (; to >= from && to; to--)
		files[n++] = new_file(to);
	ck_assert_int_eq(plan_fill(&play.plan, files, n), 0);
}

static void pass(struct ship_file *file)
{
	size_t place = place_of(file);

	file->is_gone = true;
	ck_assert(!play.has_passed[place]);
	play.has_passed[place] = true;
	play.passed++;
	play.disordered += place < play.last;
	play.last = place;
}

/* Plays the run of plan->batch; what its end says. */
static enum blame play_run(void)
{
	size_t i, bad = 0;

	play.runs++;
	if (play.away) {
		play.away--;
		return play.row->blames;
	}
	for (i = 0; i < play.plan.batch_n; i++)
		bad += is_bad(place_of(play.plan.batch[i]));
	for (i = 0; i < play.plan.batch_n; i++) {
		struct ship_file *file = play.plan.batch[i];

		if (!is_bad(place_of(file))) {
			if (!bad || play.row->centre != REFUSES)
				pass(file);
		} else if (play.row->centre == STOPS) {
			break;
		}
	}
	if (!bad)
		return BLAME_NOTHING;
	return play.row->centre == LEAVES ? BLAME_FILES : BLAME_UNKNOWN;
}

static void play_row(const struct row *row)
{
	const struct ship_file *aside;

	memset(&play, 0, sizeof(play));
	play.row = row;
	play.away = row->away;
	ck_assert_int_eq(plan_init(&play.plan, row->max, 1 << 20), 0);
	fill(1, row->files);
	while (play.runs < RUNS && plan_next(&play.plan, true)) {
		ck_assert_uint_ge(play.plan.batch_n, 1);
		ck_assert_uint_le(play.plan.batch_n, row->max);
		plan_result(&play.plan, play_run(), &aside);
		if (!aside)
			continue;
		ck_assert(!play.is_aside[place_of(aside)]);
		play.is_aside[place_of(aside)] = true;
		play.aside++;
	}
}

START_TEST(every_good_file_passes_once_and_bad_ones_are_set_aside)
{
	const struct row *row = &rows[_i];
	size_t i, bad = 0;

	play_row(row);
	for (i = 1; i <= row->files; i++) {
		bad += is_bad(i);
		ck_assert_msg(play.has_passed[i] == !is_bad(i), "%s: file %zu",
			      row->name, i);
		ck_assert_msg(!play.is_aside[i] || is_bad(i),
			      "%s: file %zu is good, and was set aside",
			      row->name, i);
	}
	/* with nothing that passes, nobody can tell whose fault it is */
	if (bad && bad < row->files)
		ck_assert_msg(play.aside == bad, "%s: %zu set aside", row->name,
			      play.aside);
	if (row->most_runs)
		ck_assert_msg(play.runs <= row->most_runs, "%s: %zu runs",
			      row->name, play.runs);
	plan_free(&play.plan);
}
END_TEST

START_TEST(an_outage_that_the_command_tells_of_changes_no_order)
{
	play_row(&rows[12]);
	ck_assert_uint_eq(play.row->away, 50);
	ck_assert_uint_eq(play.disordered, 0);
	ck_assert_uint_eq(play.runs, 60);
	plan_free(&play.plan);
}
END_TEST

START_TEST(the_sizes_of_files_bound_a_batch)
{
	struct ship_file *files[4];
	static const uint64_t bytes[] = { 60, 40, 1, 500 };
	const struct ship_file *aside;
	struct plan plan;
	size_t i;

	ck_assert_int_eq(plan_init(&plan, 10, 100), 0);
	for (i = 0; i < 4; i++) {
		files[i] = new_file(i + 1);
		files[i]->bytes = bytes[i];
	}
	ck_assert_int_eq(plan_fill(&plan, files, 4), 0);
	ck_assert(plan_next(&plan, true));
	ck_assert_uint_eq(plan.batch_n, 2);
	plan.batch[0]->is_gone = plan.batch[1]->is_gone = true;
	plan_result(&plan, BLAME_NOTHING, &aside);
	ck_assert(plan_next(&plan, true));
	ck_assert_uint_eq(plan.batch_n, 1);
	plan.batch[0]->is_gone = true;
	plan_result(&plan, BLAME_NOTHING, &aside);
	/* larger than a batch: a run of its own */
	ck_assert(plan_next(&plan, true));
	ck_assert_uint_eq(plan.batch_n, 1);
	ck_assert_uint_eq(plan.batch[0]->bytes, 500);
	plan_free(&plan);
}
END_TEST

START_TEST(a_file_that_was_set_aside_is_tried_again_and_told_once)
{
	const struct ship_file *aside;
	struct names known;

	play_row(&rows[8]);
	ck_assert_uint_eq(play.aside, 1);
	names_init(&known, 10);
	plan_known(&play.plan, &known);
	ck_assert(names_has(&known, "5"));
	names_free(&known);

	ck_assert(plan_retry(&play.plan));
	ck_assert_uint_eq(play.plan.batch_n, 1);
	ck_assert_str_eq(play.plan.batch[0]->name, "5");
	plan_result(&play.plan, BLAME_UNKNOWN, &aside);
	ck_assert_ptr_null(aside);
	ck_assert_uint_eq(play.plan.retries, 1);

	ck_assert(plan_retry(&play.plan));
	play.plan.batch[0]->is_gone = true;
	plan_result(&play.plan, BLAME_NOTHING, &aside);
	ck_assert_uint_eq(play.plan.retries, 0);
	ck_assert(!plan_retry(&play.plan));
	plan_free(&play.plan);
}
END_TEST

START_TEST(files_that_somebody_else_removes_are_forgotten)
{
	const struct row row = { .files = 10, .max = 10 };

	memset(&play, 0, sizeof(play));
	play.row = &row;
	ck_assert_int_eq(plan_init(&play.plan, 10, 1000), 0);
	fill(1, 10);
	ck_assert(plan_next(&play.plan, true));
	play.plan.batch[0]->is_gone = play.plan.batch[9]->is_gone = true;
	plan_drop_missing(&play.plan);
	ck_assert_uint_eq(play.plan.batch_n, 8);
	ck_assert_uint_eq(play.plan.n, 8);
	ck_assert_str_eq(play.plan.batch[0]->name, "2");
	plan_free(&play.plan);
}
END_TEST

START_TEST(while_the_centre_is_away_the_search_asks_for_more_files)
{
	const struct ship_file *aside;

	memset(&play, 0, sizeof(play));
	ck_assert_int_eq(plan_init(&play.plan, 10, 1000), 0);
	fill(1, 1);
	ck_assert(plan_next(&play.plan, false));
	ck_assert_int_eq(plan_result(&play.plan, BLAME_UNKNOWN, &aside),
			 PLAN_PAUSE);
	ck_assert_ptr_null(aside);
	/* another file may tell whether it is the centre or this file */
	ck_assert(!plan_next(&play.plan, false));
	fill(2, 2);
	ck_assert(plan_next(&play.plan, false));
	ck_assert_str_eq(play.plan.batch[0]->name, "2");
	plan_free(&play.plan);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ship_plan");
	TCase *tc = suite_case(suite, "plan", NULL, NULL);

	tcase_add_loop_test(
		tc, every_good_file_passes_once_and_bad_ones_are_set_aside, 0,
		sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tc,
		       an_outage_that_the_command_tells_of_changes_no_order);
	tcase_add_test(tc, the_sizes_of_files_bound_a_batch);
	tcase_add_test(tc,
		       a_file_that_was_set_aside_is_tried_again_and_told_once);
	tcase_add_test(tc, files_that_somebody_else_removes_are_forgotten);
	tcase_add_test(tc,
		       while_the_centre_is_away_the_search_asks_for_more_files);
	return suite_run(suite, CK_FORK);
}
