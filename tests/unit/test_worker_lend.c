/* SPDX-License-Identifier: MIT */
/*
 * Arenas of parked workers, lent to the loop thread, which is the test.
 */
#include "tests/unit/worker_bed.h"

/* Received and taken over, as the listener does it. */
static bool put_and_take(const char *text)
{
	put(text);
	return workers_take(&workers);
}

/* The workers that have messages, as bits. */
static unsigned holders(void)
{
	unsigned i, bits = 0;

	for (i = 0; i < workers.count; i++)
		bits |= (record(i).count > 0) << i;
	return bits;
}

START_TEST(a_parked_worker_lends_its_arena_and_sleeps_on)
{
	START("buffer.workers=4", "buffer.forced=0");
	UNTIL(all_parked());
	ck_assert(put_and_take("one"));
	ck_assert_uint_eq(ring_waiting(&state.ring), 0);
	ck_assert_uint_eq(holders(), 1);
	/* nobody was woken, and nothing new begins with a second message */
	ck_assert(all_parked());
	ck_assert(!put_and_take("two"));
	ck_assert_uint_eq(holders(), 1);
	ck_assert_uint_eq(record(0).count, 2);
	ck_assert(all_parked());
	ck_assert(!workers_take(&workers));
	end();
	ck_assert_uint_eq(files(), 1);
	expect_file(0, "one\ntwo\n");
}
END_TEST

START_TEST(a_full_arena_goes_to_its_worker_and_the_next_is_lent)
{
	/* else its worker may be back in time for the rest */
	block_with("flush.write=stall");
	START("buffer.workers=2", "buffer.forced=0", "buffer.size=8");
	UNTIL(all_parked());
	put("aaa");
	put("bbb");
	put("ccc");
	ck_assert(workers_take(&workers));
	ck_assert_uint_eq(ring_waiting(&state.ring), 0);
	ck_assert_uint_eq(record(0).count, 2);
	ck_assert_uint_eq(record(1).count, 1);
	unblock();
	UNTIL(files() == 1);
	expect_file(0, "aaa\nbbb\n");
	UNTIL(all_parked());
	/* what has messages comes first, not what is first */
	ck_assert(!put_and_take("ddd"));
	ck_assert_uint_eq(record(1).count, 2);
	end();
	expect_file(1, "ccc\nddd\n");
}
END_TEST

START_TEST(a_message_larger_than_the_arena_ends_the_loan)
{
	START("buffer.workers=1", "buffer.forced=0", "buffer.size=8");
	UNTIL(all_parked());
	ck_assert(put_and_take("a"));
	put_and_take("larger than eight");
	UNTIL(files() == 1);
	UNTIL(all_parked());
	expect_file(0, "a\nlarger than eight\n");
	end();
}
END_TEST

/* What is left when all are at the disk, they take when they are back. */
START_TEST(without_a_parked_worker_messages_wait_in_the_ring)
{
	block_with("flush.write=stall");
	START("buffer.workers=2", "buffer.forced=0", "buffer.size=8");
	UNTIL(all_parked());
	put("aaa");
	put("bbb");
	put("ccc");
	put("ddd");
	put("eee");
	ck_assert(workers_take(&workers));
	ck_assert_uint_eq(ring_waiting(&state.ring), 1);
	ck_assert_int_eq(state_of(0), WORKER_FLUSHING);
	ck_assert_int_eq(state_of(1), WORKER_FLUSHING);
	/* for the status, before they have even woken */
	ck_assert_uint_gt(atomic_load(&workers.list[0].flushing_since_ns), 0);
	ck_assert(!workers_take(&workers));
	ck_assert_uint_eq(files(), 0);
	unblock();
	UNTIL(!ring_waiting(&state.ring));
	UNTIL(files() == 2);
	end();
	ck_assert_uint_eq(files(), 3);
}
END_TEST

