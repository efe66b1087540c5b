/* SPDX-License-Identifier: MIT */
/*
 * The library's calls in one thread: arguments, options, errors, waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/lib/bed.h"
#include "tests/lib/receiver.h"
#include "tests/lib/sender.h"

/* A broken wait would take longer. */
#define SOON_MS 60000

START_TEST(message_arrives_as_it_is)
{
	static const char bytes[] = "a\0b\nc\n";
	char one[] = "one", two[] = "\0two";
	struct iovec iov[3] = { { one, 3 }, { one, 0 }, { two, 4 } };
	struct bw *bw;

	receiver_listen();
	bw = receiver_open(100);
	ck_assert_int_eq(bw_write(bw, bytes, sizeof(bytes)), 0);
	ck_assert_int_eq(bw_write(bw, NULL, 0), 0);
	ck_assert_int_eq(bw_writev(bw, iov, 3), 0);
	ck_assert_int_eq(bw_writev(bw, NULL, 0), 0);
	receiver_expect(bytes, sizeof(bytes));
	receiver_expect("", 0);
	receiver_expect("one\0two", 7);
	receiver_expect("", 0);
	receiver_expect_none();
	bw_close(bw);
	bw_close(NULL);
}
END_TEST

START_TEST(environment_names_the_default_socket)
{
	char other[128];
	struct bw_options options = BW_OPTIONS;
	struct bw *bw;

	receiver_listen();
	setenv("BUFWRITER_SOCKET", receiver.path, 1);
	ck_assert_int_eq(bw_open(&bw, NULL), 0);
	ck_assert_int_eq(bw_write(bw, "env", 3), 0);
	receiver_expect("env", 3);
	bw_close(bw);

	/* A path in the options comes before the variable. */
	snprintf(other, sizeof(other), "%s/other", receiver.dir);
	options.socket = other;
	ck_assert_int_eq(bw_open(&bw, &options), 0);
	ck_assert_int_eq(bw_write(bw, "env", 3), BW_NO_DAEMON);
	receiver_expect_none();
	bw_close(bw);
}
END_TEST

START_TEST(invalid_options_are_refused)
{
	char path[200];
	struct {
		struct bw_options known;
		long unknown;
	} newer = { BW_OPTIONS, 0 };
	struct bw_options options = { 0 };
	struct bw *bw = (struct bw *)&options;

	/* The struct is zeroed and not initialised with BW_OPTIONS. */
	ck_assert_int_eq(bw_open(&bw, &options), BW_INVALID);
	ck_assert_ptr_null(bw);

	options = (struct bw_options)BW_OPTIONS;
	options.timeout = -2;
	ck_assert_int_eq(bw_open(&bw, &options), BW_INVALID);

	options = (struct bw_options)BW_OPTIONS;
	options.lanes = BW_LANES_NEVER + 1;
	ck_assert_int_eq(bw_open(&bw, &options), BW_INVALID);
	options.lanes = -1;
	ck_assert_int_eq(bw_open(&bw, &options), BW_INVALID);

	options = (struct bw_options)BW_OPTIONS;
	options.reserved = 1;
	ck_assert_int_eq(bw_open(&bw, &options), BW_INVALID);

	options = (struct bw_options)BW_OPTIONS;
	options.socket = "";
	ck_assert_int_eq(bw_open(&bw, &options), BW_INVALID);

	memset(path, 'p', sizeof(path));
	path[108] = '\0';
	options.socket = path;
	ck_assert_int_eq(bw_open(&bw, &options), BW_PATH_TOO_LONG);
	path[107] = '\0';
	ck_assert_int_eq(bw_open(&bw, &options), 0);
	ck_assert_int_eq(bw_writev(bw, NULL, -1), BW_INVALID);
	ck_assert_int_eq(bw_writev(bw, NULL, IOV_MAX + 1), BW_INVALID);
	bw_close(bw);

	/* An older program: what it has where its struct ends is no option. */
	options = (struct bw_options)BW_OPTIONS;
	options.size = offsetof(struct bw_options, lanes);
	options.padding = options.lanes = options.reserved = -1;
	ck_assert_int_eq(bw_open(&bw, &options), 0);
	bw_close(bw);

	/* A newer program: fields that the library does not know must be zero. */
	newer.known.size = sizeof(newer);
	ck_assert_int_eq(bw_open(&bw, &newer.known), 0);
	bw_close(bw);
	newer.unknown = 1;
	ck_assert_int_eq(bw_open(&bw, &newer.known), BW_INVALID);
}
END_TEST

