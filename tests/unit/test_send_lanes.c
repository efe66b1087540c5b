/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter send` through a lane, with a stub for the daemon: much input goes
 * that way, in its order, and what is counted as sent has arrived.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/lane.h"
#include "tests/lib/lane_stub.h"
#include "tests/lib/run.h"

/* The lines are numbers from 0. */
#define LINES 200000
static atomic_uchar came[LINES];
static atomic_uint came_sum, disorder;
static int last[ROADS];

static void count_line(enum road road, const char *data, uint32_t len)
{
	char text[16] = { 0 };
	int n;

	if (len >= sizeof(text))
		abort();
	memcpy(text, data, len);
	n = atoi(text);
	if (n < 0 || n >= LINES)
		abort();
	/* On each road the lines keep their order. */
	if (n < last[road])
		atomic_fetch_add(&disorder, 1);
	last[road] = n;
	atomic_fetch_add(&came[n], 1);
	atomic_fetch_add(&came_sum, 1);
}

static void expect_once(unsigned from, unsigned end)
{
	unsigned n;

	for (n = from; n < end; n++)
		if (came[n] != 1)
			ck_abort_msg("line %u came %u times", n, came[n]);
}

/* A file with the lines. */
static void make_input(unsigned lines)
{
	char *text = malloc((size_t)lines * 8);
	size_t len = 0;
	unsigned n;

	ck_assert_ptr_nonnull(text);
	for (n = 0; n < lines; n++)
		len += (size_t)sprintf(text + len, "%u\n", n);
	run_input(text, len);
	free(text);
}

/*
 * Where a new name space is allowed, the queue is so long that the command is
 * fast enough for a lane whether the stub is fast or not.
 */
static void listen_with_long_queue(void)
{
	FILE *file = NULL;

	if (!unshare(CLONE_NEWNET))
		file = fopen("/proc/sys/net/unix/max_dgram_qlen", "w");
	if (file) {
		fprintf(file, "4096\n");
		fclose(file);
	}
	receiver_listen();
}

START_TEST(much_input_goes_through_a_lane)
{
	char expect[100];
	unsigned lines = (unsigned)suite_scale(LINES);

	listen_with_long_queue();
	lane_stub.sink = count_line;
	lane_stub_start();
	make_input(lines);
	run_start("-t", "60s");
	run_wait_only();
	run_expect_status(0);
	UNTIL(came_sum == lines);
	expect_once(0, lines);
	ck_assert_uint_eq(disorder, 0);
	ck_assert_uint_ge(lane_stub.messages[DATAGRAM], 2000);
	snprintf(expect, sizeof(expect), "%u messages sent, ", lines);
	run_expect_part(expect);
	ck_assert_uint_eq(lane_stub.asked, 0);
}
END_TEST

START_TEST(little_input_takes_no_lane)
{
	receiver_listen();
	lane_stub.sink = count_line;
	lane_stub_start();
	make_input(1999);
	run_start("-t", "60s");
	run_wait_only();
	run_expect_status(0);
	UNTIL(came_sum == 1999);
	ck_assert_uint_eq(lane_stub.opened, 0);
}
END_TEST

static bool has_ended(void)
{
	siginfo_t info = { 0 };

	ck_assert_int_eq(
		waitid(P_PID, run.pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid == run.pid;
}

/* All that fits a lane is in it. */
static bool is_full(void)
{
	return lane_stub_written() > lane_stub.size - 64;
}

static void forget_all(void)
{
	lane_stub_expect_no_datagrams();
	UNTIL(lane_stub_connections() == 0);
	memset(came, 0, sizeof(came));
	memset(last, 0, sizeof(last));
	came_sum = disorder = 0;
}

/*
 * Starts it with a lane that the stub does not read.  Where all is slow, it is
 * not fast enough for a lane; then it is started again.
 */
static void start_and_stop_reading(const char *timeout)
{
	double since = suite_now();

	listen_with_long_queue();
	lane_stub.sink = count_line;
	lane_stub.takes = false;
	lane_stub_start();
	for (;;) {
		make_input(LINES);
		run_start("-t", timeout);
		UNTIL(is_full() || has_ended());
		if (is_full())
			return;
		run_wait_only();
		forget_all();
		suite_heed_limit(since, "a lane", __FILE__, __LINE__);
	}
}

/* What it has written before SIGKILL arrives, and nothing twice. */
START_TEST(a_killed_command_loses_nothing_it_had_sent)
{
	const char *record;
	unsigned n;

	start_and_stop_reading("60s");
	/* Those before the lane are datagrams, which the stub still reads. */
	record = (const char *)lane_stub_head() + BW_LANE_HEAD_BYTES;
	UNTIL(came_sum == (unsigned)atoi(record + sizeof(struct bw_record)));
	kill(run.pid, SIGKILL);
	ck_assert_int_eq(waitpid(run.pid, &run.status, 0), run.pid);
	lane_stub.takes = true;
	UNTIL(lane_stub.open == 0);
	lane_stub_expect_no_datagrams();
	n = came_sum;
	ck_assert_uint_gt(n, 2000);
	expect_once(0, n);
}
END_TEST

/* The command is stopped meanwhile, so that no datagram is lost unseen. */
static void receiver_vanish_empty(void)
{
	kill(run.pid, SIGSTOP);
	ck_assert_int_eq(waitpid(run.pid, NULL, WUNTRACED), run.pid);
	lane_stub_expect_no_datagrams();
	lane_stub_freeze();
	receiver_vanish();
	lane_stub_thaw();
	kill(run.pid, SIGCONT);
}

/* _i: does another daemon come in time? */
START_TEST(a_killed_daemon_is_no_success)
{
	char expect[200];

	start_and_stop_reading(_i ? "60s" : "300ms");
	lane_stub_die();
	lane_stub.takes = true;
	if (_i)
		lane_stub_start();
	else
		receiver_vanish_empty();
	run_wait_only();
	if (_i) {
		run_expect_status(0);
		UNTIL(came_sum == LINES);
		expect_once(0, LINES);
		ck_assert_uint_ge(lane_stub.asked, 1);
		return;
	}
	run_expect_status(69);
	run_expect_part(" lost, ");
	snprintf(expect, sizeof(expect), "%u messages sent, ",
		 (unsigned)came_sum);
	run_expect_part(expect);
}
END_TEST

/* A full lane is a timeout, and counted as one. */
START_TEST(a_full_lane_is_a_timeout)
{
	char expect[100];

	start_and_stop_reading("0");
	run_wait_only();
	lane_stub.takes = true;
	run_expect_status(75);
	run_expect_part("timed out\n");
	UNTIL(lane_stub.open == 0);
	lane_stub_expect_no_datagrams();
	/* Before that, the queue of datagrams was full at times. */
	snprintf(expect, sizeof(expect), "%u messages sent, ",
		 (unsigned)came_sum);
	run_expect_part(expect);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("send_lanes");
	TCase *tc = lane_stub_case(suite, "lanes");

	tcase_add_test(tc, much_input_goes_through_a_lane);
	tcase_add_test(tc, little_input_takes_no_lane);
	tcase_add_test(tc, a_killed_command_loses_nothing_it_had_sent);
	tcase_add_loop_test(tc, a_killed_daemon_is_no_success, 0, 2);
	tcase_add_test(tc, a_full_lane_is_a_timeout);
	return suite_run(suite, CK_FORK);
}