/* It slept with nothing, so somebody else must watch the time. */
START_TEST(what_was_put_into_a_sleepers_arena_is_filed_in_time)
{
	uint64_t before, next;

	START("buffer.workers=2", "buffer.forced=30ms");
	UNTIL(all_parked());
	ck_assert_uint_eq(workers_due(&workers), 0);
	before = clock_now();
	ck_assert(put_and_take("message"));
	next = workers_due(&workers);
	if (next) {
		ck_assert_uint_ge(next, before + 30000000);
		ck_assert_uint_le(next, clock_now() + 30000000);
	}
	UNTIL((workers_due(&workers), files() == 1));
	ck_assert_uint_eq(workers_due(&workers), 0);
	end();
	expect_file(0, "message\n");
}
END_TEST

START_TEST(forced_of_zero_is_never_due)
{
	START("buffer.workers=2", "buffer.forced=0");
	UNTIL(all_parked());
	ck_assert(put_and_take("message"));
	ck_assert_uint_eq(workers_due(&workers), 0);
	ck_assert(all_parked());
	end();
}
END_TEST

START_TEST(a_flush_covers_what_the_loop_thread_took)
{
	uint64_t request;

	START("buffer.workers=2", "buffer.forced=0");
	UNTIL(all_parked());
	put_and_take("message");
	request = workers_flush(&workers);
	UNTIL(workers_flushed(&workers, request));
	ck_assert_uint_eq(files(), 1);
	end();
}
END_TEST

/*
 * Workers wake for their deadlines, for flushes, pings and settings, at any
 * moment of a loan.
 */
START_TEST(loans_and_wakers_at_all_moments_lose_nothing)
{
	uint64_t most = 60000 / CORE_SLOW, number;
	struct core_files all;
	char path[PATH_MAX], text[32], *data, *p, *last;
	uint8_t *seen = calloc(most, 1);
	unsigned i;

	core_seed = _i;
	START(_i ? "buffer.workers=3" : "buffer.workers=1", "buffer.size=2K",
	      "buffer.queue_size=64", "buffer.forced=1ms");
	for (number = 0; number < most; number++) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)number);
		while (!core_put_at(&state.ring, text, strlen(text),
				    clock_now())) {
			workers_wake(&workers);
			sched_yield();
		}
		if (core_chance(3))
			workers_take(&workers);
		if (!core_chance(50))
			workers_wake(&workers);
		if (!core_chance(100))
			workers_due(&workers);
		if (!core_chance(200))
			workers_alive(&workers);
		if (!core_chance(1000))
			workers_flush(&workers);
		if (!core_chance(2000))
			usleep(1500);
	}
	end();
	all = core_files(core_path("files"));
	for (i = 0; i < all.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", core_path("files"),
			 all.name[i]);
		data = core_read(path, NULL);
		for (p = strtok_r(data, "\n", &last); p;
		     p = strtok_r(NULL, "\n", &last)) {
			number = strtoull(p, NULL, 10);
			ck_assert_uint_lt(number, most);
			ck_assert_uint_eq(seen[number]++, 0);
		}
		free(data);
	}
	core_files_free(&all);
	for (number = 0; number < most; number++)
		ck_assert_uint_eq(seen[number], 1);
	free(seen);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_lend");
	TCase *tc = core_case(suite, "lend");

	tcase_add_test(tc, a_parked_worker_lends_its_arena_and_sleeps_on);
	tcase_add_test(tc,
		       a_full_arena_goes_to_its_worker_and_the_next_is_lent);
	tcase_add_test(tc, a_message_larger_than_the_arena_ends_the_loan);
	tcase_add_test(tc, without_a_parked_worker_messages_wait_in_the_ring);
	tc = core_case(suite, "time");
	tcase_add_test(tc, what_was_put_into_a_sleepers_arena_is_filed_in_time);
	tcase_add_test(tc, forced_of_zero_is_never_due);
	tcase_add_test(tc, a_flush_covers_what_the_loop_thread_took);
	tcase_add_loop_test(tc, loans_and_wakers_at_all_moments_lose_nothing, 0,
			    2);
	return core_run(suite);
}
