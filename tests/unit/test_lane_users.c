/* SPDX-License-Identifier: MIT */
/* Who writes into lanes: sums over the lanes of a process, and their order. */
#include <string.h>

#include "tests/lib/core.h"
#include "daemon/control/lane_users.h"

#define LANES 8

static struct lanes lanes;
static struct lanes_slot slot[LANES];
static struct lane_head head[LANES];
static struct lane_entry entry[LANES];
static struct lane_users users;

static void setup(void)
{
	memset(slot, 0, sizeof(slot));
	memset(head, 0, sizeof(head));
	memset(entry, 0, sizeof(entry));
	lanes = (struct lanes){ .slot = slot, .slots = LANES };
	ck_assert_int_eq(lane_users_open(&users, LANES), 0);
}

static void teardown(void)
{
	lane_users_close(&users);
}

/* An open lane of this process with so many messages of 10 bytes. */
static void open_lane(unsigned i, uint32_t pid, uint64_t messages)
{
	entry[i].pid = pid;
	entry[i].uid = 1000 + pid;
	slot[i].lane.entry = &entry[i];
	slot[i].lane.head = &head[i];
	slot[i].lane.size = 4096;
	stats_add(&slot[i].messages, messages);
	stats_add(&slot[i].bytes, 10 * messages);
	slot[i].state = LANES_OPEN;
}

START_TEST(the_lanes_of_a_process_are_one_row)
{
	open_lane(1, 7, 5);
	open_lane(4, 7, 6);
	stats_add(&slot[4].too_large, 2);
	entry[1].position = 1000;
	head[1].written = 1064;
	head[1].waits = 3;
	head[4].waits = 4;
	head[4].timeouts = 1;
	head[4].fallbacks = 9;
	lane_users_take(&users, &lanes);
	ck_assert_uint_eq(users.users, 1);
	ck_assert_uint_eq(users.user[0].pid, 7);
	ck_assert_uint_eq(users.user[0].uid, 1007);
	ck_assert_uint_eq(users.user[0].lanes, 2);
	ck_assert_uint_eq(users.user[0].messages, 11);
	ck_assert_uint_eq(users.user[0].bytes, 110);
	ck_assert_uint_eq(users.user[0].too_large, 2);
	ck_assert_uint_eq(users.user[0].unread, 64);
	ck_assert_uint_eq(users.user[0].waits, 7);
	ck_assert_uint_eq(users.user[0].timeouts, 1);
	ck_assert_uint_eq(users.user[0].fallbacks, 9);
}
END_TEST

START_TEST(the_process_with_the_most_messages_comes_first)
{
	open_lane(0, 3, 10);
	open_lane(1, 2, 30);
	open_lane(2, 1, 10);
	open_lane(3, 3, 15);
	lane_users_take(&users, &lanes);
	ck_assert_uint_eq(users.users, 3);
	ck_assert_uint_eq(users.user[0].pid, 2);
	ck_assert_uint_eq(users.user[1].pid, 3);
	ck_assert_uint_eq(users.user[1].messages, 25);
	ck_assert_uint_eq(users.user[2].pid, 1);
}
END_TEST

START_TEST(a_lane_that_ended_counts_no_more)
{
	open_lane(0, 3, 10);
	open_lane(1, 3, 20);
	slot[0].state = LANES_ENDED;
	lane_users_take(&users, &lanes);
	ck_assert_uint_eq(users.user[0].messages, 20);
	slot[1].state = LANES_FREE;
	lane_users_take(&users, &lanes);
	ck_assert_uint_eq(users.users, 0);
}
END_TEST

/* Until a worker finds the lane broken. */
START_TEST(a_position_out_of_bounds_is_no_number_of_bytes)
{
	open_lane(0, 3, 1);
	entry[0].position = 64;
	head[0].written = 0;
	lane_users_take(&users, &lanes);
	ck_assert_uint_eq(users.user[0].unread, 0);
	head[0].written = 64 + 4096 + 8;
	lane_users_take(&users, &lanes);
	ck_assert_uint_eq(users.user[0].unread, 0);
	head[0].written = 64 + 4096;
	lane_users_take(&users, &lanes);
	ck_assert_uint_eq(users.user[0].unread, 4096);
}
END_TEST

START_TEST(a_daemon_without_lanes_has_no_rows)
{
	struct lanes none = { 0 };
	struct lane_users empty;

	ck_assert_int_eq(lane_users_open(&empty, 0), 0);
	lane_users_take(&empty, &none);
	ck_assert_uint_eq(empty.users, 0);
	/* More lanes than rows: what fits is told. */
	open_lane(0, 3, 10);
	lane_users_take(&empty, &lanes);
	ck_assert_uint_eq(empty.users, 0);
	lane_users_close(&empty);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lane_users");
	TCase *tcase = suite_case(suite, "rows", setup, teardown);

	tcase_add_test(tcase, the_lanes_of_a_process_are_one_row);
	tcase_add_test(tcase, the_process_with_the_most_messages_comes_first);
	tcase_add_test(tcase, a_lane_that_ended_counts_no_more);
	tcase_add_test(tcase, a_position_out_of_bounds_is_no_number_of_bytes);
	tcase_add_test(tcase, a_daemon_without_lanes_has_no_rows);
	return suite_run(suite, CK_FORK);
}
