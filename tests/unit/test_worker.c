/* SPDX-License-Identifier: MIT */
/*
 * What workers do with messages: who takes them, what wakes whom, and when
 * there is a file.  Failing disks and new settings: test_worker_life.c.
 */
#include <dirent.h>
#include <sys/resource.h>

#include "tests/lib/pool.h"

/* --- taking and filing --------------------------------------------------- */

START_TEST(a_full_arena_is_filed_and_the_rest_at_the_end)
{
	POOL_START("buffer.workers=1", "buffer.size=5", "buffer.forced=0",
		   "files.framing=none");
	pool_put("aaaa");
	pool_put("bbbbb");
	pool_put("cccc");
	workers_wake(&pool);
	UNTIL(pool_files() == 2);
	UNTIL(pool_is_parked());
	ck_assert_uint_eq(pool_record(0).len, 4);
	ck_assert_uint_eq(pool_files(), 2);
	pool_stop();
	ck_assert_uint_eq(pool_files(), 3);
	pool_expect_file(0, "aaaa");
	pool_expect_file(1, "bbbbb");
	pool_expect_file(2, "cccc");
}
END_TEST

START_TEST(a_trickle_is_one_workers_work)
{
	unsigned i, busy = 0;

	POOL_START("buffer.workers=4", "buffer.forced=0", "buffer.size=1M");
	UNTIL(pool_is_parked());
	for (i = 0; i < 40; i++)
		pool_put_and_wait("message");
	for (i = 0; i < 4; i++)
		busy += pool_record(i).taken > 0;
	ck_assert_uint_eq(busy, 1);
	pool_stop();
	ck_assert_uint_eq(pool_files(), 1);
}
END_TEST

/* The one that looks does not get on: the ring is not left to it. */
START_TEST(a_filling_ring_wakes_another_worker)
{
	unsigned i;

	pool_block("append.after=stall");
	POOL_START("buffer.workers=2", "buffer.forced=0",
		   "buffer.queue_size=32");
	UNTIL(pool_is_parked());
	pool_put("stuck");
	workers_wake(&pool);
	UNTIL(ring_claimed(&pool_region.ring) ==
	      ring_published(&pool_region.ring));
	for (i = 0; i < 4; i++)
		pool_put("few");
	workers_wake(&pool);
	/* one looks, and few wait: nobody else is woken */
	ck_assert_uint_eq(ring_waiting(&pool_region.ring), 4);
	for (i = 0; i < 20; i++)
		pool_put("many");
	workers_wake(&pool);
	UNTIL(!ring_waiting(&pool_region.ring));
	pool_unblock();
	pool_stop();
	ck_assert_uint_eq(pool_files(), 2);
}
END_TEST

START_TEST(a_worker_at_the_disk_delays_nobody)
{
	char large[102] = "";
	unsigned i;

	memset(large, 'x', 101);

	pool_block("flush.write=stall");
	POOL_START("buffer.workers=2", "buffer.forced=0",
		   "buffer.queue_size=16", "buffer.size=100",
		   "files.framing=none");
	UNTIL(pool_is_parked());
	pool_put(large);
	workers_wake(&pool);
	UNTIL(pool_state(0) == WORKER_FLUSHING ||
	      pool_state(1) == WORKER_FLUSHING);
	/* a lap and more, as far as the other's arena goes */
	for (i = 0; i < 20; i++) {
		pool_put("more");
		workers_wake(&pool);
	}
	UNTIL(!ring_waiting(&pool_region.ring) || (workers_wake(&pool), 0));
	ck_assert_uint_eq(pool_files(), 0);
	pool_unblock();
	pool_stop();
	ck_assert_uint_eq(pool_files(), 2);
}
END_TEST

START_TEST(a_stop_files_all_that_is_there)
{
	uint64_t sum = 0;
	unsigned i;

	POOL_START("buffer.workers=8", "buffer.forced=0",
		   "buffer.queue_size=64");
	UNTIL(pool_is_parked());
	for (i = 0; i < 64; i++)
		pool_put("message");
	workers_stop(&pool);
	UNTIL(workers_exited(&pool));
	for (i = 0; i < 8; i++)
		sum += pool_written_by(i);
	ck_assert_uint_eq(sum, 64);
	ck_assert_uint_eq(ring_waiting(&pool_region.ring), 0);
	workers_join(&pool);
	region_close(&pool_region);
	config_free(pool_cfg);
}
END_TEST

/* --- forced -------------------------------------------------------------- */

