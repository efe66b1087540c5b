/* SPDX-License-Identifier: MIT */
/*
 * Arenas of parked workers, lent to the loop thread, which is the test.
 */
#include "tests/lib/pool.h"

/* Received and taken over, as the listener does it. */
static bool put_and_take(const char *text)
{
	pool_put(text);
	return workers_take(&pool);
}

/* The workers that have messages, as bits. */
static unsigned holders(void)
{
	unsigned i, bits = 0;

	for (i = 0; i < pool.count; i++)
		bits |= (pool_record(i).count > 0) << i;
	return bits;
}

START_TEST(a_parked_worker_lends_its_arena_and_sleeps_on)
{
	POOL_START("buffer.workers=4", "buffer.forced=0");
	UNTIL(pool_is_parked());
	ck_assert(put_and_take("one"));
	ck_assert_uint_eq(ring_waiting(&pool_region.ring), 0);
	ck_assert_uint_eq(holders(), 1);
	/* nobody was woken, and nothing new begins with a second message */
	ck_assert(pool_is_parked());
	ck_assert(!put_and_take("two"));
	ck_assert_uint_eq(holders(), 1);
	ck_assert_uint_eq(pool_record(0).count, 2);
	ck_assert(pool_is_parked());
	ck_assert(!workers_take(&pool));
	pool_stop();
	ck_assert_uint_eq(pool_files(), 1);
	pool_expect_file(0, "one\ntwo\n");
}
END_TEST

START_TEST(a_full_arena_goes_to_its_worker_and_the_next_is_lent)
{
	/* else its worker may be back in time for the rest */
	pool_block("flush.write=stall");
	POOL_START("buffer.workers=2", "buffer.forced=0", "buffer.size=8");
	UNTIL(pool_is_parked());
	pool_put("aaa");
	pool_put("bbb");
	pool_put("ccc");
	ck_assert(workers_take(&pool));
	ck_assert_uint_eq(ring_waiting(&pool_region.ring), 0);
	ck_assert_uint_eq(pool_record(0).count, 2);
	ck_assert_uint_eq(pool_record(1).count, 1);
	pool_unblock();
	UNTIL(pool_files() == 1);
	pool_expect_file(0, "aaa\nbbb\n");
	UNTIL(pool_is_parked());
	/* what has messages comes first, not what is first */
	ck_assert(!put_and_take("ddd"));
	ck_assert_uint_eq(pool_record(1).count, 2);
	pool_stop();
	pool_expect_file(1, "ccc\nddd\n");
}
END_TEST

START_TEST(a_message_larger_than_the_arena_ends_the_loan)
{
	POOL_START("buffer.workers=1", "buffer.forced=0", "buffer.size=8");
	UNTIL(pool_is_parked());
	ck_assert(put_and_take("a"));
	put_and_take("larger than eight");
	UNTIL(pool_files() == 1);
	UNTIL(pool_is_parked());
	pool_expect_file(0, "a\nlarger than eight\n");
	pool_stop();
}
END_TEST

/* What is left when all are at the disk, they take when they are back. */
START_TEST(without_a_parked_worker_messages_wait_in_the_ring)
{
	pool_block("flush.write=stall");
	POOL_START("buffer.workers=2", "buffer.forced=0", "buffer.size=8");
	UNTIL(pool_is_parked());
	pool_put("aaa");
	pool_put("bbb");
	pool_put("ccc");
	pool_put("ddd");
	pool_put("eee");
	ck_assert(workers_take(&pool));
	ck_assert_uint_eq(ring_waiting(&pool_region.ring), 1);
	ck_assert_int_eq(pool_state(0), WORKER_FLUSHING);
	ck_assert_int_eq(pool_state(1), WORKER_FLUSHING);
	/* for the status, before they have even woken */
	ck_assert_uint_gt(atomic_load(&pool.list[0].flushing_since_ns), 0);
	ck_assert(!workers_take(&pool));
	ck_assert_uint_eq(pool_files(), 0);
	pool_unblock();
	UNTIL(!ring_waiting(&pool_region.ring));
	UNTIL(pool_files() == 2);
	pool_stop();
	ck_assert_uint_eq(pool_files(), 3);
}
END_TEST

/* It slept with nothing, so somebody else must watch the time. */
START_TEST(what_was_put_into_a_sleepers_arena_is_filed_in_time)
{
	uint64_t before, next;

	POOL_START("buffer.workers=2", "buffer.forced=30ms");
	UNTIL(pool_is_parked());
	ck_assert_uint_eq(workers_due(&pool), 0);
	before = clock_now();
	ck_assert(put_and_take("message"));
	next = workers_due(&pool);
	if (next) {
		ck_assert_uint_ge(next, before + 30000000);
		ck_assert_uint_le(next, clock_now() + 30000000);
	}
	UNTIL((workers_due(&pool), pool_files() == 1));
	ck_assert_uint_eq(workers_due(&pool), 0);
	pool_stop();
	pool_expect_file(0, "message\n");
}
END_TEST

START_TEST(forced_of_zero_is_never_due)
{
	POOL_START("buffer.workers=2", "buffer.forced=0");
	UNTIL(pool_is_parked());
	ck_assert(put_and_take("message"));
	ck_assert_uint_eq(workers_due(&pool), 0);
	ck_assert(pool_is_parked());
	pool_stop();
}
END_TEST

START_TEST(a_flush_covers_what_the_loop_thread_took)
{
	uint64_t request;

	POOL_START("buffer.workers=2", "buffer.forced=0");
	UNTIL(pool_is_parked());
	put_and_take("message");
	request = workers_flush(&pool);
	UNTIL(workers_flushed(&pool, request));
	ck_assert_uint_eq(pool_files(), 1);
	pool_stop();
}
END_TEST

/*
 * Workers wake for their deadlines, for flushes, pings and settings, at any
 * moment of a loan.
 */
START_TEST(loans_and_wakers_at_all_moments_lose_nothing)
{
	uint64_t most = suite_scale(60000), number;
	struct core_files all;
	char path[PATH_MAX], text[32], *data, *p, *last;
	uint8_t *seen = calloc(most, 1);
	unsigned i;

	random_seed = _i;
	POOL_START(_i ? "buffer.workers=3" : "buffer.workers=1",
		   "buffer.size=2K", "buffer.queue_size=64",
		   "buffer.forced=1ms");
	for (number = 0; number < most; number++) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)number);
		while (!core_put_at(&pool_region.ring, text, strlen(text),
				    clock_now())) {
			workers_wake(&pool);
			sched_yield();
		}
		if (random_below(3))
			workers_take(&pool);
		if (!random_below(50))
			workers_wake(&pool);
		if (!random_below(100))
			workers_due(&pool);
		if (!random_below(200))
			workers_alive(&pool);
		if (!random_below(1000))
			workers_flush(&pool);
		if (!random_below(2000))
			usleep(1500);
	}
	pool_stop();
	all = core_files(core_path("files"));
	for (i = 0; i < all.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", core_path("files"),
			 all.name[i]);
		data = file_read(path, NULL);
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
	return suite_run(suite, CK_FORK);
}
