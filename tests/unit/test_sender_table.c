/* SPDX-License-Identifier: MIT */
/*
 * The table of senders: whatever comes and goes, the sums are what was sent, no
 * unit's become less, and the table does not grow.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/intake/senders.h"
#include "tests/lib/core.h"

#define S CLOCK_SECOND

static struct senders senders;
static struct config *cfg;
static uint64_t now;

static void open_with(const char *rate, const char *burst, const char *by)
{
	char text[3][64];

	snprintf(text[0], sizeof(text[0]), "senders.rate=%s", rate);
	snprintf(text[1], sizeof(text[1]), "senders.burst=%s", burst);
	snprintf(text[2], sizeof(text[2]), "senders.by=%s", by);
	now = 1000 * S;
	cfg = CORE_SETTINGS("senders.identify=yes", text[0], text[1], text[2]);
	ck_assert_int_eq(senders_open(&senders, cfg, now), 0);
}

static void open_table(void)
{
	core_open();
	open_with("0", "0", "uid");
}

static void close_table(void)
{
	senders_close(&senders);
	config_free(cfg);
	core_close();
}

static bool sent(uint32_t pid, uint32_t uid, uint64_t bytes)
{
	const struct sender_id id = { pid, uid };

	return senders_count(&senders, &id, bytes, false, now);
}

static const struct sender *row(uint32_t pid, uint32_t uid)
{
	unsigned i;

	for (i = 0; i < SENDERS_MOST; i++)
		if (senders.at[i].used && senders.at[i].id.pid == pid &&
		    senders.at[i].id.uid == uid)
			return &senders.at[i];
	return NULL;
}

static void name(uint32_t pid, uint32_t uid, uint64_t started,
		 const char *command, const char *unit)
{
	struct sender_answer answer = {
		.id = { pid, uid },
		.found = started > 0,
		.started = started,
	};

	snprintf(answer.command, sizeof(answer.command), "%s", command);
	snprintf(answer.unit, sizeof(answer.unit), "%s", unit);
	senders_name(&senders, &answer, now);
}

static uint64_t in_unit(const char *wanted)
{
	unsigned i;

	senders_credit(&senders);
	for (i = 0; i < SENDER_UNITS; i++)
		if (!strcmp(senders.units.at[i].name, wanted))
			return senders.units.at[i].sums.messages;
	return 0;
}

/* total = the sums of all units + what is not credited */
static void check_sums(void)
{
	struct sender_sums all = senders_pending(&senders);
	unsigned i, used = 0, nameless = 0, members = 0;

	for (i = 0; i < SENDER_UNITS; i++) {
		sender_sums_add(&all, &senders.units.at[i].sums);
		members += senders.units.at[i].senders;
	}
	ck_assert_uint_eq(all.messages, senders.total.messages);
	ck_assert_uint_eq(all.bytes, senders.total.bytes);
	ck_assert_uint_eq(all.dropped, senders.total.dropped);
	for (i = 0; i < SENDERS_MOST; i++) {
		used += senders.at[i].used;
		nameless += senders.at[i].nameless;
		members -= senders.at[i].has_unit;
	}
	ck_assert_uint_eq(used, senders.rows);
	ck_assert_uint_eq(nameless, senders.nameless);
	ck_assert_uint_eq(members, 0);
}

START_TEST(a_process_has_one_row_with_its_sums)
{
	struct sender_id id[4];

	sent(7, 1000, 10);
	sent(8, 1000, 1);
	sent(7, 1000, 30);
	sent(7, 1001, 2);
	ck_assert_uint_eq(senders.rows, 3);
	ck_assert_uint_eq(row(7, 1000)->sums.messages, 2);
	ck_assert_uint_eq(row(7, 1000)->sums.bytes, 40);
	ck_assert_uint_eq(senders_nameless(&senders, id, 4), 3);
	ck_assert_ptr_null(senders_unit(&senders, row(7, 1000)));
	name(7, 1000, 5, "nginx", "nginx.service");
	ck_assert_str_eq(row(7, 1000)->command, "nginx");
	ck_assert_str_eq(senders_unit(&senders, row(7, 1000)), "nginx.service");
	ck_assert_uint_eq(in_unit("nginx.service"), 2);
	ck_assert_uint_eq(senders_nameless(&senders, id, 4), 2);
	check_sums();
}
END_TEST

