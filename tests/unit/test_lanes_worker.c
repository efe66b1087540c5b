/* SPDX-License-Identifier: MIT */
/*
 * The open lanes as the workers share them: what one look takes and from whom,
 * and how a lane ends.
 */
#include "tests/unit/lanes_bed.h"

/* --- a lane's life --------------------------------------------------------- */

/* Slots on both sides of a word of bits. */
static const unsigned slots[] = { 0, 1, 63, 64, 65, 127, 128, 129 };

START_TEST(a_lane_is_read_from_its_hand_out_to_its_end)
{
	const unsigned slot = slots[_i];

	setup(MOST, 1000);
	ck_assert(lanes_is_free(&lanes, slot));
	ck_assert_int_eq(take(), TRANSFER_EMPTY);
	add(slot);
	ck_assert(!lanes_is_free(&lanes, slot));
	ck_assert_int_eq(take(), TRANSFER_EMPTY);
	client_put_text(&client[slot], "message");
	take_all();
	ck_assert_uint_eq(arena.now.count, 1);
	ck_assert(is_read(slot) && !look.notify);
	ck_assert_uint_eq(lanes.slot[slot].messages, 1);
	ck_assert_uint_eq(lanes.slot[slot].bytes, 7);
	ck_assert_uint_eq(stats.lane_bytes, 7);
	lanes_end(&lanes, slot);
	take_all();
	ck_assert_int_eq(state_of(slot), LANES_ENDED);
	ck_assert_uint_eq(lanes.ended, 1);
	ck_assert(look.notify && !lanes.slot[slot].broken);
	ck_assert_uint_eq(attended(slot), LANE_CLOSED);
	ck_assert_uint_eq(client[slot].head->final, client[slot].written);
	ck_assert(lanes_remove(&lanes, slot));
	ck_assert(lanes_is_free(&lanes, slot));
	/* The next lane of this slot has nothing of the last one. */
	add(slot);
	ck_assert_uint_eq(lanes.slot[slot].messages, 0);
	client_put_text(&client[slot], "again");
	take_all();
	ck_assert_int_eq(state_of(slot), LANES_OPEN);
	ck_assert_uint_eq(arena.now.count, 2);
	finish();
}
END_TEST

/* Also if the client, against the format, moves `written` behind the seal. */
START_TEST(an_ending_lane_takes_what_was_there_before_its_seal)
{
	unsigned i, rounds = 0;
	uint64_t end;

	/* Each take fills the arena, so the end takes several. */
	setup(8, 7);
	add(3);
	for (i = 0; i < 10; i++)
		client_put_text(&client[3], "message");
	lanes_end(&lanes, 3);
	ck_assert_int_eq(take(), TRANSFER_TOOK);
	end = client[3].written;
	ck_assert_uint_eq(client[3].head->written, end | LANE_SEALED);
	client_put_text(&client[3], "late");
	for (; state_of(3) == LANES_OPEN; rounds++) {
		ck_assert_uint_lt(rounds, 100);
		take();
		if (arena.now.count)
			file(&arena);
	}
	ck_assert_uint_eq(arena.now.taken, 10);
	ck_assert_uint_eq(attended(3), LANE_CLOSED);
	ck_assert_uint_eq(client[3].head->final, end);
	finish();
}
END_TEST

/* --- lanes that cannot be -------------------------------------------------- */

static const struct {
	const char *name;
	uint64_t position, written;
	uint32_t said; /* by the first record */
	bool ends;     /* its connection ends as well */
} broken[] = {
	{ "too far", 0, SIZE + 8, 0, false },
	{ "too far at its end", 0, SIZE + 8, 0, true },
	{ "backwards", 160, 152, 0, false },
	{ "no multiple of 8", 0, 4, 0, false },
	{ "a long record", 0, 16, 100, false },
	{ "a long record at its end", 0, 16, 100, true },
	{ "a position that is no multiple of 8", 4, 16, 0, false },
	{ "the same at its end", 4, 8, 0, true },
};