START_TEST(descriptor_is_never_a_standard_one)
{
	int saved = dup(STDERR_FILENO);
	struct stat st;
	struct bw *bw;

	receiver_listen();
	close(STDIN_FILENO);
	close(STDERR_FILENO);
	bw = receiver_open(100);
	dup2(saved, STDERR_FILENO);
	ck_assert_int_eq(fstat(STDIN_FILENO, &st), -1);
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	receiver_expect("x", 1);
	bw_close(bw);
	close(saved);
}
END_TEST

START_TEST(full_queue_without_timeout_fails_at_once)
{
	struct bw *bw;
	int64_t start;
	unsigned n;

	receiver_listen();
	bw = receiver_open(0);
	n = send_fill(receiver.path, "x");
	start = receiver_now_ms();
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_TIMEOUT);
	ck_assert_int_lt(receiver_now_ms() - start, SOON_MS);
	receiver_expect("x", 1);
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	while (--n > 0)
		receiver_expect("x", 1);
	receiver_expect("y", 1);
	receiver_expect_none();
	bw_close(bw);
}
END_TEST

START_TEST(full_queue_waits_for_the_timeout)
{
	struct bw *bw;
	int64_t start;
	unsigned n;

	receiver_listen();
	bw = receiver_open(50);
	n = send_fill(receiver.path, "x");
	start = receiver_now_ms();
	ck_assert_int_eq(bw_write(bw, "y", 1), BW_TIMEOUT);
	ck_assert_int_ge(receiver_now_ms() - start, 50);
	ck_assert_int_lt(receiver_now_ms() - start, SOON_MS);
	while (n-- > 0)
		receiver_expect("x", 1);
	receiver_expect_none();
	bw_close(bw);
}
END_TEST

static void ignore_signal(int signal)
{
	(void)signal;
}

/*
 * Another process makes room after a while.  With _i = 1 signals arrive all the
 * time, so that the wait uses the slow path.
 */
START_TEST(full_queue_waits_for_ever)
{
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = ignore_signal };
	struct bw *bw;
	int64_t start;
	char c;
	pid_t pid;

	receiver_listen();
	bw = receiver_open(BW_FOREVER);
	send_fill(receiver.path, "x");
	start = receiver_now_ms();
	pid = fork();
	if (pid == 0) {
		suite_sleep_ms(300);
		_exit(receiver_take(receiver.fd, &c, 1) != 1);
	}
	if (_i == 1) {
		sigaction(SIGALRM, &sa, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
	}
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	ck_assert_int_ge(receiver_now_ms() - start, 250);
	setitimer(ITIMER_REAL, &off, NULL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	bw_close(bw);
}
END_TEST

START_TEST(signals_do_not_change_the_timeout)
{
	const struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = ignore_signal };
	struct bw *bw;
	int64_t start;

	receiver_listen();
	bw = receiver_open(200);
	send_fill(receiver.path, "x");
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	start = receiver_now_ms();
	ck_assert_int_eq(bw_write(bw, "y", 1), BW_TIMEOUT);
	ck_assert_int_ge(receiver_now_ms() - start, 200);
	ck_assert_int_lt(receiver_now_ms() - start, SOON_MS);
	setitimer(ITIMER_REAL, &off, NULL);
	bw_close(bw);
}
END_TEST

START_TEST(daemon_may_come_after_open)
{
	struct bw *bw;

	bw = receiver_open(0);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	receiver_listen();
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	receiver_expect("y", 1);
	receiver_expect_none();
	bw_close(bw);
}
END_TEST

/*
 * The file of the socket is there and nobody listens, or the file is gone, or
 * its directory is gone.
 */
START_TEST(no_daemon_is_an_error)
{
	const int timeout_ms = _i % 2 ? 50 : 0;
	struct bw *bw;
	int64_t start;

	receiver_listen();
	bw = receiver_open(timeout_ms);
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	if (_i < 2)
		receiver_close();
	else
		receiver_vanish();
	if (_i >= 4)
		ck_assert_int_eq(rmdir(receiver.dir), 0);
	start = receiver_now_ms();
	ck_assert_int_eq(bw_write(bw, "y", 1), BW_NO_DAEMON);
	ck_assert_int_ge(receiver_now_ms() - start, timeout_ms);
	ck_assert_int_lt(receiver_now_ms() - start, SOON_MS);
	bw_close(bw);
	if (_i >= 4)
		ck_assert_int_eq(mkdir(receiver.dir, 0755), 0);
}
END_TEST

START_TEST(a_long_absence_costs_one_timeout)
{
	struct bw *bw;
	int64_t start;
	int i;

	receiver_listen();
	bw = receiver_open(300);
	receiver_vanish();
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	start = receiver_now_ms();
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	ck_assert_int_lt(receiver_now_ms() - start, 100 * 300);

	/* The next absence has a timeout of its own. */
	receiver_listen();
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	receiver_vanish();
	start = receiver_now_ms();
	ck_assert_int_eq(bw_write(bw, "z", 1), BW_NO_DAEMON);
	ck_assert_int_ge(receiver_now_ms() - start, 300);
	bw_close(bw);
}
END_TEST