/* Ended before it was looked up, another namespace, or /proc shows nothing. */
START_TEST(a_process_that_is_not_found_counts_as_unknown)
{
	sent(0, 65534, 1);
	sent(9, 0, 1);
	name(0, 65534, 0, "", "");
	name(9, 0, 0, "", "");
	ck_assert_uint_eq(in_unit("unknown"), 2);
	ck_assert_uint_eq(senders.nameless, 0);
	sent(10, 0, 1);
	name(10, 0, 1, "init", "");
	ck_assert_uint_eq(in_unit("none"), 1);
	check_sums();
}
END_TEST

START_TEST(a_storm_of_processes_grows_nothing_and_every_message_stays_counted)
{
	uint32_t pid;

	for (pid = 1; pid <= 100000; pid++) {
		sent(pid, pid % 3, 10);
		sent(1, 1, 5);
		if (pid % 7 == 0)
			name(pid, pid % 3, pid, "x", "x.service");
		now += CLOCK_MS;
	}
	ck_assert_uint_le(senders.rows, SENDERS_MOST);
	ck_assert_uint_eq(senders.rows + senders.evicted, 100000);
	/* one that goes on sending keeps its row */
	ck_assert_uint_eq(row(1, 1)->sums.messages, 100001);
	check_sums();
	ck_assert_uint_gt(in_unit("unknown"), 0);
	ck_assert_uint_gt(in_unit("x.service"), 0);
	check_sums();
}
END_TEST

/* The same number, and another process: seen by its start. */
START_TEST(a_number_that_is_used_again_begins_a_new_row)
{
	sent(7, 1000, 10);
	sent(7, 1000, 10);
	name(7, 1000, 100, "old", "old.service");
	now += SENDERS_IDLE_NS;
	sent(7, 1000, 1);
	ck_assert_uint_eq(senders.nameless, 1);
	/* not before it is known whose it is */
	ck_assert_uint_eq(in_unit("old.service"), 2);
	name(7, 1000, 200, "new", "new.service");
	ck_assert_str_eq(row(7, 1000)->command, "new");
	ck_assert_uint_eq(row(7, 1000)->sums.messages, 1);
	ck_assert_uint_eq(row(7, 1000)->sums.bytes, 1);
	ck_assert_uint_eq(in_unit("old.service"), 2);
	ck_assert_uint_eq(in_unit("new.service"), 1);
	check_sums();
}
END_TEST

START_TEST(the_same_process_after_a_pause_keeps_its_row)
{
	sent(7, 1000, 10);
	name(7, 1000, 100, "a", "a.service");
	now += SENDERS_IDLE_NS;
	sent(7, 1000, 10);
	name(7, 1000, 100, "b", "a.service");
	ck_assert_uint_eq(row(7, 1000)->sums.messages, 2);
	ck_assert_str_eq(row(7, 1000)->command, "b");
	now += SENDERS_IDLE_NS;
	sent(7, 1000, 10);
	/* it has ended meanwhile */
	name(7, 1000, 0, "", "");
	ck_assert_str_eq(row(7, 1000)->command, "b");
	ck_assert_uint_eq(in_unit("a.service"), 3);
	check_sums();
}
END_TEST

START_TEST(an_answer_about_a_row_that_gave_way_does_nothing)
{
	name(7, 1000, 100, "a", "a.service");
	ck_assert_uint_eq(senders.rows, 0);
	sent(7, 1000, 1);
	name(7, 1000, 100, "a", "a.service");
	name(7, 1000, 200, "b", "b.service");
	ck_assert_str_eq(row(7, 1000)->command, "a");
	check_sums();
}
END_TEST

