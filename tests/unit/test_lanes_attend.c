/* SPDX-License-Identifier: MIT */
/* The open lanes: what a flush waits for, and who attends. */
#include "tests/unit/lanes_bed.h"

/* --- a flush --------------------------------------------------------------- */

START_TEST(a_flush_covers_what_was_written_before_it)
{
	setup(8, 1000);
	ck_assert(lanes_reached(&lanes));
	add(0);
	add(5);
	client_put_text(&client[5], "before");
	lanes_mark_flush(&lanes);
	ck_assert(!lanes_reached(&lanes));
	ck_assert(lanes_are_awake(&lanes));
	client_put_text(&client[0], "after");
	take_all();
	ck_assert(lanes_reached(&lanes));
	client_put_text(&client[5], "after");
	ck_assert(lanes_reached(&lanes));
	finish();
}
END_TEST

/* What a client says after a flush was asked for keeps nobody waiting. */
START_TEST(no_client_delays_a_flush)
{
	/* `written` when the flush is asked for, and when a worker looks */
	static const uint64_t says[][2] = {
		{ 16, 0 },	   { 4096, 0 },	 { 4096, 8 },
		{ SIZE + 8, 0 },   { 4, 0 },	 { 16, SIZE + 8 },
		{ 16, 4 },	   { 0, 0 },	 { 16, UINT64_MAX - 7 },
		{ UINT64_MAX, 8 }, { 4088, 16 }, { 16, 8 },
	};

	setup(8, 1000);
	add(0);
	client_set_written(&client[0], says[_i][0]);
	lanes_mark_flush(&lanes);
	client_set_written(&client[0], says[_i][1]);
	take_all();
	ck_assert(lanes_reached(&lanes));
	/* And so it is at the end of its connection. */
	lanes_end(&lanes, 0);
	take_all();
	ck_assert(lanes_reached(&lanes));
	ck_assert_int_eq(state_of(0), LANES_ENDED);
	finish();
}
END_TEST

/* --- the attendant ---------------------------------------------------------- */

/* The lanes are not calm, however long the test is stopped. */
static void be_busy(void)
{
	atomic_store(&lanes.taken_ns, clock_now() + 3600 * CLOCK_SECOND);
}

START_TEST(one_worker_attends_and_passes_that_on)
{
	setup(8, 1000);
	add(0);
	/* Nobody rang. */
	ck_assert_uint_eq(lanes_attend(&lanes, &look), 0);
	ck_assert(!lanes_lack_attendant(&lanes));
	client_put_text(&client[0], "message");
	lanes_ring(&lanes);
	ck_assert(lanes_are_awake(&lanes));
	ck_assert(lanes_lack_attendant(&lanes));
	take_all();
	ck_assert(lanes_lack_attendant(&lanes));
	be_busy();
	ck_assert_uint_gt(lanes_attend(&lanes, &look), 0);
	ck_assert(!lanes_lack_attendant(&lanes));
	ck_assert_uint_eq(lanes_attend(&lanes, &look2), 0);
	ck_assert(!lanes_pass_on(&lanes, look2.worker));
	/* The next look promises to come again. */
	ck_assert_uint_eq(attended(0), LANE_ASLEEP);
	take_all();
	ck_assert_uint_gt(attended(0), LANE_CLOSED);
	/* It goes to the disk. */
	ck_assert(lanes_pass_on(&lanes, look.worker));
	ck_assert(lanes_lack_attendant(&lanes));
	ck_assert_uint_gt(lanes_attend(&lanes, &look2), 0);
	ck_assert_uint_eq(lanes_attend(&lanes, &look), 0);
	finish();
}
END_TEST

/* What keeps the lanes awake when no message came for long. */
enum wake { NOTHING, A_RECORD, NO_RECORD, A_CLAIM, AN_END, WAKES };