START_TEST(a_lane_that_cannot_be_ends_and_the_others_go_on)
{
	setup(8, 1000);
	add(0);
	add_at(1, 0, broken[_i].position);
	add(2);
	client_record(&client[1], NULL, 0, broken[_i].said);
	client_set_written(&client[1], broken[_i].written);
	client_put_text(&client[0], "before");
	client_put_text(&client[2], "behind");
	if (broken[_i].ends)
		lanes_end(&lanes, 1);
	take_all();
	ck_assert_msg(state_of(1) == LANES_ENDED, "%s", broken[_i].name);
	ck_assert(lanes.slot[1].broken && look.notify);
	ck_assert_uint_eq(table.entry[1].position, broken[_i].position);
	ck_assert_uint_eq(table.entry[1].state, LANE_ENTRY_CLOSED);
	ck_assert(is_read(0) && is_read(2));
	ck_assert_uint_eq(arena.now.count, 2);
	ck_assert(lanes_remove(&lanes, 1));
	finish();
}
END_TEST

START_TEST(messages_above_the_limit_are_counted_for_the_loop_thread)
{
	static char text[MAX + 1];

	setup(8, 1000);
	add(0);
	client_put(&client[0], text, MAX + 1);
	client_put(&client[0], text, MAX);
	take_all();
	ck_assert(look.notify);
	ck_assert_uint_eq(stats.lane_too_large, 1);
	ck_assert_uint_eq(lanes.slot[0].too_large, 1);
	ck_assert_uint_eq(lanes.slot[0].messages, 1);
	finish();
}
END_TEST

/* --- claims ---------------------------------------------------------------- */

/* Another worker has slot 1. */
START_TEST(a_lane_of_another_worker_is_passed_over)
{
	unsigned i;

	setup(8, 1000);
	for (i = 0; i < 3; i++) {
		add(i);
		client_put_text(&client[i], "message");
	}
	atomic_store(&lanes.slot[1].claimed, true);
	take_all();
	ck_assert(is_read(0) && !is_read(1) && is_read(2));
	atomic_store(&lanes.slot[1].claimed, false);
	take_all();
	ck_assert(is_read(1));
	for (i = 0; i < 3; i++)
		ck_assert(!lanes.slot[i].claimed);
	/* An ended lane is not unmapped under a worker that looks at it. */
	lanes_end(&lanes, 1);
	take_all();
	atomic_store(&lanes.slot[1].claimed, true);
	ck_assert(!lanes_remove(&lanes, 1));
	ck_assert_ptr_nonnull(lanes.slot[1].lane.head);
	atomic_store(&lanes.slot[1].claimed, false);
	ck_assert(lanes_remove(&lanes, 1));
	finish();
}
END_TEST

/* The ring has its turn after a few lanes, and the next turn goes on there. */
START_TEST(a_turn_takes_from_a_few_lanes_and_the_next_goes_on)
{
	unsigned i, turn;

	setup(MOST, 1 << 16);
	for (i = 0; i < MOST; i++) {
		add(i);
		client_put_text(&client[i], "message");
	}
	for (turn = 1; turn * LANES_TURN <= MOST; turn++) {
		ck_assert_int_eq(take(), TRANSFER_TOOK);
		ck_assert_uint_eq(arena.now.count, turn * LANES_TURN);
		for (i = 0; i < MOST; i++)
			ck_assert(is_read(i) == (i < turn * LANES_TURN));
	}
	take_all();
	for (i = 0; i < MOST; i++)
		ck_assert(is_read(i));
	finish();
}
END_TEST

