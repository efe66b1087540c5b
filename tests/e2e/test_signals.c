/* SPDX-License-Identifier: MIT */
/*
 * Signals without end, to every thread of the daemon, under load and during
 * the stop: each system call may be interrupted, and no message is lost.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/lane_client.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

#define SENDERS 3
#define LANE_MESSAGES 2000

static const int signals[] = { SIGUSR1, SIGHUP, SIGWINCH };

/* One of each signal to each thread. */
static void storm_once(pid_t pid, const char *tasks)
{
	DIR *dir = opendir(tasks);
	const struct dirent *e;
	unsigned i;

	while (dir && (e = readdir(dir)))
		for (i = 0; i < 3; i++)
			if (e->d_name[0] != '.')
				syscall(SYS_tgkill, pid, atoi(e->d_name),
					signals[i]);
	if (dir)
		closedir(dir);
}

/* Until it is killed. */
static pid_t storm_start(pid_t pid)
{
	const char *tasks = bed_text("/proc/%d/task", (int)pid);
	pid_t storm = fork();

	ck_assert_int_ge(storm, 0);
	if (storm)
		return storm;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		storm_once(pid, tasks);
}

static void storm_end(pid_t storm)
{
	kill(storm, SIGKILL);
	ck_assert_int_eq(waitpid(storm, NULL, 0), storm);
}

static void write_lane(struct tally *tally)
{
	struct lane_client lane;
	const char *text;
	unsigned i;

	lane_open_wait(&lane);
	for (i = 0; i < LANE_MESSAGES; i++) {
		text = bed_text("[lane %u]", i);
		ck_assert(lane_write(&lane, text, (uint32_t)strlen(text)));
		tally_expect(tally, text, strlen(text));
	}
	lane_end(&lane);
}

/* A reload takes longer than it takes to send a signal. */
static void write_long_settings(void)
{
	static char text[60000];
	size_t i;

	for (i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "#\n", 2);
	bed_write_conf(text);
}

START_TEST(a_storm_of_signals_loses_no_message)
{
	struct flow flow = { .count = suite_scale(3000),
			     .min = 1,
			     .max = 6000 };
	struct sender *senders[SENDERS];
	struct totals totals;
	struct tally tally;
	uint64_t all = LANE_MESSAGES + SENDERS * flow.count;
	pid_t storm;
	unsigned i;

	write_long_settings();
	/* With one socket the loop waits in recvmmsg(2). */
	daemon_start("buffer.workers=3", "buffer.size=64K",
		     "buffer.queue_size=64", "files.sync=data");
	storm = storm_start(bed.pid);
	tally_open(&tally);
	for (i = 0; i < SENDERS; i++) {
		flow.id = i;
		senders[i] = sender_start(&flow);
	}
	write_lane(&tally);
	for (i = 0; i < SENDERS; i++) {
		sender_wait(senders[i]);
		tally_expect_sender(&tally, senders[i]);
	}
	daemon_stop(&totals);
	storm_end(storm);
	ck_assert_uint_eq(totals.received, all);
	ck_assert_uint_eq(totals.written, all);
	ck_assert_uint_eq(totals.dropped, 0);
	tally_read(&tally, bed.files, NEWLINE);
	ck_assert_uint_eq(totals.files, tally.files);
	ck_assert_uint_eq(totals.bytes, tally.bytes);
	tally_require_exact(&tally);
	tally_close(&tally);
	REQUIRE(dir_empty(bed.temp), "temp files are left behind");
	REQUIRE(!log_count(" error: "), "a signal was taken for an error");
	ck_assert_uint_eq(log_count("stopping: "), 1);
	ck_assert_uint_eq(log_count("stopped: "), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("signals");
	TCase *t = bed_case(suite, "storm");

	tcase_add_test(t, a_storm_of_signals_loses_no_message);
	return suite_run(suite, CK_NOFORK);
}
