/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter send` as a user runs it: what becomes a message, what the command
 * prints, and its exit status.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/receiver.h"
#include "tests/lib/run.h"
#include "tests/lib/sender.h"

#define MB (1 << 20)

/* --- what becomes a message ---------------------------------------------- */

/* A text and its length; it may contain NUL bytes. */
#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *option;
	const char *input;
	size_t len;
	struct {
		const char *data;
		size_t len;
	} messages[4];
	size_t count;
} inputs[] = {
	{ "-q", TEXT("one\ntwo\n"), { { TEXT("one") }, { TEXT("two") } }, 2 },
	{ "-q", TEXT("one\ntwo"), { { TEXT("one") }, { TEXT("two") } }, 2 },
	{ "-q", TEXT(""), { { NULL, 0 } }, 0 },
	/* An empty line is not lost. */
	{ "-q",
	  TEXT("a\n\nb\n\n"),
	  { { TEXT("a") }, { TEXT("\n") }, { TEXT("b") }, { TEXT("\n") } },
	  4 },
	{ "-q", TEXT("\n"), { { TEXT("\n") } }, 1 },
	{ "-q",
	  TEXT("a\r\n\0b\0\n"),
	  { { TEXT("a\r") }, { TEXT("\0b\0") } },
	  2 },
	{ "-0", TEXT("a\nb\0c"), { { TEXT("a\nb") }, { TEXT("c") } }, 2 },
	{ "-0", TEXT("\0a\0"), { { TEXT("") }, { TEXT("a") } }, 2 },
	{ "--null", TEXT("a"), { { TEXT("a") } }, 1 },
	{ "-l",
	  TEXT("\1\0\0\0a\0\0\0\0\4\0\0\0b\n\0c"),
	  { { TEXT("a") }, { TEXT("") }, { TEXT("b\n\0c") } },
	  3 },
	{ "--length", TEXT(""), { { NULL, 0 } }, 0 },
	{ "-w", TEXT("a\n\0b\n"), { { TEXT("a\n\0b\n") } }, 1 },
	{ "--whole", TEXT(""), { { TEXT("") } }, 1 },
};

#define INPUTS (int)(sizeof(inputs) / sizeof(inputs[0]))

START_TEST(input_becomes_messages)
{
	size_t i;

	receiver_listen();
	run_input(inputs[_i].input, inputs[_i].len);
	run_start(inputs[_i].option);
	run_wait();
	run_expect_status(0);
	run_expect_count(inputs[_i].count);
	for (i = 0; i < run.count; i++)
		run_expect_message(i, inputs[_i].messages[i].data,
				   inputs[_i].messages[i].len);
}
END_TEST

START_TEST(arguments_become_messages)
{
	receiver_listen();
	run_input("not read\n", 9);
	run_start("one", "--timeout", "10s", "two\nlines", "", "--", "-3");
	run_wait();
	run_expect_status(0);
	run_expect_error("bufwriter send: 4 messages sent, "
			 "14 bytes; 0 dropped\n");
	run_expect_count(4);
	run_expect_message(0, "one", 3);
	run_expect_message(1, "two\nlines", 9);
	run_expect_message(2, "", 0);
	run_expect_message(3, "-3", 2);
}
END_TEST

START_TEST(files_are_read_in_their_order)
{
	receiver_listen();
	run_input("input\n", 6);
	run_file("a", "a1\na2", 5);
	run_file("b", "b1\n", 3);
	run_start("-f", "a", "--file=-", "-fb", "--socket", receiver.path);
	run_wait();
	run_expect_status(0);
	run_expect_count(4);
	run_expect_message(0, "a1", 2);
	run_expect_message(1, "a2", 2);
	run_expect_message(2, "input", 5);
	run_expect_message(3, "b1", 2);

	/* All files as one message. */
	run_start("-w", "-f", "a", "-f", "b");
	run_wait();
	run_expect_status(0);
	run_expect_count(1);
	run_expect_message(0, "a1\na2b1\n", 8);
}
END_TEST

/* Lines about as long as a block that is read, from a file and from a pipe. */
START_TEST(long_input_arrives_in_order)
{
	static const size_t lengths[] = { 1,	  100,	  262143, 262144,
					  262145, 300000, 65535,  65536 };
	static char input[10 * MB];
	size_t end = 0, start, n, i;
	int in[2];
	pid_t cat = 0;

	receiver_listen();
	for (n = 0; end + 300001 < sizeof(input); n++) {
		for (i = 0; i < lengths[n % 8]; i++)
			input[end++] = (char)('a' + (n + i) % 26);
		input[end++] = '\n';
	}
	while (end < sizeof(input)) {
		input[end] = end % 40 == 0 ? '\n' : 'x';
		end++;
	}
	run_input(input, end);
	if (_i == 1) {
		ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
		cat = fork();
		if (cat == 0) {
			if (dup2(in[1], STDOUT_FILENO) < 0 ||
			    chdir(receiver.dir) != 0)
				_exit(1);
			execlp("cat", "cat", "input", NULL);
			_exit(1);
		}
		close(in[1]);
		run.in = in[0];
	}
	run_start("-t", "30s");
	run_wait();
	run_expect_status(0);
	for (i = start = n = 0; i < end; i++)
		if (input[i] == '\n' || i == end - 1) {
			size_t stop = input[i] == '\n' ? i : end;

			run_expect_message(n++,
					   stop == start ? "\n" : input + start,
					   stop == start ? 1 : stop - start);
			start = i + 1;
		}
	run_expect_count(n);
	if (cat != 0)
		ck_assert_int_eq(waitpid(cat, NULL, 0), cat);
}
END_TEST

/* --- what is not sent ----------------------------------------------------- */

/* The kernel refuses the first long line.  The second is too long to keep. */
START_TEST(too_long_lines_are_dropped_and_named)
{
	static char input[8 * MB];
	size_t end = 0;

	receiver_listen();
	end += (size_t)sprintf(input, "first\n");
	memset(input + end, 'x', 4500000);
	end += 4500000;
	end += (size_t)sprintf(input + end, "\nmiddle\n");
	memset(input + end, 'y', sizeof(input) - end);
	end = sizeof(input) - 6;
	memcpy(input + end, "\nlast\n", 6);
	run_input(input, sizeof(input));

	run_start("-t", "10s");
	run_wait();
	run_expect_status(65);
	run_expect_part("standard input:2: dropped, "
			"4500000 bytes: message too "
			"large");
	run_expect_part("standard input:4: dropped");
	run_expect_part("3 messages sent, 15 bytes; "
			"2 dropped: 2 too large\n");
	run_expect_count(3);
	run_expect_message(0, "first", 5);
	run_expect_message(1, "middle", 6);
	run_expect_message(2, "last", 4);
}
END_TEST

START_TEST(missing_input_sends_nothing)
{
	receiver_listen();
	run_input("x\n", 2);
	run_start("-f", "-", "-f", "missing", "-f", ".");
	run_wait();
	run_expect_status(66);
	run_expect_error("bufwriter send: missing: No such file or directory\n"
			 "bufwriter send: .: Is a directory\n");
	run_expect_count(0);
}
END_TEST

START_TEST(a_read_error_is_reported)
{
	receiver_listen();
	run_input("x\n", 2);
	/* This file can be opened, and read(2) fails at its beginning. */
	run_start("-f", "/proc/self/mem", "-f", "-");
	run_wait();
	run_expect_status(74);
	run_expect_part("/proc/self/mem: ");
	run_expect_part("1 message sent, 1 byte; "
			"0 dropped\n");
	run_expect_count(1);
}
END_TEST

/* A thousand lines wait for one timeout and not for a thousand. */
START_TEST(no_daemon_is_reported_soon)
{
	static const char *const timeouts[] = { "0", "100ms", "300ms" };
	char input[2000], expect[200];
	int64_t start;
	int i;

	for (i = 0; i < 1000; i++)
		memcpy(input + 2 * i, "x\n", 2);
	run_input(input, sizeof(input));
	start = receiver_now_ms();
	run_start("-t", timeouts[_i]);
	run_wait_only();
	run_expect_status(69);
	ck_assert_int_lt(receiver_now_ms() - start, 1000 * 100);
	snprintf(expect, sizeof(expect),
		 "input:3: dropped, 1 byte: %s: no "
		 "daemon listens",
		 receiver.path);
	run_expect_part(expect);
	ck_assert_ptr_null(strstr(run.err, "input:4:"));
	run_expect_part("0 messages sent, 0 bytes; 1000 "
			"dropped: 1000 no daemon\n");
}
END_TEST

START_TEST(daemon_that_comes_late_gets_everything)
{
	static const char *const timeouts[] = { "60s", "never" };

	run_input("a\nb\n", 4);
	run_start("-t", timeouts[_i]);
	suite_sleep_ms(500);
	receiver_listen();
	run_wait();
	run_expect_status(0);
	run_expect_count(2);
}
END_TEST

/* The summary counts what was dropped, and the rest has arrived. */
START_TEST(a_full_queue_gives_status_and_count)
{
	char input[4000], expect[100];
	int i;

	receiver_listen();
	for (i = 0; i < 2000; i++)
		memcpy(input + 2 * i, "x\n", 2);
	run_input(input, sizeof(input));
	run_start("--timeout=0");
	run_wait_only();
	run_expect_status(75);
	run_take();
	ck_assert_uint_gt(run.count, 0);
	snprintf(expect, sizeof(expect),
		 "%zu messages sent, %zu bytes; %zu dropped: %zu timed out\n",
		 run.count, run.len, 2000 - run.count, 2000 - run.count);
	run_expect_part(expect);
}
END_TEST

/*
 * The wait is one of 101 ms and not two of 100 ms.  A slow machine may take
 * longer, so the shortest of many runs counts.  A sanitizer makes the start of
 * the command so slow that only a wait that is too short would be seen.
 */
START_TEST(a_message_waits_no_longer_than_its_timeout)
{
	const int64_t most = suite_sanitized() ? INT64_MAX : 200;
	const double since = suite_now();
	int64_t start, least = INT64_MAX;

	receiver_listen();
	run_input("x\n", 2);
	send_fill(receiver.path, "x");
	while (least >= most) {
		start = receiver_now_ms();
		ck_assert_int_eq(lseek(run.in, 0, SEEK_SET), 0);
		run_start("-t", "101ms");
		run_wait_only();
		run_expect_status(75);
		if (receiver_now_ms() - start < least)
			least = receiver_now_ms() - start;
		ck_assert_int_ge(least, 101);
		suite_heed_limit(since, "a short wait", __FILE__, __LINE__);
	}
}
END_TEST

START_TEST(not_permitted_is_reported)
{
	pid_t pid;
	int status;

	receiver_listen();
	run_input("x\n", 2);
	ck_assert_int_eq(chmod(receiver.dir, 0777), 0);
	ck_assert_int_eq(chmod(receiver.path, geteuid() == 0 ? 0600 : 0), 0);
	pid = fork();
	if (pid == 0) {
		/* Both user ids: exec restores the effective one otherwise. */
		if (geteuid() == 0 && setreuid(65534, 65534) != 0)
			_exit(1);
		if (access(run_program(), X_OK) != 0)
			_exit(77);
		run_start();
		run_wait_only();
		_exit(WIFEXITED(run.status) ? WEXITSTATUS(run.status) : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 77);
	receiver_expect_none();
}
END_TEST

START_TEST(signal_ends_with_a_summary)
{
	static const struct {
		int signal, status;
		const char *timeout, *name;
	} cases[] = {
		/* It waits for input, for room in the queue, for a daemon. */
		{ SIGINT, 130, "100ms", "SIGINT" },
		{ SIGTERM, 143, "never", "SIGTERM" },
		{ SIGINT, 130, "never", "SIGINT" },
	};
	char expect[200];
	int in[2], i, left;

	if (_i < 2)
		receiver_listen();
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	for (i = 0; i < (_i == 0 ? 3 : 1000); i++)
		ck_assert_int_eq(write(in[1], "x\n", 2), 2);
	run.in = in[0];
	run_start("-t", cases[_i].timeout);
	/*
	 * The command handles signals before it reads its input.  Soon after
	 * it has read everything, it waits.
	 */
	while (ioctl(in[0], FIONREAD, &left) == 0 && left > 0)
		suite_sleep_ms(10);
	suite_sleep_ms(200);
	kill(run.pid, cases[_i].signal);
	if (_i == 0)
		run_wait();
	else
		run_wait_only();
	run_expect_status(cases[_i].status);
	run_take();
	snprintf(expect, sizeof(expect),
		 "bufwriter send: %zu message%s sent, %zu bytes; 0 dropped; "
		 "stopped by %s, the rest was not sent\n",
		 run.count, run.count == 1 ? "" : "s", run.len, cases[_i].name);
	run_expect_error(expect);
	close(in[1]);
}
END_TEST

/* nohup(1) and shells start programs like this. */
START_TEST(ignored_signal_stays_ignored)
{
	int in[2];

	receiver_listen();
	signal(SIGINT, SIG_IGN);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	run.in = in[0];
	run_start();
	signal(SIGINT, SIG_DFL);
	suite_sleep_ms(300);
	kill(run.pid, SIGINT);
	ck_assert_int_eq(write(in[1], "x\n", 2), 2);
	close(in[1]);
	run_wait();
	run_expect_status(0);
	run_expect_count(1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("send");
	TCase *tc = receiver_case(suite, "send");

	tcase_add_loop_test(tc, input_becomes_messages, 0, INPUTS);
	tcase_add_test(tc, arguments_become_messages);
	tcase_add_test(tc, files_are_read_in_their_order);
	tcase_add_loop_test(tc, long_input_arrives_in_order, 0, 2);
	tcase_add_test(tc, too_long_lines_are_dropped_and_named);
	tcase_add_test(tc, missing_input_sends_nothing);
	tcase_add_test(tc, a_read_error_is_reported);
	tcase_add_loop_test(tc, no_daemon_is_reported_soon, 0, 3);
	tcase_add_loop_test(tc, daemon_that_comes_late_gets_everything, 0, 2);
	tcase_add_test(tc, a_full_queue_gives_status_and_count);
	tcase_add_test(tc, a_message_waits_no_longer_than_its_timeout);
	tcase_add_test(tc, not_permitted_is_reported);
	tcase_add_loop_test(tc, signal_ends_with_a_summary, 0, 3);
	tcase_add_test(tc, ignored_signal_stays_ignored);
	return suite_run(suite, CK_FORK);
}