START_TEST(calm_lanes_are_put_to_sleep_unless_there_is_something_to_do)
{
	bool sleeps = _i == NOTHING;

	setup(8, 1000);
	add(0);
	add(1);
	lanes_ring(&lanes);
	take_all();
	be_busy();
	ck_assert_uint_gt(lanes_attend(&lanes, &look), 0);
	take_all();
	ck_assert_uint_gt(attended(1), LANE_CLOSED);
	if (_i == A_RECORD)
		client_put_text(&client[1], "message");
	else if (_i == NO_RECORD)
		client_set_written(&client[1], SIZE + 8);
	else if (_i == A_CLAIM)
		atomic_store(&lanes.slot[1].claimed, true);
	else if (_i == AN_END)
		lanes_end(&lanes, 1);
	atomic_store(&lanes.taken_ns, clock_now() - LANES_CALM_NS - 1);
	ck_assert((lanes_attend(&lanes, &look) == 0) == sleeps);
	ck_assert(lanes_are_awake(&lanes) == !sleeps);
	ck_assert(!lanes_lack_attendant(&lanes) || _i == AN_END);
	if (sleeps)
		ck_assert_uint_eq(attended(1), LANE_ASLEEP);
	finish();
}
END_TEST

/* Another worker took a record since this one looked at the clock. */
START_TEST(lanes_that_are_in_use_are_not_put_to_sleep)
{
	setup(8, 1000);
	add(0);
	lanes_ring(&lanes);
	take_all();
	be_busy();
	ck_assert_uint_gt(lanes_attend(&lanes, &look), 0);
	ck_assert(lanes_are_awake(&lanes));
	finish();
}
END_TEST

/* Another worker attends while a slow disk takes a large message. */
static void attend_beside_a_large_message(void)
{
	atomic_store(&lanes.taken_ns, clock_now() + 3600 * CLOCK_SECOND);
	ck_assert_uint_gt(lanes_attend(&lanes, &look2), 0);
	while (lanes_take(&lanes, &look2, &arena2, &stats) != TRANSFER_EMPTY)
		;
	ck_assert_uint_gt(attended(0), LANE_CLOSED);
	atomic_store(&lanes.taken_ns, clock_now() - LANES_CALM_NS - 1);
	ck_assert_uint_eq(lanes_attend(&lanes, &look2), 0);
	ck_assert(!lanes_are_awake(&lanes));
	ck_assert_uint_eq(attended(0), LANE_ASLEEP);
}

/* _i: its client ends meanwhile. */
START_TEST(a_large_message_at_the_disk_keeps_nobody_awake)
{
	setup(8, 1000);
	add(0);
	add_at(1, 200, 0);
	client_put(&client[1], (char[200]){ 'x' }, 200);
	lanes_ring(&lanes);
	ck_assert_int_eq(take(), TRANSFER_FULL);
	ck_assert_ptr_eq(look.held, &lanes.slot[1]);
	attend_beside_a_large_message();
	if (_i) {
		lanes_end(&lanes, 1);
		attend_beside_a_large_message();
	}
	file(&arena);
	lanes_filed(&lanes, &look, &arena);
	ck_assert(is_read(1) && lanes_are_awake(&lanes));
	take_all();
	ck_assert_int_eq(state_of(1), _i ? LANES_ENDED : LANES_OPEN);
	finish();
}
END_TEST

START_TEST(without_a_slot_there_is_nothing_to_do)
{
	setup(0, 1000);
	lanes_mark_flush(&lanes);
	ck_assert(lanes_reached(&lanes));
	ck_assert_int_eq(take(), TRANSFER_EMPTY);
	ck_assert_uint_eq(lanes_attend(&lanes, &look), 0);
	ck_assert(!lanes_lack_attendant(&lanes));
	ck_assert(!lanes_pass_on(&lanes, 0));
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lanes_attend");
	TCase *tc = core_case(suite, "flush");

	tcase_add_test(tc, a_flush_covers_what_was_written_before_it);
	tcase_add_loop_test(tc, no_client_delays_a_flush, 0, 12);
	tc = core_case(suite, "attendant");
	tcase_add_test(tc, one_worker_attends_and_passes_that_on);
	tcase_add_loop_test(
		tc, calm_lanes_are_put_to_sleep_unless_there_is_something_to_do,
		0, WAKES);
	tcase_add_test(tc, lanes_that_are_in_use_are_not_put_to_sleep);
	tcase_add_loop_test(tc, a_large_message_at_the_disk_keeps_nobody_awake,
			    0, 2);
	tcase_add_test(tc, without_a_slot_there_is_nothing_to_do);
	return suite_run(suite, CK_FORK);
}
