/* SPDX-License-Identifier: MIT */
/*
 * The library's calls in one thread: arguments, options, errors, waiting.
 */
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "client/library/bufwriter.h"
#include "tests/unit/test_client_util.h"
#include "tests/lib/sender.h"

/* far below anything that a broken wait would take */
#define SOON_MS 10000

static struct bw *open_with(int timeout)
{
	struct bw_options options = BW_OPTIONS;
	struct bw *bw;

	options.socket = util_socket;
	options.timeout = timeout;
	ck_assert_int_eq(bw_open(&bw, &options), 0);
	return bw;
}

START_TEST(message_arrives_as_it_is)
{
	static const char bytes[] = "a\0b\nc\n";
	char one[] = "one", two[] = "\0two";
	struct iovec iov[3] = { { one, 3 }, { one, 0 }, { two, 4 } };
	int fd = util_listen();
	struct bw *bw = open_with(100);

	ck_assert_int_eq(bw_write(bw, bytes, sizeof(bytes)), 0);
	ck_assert_int_eq(bw_write(bw, NULL, 0), 0);
	ck_assert_int_eq(bw_writev(bw, iov, 3), 0);
	ck_assert_int_eq(bw_writev(bw, NULL, 0), 0);
	util_expect(fd, bytes, sizeof(bytes));
	util_expect(fd, "", 0);
	util_expect(fd, "one\0two", 7);
	util_expect(fd, "", 0);
	util_expect_none(fd);
	bw_close(bw);
	bw_close(NULL);
	close(fd);
}
END_TEST

START_TEST(environment_names_the_default_socket)
{
	char other[128];
	int fd = util_listen();
	struct bw_options options = BW_OPTIONS;
	struct bw *bw;

	setenv("BUFWRITER_SOCKET", util_socket, 1);
	ck_assert_int_eq(bw_open(&bw, NULL), 0);
	ck_assert_int_eq(bw_write(bw, "env", 3), 0);
	util_expect(fd, "env", 3);
	bw_close(bw);

	/* a path in the options wins */
	snprintf(other, sizeof(other), "%s/other", util_dir);
	options.socket = other;
	ck_assert_int_eq(bw_open(&bw, &options), 0);
	ck_assert_int_eq(bw_write(bw, "env", 3), BW_NO_DAEMON);
	util_expect_none(fd);
	bw_close(bw);
	close(fd);
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

	/* zeroed and not BW_OPTIONS */
	ck_assert_int_eq(bw_open(&bw, &options), BW_INVALID);
	ck_assert_ptr_null(bw);

	options = (struct bw_options)BW_OPTIONS;
	options.timeout = -2;
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

	/* a newer program: fields unknown here have to be zero */
	newer.known.size = sizeof(newer);
	ck_assert_int_eq(bw_open(&bw, &newer.known), 0);
	bw_close(bw);
	newer.unknown = 1;
	ck_assert_int_eq(bw_open(&bw, &newer.known), BW_INVALID);
}
END_TEST

START_TEST(descriptor_is_never_a_standard_one)
{
	int fd = util_listen();
	int saved = dup(STDERR_FILENO);
	struct stat st;
	struct bw *bw;

	close(STDIN_FILENO);
	close(STDERR_FILENO);
	bw = open_with(100);
	dup2(saved, STDERR_FILENO);
	ck_assert_int_eq(fstat(STDIN_FILENO, &st), -1);
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	util_expect(fd, "x", 1);
	bw_close(bw);
	close(saved);
	close(fd);
}
END_TEST

START_TEST(full_queue_without_timeout_fails_at_once)
{
	int fd = util_listen();
	struct bw *bw = open_with(0);
	int64_t start;
	unsigned n = send_fill(util_socket, "x");

	start = util_ms();
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_TIMEOUT);
	ck_assert_int_lt(util_ms() - start, SOON_MS);
	util_expect(fd, "x", 1);
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	while (--n > 0)
		util_expect(fd, "x", 1);
	util_expect(fd, "y", 1);
	util_expect_none(fd);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(full_queue_waits_for_the_timeout)
{
	int fd = util_listen();
	struct bw *bw = open_with(50);
	int64_t start;
	unsigned n = send_fill(util_socket, "x");

	start = util_ms();
	ck_assert_int_eq(bw_write(bw, "y", 1), BW_TIMEOUT);
	ck_assert_int_ge(util_ms() - start, 50);
	ck_assert_int_lt(util_ms() - start, SOON_MS);
	while (n-- > 0)
		util_expect(fd, "x", 1);
	util_expect_none(fd);
	bw_close(bw);
	close(fd);
}
END_TEST

static void ignore_signal(int signal)
{
	(void)signal;
}

/*
 * Another process makes room after a while.  Signals arrive all the time, so
 * that the wait goes through the slow path as well.
 */