/* A lane that is always full fills the arena each time: the others get on. */
START_TEST(a_lane_that_fills_the_arena_starves_no_other)
{
	/* Bytes of the arena: a part of what is in the lane, and less. */
	static const uint64_t sizes[] = { 1000, 64, 7, 1 };
	static char text[MAX];
	unsigned i, round;

	setup(8, sizes[_i]);
	for (i = 0; i < 3; i++)
		add(i);
	client_put_text(&client[1], "message");
	client_put_text(&client[2], "message");
	for (round = 0; !is_read(1) || !is_read(2); round++) {
		ck_assert_msg(round < 20, "lane %u waits", is_read(1) ? 2 : 1);
		while (client_has_room(&client[0], MAX))
			client_put(&client[0], text, MAX);
		if (take() == TRANSFER_FULL)
			file(&arena);
	}
	finish();
}
END_TEST

/* --- a large lane ----------------------------------------------------------- */

START_TEST(a_large_lane_is_held_until_its_message_is_filed)
{
	setup(8, 1000);
	add_at(0, 200, 0);
	add(1);
	client_put(&client[0], (char[200]){ 'x' }, 200);
	client_put_text(&client[1], "message");
	if (_i)
		lanes_end(&lanes, 0);
	lanes_mark_flush(&lanes);
	ck_assert_int_eq(take(), TRANSFER_FULL);
	ck_assert_ptr_eq(look.held, &lanes.slot[0]);
	/* The other worker goes on with the rest. */
	while (lanes_take(&lanes, &look2, &arena2, &stats) != TRANSFER_EMPTY)
		;
	ck_assert(is_read(1) && !is_read(0));
	ck_assert(!lanes_reached(&lanes));
	ck_assert(!lanes_remove(&lanes, 0));
	file(&arena);
	lanes_filed(&lanes, &look, &arena);
	ck_assert(is_read(0) && lanes_reached(&lanes));
	ck_assert_ptr_null(look.held);
	ck_assert(!lanes.slot[0].claimed);
	lanes_end(&lanes, 0);
	take_all();
	ck_assert_int_eq(state_of(0), LANES_ENDED);
	ck_assert_uint_eq(arena.now.taken, 1);
	finish();
}
END_TEST

/* The arena has other messages: they are filed, and then it is its turn. */
START_TEST(a_large_lane_is_next_after_the_flush)
{
	setup(8, 1000);
	add(0);
	add_at(1, 200, 0);
	client_put_text(&client[0], "message");
	client_put(&client[1], (char[200]){ 'x' }, 200);
	ck_assert_int_eq(take(), TRANSFER_FULL);
	ck_assert_ptr_null(look.held);
	ck_assert_uint_eq(arena.now.count, 1);
	file(&arena);
	lanes_filed(&lanes, &look, &arena);
	client_put_text(&client[0], "message");
	ck_assert_int_eq(take(), TRANSFER_FULL);
	ck_assert_ptr_eq(look.held, &lanes.slot[1]);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lanes_worker");
	TCase *tc = core_case(suite, "lanes");

	tcase_add_loop_test(tc, a_lane_is_read_from_its_hand_out_to_its_end, 0,
			    sizeof(slots) / sizeof(slots[0]));
	tcase_add_test(tc, an_ending_lane_takes_what_was_there_before_its_seal);
	tcase_add_loop_test(tc, a_lane_that_cannot_be_ends_and_the_others_go_on,
			    0, sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(
		tc, messages_above_the_limit_are_counted_for_the_loop_thread);
	tc = core_case(suite, "claims");
	tcase_add_test(tc, a_lane_of_another_worker_is_passed_over);
	tcase_add_test(tc, a_turn_takes_from_a_few_lanes_and_the_next_goes_on);
	tcase_add_loop_test(tc, a_lane_that_fills_the_arena_starves_no_other, 0,
			    4);
	tc = core_case(suite, "large");
	tcase_add_loop_test(tc, a_large_lane_is_held_until_its_message_is_filed,
			    0, 2);
	tcase_add_test(tc, a_large_lane_is_next_after_the_flush);
	return suite_run(suite, CK_FORK);
}
