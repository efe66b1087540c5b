/* SPDX-License-Identifier: MIT */
/*
 * Standard error that nobody reads: no line of the log holds up the loop
 * thread or a worker, and the lines that are lost are counted and told.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

/* More lines than the daemon keeps for a reader that is slow. */
#define RELOADS 200

static int reader = -1;

/* -- standard error ------------------------------------------------------ */

static void make_pipe(int fds[2])
{
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
}

static void make_stream(int fds[2])
{
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void (*const kinds[])(int fds[2]) = { make_pipe, make_stream };

/* Writes until there is no room for one more byte. */
static void fill(int fd)
{
	static const char dots[4096] = "";
	int flags = fcntl(fd, F_GETFL);
	size_t len = sizeof(dots);

	ck_assert_int_eq(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	while (len)
		if (write(fd, dots, len) < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			len /= 2;
		}
	/* The daemon gets it as a shell passes it. */
	ck_assert_int_eq(fcntl(fd, F_SETFL, flags), 0);
}

static int answers(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", bed.control);
	err = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	close(fd);
	return !err;
}

/* Waits until the start is complete, without its ready line. */
static void wait_for_start(void)
{
	UNTIL(answers());
	UNTIL(strstr(ask("status"), "\"health\":\"ok\""));
}

/* Starts a daemon whose standard error of this kind is full. */
#define START(kind, ...)                                      \
	do {                                                  \
		int fds[2];                                   \
		kinds[kind](fds);                             \
		fill(fds[1]);                                 \
		reader = fds[0];                              \
		bed.standard_error = fds[1];                  \
		daemon_spawn("files.suffix=", ##__VA_ARGS__); \
		bed.standard_error = 0;                       \
		close(fds[1]);                                \
		wait_for_start();                             \
	} while (0)

/* What came out so far. */
static char text[1024 * 1024];
static size_t text_len;

/* Reads what is there, and looks for this part in all of it. */
static char *find(const char *part)
{
	char some[4096];
	ssize_t n, i;

	ck_assert_int_eq(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	while ((n = read(reader, some, sizeof(some))) > 0)
		for (i = 0; i < n && text_len < sizeof(text) - 1; i++)
			/* what fill() wrote are NUL bytes */
			if (some[i])
				text[text_len++] = some[i];
	text[text_len] = 0;
	return strstr(text, part);
}

/* daemon_wait() fails where the stop hangs. */
static void stop_in_time(void)
{
	int status;

	daemon_signal(SIGTERM);
	status = daemon_wait();
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(reader);
}

/* -- tests --------------------------------------------------------------- */

START_TEST(senders_ping_and_stop_go_on)
{
	static char large[100 * 1024];
	int fd, i;

	START(_i, "buffer.forced=10ms");
	fd = send_open();
	for (i = 0; i < 1000; i++) {
		send_one(fd, large, sizeof(large));
		send_one(fd, "small", 5);
	}
	ck_assert_ptr_nonnull(strstr(ask("ping"), "pong"));
	UNTIL(ask_number("messages.written") == 1000);
	ck_assert_double_eq(ask_number("dropped.too_large"), 1000);
	close(fd);
	stop_in_time();
}
END_TEST

START_TEST(a_worker_that_reports_a_bad_disk_files_when_it_is_good)
{
	int fd;

	bed_block();
	bed.points = bed_point("flush.write", "EIO", "");
	START(_i, "buffer.forced=10ms", "buffer.workers=1");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(ask_number("counters.failures") >= 2);
	bed_release();
	UNTIL(files_count(bed.files) == 1);
	close(fd);
	stop_in_time();
}
END_TEST

START_TEST(what_was_lost_is_counted_and_told)
{
	static const char told[] = "warning: lines of the log were lost: ";
	double lost;
	int i;

	START(_i);
	for (i = 0; i < RELOADS; i++)
		ask("reload");
	lost = ask_number("counters.log_lost");
	ck_assert_double_gt(lost, 0);
	/* Somebody reads again: what was kept comes, and then the number. */
	text_len = 0;
	UNTIL(find(told));
	ck_assert_double_eq(atof(find(told) + strlen(told)), lost);
	ck_assert_ptr_nonnull(find("reload: no setting changed"));
	/* and the log is as before */
	text_len = 0;
	ask("reload");
	UNTIL(find("reload: no setting changed"));
	ck_assert_double_eq(ask_number("counters.log_lost"), lost);
	stop_in_time();
}
END_TEST

/*
 * As on a busy machine, where each short sleep takes long: here up to a second,
 * so that a stop which counts its sleeps takes longer than any test may.
 */
START_TEST(the_stop_is_bounded_where_sleeps_are_long)
{
	ck_assert_int_eq(prctl(PR_SET_TIMERSLACK, 1000 * 1000 * 1000ul), 0);
	START(_i);
	ck_assert_int_eq(prctl(PR_SET_TIMERSLACK, 0ul), 0);
	stop_in_time();
}
END_TEST

START_TEST(a_reader_that_is_gone_ends_nothing)
{
	START(_i);
	close(reader);
	reader = dup(STDIN_FILENO);
	ask("reload");
	ask("reload");
	UNTIL(ask_number("counters.log_lost") >= 4);
	stop_in_time();
}
END_TEST

START_TEST(a_full_disk_under_the_log_is_counted)
{
	bed.standard_error = open("/dev/full", O_WRONLY | O_CLOEXEC);
	reader = dup(STDIN_FILENO);
	daemon_spawn("files.suffix=");
	close(bed.standard_error);
	bed.standard_error = 0;
	wait_for_start();
	ask("reload");
	UNTIL(ask_number("counters.log_lost") >= 3);
	stop_in_time();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_stuck");
	TCase *tcase = bed_case(suite, "log_stuck");

	tcase_add_loop_test(tcase, senders_ping_and_stop_go_on, 0, 2);
	tcase_add_loop_test(
		tcase, a_worker_that_reports_a_bad_disk_files_when_it_is_good,
		0, 2);
	tcase_add_loop_test(tcase, what_was_lost_is_counted_and_told, 0, 2);
	tcase_add_loop_test(tcase, the_stop_is_bounded_where_sleeps_are_long, 0,
			    2);
	tcase_add_loop_test(tcase, a_reader_that_is_gone_ends_nothing, 0, 2);
	tcase_add_test(tcase, a_full_disk_under_the_log_is_counted);
	return suite_run(suite, CK_NOFORK);
}
