/* SPDX-License-Identifier: MIT */
/*
 * The command line of `bufwriter`, and what the command prints.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/receiver.h"
#include "tests/lib/run.h"

static const struct {
	int status;
	const char *argv[6];
	const char *error; /* a part of it */
} lines[] = {
	{ 64, { NULL }, "a command is missing; try 'bufwriter --help'" },
	{ 64, { "sned" }, "command 'sned' is unknown" },
	{ 64, { "--sned" }, "option '--sned' is unknown" },
	{ 0, { "--help" }, "" },
	{ 0, { "--version" }, "" },
	{ 0, { "send", "--help" }, "" },
	{ 0, { "send", "-V" }, "" },
	{ 64, { "send", "-x" }, "option '-x' is unknown; try 'bufwriter send" },
	{ 64, { "send", "--bogus" }, "option '--bogus' is unknown" },
	{ 64, { "send", "--quiet=1" }, "option '--quiet=1' takes no value" },
	{ 64, { "send", "-f" }, "option '-f' needs a value" },
	{ 64, { "send", "--socket" }, "option '--socket' needs a value" },
	{ 64, { "send", "-s", "" }, "the socket path is empty" },
	{ 64, { "send", "-f", "input", "x" }, "not both" },
	{ 64, { "send", "-0", "x" }, "not to messages" },
	{ 64, { "send", "-w", "x" }, "not to messages" },
	{ 64, { "send", "-w", "-0" }, "cannot be combined" },
	{ 64, { "send", "-0", "-w" }, "cannot be combined" },
	{ 64, { "send", "-t", "" }, "'' is not a timeout" },
	{ 64, { "send", "-t", "5" }, "'5' is not a timeout" },
	{ 64, { "send", "-t", "-5s" }, "'-5s' is not a timeout" },
	{ 64, { "send", "-t", "10 parsecs" }, "is not a timeout" },
	{ 64, { "send", "-t", "1.5s" }, "is not a timeout" },
	{ 64, { "send", "-t", "25h" }, "is not a timeout" },
	{ 64, { "send", "-t", "99999999999999999999s" }, "is not a timeout" },
	/* In microseconds, this is a little more than 2^64. */
	{ 64, { "send", "-t", "5124095577h" }, "is not a timeout" },
	{ 0, { "send", "-t", "24h", "x" }, "" },
	{ 0, { "send", "-t", "1us", "x" }, "" },
	{ 0, { "send", "-t", "2m", "x" }, "" },
	{ 0, { "send", "-qt", "never", "x" }, "" },
};

#define LINES (int)(sizeof(lines) / sizeof(lines[0]))

START_TEST(command_line_is_checked)
{
	const char *argv[8] = { "bufwriter" };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int out, i;

	receiver_listen();
	run_input("", 0);
	for (i = 0; i < 6; i++)
		argv[i + 1] = lines[_i].argv[i];
	/* Hide what help and version print. */
	out = dup(STDOUT_FILENO);
	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	run_start_list(argv);
	dup2(out, STDOUT_FILENO);
	run_wait();
	run_expect_status(lines[_i].status);
	run_expect_part(lines[_i].error);
	if (lines[_i].status == 64)
		/* It is one line. */
		ck_assert_ptr_eq(strchr(run.err, '\n'),
				 run.err + strlen(run.err) - 1);
	close(out);
	close(null);
}
END_TEST

START_TEST(a_socket_path_that_is_too_long_is_an_error)
{
	char path[200];

	run_input("", 0);
	memset(path, 'p', sizeof(path));
	path[108] = '\0';
	run_start("-s", path, "x");
	run_wait_only();
	run_expect_status(64);
	run_expect_part("path too long");
}
END_TEST

START_TEST(quiet_prints_nothing_but_errors)
{
	receiver_listen();
	run_input("x\n", 2);
	run_start("--quiet");
	run_wait();
	run_expect_status(0);
	run_expect_error("");
	receiver_vanish();
	run_start("-q", "x");
	run_wait_only();
	run_expect_status(69);
	run_expect_part("no daemon");
	ck_assert_ptr_null(strstr(run.err, "sent"));
}
END_TEST

/* Standard error is a terminal, and no daemon is there. */
START_TEST(progress_is_shown_on_a_terminal)
{
	char buf[4096];
	size_t end = 0;
	ssize_t n;
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	int slave, status;
	pid_t pid;

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	ck_assert_int_ge(slave, 0);
	pid = fork();
	if (pid == 0) {
		dup2(slave, STDERR_FILENO);
		close(master);
		close(slave);
		setenv("BUFWRITER_SOCKET", receiver.path, 1);
		execl(run_program(), "bufwriter", "send", "-t", "never", "x",
		      NULL);
		_exit(98);
	}
	close(slave);
	/* read(2) fails with EIO when nobody has the terminal open any more. */
	while (end < sizeof(buf) - 1 &&
	       (n = read(master, buf + end, sizeof(buf) - 1 - end)) > 0) {
		end += (size_t)n;
		buf[end] = '\0';
		if (strstr(buf, "\r0 sent, 0 dropped"))
			kill(pid, SIGINT);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGINT);
	ck_assert_ptr_nonnull(strstr(buf, "\r0 sent, 0 dropped"));
	ck_assert_ptr_nonnull(strstr(buf, "0 messages sent"));
	close(master);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("send_line");
	TCase *tc = receiver_case(suite, "line");

	tcase_add_loop_test(tc, command_line_is_checked, 0, LINES);
	tcase_add_test(tc, a_socket_path_that_is_too_long_is_an_error);
	tcase_add_test(tc, quiet_prints_nothing_but_errors);
	tcase_add_test(tc, progress_is_shown_on_a_terminal);
	return suite_run(suite, CK_FORK);
}
