/* SPDX-License-Identifier: MIT */
/*
 * The daemon comes to a limit of its process: it works, or it ends with one
 * line that names the limit.  No signal of a limit kills it, and no message is
 * lost.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/lane_client.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

#define MESSAGES 20

static int can_limit(void)
{
	if (suite_sanitized())
		suite_skip("the sanitizer needs descriptors and memory itself");
	return !suite_sanitized();
}

/* The daemon has ended by itself, with one line that has this remedy. */
static void require_refusal(const char *remedy)
{
	int status = daemon_wait();

	REQUIRE(WIFEXITED(status), "limit %u: wait status %#x",
		(unsigned)bed.limit, status);
	/* With less it cannot even load its libraries, or tell. */
	if (!log_count(" error: "))
		return;
	REQUIRE(WEXITSTATUS(status) == EX_OSERR, "limit %u: exit status %d",
		(unsigned)bed.limit, WEXITSTATUS(status));
	REQUIRE(log_count(" error: ", remedy) == 1,
		"limit %u: not one line with '%s'", (unsigned)bed.limit,
		remedy);
	ck_assert_int_ne(access(bed.sock, F_OK), 0);
	ck_assert_int_ne(access(bed.control, F_OK), 0);
}

/* The daemon works: all that is sent is filed. */
static void require_work(void)
{
	struct flow flow = { .count = MESSAGES, .min = 1, .max = 3000 };
	struct sender *sender = sender_start(&flow);
	struct lane_client lane;
	struct totals totals;
	struct tally tally;

	/* There may be too few descriptors for a lane. */
	if (!lane_open(&lane))
		lane_end(&lane);
	sender_wait(sender);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, MESSAGES);
	tally_open(&tally);
	tally_expect_sender(&tally, sender);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}

/* True if it started. */
static bool try_limit(int limited, uint64_t n, const char *remedy)
{
	bool ready;

	bed.limited = limited;
	bed.limit = n;
	daemon_spawn("buffer.size=16K", "buffer.queue_size=64");
	ready = daemon_ready();
	if (ready)
		require_work();
	else
		require_refusal(remedy);
	return ready;
}

static void fresh_bed(void)
{
	bed_close();
	bed_open();
}

START_TEST(any_number_of_descriptors_is_enough_or_refused)
{
	unsigned n, works = 0, first = 0;

	if (!can_limit())
		return;
	for (n = 3; n <= 40; n++) {
		fresh_bed();
		if (!try_limit(RLIMIT_NOFILE, n,
			       "raise the limit of open files"))
			continue;
		works++;
		if (!first)
			first = n;
	}
	/* Where it starts, it starts with more as well. */
	ck_assert_uint_eq(works, 41 - first);
	ck_assert_uint_gt(works, 0);
	ck_assert_uint_gt(first, 8);
}
END_TEST

START_TEST(any_memory_is_enough_or_refused)
{
	bool ready = false;
	unsigned n;

	if (!can_limit())
		return;
	for (n = 4; !ready; n += 2) {
		fresh_bed();
		ck_assert_uint_lt(n, 500);
		ready = try_limit(RLIMIT_AS, (uint64_t)n << 20, "memory");
	}
}
END_TEST

START_TEST(a_region_above_the_limit_of_file_size_is_refused)
{
	bed.limited = RLIMIT_FSIZE;
	bed.limit = 65536;
	daemon_spawn();
	ck_assert_int_eq(daemon_ready(), 0);
	require_refusal("raise the limit of file size");
	ck_assert_uint_eq(log_count("state.path: cannot allocate"), 1);
	/* It is not the file system. */
	ck_assert_uint_eq(log_count("make its file system larger"), 0);
}
END_TEST

START_TEST(a_file_above_the_limit_of_file_size_waits_for_a_higher_one)
{
	struct rlimit limit;
	struct totals totals;
	char text[1000];
	int fd, i;

	if (!can_limit())
		return;
	memset(text, 'a', sizeof(text));
	bed.limited = RLIMIT_FSIZE;
	bed.limit = 8192;
	/* The region is no file. */
	daemon_start("state.path=", "buffer.size=64K", "buffer.workers=1",
		     "buffer.forced=0");
	fd = send_open();
	for (i = 0; i < 12; i++)
		send_one(fd, text, sizeof(text));
	send_drain(fd);
	daemon_signal(SIGUSR1);
	UNTIL(log_count("raise the limit of file size") == 1);
	ck_assert_uint_eq(files_count(bed.files), 0);
	ck_assert_int_eq(prlimit(bed.pid, RLIMIT_FSIZE, NULL, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(prlimit(bed.pid, RLIMIT_FSIZE, &limit, NULL), 0);
	UNTIL(files_count(bed.files) == 1);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, 12);
	ck_assert_uint_eq(totals.written, 12);
}
END_TEST

START_TEST(a_lane_above_the_limit_of_file_size_is_not_given)
{
	struct lane_client lane;
	struct totals totals;
	int fd;

	if (!can_limit())
		return;
	bed.limited = RLIMIT_FSIZE;
	bed.limit = 65536;
	daemon_start("state.path=");
	ck_assert_int_lt(lane_open(&lane), 0);
	UNTIL(log_count("got no lane", "File too large") == 1);
	fd = send_open();
	send_one(fd, "x", 1);
	send_drain(fd);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.written, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rlimits");
	TCase *t = bed_case(suite, "rlimits");

	tcase_add_test(t, any_number_of_descriptors_is_enough_or_refused);
	tcase_add_test(t, any_memory_is_enough_or_refused);
	tcase_add_test(t, a_region_above_the_limit_of_file_size_is_refused);
	tcase_add_test(
		t, a_file_above_the_limit_of_file_size_waits_for_a_higher_one);
	tcase_add_test(t, a_lane_above_the_limit_of_file_size_is_not_given);
	return suite_run(suite, CK_NOFORK);
}
