/* SPDX-License-Identifier: MIT */
/*
 * What workers do with messages: who takes them, what wakes whom, and when
 * there is a file.  Failing disks and new settings: test_worker_life.c.
 */
#include <sys/resource.h>

#include "tests/unit/worker_bed.h"

/* --- taking and filing --------------------------------------------------- */

START_TEST(a_full_arena_is_filed_and_the_rest_at_the_end)
{
	START("buffer.workers=1", "buffer.size=5", "buffer.forced=0",
	      "files.framing=none");
	put("aaaa");
	put("bbbbb");
	put("cccc");
	workers_wake(&workers);
	UNTIL(files() == 2);
	UNTIL(all_parked());
	ck_assert_uint_eq(record(0).len, 4);
	ck_assert_uint_eq(files(), 2);
	end();
	ck_assert_uint_eq(files(), 3);
	expect_file(0, "aaaa");
	expect_file(1, "bbbbb");
	expect_file(2, "cccc");
}
END_TEST

START_TEST(a_trickle_is_one_workers_work)
{
	unsigned i, busy = 0;

	START("buffer.workers=4", "buffer.forced=0", "buffer.size=1M");
	UNTIL(all_parked());
	for (i = 0; i < 40; i++)
		put_and_wait("message");
	for (i = 0; i < 4; i++)
		busy += record(i).taken > 0;
	ck_assert_uint_eq(busy, 1);
	end();
	ck_assert_uint_eq(files(), 1);
}
END_TEST

/* The one that looks does not get on: the ring is not left to it. */
START_TEST(a_filling_ring_wakes_another_worker)
{
	unsigned i;

	block_with("append.after=stall");
	START("buffer.workers=2", "buffer.forced=0", "buffer.queue_size=32");
	UNTIL(all_parked());
	put("stuck");
	workers_wake(&workers);
	UNTIL(ring_claimed(&state.ring) == ring_published(&state.ring));
	for (i = 0; i < 4; i++)
		put("few");
	workers_wake(&workers);
	/* one looks, and few wait: nobody else is woken */
	ck_assert_uint_eq(ring_waiting(&state.ring), 4);
	for (i = 0; i < 20; i++)
		put("many");
	workers_wake(&workers);
	UNTIL(!ring_waiting(&state.ring));
	unblock();
	end();
	ck_assert_uint_eq(files(), 2);
}
END_TEST

START_TEST(a_worker_at_the_disk_delays_nobody)
{
	char large[102] = "";
	unsigned i;

	memset(large, 'x', 101);

	block_with("flush.write=stall");
	START("buffer.workers=2", "buffer.forced=0", "buffer.queue_size=16",
	      "buffer.size=100", "files.framing=none");
	UNTIL(all_parked());
	put(large);
	workers_wake(&workers);
	UNTIL(state_of(0) == WORKER_FLUSHING || state_of(1) == WORKER_FLUSHING);
	/* a lap and more, as far as the other's arena goes */
	for (i = 0; i < 20; i++) {
		put("more");
		workers_wake(&workers);
	}
	UNTIL(!ring_waiting(&state.ring) || (workers_wake(&workers), 0));
	ck_assert_uint_eq(files(), 0);
	unblock();
	end();
	ck_assert_uint_eq(files(), 2);
}
END_TEST

START_TEST(a_stop_files_all_that_is_there)
{
	uint64_t sum = 0;
	unsigned i;

	START("buffer.workers=8", "buffer.forced=0", "buffer.queue_size=64");
	UNTIL(all_parked());
	for (i = 0; i < 64; i++)
		put("message");
	workers_stop(&workers);
	UNTIL(workers_exited(&workers));
	for (i = 0; i < 8; i++)
		sum += record(i).written;
	ck_assert_uint_eq(sum, 64);
	ck_assert_uint_eq(ring_waiting(&state.ring), 0);
	workers_join(&workers);
	region_close(&state);
	config_free(cfg);
}
END_TEST

/* --- forced -------------------------------------------------------------- */

START_TEST(forced_files_what_is_old_enough)
{
	START("buffer.workers=2", "buffer.forced=20ms");
	put("message");
	workers_wake(&workers);
	UNTIL(files() == 1);
	expect_file(0, "message\n");
	/* the next interval begins with the next message */
	put("again");
	workers_wake(&workers);
	UNTIL(files() == 2);
	UNTIL(stats_get(&workers.list[0].stats.flushes_forced) +
		      stats_get(&workers.list[1].stats.flushes_forced) ==
	      2);
	end();
}
END_TEST