/*
 * A daemon that is back ends an absence.  A message that is too large shows
 * that it is back, and so does another process with the same socket.
 */
START_TEST(an_absence_ends_with_the_first_sign_of_a_daemon)
{
	static char big[8 << 20];
	struct bw *bw;
	int status = 0;
	int64_t start;
	pid_t pid;

	bw = receiver_open(300);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	receiver_listen();
	if (_i == 0) {
		ck_assert_int_eq(bw_write(bw, big, sizeof(big)), BW_TOO_LARGE);
	} else {
		pid = fork();
		if (pid == 0)
			_exit(bw_write(bw, "c", 1) != 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);

	/* An orderly stop: a send finds it with EPIPE. */
	ck_assert_int_eq(shutdown(receiver.fd, SHUT_RD), 0);
	start = receiver_now_ms();
	ck_assert_int_eq(bw_write(bw, "z", 1), BW_NO_DAEMON);
	ck_assert_int_ge(receiver_now_ms() - start, 300);
	bw_close(bw);
}
END_TEST

START_TEST(restarted_daemon_is_found_by_the_same_write)
{
	struct bw *bw;
	int i;

	receiver_listen();
	bw = receiver_open(0);
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
		receiver_expect("x", 1);
		receiver_vanish();
		receiver_listen();
	}
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	receiver_expect("y", 1);
	bw_close(bw);
}
END_TEST

/* Another process is the new daemon, a while after the old one ended. */
START_TEST(gap_between_two_daemons_is_waited_for)
{
	struct pollfd pfd = { .events = POLLIN };
	struct bw *bw;
	pid_t pid;
	int status;

	receiver_listen();
	bw = receiver_open(_i == 0 ? SOON_MS : BW_FOREVER);
	receiver_vanish();
	pid = fork();
	if (pid == 0) {
		suite_sleep_ms(200);
		pfd.fd = receiver_bind();
		_exit(poll(&pfd, 1, SOON_MS) != 1);
	}
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	bw_close(bw);
}
END_TEST

/* A daemon that stops shuts its socket down for reading before it drains. */
START_TEST(socket_shut_down_counts_as_gone)
{
	struct bw *bw;
	int old;

	receiver_listen();
	bw = receiver_open(50);
	ck_assert_int_eq(bw_write(bw, "before", 6), 0);
	ck_assert_int_eq(shutdown(receiver.fd, SHUT_RD), 0);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	unlink(receiver.path);
	old = receiver.fd;
	receiver_listen();
	ck_assert_int_eq(bw_write(bw, "after", 5), 0);
	receiver_expect("after", 5);
	receiver_expect_none();
	receiver_close();
	receiver.fd = old;
	receiver_expect("before", 6);
	bw_close(bw);
}
END_TEST

/* The default action of SIGPIPE would end this process. */
START_TEST(no_signal_is_raised)
{
	struct bw *bw;

	receiver_listen();
	signal(SIGPIPE, SIG_DFL);
	bw = receiver_open(0);
	shutdown(receiver.fd, SHUT_RD);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	ck_assert_int_eq(bw_writev(bw, NULL, 0), BW_NO_DAEMON);
	receiver_vanish();
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	bw_close(bw);
}
END_TEST

START_TEST(too_large_is_an_error)
{
	static char big[8 << 20];
	const size_t design = 208 * 1024; /* the daemon's largest max_message */
	struct bw *bw;

	receiver_listen();
	bw = receiver_open(100);
	memset(big, 'b', sizeof(big));
	ck_assert_int_eq(bw_write(bw, big, sizeof(big)), BW_TOO_LARGE);
	receiver_expect_none();
	ck_assert_int_eq(bw_write(bw, big, design), 0);
	receiver_expect(big, design);
	ck_assert_int_eq(bw_write(bw, "small", 5), 0);
	receiver_expect("small", 5);
	bw_close(bw);
}
END_TEST

START_TEST(not_permitted_is_an_error)
{
	struct bw *bw;
	int status;
	pid_t pid;

	receiver_listen();
	ck_assert_int_eq(chmod(receiver.path, 0600), 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) != 0 || setegid(65534) != 0 ||
		     seteuid(65534) != 0))
			_exit(1);
		if (geteuid() != 65534)
			chmod(receiver.path, 0);
		bw = receiver_open(20);
		if (bw_write(bw, "x", 1) != BW_NOT_PERMITTED)
			_exit(2);
		if (bw_write(bw, "x", 1) != BW_NOT_PERMITTED)
			_exit(3);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	receiver_expect_none();
}
END_TEST

