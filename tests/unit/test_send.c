/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter send` as a user runs it: what becomes a message, what is said,
 * and the exit status.
 */
#include <sys/ioctl.h>

#include "tests/unit/test_send_util.h"
#include "tests/lib/sender.h"

#define MB (1 << 20)

/* --- what becomes a message ---------------------------------------------- */

/* A text and its length with NUL bytes inside. */
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
	/* an empty line is not lost */
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
	{ "-w", TEXT("a\n\0b\n"), { { TEXT("a\n\0b\n") } }, 1 },
	{ "--whole", TEXT(""), { { TEXT("") } }, 1 },
};

#define INPUTS (int)(sizeof(inputs) / sizeof(inputs[0]))

START_TEST(input_becomes_messages)
{
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	int in = input_of(inputs[_i].input, inputs[_i].len);
	size_t i;

	run_start(&run, in, inputs[_i].option, NULL);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 0);
	ck_assert_uint_eq(taken.count, inputs[_i].count);
	for (i = 0; i < taken.count; i++)
		taken_expect(&taken, i, inputs[_i].messages[i].data,
			     inputs[_i].messages[i].len);
	taken_free(&taken);
	close(in);
	close(fd);
}
END_TEST

START_TEST(arguments_become_messages)
{
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	int in = input_of("not read\n", 9);

	run_start(&run, in, "one", "--timeout", "10s", "two\nlines", "", "--",
		  "-3", NULL);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 0);
	ck_assert_str_eq(run.err, "bufwriter send: 4 messages sent, "
				  "14 bytes; 0 dropped\n");
	ck_assert_uint_eq(taken.count, 4);
	taken_expect(&taken, 0, "one", 3);
	taken_expect(&taken, 1, "two\nlines", 9);
	taken_expect(&taken, 2, "", 0);
	taken_expect(&taken, 3, "-3", 2);
	taken_free(&taken);
	close(in);
	close(fd);
}
END_TEST

START_TEST(files_are_read_in_their_order)
{
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	int in = input_of("input\n", 6);

	write_file("a", "a1\na2", 5);
	write_file("b", "b1\n", 3);
	run_start(&run, in, "-f", "a", "--file=-", "-fb", "--socket",
		  util_socket, NULL);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 0);
	ck_assert_uint_eq(taken.count, 4);
	taken_expect(&taken, 0, "a1", 2);
	taken_expect(&taken, 1, "a2", 2);
	taken_expect(&taken, 2, "input", 5);
	taken_expect(&taken, 3, "b1", 2);
	taken_free(&taken);

	/* all of them as one */
	run_start(&run, in, "-w", "-f", "a", "-f", "b", NULL);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 0);
	ck_assert_uint_eq(taken.count, 1);
	taken_expect(&taken, 0, "a1\na2b1\n", 8);
	taken_free(&taken);
	close(in);
	close(fd);
}
END_TEST

/* Lines of lengths around the reader's blocks, from a file and a pipe. */
START_TEST(long_input_arrives_in_order)
{
	static const size_t lengths[] = { 1,	  100,	  262143, 262144,
					  262145, 300000, 65535,  65536 };
	static char input[10 * MB];
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	size_t end = 0, start, n, i;
	int in[2];
	pid_t cat = 0;

	for (n = 0; end + 300001 < sizeof(input); n++) {
		for (i = 0; i < lengths[n % 8]; i++)
			input[end++] = (char)('a' + (n + i) % 26);
		input[end++] = '\n';
	}
	while (end < sizeof(input)) {
		input[end] = end % 40 == 0 ? '\n' : 'x';
		end++;
	}
	in[0] = input_of(input, end);
	if (_i == 1) {
		close(in[0]);
		ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
		cat = fork();
		if (cat == 0) {
			if (dup2(in[1], STDOUT_FILENO) < 0 ||
			    chdir(util_dir) != 0)
				_exit(1);
			execlp("cat", "cat", "input", NULL);
			_exit(1);
		}
		close(in[1]);
	}
	run_start(&run, in[0], "-t", "30s", NULL);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 0);
	for (i = start = n = 0; i < end; i++)
		if (input[i] == '\n' || i == end - 1) {
			size_t stop = input[i] == '\n' ? i : end;

			taken_expect(&taken, n++,
				     stop == start ? "\n" : input + start,
				     stop == start ? 1 : stop - start);
			start = i + 1;
		}
	ck_assert_uint_eq(taken.count, n);
	if (cat != 0)
		ck_assert_int_eq(waitpid(cat, NULL, 0), cat);
	taken_free(&taken);
	close(in[0]);
	close(fd);
}
END_TEST

/* --- what is not taken ---------------------------------------------------- */

/* The kernel refuses the one line, the other is longer than anything. */
START_TEST(too_long_lines_are_dropped_and_named)
{
	static char input[8 * MB];
	struct taken taken = { 0 };
	struct run run;
	size_t end = 0;
	int fd = util_listen();
	int in;

	end += (size_t)sprintf(input, "first\n");
	memset(input + end, 'x', 4500000);
	end += 4500000;
	end += (size_t)sprintf(input + end, "\nmiddle\n");
	memset(input + end, 'y', sizeof(input) - end);
	end = sizeof(input) - 6;
	memcpy(input + end, "\nlast\n", 6);
	in = input_of(input, sizeof(input));

	run_start(&run, in, "-t", "10s", NULL);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 65);
	ck_assert_ptr_nonnull(strstr(run.err, "standard input:2: dropped, "
					      "4500000 bytes: message too "
					      "large"));
	ck_assert_ptr_nonnull(strstr(run.err, "standard input:4: dropped"));
	ck_assert_ptr_nonnull(strstr(run.err, "3 messages sent, 15 bytes; "
					      "2 dropped: 2 too large\n"));
	ck_assert_uint_eq(taken.count, 3);
	taken_expect(&taken, 0, "first", 5);
	taken_expect(&taken, 1, "middle", 6);
	taken_expect(&taken, 2, "last", 4);
	taken_free(&taken);
	close(in);
	close(fd);
}
END_TEST

START_TEST(missing_input_sends_nothing)
{
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	int in = input_of("x\n", 2);

	run_start(&run, in, "-f", "-", "-f", "missing", "-f", ".", NULL);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 66);
	ck_assert_str_eq(run.err,
			 "bufwriter send: missing: No such file or directory\n"
			 "bufwriter send: .: Is a directory\n");
	ck_assert_uint_eq(taken.count, 0);
	close(in);
	close(fd);
}
END_TEST

START_TEST(read_error_is_told)
{
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	int in = input_of("x\n", 2);

	/* opens, and fails to be read at its beginning */
	run_start(&run, in, "-f", "/proc/self/mem", "-f", "-", NULL);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 74);
	ck_assert_ptr_nonnull(strstr(run.err, "/proc/self/mem: "));
	ck_assert_ptr_nonnull(strstr(run.err, "1 message sent, 1 byte; "
					      "0 dropped\n"));
	ck_assert_uint_eq(taken.count, 1);
	taken_free(&taken);
	close(in);
	close(fd);
}
END_TEST

/* A thousand lines do not take a thousand timeouts. */
START_TEST(no_daemon_is_told_soon)
{
	static const char *const timeouts[] = { "0", "100ms", "300ms" };
	char input[2000], expect[200];
	struct run run;
	int64_t start;
	int in, i;

	for (i = 0; i < 1000; i++)
		memcpy(input + 2 * i, "x\n", 2);
	in = input_of(input, sizeof(input));
	start = util_ms();
	run_start(&run, in, "-t", timeouts[_i], NULL);
	run_wait(&run, -1, NULL);
	run_expect_status(&run, 69);
	ck_assert_int_lt(util_ms() - start, 20000);
	snprintf(expect, sizeof(expect),
		 "input:3: dropped, 1 byte: %s: no "
		 "daemon listens",
		 util_socket);
	ck_assert_ptr_nonnull(strstr(run.err, expect));
	ck_assert_ptr_null(strstr(run.err, "input:4:"));
	ck_assert_ptr_nonnull(strstr(run.err, "0 messages sent, 0 bytes; 1000 "
					      "dropped: 1000 no daemon\n"));
	close(in);
}
END_TEST

START_TEST(daemon_that_comes_late_gets_everything)
{
	static const char *const timeouts[] = { "20s", "never" };
	struct taken taken = { 0 };
	struct run run;
	int in = input_of("a\nb\n", 4);
	int fd;

	run_start(&run, in, "-t", timeouts[_i], NULL);
	util_sleep(500);
	fd = util_listen();
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 0);
	ck_assert_uint_eq(taken.count, 2);
	taken_free(&taken);
	close(in);
	close(fd);
}
END_TEST

/* Messages that were not taken are counted, and the others are there. */
START_TEST(full_queue_is_told_by_status_and_count)
{
	char input[4000], expect[100];
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	int in, i;

	for (i = 0; i < 2000; i++)
		memcpy(input + 2 * i, "x\n", 2);
	in = input_of(input, sizeof(input));
	run_start(&run, in, "--timeout=0", NULL);
	run_wait(&run, fd, NULL);
	run_expect_status(&run, 75);
	taken_add(&taken, fd);
	ck_assert_uint_gt(taken.count, 0);
	snprintf(expect, sizeof(expect),
		 "%zu messages sent, %zu bytes; %zu dropped: %zu timed out\n",
		 taken.count, taken.len, 2000 - taken.count,
		 2000 - taken.count);
	ck_assert_ptr_nonnull(strstr(run.err, expect));
	taken_free(&taken);
	close(in);
	close(fd);
}
END_TEST

/* One wait of 101 ms, not two of 100: the system is quick enough once. */
START_TEST(patience_ends_when_it_was_said)
{
	struct run run;
	int fd = util_listen();
	int in = input_of("x\n", 2);
	int64_t start, least = INT64_MAX;
	int i;

	send_fill(util_socket, "x");
	for (i = 0; i < 50 && least >= 200; i++) {
		start = util_ms();
		ck_assert_int_eq(lseek(in, 0, SEEK_SET), 0);
		run_start(&run, in, "-t", "101ms", NULL);
		run_wait(&run, -1, NULL);
		run_expect_status(&run, 75);
		if (util_ms() - start < least)
			least = util_ms() - start;
	}
	ck_assert_int_ge(least, 101);
	ck_assert_int_lt(least, 200);
	close(in);
	close(fd);
}
END_TEST

START_TEST(not_permitted_is_told)
{
	struct run run;
	int fd = util_listen();
	int in = input_of("x\n", 2);
	pid_t pid;
	int status;

	ck_assert_int_eq(chmod(util_dir, 0777), 0);
	ck_assert_int_eq(chmod(util_socket, geteuid() == 0 ? 0600 : 0), 0);
	pid = fork();
	if (pid == 0) {
		/* real and effective, or exec would give them back */
		if (geteuid() == 0 && setreuid(65534, 65534) != 0)
			_exit(1);
		if (access(run_program(), X_OK) != 0)
			_exit(77);
		run_start(&run, in, NULL);
		run_wait(&run, -1, NULL);
		_exit(WIFEXITED(run.status) ? WEXITSTATUS(run.status) : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 77);
	util_expect_none(fd);
	close(in);
	close(fd);
}
END_TEST

START_TEST(signal_ends_with_a_summary)
{
	static const struct {
		int signal, status;
		const char *timeout, *name;
	} cases[] = {
		/* while it waits for input, for room, for a daemon */
		{ SIGINT, 130, "100ms", "SIGINT" },
		{ SIGTERM, 143, "never", "SIGTERM" },
		{ SIGINT, 130, "never", "SIGINT" },
	};
	char expect[200];
	struct taken taken = { 0 };
	struct run run;
	int fd = _i < 2 ? util_listen() : -1;
	int in[2], i, left;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	for (i = 0; i < (_i == 0 ? 3 : 1000); i++)
		ck_assert_int_eq(write(in[1], "x\n", 2), 2);
	run_start(&run, in[0], "-t", cases[_i].timeout, NULL);
	/* it reads when it has taken the signals over, and waits soon after */
	while (ioctl(in[0], FIONREAD, &left) == 0 && left > 0)
		util_sleep(10);
	util_sleep(200);
	kill(run.pid, cases[_i].signal);
	run_wait(&run, fd, _i == 0 ? &taken : NULL);
	run_expect_status(&run, cases[_i].status);
	if (fd >= 0)
		taken_add(&taken, fd);
	snprintf(expect, sizeof(expect),
		 "bufwriter send: %zu message%s sent, %zu bytes; 0 dropped; "
		 "stopped by %s, the rest was not sent\n",
		 taken.count, taken.count == 1 ? "" : "s", taken.len,
		 cases[_i].name);
	ck_assert_str_eq(run.err, expect);
	taken_free(&taken);
	close(in[0]);
	close(in[1]);
	close(fd);
}
END_TEST

/* As nohup(1) and the shell's background jobs have it. */
START_TEST(ignored_signal_stays_ignored)
{
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	int in[2];

	signal(SIGINT, SIG_IGN);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	run_start(&run, in[0], NULL);
	signal(SIGINT, SIG_DFL);
	util_sleep(300);
	kill(run.pid, SIGINT);
	ck_assert_int_eq(write(in[1], "x\n", 2), 2);
	close(in[1]);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 0);
	ck_assert_uint_eq(taken.count, 1);
	taken_free(&taken);
	close(in[0]);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("send");
	TCase *tc = tcase_create("send");

	tcase_add_checked_fixture(tc, util_setup, util_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, input_becomes_messages, 0, INPUTS);
	tcase_add_test(tc, arguments_become_messages);
	tcase_add_test(tc, files_are_read_in_their_order);
	tcase_add_loop_test(tc, long_input_arrives_in_order, 0, 2);
	tcase_add_test(tc, too_long_lines_are_dropped_and_named);
	tcase_add_test(tc, missing_input_sends_nothing);
	tcase_add_test(tc, read_error_is_told);
	tcase_add_loop_test(tc, no_daemon_is_told_soon, 0, 3);
	tcase_add_loop_test(tc, daemon_that_comes_late_gets_everything, 0, 2);
	tcase_add_test(tc, full_queue_is_told_by_status_and_count);
	tcase_add_test(tc, patience_ends_when_it_was_said);
	tcase_add_test(tc, not_permitted_is_told);
	tcase_add_loop_test(tc, signal_ends_with_a_summary, 0, 3);
	tcase_add_test(tc, ignored_signal_stays_ignored);
	suite_add_tcase(suite, tc);
	return util_run(suite);
}