START_TEST(with_more_units_than_places_the_oldest_count_as_other)
{
	char unit[32];
	uint32_t pid;

	for (pid = 1; pid <= 5000; pid++) {
		snprintf(unit, sizeof(unit), "session-%u.scope", pid);
		sent(pid, 0, 1);
		name(pid, 0, 1, "sshd", unit);
		sent(3, 1, 1);
		if (pid == 1)
			name(3, 1, 1, "app", "app.service");
		now += S;
	}
	ck_assert_uint_eq(in_unit("app.service"), 5000);
	ck_assert_uint_gt(in_unit("other"), 3000);
	check_sums();
}
END_TEST

/* No counter of the metrics may ever become less. */
START_TEST(a_unit_never_counts_less_than_before)
{
	static struct sender_units before;
	uint64_t seed = suite_number("BW_SEED", 1);
	struct sender_id id[8];
	unsigned round, i, n, at;
	char unit[32];

	for (round = 0; round < suite_scale(20000); round++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963;
		at = seed >> 33;
		sent(at % 3000, at % 5, at % 100);
		now += at % 50 ? CLOCK_MS : 11 * S;
		if (at % 4)
			continue;
		n = senders_nameless(&senders, id, 8);
		for (i = 0; i < n; i++) {
			snprintf(unit, sizeof(unit), "%u.service", at % 90);
			name(id[i].pid, id[i].uid, at % 6, "c",
			     at % 9 ? unit : "");
		}
		senders_credit(&senders);
		for (i = 0; i < SENDER_UNITS; i++)
			if (!strcmp(before.at[i].name,
				    senders.units.at[i].name))
				ck_assert_uint_le(
					before.at[i].sums.messages,
					senders.units.at[i].sums.messages);
		before = senders.units;
		check_sums();
	}
}
END_TEST

/* -- speed ---------------------------------------------------------------- */

START_TEST(the_fastest_are_told_first_and_not_those_that_sent_most_once)
{
	const struct sender *told[3];
	unsigned i;

	for (i = 0; i < 5000; i++)
		sent(1, 0, 10);
	now += 20 * S;
	for (i = 0; i < 300; i++) {
		sent(2, 0, 10);
		if (i % 2)
			sent(3, 0, 10);
		if (i % 3 == 0)
			sent(4, 0, 10);
		now += 10 * CLOCK_MS;
	}
	ck_assert_uint_eq(senders_busiest(&senders, told, 3, now), 3);
	ck_assert_uint_eq(told[0]->id.pid, 2);
	ck_assert_uint_eq(told[1]->id.pid, 3);
	ck_assert_uint_eq(told[2]->id.pid, 4);
	ck_assert_double_eq_tol(sender_speed(told[0], now).messages, 100, 2);
	ck_assert_double_eq_tol(sender_speed(told[0], now).bytes, 1000, 20);
	/* and it fades when they end */
	now += 1000 * S;
	ck_assert_double_lt(sender_speed(told[0], now).messages, 1);
}
END_TEST

/* -- limit ---------------------------------------------------------------- */

static void reopen(const char *rate, const char *burst, const char *by)
{
	senders_close(&senders);
	config_free(cfg);
	open_with(rate, burst, by);
}

static unsigned passed(uint32_t pid, uint32_t uid, unsigned n)
{
	unsigned yes = 0;

	while (n--)
		yes += sent(pid, uid, 1);
	return yes;
}

START_TEST(a_limit_by_user_counts_all_its_processes_and_nobody_else)
{
	uint64_t limited;

	reopen("10", "0", "uid");
	ck_assert_uint_eq(passed(1, 1000, 7), 7);
	ck_assert_uint_eq(passed(2, 1000, 7), 3);
	ck_assert_uint_eq(passed(3, 1000, 7), 0);
	ck_assert_uint_eq(passed(4, 1001, 7), 7);
	/* root like any other */
	ck_assert_uint_eq(passed(5, 0, 20), 10);
	ck_assert_uint_eq(row(3, 1000)->sums.messages, 7);
	ck_assert_uint_eq(row(3, 1000)->sums.dropped, 7);
	ck_assert_ptr_eq(senders_worst(&senders, &limited), row(5, 0));
	ck_assert_uint_eq(limited, 10);
	ck_assert_ptr_null(senders_worst(&senders, &limited));
	check_sums();
}
END_TEST