START_TEST(full_queue_waits_for_ever)
{
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = ignore_signal };
	int fd = util_listen();
	struct bw *bw = open_with(BW_FOREVER);
	int64_t start;
	char c;
	pid_t pid;

	send_fill(util_socket, "x");
	start = util_ms();
	pid = fork();
	if (pid == 0) {
		util_sleep(300);
		_exit(util_receive(fd, &c, 1) != 1);
	}
	if (_i == 1) {
		sigaction(SIGALRM, &sa, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
	}
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	ck_assert_int_ge(util_ms() - start, 250);
	setitimer(ITIMER_REAL, &off, NULL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(signals_do_not_change_the_timeout)
{
	const struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = ignore_signal };
	int fd = util_listen();
	struct bw *bw = open_with(200);
	int64_t start;

	send_fill(util_socket, "x");
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	start = util_ms();
	ck_assert_int_eq(bw_write(bw, "y", 1), BW_TIMEOUT);
	ck_assert_int_ge(util_ms() - start, 200);
	ck_assert_int_lt(util_ms() - start, SOON_MS);
	setitimer(ITIMER_REAL, &off, NULL);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(daemon_may_come_after_open)
{
	struct bw *bw = open_with(0);
	int fd;

	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	fd = util_listen();
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	util_expect(fd, "y", 1);
	util_expect_none(fd);
	bw_close(bw);
	close(fd);
}
END_TEST

/* The socket file of a dead daemon, one that is gone, one under no directory. */
START_TEST(no_daemon_is_told)
{
	const int timeout = _i % 2 ? 50 : 0;
	struct bw *bw;
	int64_t start;
	int fd = util_listen();

	bw = open_with(timeout);
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	if (_i < 2)
		close(fd);
	else
		util_vanish(fd);
	if (_i >= 4)
		ck_assert_int_eq(rmdir(util_dir), 0);
	start = util_ms();
	ck_assert_int_eq(bw_write(bw, "y", 1), BW_NO_DAEMON);
	ck_assert_int_ge(util_ms() - start, timeout);
	ck_assert_int_lt(util_ms() - start, SOON_MS);
	bw_close(bw);
	if (_i >= 4)
		ck_assert_int_eq(mkdir(util_dir, 0755), 0);
}
END_TEST

START_TEST(long_absence_is_not_waited_for_each_time)
{
	struct bw *bw;
	int fd = util_listen();
	int64_t start;
	int i;

	bw = open_with(300);
	util_vanish(fd);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	start = util_ms();
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	ck_assert_int_lt(util_ms() - start, 100 * 300 / 2);

	/* the next absence is waited for again */
	fd = util_listen();
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	util_vanish(fd);
	start = util_ms();
	ck_assert_int_eq(bw_write(bw, "z", 1), BW_NO_DAEMON);
	ck_assert_int_ge(util_ms() - start, 300);
	bw_close(bw);
}
END_TEST

/*
 * A daemon that is back ends an absence, also when it was found by a message
 * that is too large, or by another process that has the same socket.
 */
START_TEST(an_absence_ends_with_the_first_sign_of_a_daemon)
{
	static char big[8 << 20];
	struct bw *bw = open_with(300);
	int status = 0;
	int64_t start;
	pid_t pid;
	int fd;

	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	fd = util_listen();
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

	/* it stops in order: a send finds that with EPIPE */
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
	start = util_ms();
	ck_assert_int_eq(bw_write(bw, "z", 1), BW_NO_DAEMON);
	ck_assert_int_ge(util_ms() - start, 300);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(restarted_daemon_is_found_by_the_same_write)
{
	struct bw *bw;
	int fd = util_listen();
	int i;

	bw = open_with(0);
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
		util_expect(fd, "x", 1);
		util_vanish(fd);
		fd = util_listen();
	}
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	util_expect(fd, "y", 1);
	bw_close(bw);
	close(fd);
}
END_TEST

/* Another process is the new daemon, a while after the old one. */
START_TEST(gap_between_two_daemons_is_waited_for)
{
	struct pollfd pfd = { .events = POLLIN };
	struct bw *bw;
	int fd = util_listen();
	pid_t pid;
	int status;

	bw = open_with(_i == 0 ? 10000 : BW_FOREVER);
	util_vanish(fd);
	pid = fork();
	if (pid == 0) {
		util_sleep(200);
		pfd.fd = util_listen();
		_exit(poll(&pfd, 1, 10000) != 1);
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
	int old = util_listen();
	int fd;

	bw = open_with(50);
	ck_assert_int_eq(bw_write(bw, "before", 6), 0);
	ck_assert_int_eq(shutdown(old, SHUT_RD), 0);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	unlink(util_socket);
	fd = util_listen();
	ck_assert_int_eq(bw_write(bw, "after", 5), 0);
	util_expect(old, "before", 6);
	util_expect(fd, "after", 5);
	util_expect_none(fd);
	bw_close(bw);
	close(old);
	close(fd);
}
END_TEST

/* The default action of SIGPIPE would end this process. */
START_TEST(no_signal_is_raised)
{
	struct bw *bw;
	int fd = util_listen();

	signal(SIGPIPE, SIG_DFL);
	bw = open_with(0);
	shutdown(fd, SHUT_RD);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	ck_assert_int_eq(bw_writev(bw, NULL, 0), BW_NO_DAEMON);
	util_vanish(fd);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_NO_DAEMON);
	bw_close(bw);
}
END_TEST

START_TEST(too_large_is_told)
{
	static char big[8 << 20];
	const size_t design = 208 * 1024; /* the daemon's largest max_message */
	struct bw *bw;
	int fd = util_listen();

	bw = open_with(100);
	memset(big, 'b', sizeof(big));
	ck_assert_int_eq(bw_write(bw, big, sizeof(big)), BW_TOO_LARGE);
	util_expect_none(fd);
	ck_assert_int_eq(bw_write(bw, big, design), 0);
	util_expect(fd, big, design);
	ck_assert_int_eq(bw_write(bw, "small", 5), 0);
	util_expect(fd, "small", 5);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(not_permitted_is_told)
{
	struct bw *bw;
	int status;
	pid_t pid;
	int fd = util_listen();

	ck_assert_int_eq(chmod(util_socket, 0600), 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) != 0 || setegid(65534) != 0 ||
		     seteuid(65534) != 0))
			_exit(1);
		if (geteuid() != 65534)
			chmod(util_socket, 0);
		bw = open_with(20);
		if (bw_write(bw, "x", 1) != BW_NOT_PERMITTED)
			_exit(2);
		if (bw_write(bw, "x", 1) != BW_NOT_PERMITTED)
			_exit(3);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	util_expect_none(fd);
	close(fd);
}
END_TEST

START_TEST(wrong_socket_is_told)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct bw *bw;

	strcpy(addr.sun_path, util_socket);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	bw = open_with(BW_FOREVER);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_WRONG_SOCKET);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(bad_pointer_and_closed_descriptor_are_told)
{
	struct bw *bw;
	int fd = util_listen();
	int other;

	bw = open_with(BW_FOREVER);
	ck_assert_int_eq(bw_write(bw, (void *)8, 1), -EFAULT);
	/* the library took the next number after this */
	other = fd + 1;
	ck_assert_int_eq(close(other), 0);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_CLOSED);
	ck_assert_int_eq(open("/dev/null", O_WRONLY), other);
	ck_assert_int_eq(bw_write(bw, "x", 1), BW_CLOSED);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(handle_survives_fork)
{
	struct bw *bw;
	int fd = util_listen();
	int status;
	pid_t pid;

	bw = open_with(100);
	pid = fork();
	if (pid == 0) {
		if (bw_write(bw, "child", 5) != 0)
			_exit(1);
		util_vanish(fd);
		fd = util_listen();
		if (bw_write(bw, "again", 5) != 0)
			_exit(2);
		bw_close(bw);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	util_expect(fd, "child", 5);
	/* the child's daemon is gone; its close did not close ours */
	util_vanish(fd);
	fd = util_listen();
	ck_assert_int_eq(bw_write(bw, "parent", 6), 0);
	util_expect(fd, "parent", 6);
	util_expect_none(fd);
	bw_close(bw);
	close(fd);
}
END_TEST

START_TEST(handle_is_closed_by_exec)
{
	char command[64];
	int fd = util_listen();
	struct bw *bw = open_with(100);

	/* only what the shell itself has: standard streams, ls's directory */
	snprintf(command, sizeof(command),
		 "! ls -l /proc/self/fd | grep -q socket:");
	ck_assert_int_eq(system(command), 0);
	bw_close(bw);
	close(fd);
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
	TCase *tc = tcase_create("calls");

	tcase_add_checked_fixture(tc, util_setup, util_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, message_arrives_as_it_is);
	tcase_add_test(tc, environment_names_the_default_socket);
	tcase_add_test(tc, invalid_options_are_refused);
	tcase_add_test(tc, descriptor_is_never_a_standard_one);
	tcase_add_test(tc, full_queue_without_timeout_fails_at_once);
	tcase_add_test(tc, full_queue_waits_for_the_timeout);
	tcase_add_loop_test(tc, full_queue_waits_for_ever, 0, 2);
	tcase_add_test(tc, signals_do_not_change_the_timeout);
	tcase_add_test(tc, daemon_may_come_after_open);
	tcase_add_loop_test(tc, no_daemon_is_told, 0, 6);
	tcase_add_test(tc, long_absence_is_not_waited_for_each_time);
	tcase_add_loop_test(tc, an_absence_ends_with_the_first_sign_of_a_daemon,
			    0, 2);
	tcase_add_test(tc, restarted_daemon_is_found_by_the_same_write);
	tcase_add_loop_test(tc, gap_between_two_daemons_is_waited_for, 0, 2);
	tcase_add_test(tc, socket_shut_down_counts_as_gone);
	tcase_add_test(tc, no_signal_is_raised);
	tcase_add_test(tc, too_large_is_told);
	tcase_add_test(tc, not_permitted_is_told);
	tcase_add_test(tc, wrong_socket_is_told);
	tcase_add_test(tc, bad_pointer_and_closed_descriptor_are_told);
	tcase_add_test(tc, handle_survives_fork);
	tcase_add_test(tc, handle_is_closed_by_exec);
	tcase_add_test(tc, every_error_has_a_sentence);
	suite_add_tcase(suite, tc);
	return util_run(suite);
}