START_TEST(forced_files_what_is_old_enough)
{
	POOL_START("buffer.workers=2", "buffer.forced=20ms");
	pool_put("message");
	workers_wake(&pool);
	UNTIL(pool_files() == 1);
	pool_expect_file(0, "message\n");
	/* the next interval begins with the next message */
	pool_put("again");
	workers_wake(&pool);
	UNTIL(pool_files() == 2);
	UNTIL(stats_get(&pool.list[0].stats.flushes_forced) +
		      stats_get(&pool.list[1].stats.flushes_forced) ==
	      2);
	pool_stop();
}
END_TEST

START_TEST(forced_of_zero_waits_for_a_full_arena)
{
	POOL_START("buffer.workers=1", "buffer.forced=0");
	pool_put_and_wait("message");
	/* it sleeps without an end, as it should */
	ck_assert_uint_eq(pool_files(), 0);
	ck_assert_uint_eq(pool_record(0).count, 1);
	pool_stop();
	ck_assert_uint_eq(pool_files(), 1);
}
END_TEST

START_TEST(old_empty_datagrams_make_no_file)
{
	POOL_START("buffer.workers=1", "buffer.forced=20ms");
	pool_put("");
	workers_wake(&pool);
	UNTIL(pool_written_by(0) == 1);
	ck_assert_uint_eq(pool_files(), 0);
	pool_stop();
}
END_TEST

/* --- flush requests ------------------------------------------------------ */

START_TEST(a_flush_covers_all_that_came_before_it)
{
	static const char *const counts[] = { "buffer.workers=1",
					      "buffer.workers=4" };
	unsigned i, j, rounds = 30 / (suite_sanitized() ? 4 : 1);
	uint64_t request;

	POOL_START(counts[_i], "buffer.forced=0", "buffer.queue_size=2000");
	for (i = 1; i <= rounds; i++) {
		/* more than a worker claims at once */
		for (j = 0; j < 1000; j++)
			pool_put("message");
		/* nobody was woken for these; the request does it */
		request = workers_flush(&pool);
		ck_assert_uint_eq(request, i);
		UNTIL(workers_flushed(&pool, request));
		ck_assert_uint_eq(pool_written(), 1000 * i);
		ck_assert(workers_flushed(&pool, request - 1));
		ck_assert(!workers_flushed(&pool, request + 1));
	}
	pool_stop();
}
END_TEST

START_TEST(a_flush_of_nothing_is_answered)
{
	unsigned before;
	uint64_t request;

	POOL_START("buffer.workers=3", "buffer.forced=0");
	UNTIL(pool_is_parked());
	before = atomic_load(&pool_notified);
	ck_assert_uint_eq(workers_flush(&pool), 1);
	request = workers_flush(&pool);
	UNTIL(workers_flushed(&pool, request));
	/* each of them says so */
	UNTIL(atomic_load(&pool_notified) >= before + 3);
	ck_assert_uint_eq(pool_files(), 0);
	pool_stop();
}
END_TEST

START_TEST(a_flush_is_not_done_before_its_file_is_there)
{
	uint64_t request;

	pool_block("flush.rename=stall");
	POOL_START("buffer.workers=2", "buffer.forced=0");
	pool_put_and_wait("message");
	request = workers_flush(&pool);
	UNTIL(pool_state(0) == WORKER_FLUSHING ||
	      pool_state(1) == WORKER_FLUSHING);
	ck_assert(!workers_flushed(&pool, request));
	pool_unblock();
	UNTIL(workers_flushed(&pool, request));
	ck_assert_uint_eq(pool_files(), 1);
	pool_stop();
}
END_TEST

/* Each take fills the arena, and there is always one more. */
static bool refill(void)
{
	while (core_put(&pool_region.ring, "xx", 2))
		;
	return true;
}

START_TEST(a_flush_is_answered_under_a_load_that_never_ends)
{
	double since = suite_now();
	uint64_t request;

	POOL_START("buffer.workers=1", "buffer.forced=0", "buffer.size=1",
		   "buffer.queue_size=2000");
	/* Again, if this thread stood still until the ring was empty. */
	do {
		refill();
		request = workers_flush(&pool);
		UNTIL(refill() && workers_flushed(&pool, request));
		suite_heed_limit(since, "an answer under load", __FILE__,
				 __LINE__);
	} while (!ring_waiting(&pool_region.ring));
	pool_stop();
}
END_TEST

/* --- all together -------------------------------------------------------- */

/* Numbers of length-framed messages. */
static void count_numbers(unsigned *seen, uint64_t most)
{
	struct core_files all = core_files(core_path("files"));
	char path[PATH_MAX], *data, *p;
	uint64_t number;
	uint32_t n;
	size_t len;
	unsigned i;

	for (i = 0; i < all.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", core_path("files"),
			 all.name[i]);
		data = file_read(path, &len);
		for (p = data; p < data + len; p += 4 + n) {
			memcpy(&n, p, 4);
			memcpy(&number, p + 4, 8);
			ck_assert_uint_lt(number, most);
			ck_assert(random_is_message((uint8_t *)p + 12, n - 8,
						    number));
			seen[number]++;
		}
		free(data);
	}
	core_files_free(&all);
}