START_TEST(a_limit_by_unit_holds_once_the_unit_is_known)
{
	reopen("10", "4", "unit");
	ck_assert_uint_eq(passed(1, 0, 1), 1);
	ck_assert_uint_eq(passed(2, 0, 1), 1);
	ck_assert_uint_eq(passed(3, 0, 1), 1);
	name(1, 0, 1, "a", "a.service");
	name(2, 0, 1, "a", "a.service");
	name(3, 0, 1, "b", "b.service");
	ck_assert_uint_eq(passed(1, 0, 3), 3);
	ck_assert_uint_eq(passed(2, 0, 3), 1);
	ck_assert_uint_eq(passed(3, 0, 5), 4);
	/* without a unit, what is left to the user */
	ck_assert_uint_eq(passed(4, 0, 5), 1);
	name(4, 0, 0, "", "");
	ck_assert_uint_eq(passed(4, 0, 5), 0);
	check_sums();
}
END_TEST

START_TEST(what_is_dropped_anyway_takes_nothing_from_the_limit)
{
	const struct sender_id id = { 1, 0 };
	unsigned i;

	reopen("10", "3", "uid");
	for (i = 0; i < 50; i++)
		ck_assert(senders_count(&senders, &id, 5, true, now));
	ck_assert_uint_eq(passed(1, 0, 5), 3);
	ck_assert_uint_eq(senders.total.dropped, 52);
	check_sums();
}
END_TEST

START_TEST(a_reload_begins_changes_and_ends_a_limit)
{
	struct config *other;

	ck_assert_uint_eq(passed(1, 0, 1000), 1000);
	name(1, 0, 1, "a", "a.service");
	other = CORE_SETTINGS("senders.identify=yes", "senders.rate=2",
			      "senders.by=unit");
	senders_configure(&senders, other, now);
	config_free(other);
	ck_assert_uint_eq(passed(1, 0, 10), 2);
	now += S;
	ck_assert_uint_eq(passed(1, 0, 10), 2);
	senders_configure(&senders, cfg, now);
	ck_assert_uint_eq(passed(1, 0, 10), 10);
	check_sums();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sender table");
	TCase *t = suite_case(suite, "rows", open_table, close_table);

	tcase_add_test(t, a_process_has_one_row_with_its_sums);
	tcase_add_test(t, a_process_that_is_not_found_counts_as_unknown);
	tcase_add_test(
		t,
		a_storm_of_processes_grows_nothing_and_every_message_stays_counted);
	tcase_add_test(t, a_number_that_is_used_again_begins_a_new_row);
	tcase_add_test(t, the_same_process_after_a_pause_keeps_its_row);
	tcase_add_test(t, an_answer_about_a_row_that_gave_way_does_nothing);
	tcase_add_test(t,
		       with_more_units_than_places_the_oldest_count_as_other);
	tcase_add_test(t, a_unit_never_counts_less_than_before);
	tcase_add_test(
		t,
		the_fastest_are_told_first_and_not_those_that_sent_most_once);
	t = suite_case(suite, "limit", open_table, close_table);
	tcase_add_test(
		t, a_limit_by_user_counts_all_its_processes_and_nobody_else);
	tcase_add_test(t, a_limit_by_unit_holds_once_the_unit_is_known);
	tcase_add_test(t, what_is_dropped_anyway_takes_nothing_from_the_limit);
	tcase_add_test(t, a_reload_begins_changes_and_ends_a_limit);
	return suite_run(suite, CK_FORK);
}
