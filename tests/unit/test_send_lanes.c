/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter send` through a lane, with a stub for the daemon: much input goes
 * that way, in its order, and what is counted as sent has arrived.
 */
#include <linux/sockios.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

START_TEST(much_input_goes_through_a_lane)
{
	char expect[100];
	unsigned lines = (unsigned)suite_scale(LINES);

	receiver_listen();
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

/* Starts it with a lane that the stub does not read. */
static void start_and_stop_reading(const char *timeout)
{
	receiver_listen();
	lane_stub.sink = count_line;
	lane_stub.takes = false;
	lane_stub_start();
	make_input(LINES);
	run_start("-t", timeout);
	/* All that fits a lane is in it. */
	UNTIL(lane_stub_head());
	UNTIL(atomic_load(&lane_stub_head()->written) > lane_stub.size - 64);
}

/* What it has written before SIGKILL arrives, and nothing twice. */
START_TEST(a_killed_command_loses_nothing_it_had_sent)
{
	unsigned n;

	start_and_stop_reading("60s");
	kill(run.pid, SIGKILL);
	ck_assert_int_eq(waitpid(run.pid, &run.status, 0), run.pid);
	lane_stub.takes = true;
	UNTIL(lane_stub.open == 0);
	n = came_sum;
	ck_assert_uint_gt(n, 2000);
	expect_once(0, n);
}
END_TEST

/* The command is stopped meanwhile, so that no datagram is lost unseen. */
static void receiver_vanish_empty(void)
{
	int waiting;

	kill(run.pid, SIGSTOP);
	ck_assert_int_eq(waitpid(run.pid, NULL, WUNTRACED), run.pid);
	UNTIL(!ioctl(receiver.fd, SIOCINQ, &waiting) && !waiting);
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