START_TEST(many_workers_file_each_message_once)
{
	static const char *const counts[] = { "buffer.workers=1",
					      "buffer.workers=5",
					      "buffer.workers=64" };
	uint64_t most = suite_scale(40000), number;
	unsigned *seen = calloc(most, sizeof(*seen));
	uint8_t buf[3000];

	random_seed = _i;
	POOL_START(counts[_i], "buffer.size=20K", "buffer.queue_size=50",
		   "socket.max_message=2500", "buffer.forced=5ms",
		   "files.framing=length");
	for (number = 0; number < most; number++) {
		uint32_t len = random_below(20) ? random_below(100) :
						  random_below(2490);

		memcpy(buf, &number, 8);
		random_message(buf + 8, len, number);
		while (!core_put(&pool_region.ring, buf, 8 + len)) {
			workers_wake(&pool);
			sched_yield();
		}
		if (!random_below(10))
			workers_wake(&pool);
		if (!random_below(5000))
			workers_flush(&pool);
	}
	pool_stop();
	count_numbers(seen, most);
	for (number = 0; number < most; number++)
		ck_assert_uint_eq(seen[number], 1);
	free(seen);
}
END_TEST

START_TEST(signals_are_not_for_workers)
{
	unsigned found = 0;
	struct dirent *task;
	char path[PATH_MAX];
	DIR *tasks;

	POOL_START("buffer.workers=3", "buffer.forced=0");
	UNTIL(pool_is_parked());
	tasks = opendir("/proc/self/task");
	while ((task = readdir(tasks))) {
		char text[4096] = "", *mask;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status",
			 task->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		text[fread(text, 1, sizeof(text) - 1, f)] = 0;
		fclose(f);
		mask = strstr(text, "SigBlk:");
		if (!strstr(text, "Name:\tworker ") || !mask)
			continue;
		found++;
		ck_assert(strtoull(mask + 7, NULL, 16) &
			  (UINT64_C(1) << (SIGTERM - 1)));
	}
	closedir(tasks);
	ck_assert_uint_eq(found, 3);
	pool_stop();
}
END_TEST

/* Address space for a few stacks only. */
START_TEST(threads_that_cannot_be_made_are_an_error)
{
	static const struct flush_place place;
	struct failure error;
	struct rlimit limit;
	unsigned long pages;
	FILE *f;

	if (suite_sanitized())
		return; /* its shadow is larger than any limit */
	pool_cfg = CORE_SETTINGS("state.path=", "buffer.workers=64",
				 "buffer.size=4K");
	ck_assert_int_eq(region_create(&pool_region, pool_cfg, &error), 0);
	f = fopen("/proc/self/statm", "re");
	ck_assert_int_eq(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = pages * 4096 + (100UL << 20);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(workers_start(&pool, pool_cfg, &pool_region, &place,
				       pool_notify, &pool_notified),
			 -EAGAIN);
	/* those that were made are gone */
	ck_assert_ptr_null(pool.list);
	region_close(&pool_region);
	config_free(pool_cfg);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tc = core_case(suite, "filing");

	tcase_add_test(tc, a_full_arena_is_filed_and_the_rest_at_the_end);
	tcase_add_test(tc, a_trickle_is_one_workers_work);
	tcase_add_test(tc, a_filling_ring_wakes_another_worker);
	tcase_add_test(tc, a_worker_at_the_disk_delays_nobody);
	tcase_add_test(tc, a_stop_files_all_that_is_there);
	tcase_add_test(tc, forced_files_what_is_old_enough);
	tcase_add_test(tc, forced_of_zero_waits_for_a_full_arena);
	tcase_add_test(tc, old_empty_datagrams_make_no_file);
	tc = core_case(suite, "flush");
	tcase_add_loop_test(tc, a_flush_covers_all_that_came_before_it, 0, 2);
	tcase_add_test(tc, a_flush_of_nothing_is_answered);
	tcase_add_test(tc, a_flush_is_not_done_before_its_file_is_there);
	tcase_add_test(tc, a_flush_is_answered_under_a_load_that_never_ends);
	tc = core_case(suite, "together");
	tcase_add_loop_test(tc, many_workers_file_each_message_once, 0, 3);
	tcase_add_test(tc, signals_are_not_for_workers);
	tcase_add_test(tc, threads_that_cannot_be_made_are_an_error);
	return suite_run(suite, CK_FORK);
}