START_TEST(forced_of_zero_waits_for_a_full_arena)
{
	START("buffer.workers=1", "buffer.forced=0");
	put_and_wait("message");
	/* it sleeps without an end, as it should */
	ck_assert_uint_eq(files(), 0);
	ck_assert_uint_eq(record(0).count, 1);
	end();
	ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(old_empty_datagrams_make_no_file)
{
	START("buffer.workers=1", "buffer.forced=20ms");
	put("");
	workers_wake(&workers);
	UNTIL(record(0).written == 1);
	ck_assert_uint_eq(files(), 0);
	end();
}
END_TEST

/* --- flush requests ------------------------------------------------------ */

START_TEST(a_flush_covers_all_that_came_before_it)
{
	static const char *const counts[] = { "buffer.workers=1",
					      "buffer.workers=4" };
	unsigned i, j, rounds = 30 / (CORE_SLOW > 1 ? 4 : 1);
	uint64_t request;

	START(counts[_i], "buffer.forced=0", "buffer.queue_size=2000");
	for (i = 1; i <= rounds; i++) {
		/* more than a worker claims at once */
		for (j = 0; j < 1000; j++)
			put("message");
		/* nobody was woken for these; the request does it */
		request = workers_flush(&workers);
		ck_assert_uint_eq(request, i);
		UNTIL(workers_flushed(&workers, request));
		ck_assert_uint_eq(written(), 1000 * i);
		ck_assert(workers_flushed(&workers, request - 1));
		ck_assert(!workers_flushed(&workers, request + 1));
	}
	end();
}
END_TEST

START_TEST(a_flush_of_nothing_is_answered)
{
	unsigned before;
	uint64_t request;

	START("buffer.workers=3", "buffer.forced=0");
	UNTIL(all_parked());
	before = atomic_load(&notified);
	ck_assert_uint_eq(workers_flush(&workers), 1);
	request = workers_flush(&workers);
	UNTIL(workers_flushed(&workers, request));
	/* each of them says so */
	UNTIL(atomic_load(&notified) >= before + 3);
	ck_assert_uint_eq(files(), 0);
	end();
}
END_TEST

START_TEST(a_flush_is_not_done_before_its_file_is_there)
{
	uint64_t request;

	block_with("flush.rename=stall");
	START("buffer.workers=2", "buffer.forced=0");
	put_and_wait("message");
	request = workers_flush(&workers);
	UNTIL(state_of(0) == WORKER_FLUSHING || state_of(1) == WORKER_FLUSHING);
	ck_assert(!workers_flushed(&workers, request));
	unblock();
	UNTIL(workers_flushed(&workers, request));
	ck_assert_uint_eq(files(), 1);
	end();
}
END_TEST

/* Each take fills the arena, and there is always one more. */
static bool refill(void)
{
	while (core_put(&state.ring, "xx", 2))
		;
	return true;
}

START_TEST(a_flush_is_answered_under_a_load_that_never_ends)
{
	uint64_t request;

	START("buffer.workers=1", "buffer.forced=0", "buffer.size=1",
	      "buffer.queue_size=2000");
	refill();
	request = workers_flush(&workers);
	UNTIL(refill() && workers_flushed(&workers, request));
	ck_assert_uint_gt(ring_waiting(&state.ring), 0);
	end();
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
		data = core_read(path, &len);
		for (p = data; p < data + len; p += 4 + n) {
			memcpy(&n, p, 4);
			memcpy(&number, p + 4, 8);
			ck_assert_uint_lt(number, most);
			ck_assert(core_is_message((uint8_t *)p + 12, n - 8,
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
	uint64_t most = 40000 / CORE_SLOW, number;
	unsigned *seen = calloc(most, sizeof(*seen));
	uint8_t buf[3000];

	core_seed = _i;
	START(counts[_i], "buffer.size=20K", "buffer.queue_size=50",
	      "socket.max_message=2500", "buffer.forced=5ms",
	      "files.framing=length");
	for (number = 0; number < most; number++) {
		uint32_t len = core_chance(20) ? core_chance(100) :
						 core_chance(2490);

		memcpy(buf, &number, 8);
		core_message(buf + 8, len, number);
		while (!core_put(&state.ring, buf, 8 + len)) {
			workers_wake(&workers);
			sched_yield();
		}
		if (!core_chance(10))
			workers_wake(&workers);
		if (!core_chance(5000))
			workers_flush(&workers);
	}
	end();
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

	START("buffer.workers=3", "buffer.forced=0");
	UNTIL(all_parked());
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
	end();
}
END_TEST

/* Address space for a few stacks only. */
START_TEST(threads_that_cannot_be_made_are_an_error)
{
	struct failure error;
	struct rlimit limit;
	unsigned long pages;
	FILE *f;

	if (CORE_SLOW > 1)
		return; /* its shadow is larger than any limit */
	cfg = CORE_SETTINGS("state.path=", "buffer.workers=64",
			    "buffer.size=4K");
	ck_assert_int_eq(region_create(&state, cfg, &error), 0);
	f = fopen("/proc/self/statm", "re");
	ck_assert_int_eq(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = pages * 4096 + (100UL << 20);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(workers_start(&workers, cfg, &state.ring, state.arenas,
				       false, notify, &notified),
			 -EAGAIN);
	/* those that were made are gone */
	ck_assert_ptr_null(workers.list);
	region_close(&state);
	config_free(cfg);
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
	return core_run(suite);
}