START_TEST(wrong_socket_is_an_error)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct bw *bw;

	strcpy(addr.sun_path, receiver.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	bw = receiver_open(BW_FOREVER);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_WRONG_SOCKET);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(bad_pointer_and_closed_descriptor_are_errors)
{
	struct bw *bw;
	int other;

	receiver_listen();
	bw = receiver_open(BW_FOREVER);
	ck_assert_int_eq(bw_write(bw, (void *)8, 1), -EFAULT);
	/* The library's descriptor has the next number. */
	other = receiver.fd + 1;
	ck_assert_int_eq(close(other), 0);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_CLOSED);
	ck_assert_int_eq(open("/dev/null", O_WRONLY), other);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_CLOSED);
	bw_close(bw);
}
END_TEST

START_TEST(handle_survives_fork)
{
	struct bw *bw;
	int status;
	pid_t pid;

	receiver_listen();
	bw = receiver_open(100);
	pid = fork();
	if (pid == 0) {
		if (bw_write(bw, "child", 5) != 0)
			_exit(1);
		receiver_vanish();
		receiver_listen();
		if (bw_write(bw, "again", 5) != 0)
			_exit(2);
		bw_close(bw);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	receiver_expect("child", 5);
	/* The child's daemon is gone.  Its bw_close() did not close this handle. */
	receiver_vanish();
	receiver_listen();
	ck_assert_int_eq(bw_write(bw, "parent", 6), 0);
	receiver_expect("parent", 6);
	receiver_expect_none();
	bw_close(bw);
}
END_TEST

START_TEST(handle_is_closed_by_exec)
{
	char command[64];
	struct bw *bw;

	receiver_listen();
	bw = receiver_open(100);
	/* The shell has the standard streams, and ls its directory. */
	snprintf(command, sizeof(command),
		 "! ls -l /proc/self/fd | grep -q socket:");
	ck_assert_int_eq(system(command), 0);
	bw_close(bw);
}
END_TEST

START_TEST(every_error_has_a_sentence)
{
	static const int errors[] = { 0,
				      BW_TIMEOUT,
				      BW_TOO_LARGE,
				      BW_NO_DAEMON,
				      BW_NOT_PERMITTED,
				      BW_WRONG_SOCKET,
				      BW_PATH_TOO_LONG,
				      BW_INVALID,
				      BW_NO_MEMORY,
				      BW_CLOSED,
				      BW_NOT_SUPPORTED,
				      BW_INPUT_ENDED,
				      -EMFILE };
	size_t i, j;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		ck_assert_ptr_nonnull(bw_strerror(errors[i]));
		ck_assert_ptr_null(strchr(bw_strerror(errors[i]), '\n'));
		for (j = 0; j < i; j++)
			ck_assert_str_ne(bw_strerror(errors[i]),
					 bw_strerror(errors[j]));
	}
	ck_assert_str_eq(bw_strerror(1), "unknown error");
	ck_assert_str_eq(bw_strerror(-12345), "unknown error");
	ck_assert_str_eq(bw_strerror(INT_MIN), "unknown error");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client");
	TCase *tc = receiver_case(suite, "calls");

	tcase_add_test(tc, message_arrives_as_it_is);
	tcase_add_test(tc, environment_names_the_default_socket);
	tcase_add_test(tc, invalid_options_are_refused);
	tcase_add_test(tc, descriptor_is_never_a_standard_one);
	tcase_add_test(tc, full_queue_without_timeout_fails_at_once);
	tcase_add_test(tc, full_queue_waits_for_the_timeout);
	tcase_add_loop_test(tc, full_queue_waits_for_ever, 0, 2);
	tcase_add_test(tc, signals_do_not_change_the_timeout);
	tcase_add_test(tc, daemon_may_come_after_open);
	tcase_add_loop_test(tc, no_daemon_is_an_error, 0, 6);
	tcase_add_test(tc, a_long_absence_costs_one_timeout);
	tcase_add_loop_test(tc, an_absence_ends_with_the_first_sign_of_a_daemon,
			    0, 2);
	tcase_add_test(tc, restarted_daemon_is_found_by_the_same_write);
	tcase_add_loop_test(tc, gap_between_two_daemons_is_waited_for, 0, 2);
	tcase_add_test(tc, socket_shut_down_counts_as_gone);
	tcase_add_test(tc, no_signal_is_raised);
	tcase_add_test(tc, too_large_is_an_error);
	tcase_add_test(tc, not_permitted_is_an_error);
	tcase_add_test(tc, wrong_socket_is_an_error);
	tcase_add_test(tc, bad_pointer_and_closed_descriptor_are_errors);
	tcase_add_test(tc, handle_survives_fork);
	tcase_add_test(tc, handle_is_closed_by_exec);
	tcase_add_test(tc, every_error_has_a_sentence);
	return suite_run(suite, CK_FORK);
}
