/* SPDX-License-Identifier: MIT */
/*
 * systemd's protocols against a real socket: what is sent, what is taken from
 * the environment, and what is refused with a reason.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/systemd.h"
#include "tests/lib/files.h"
#include "tests/lib/suite.h"

static char dir[DIR_PATH];
static char path[256];

static void setup(void)
{
	dir_make(dir);
	snprintf(path, sizeof(path), "%s/s", dir);
}

static void teardown(void)
{
	systemd_close();
	dir_remove(dir);
}

/* A bound socket; '@' in front makes an abstract one. */
static int bind_name(const char *name, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(addr.sun_path, name, len);
	if (*name == '@')
		addr.sun_path[0] = 0;
	len += offsetof(struct sockaddr_un, sun_path);
	ck_assert_int_eq(bind(fd, (void *)&addr, len), 0);
	return fd;
}

static const char *receive(int fd)
{
	static char text[16384];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0)
		return NULL;
	text[n] = 0;
	return text;
}

/* --- notifications ------------------------------------------------------- */

START_TEST(a_state_arrives_at_the_socket_of_the_environment)
{
	const char *names[] = { path, "@bw-test-notify" };
	char name[256];
	int fd;

	/* an abstract name of this process */
	snprintf(name, sizeof(name), "%s%s", names[_i],
		 _i ? strrchr(dir, '-') : "");
	fd = bind_name(name, SOCK_DGRAM);
	setenv("NOTIFY_SOCKET", name, 1);
	systemd_open();
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_int_eq(systemd_notify("READY=1\nSTATUS=%d workers\n", 4), 0);
	ck_assert_str_eq(receive(fd), "READY=1\nSTATUS=4 workers\n");
	ck_assert_ptr_null(receive(fd));
	systemd_close();
	ck_assert_int_eq(systemd_notify("STOPPING=1"), 0);
	ck_assert_ptr_null(receive(fd));
	close(fd);
}
END_TEST

START_TEST(reloading_says_when_it_began)
{
	int fd = bind_name(path, SOCK_DGRAM);
	uint64_t before, usec;
	int end = 0;
	const char *text;

	setenv("NOTIFY_SOCKET", path, 1);
	systemd_open();
	before = clock_now() / CLOCK_US;
	ck_assert_int_eq(systemd_reloading(), 0);
	text = receive(fd);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(sscanf(text,
				"RELOADING=1\nMONOTONIC_USEC=%" SCNu64 "%n",
				&usec, &end),
			 1);
	ck_assert_int_eq(text[end], 0);
	ck_assert_uint_ge(usec, before);
	ck_assert_uint_lt(usec, before + 60 * CLOCK_SECOND / CLOCK_US);
	close(fd);
}
END_TEST

START_TEST(a_manager_that_does_not_read_stops_nobody)
{
	int fd = bind_name(path, SOCK_DGRAM);
	int sent, err = 0;

	setenv("NOTIFY_SOCKET", path, 1);
	systemd_open();
	for (sent = 0; sent < 100000 && !err; sent++)
		err = systemd_notify("WATCHDOG=1");
	ck_assert_int_eq(err, -EAGAIN);
	/* gone altogether: an error, and no SIGPIPE */
	signal(SIGPIPE, SIG_DFL);
	close(fd);
	ck_assert_int_eq(systemd_notify("WATCHDOG=1"), -ECONNREFUSED);
	unlink(path);
	ck_assert_int_eq(systemd_notify("WATCHDOG=1"), -ENOENT);
}
END_TEST

START_TEST(a_status_that_is_too_long_is_refused_not_cut)
{
	int fd = bind_name(path, SOCK_DGRAM);
	char *text = malloc(20001);

	memset(text, 'x', 20000);
	text[20000] = 0;
	setenv("NOTIFY_SOCKET", path, 1);
	systemd_open();
	ck_assert_int_eq(systemd_notify("STATUS=%s", text), -EMSGSIZE);
	ck_assert_ptr_null(receive(fd));
	/* a path as long as there is */
	text[4095] = 0;
	ck_assert_int_eq(systemd_notify("STATUS=%s", text), 0);
	ck_assert_uint_eq(strlen(receive(fd)), 4095 + strlen("STATUS="));
	free(text);
	close(fd);
}
END_TEST

static const char *const no_sockets[] = {
	NULL, "", "relative", "@", "vsock:2:1234", "/too long",
};

START_TEST(without_a_socket_every_call_does_nothing)
{
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

	/* by one byte */
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = 0;
	if (no_sockets[_i])
		setenv("NOTIFY_SOCKET",
		       !strcmp(no_sockets[_i], "/too long") ? name :
							      no_sockets[_i],
		       1);
	else
		unsetenv("NOTIFY_SOCKET");
	systemd_open();
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_int_eq(systemd_notify("READY=1"), 0);
	ck_assert_int_eq(systemd_reloading(), 0);
	systemd_close();
	systemd_close();
}
END_TEST

START_TEST(the_descriptor_does_not_reach_a_child)
{
	int before = dup(0);
	int fd;

	close(before);
	close(bind_name(path, SOCK_DGRAM));
	setenv("NOTIFY_SOCKET", path, 1);
	systemd_open();
	fd = fcntl(before, F_GETFD);
	ck_assert_int_ge(fd, 0);
	ck_assert(fd & FD_CLOEXEC);
	/* opening once more leaves no descriptor behind */
	setenv("NOTIFY_SOCKET", path, 1);
	systemd_open();
	fd = dup(0);
	ck_assert_int_eq(fd, before + 1);
	close(fd);
}
END_TEST

/* --- watchdog ------------------------------------------------------------ */

static const struct {
	const char *usec;
	const char *pid; /* "" is ours */
	uint64_t ns;
} watchdogs[] = {
	{ "30000000", "", UINT64_C(30000000000) },
	{ "30000000", NULL, UINT64_C(30000000000) },
	{ "1", "", 1000 },
	{ "30000000", "1", 0 },
	{ "30000000", "x", 0 },
	{ NULL, "", 0 },
	{ NULL, NULL, 0 },
	{ "0", "", 0 },
	{ "", "", 0 },
	{ "-1", "", 0 },
	{ " 1", "", 0 },
	{ "1s", "", 0 },
	{ "18446744073709551615", "", 0 },
	{ "99999999999999999999999", "", 0 },
};

START_TEST(the_watchdog_interval_is_ours_or_none)
{
	char pid[32];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (watchdogs[_i].usec)
		setenv("WATCHDOG_USEC", watchdogs[_i].usec, 1);
	if (watchdogs[_i].pid)
		setenv("WATCHDOG_PID",
		       *watchdogs[_i].pid ? watchdogs[_i].pid : pid, 1);
	ck_assert_uint_eq(systemd_watchdog(), watchdogs[_i].ns);
}
END_TEST

/* --- sockets ------------------------------------------------------------- */

/* A descriptor in place of number 3 and up, for a child that is us. */
static void pass(int fd, int at)
{
	ck_assert_int_eq(dup2(fd, at), at);
	if (fd != at)
		close(fd);
}

static void listen_env(const char *pid, const char *fds)
{
	char own[32];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	if (pid)
		setenv("LISTEN_PID", *pid ? pid : own, 1);
	if (fds)
		setenv("LISTEN_FDS", fds, 1);
	setenv("LISTEN_FDNAMES", "bufwriter.socket", 1);
}

static void no_listen_env(void)
{
	ck_assert_ptr_null(getenv("LISTEN_PID"));
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
}

START_TEST(the_passed_socket_is_taken_and_made_ours)
{
	struct systemd_passed passed;
	struct failure failure = { .text = "?" };
	int flags;

	pass(bind_name(_i ? "@bw-test-listen" : path, SOCK_DGRAM), 3);
	ck_assert_int_eq(fcntl(3, F_SETFD, 0), 0);
	listen_env("", "1");
	ck_assert_int_eq(systemd_socket(&passed, &failure), 3);
	ck_assert_str_eq(failure.text, "?");
	no_listen_env();
	ck_assert(fcntl(3, F_GETFD) & FD_CLOEXEC);
	flags = fcntl(3, F_GETFL);
	ck_assert(flags & O_NONBLOCK);
	/* once taken, there is none */
	ck_assert_int_eq(systemd_socket(&passed, &failure), -ENOENT);
}
END_TEST

static const struct {
	const char *pid; /* "" is ours */
	const char *fds;
	int err;
} environments[] = {
	{ NULL, NULL, -ENOENT }, { "", NULL, -ENOENT },
	{ NULL, "1", -ENOENT },	 { "1", "1", -ENOENT },
	{ "", "0", -ENOENT },	 { "x", "1", -EINVAL },
	{ "", "x", -EINVAL },	 { "", "-1", -EINVAL },
	{ "", "1025", -EINVAL }, { "", "99999999999999999999", -EINVAL },
};

START_TEST(what_the_environment_says_is_for_us_or_refused)
{
	struct systemd_passed passed;
	struct failure failure = { .text = "" };

	pass(bind_name(path, SOCK_DGRAM), 3);
	listen_env(environments[_i].pid, environments[_i].fds);
	ck_assert_int_eq(systemd_socket(&passed, &failure),
			 environments[_i].err);
	ck_assert_int_eq(failure.text[0] != 0, environments[_i].err == -EINVAL);
	no_listen_env();
}
END_TEST

static void refused(const char *fds, const char *part)
{
	struct systemd_passed passed;
	struct failure failure;

	listen_env("", fds);
	ck_assert_int_eq(systemd_socket(&passed, &failure), -EINVAL);
	ck_assert_int_eq(failure.err, -EINVAL);
	ck_assert_msg(strstr(failure.text, part), "%s", failure.text);
	no_listen_env();
}

START_TEST(several_datagram_sockets_are_taken)
{
	struct systemd_passed passed;
	struct failure failure;
	unsigned i;

	for (i = 0; i < SYSTEMD_SOCKETS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "@bw-test-listen-%d-%u",
			 (int)getpid(), i);
		pass(bind_name(name, SOCK_DGRAM), 3 + (int)i);
		ck_assert_int_eq(fcntl(3 + (int)i, F_SETFD, 0), 0);
	}
	listen_env("", _i ? "2" : "16");
	ck_assert_int_eq(systemd_socket(&passed, &failure), 3);
	ck_assert_uint_eq(passed.further, _i ? 1 : SYSTEMD_SOCKETS - 1);
	for (i = 0; i < passed.further; i++) {
		ck_assert_int_eq(passed.also[i], 4 + (int)i);
		ck_assert(fcntl(passed.also[i], F_GETFD) & FD_CLOEXEC);
		ck_assert(fcntl(passed.also[i], F_GETFL) & O_NONBLOCK);
	}
	for (i = 0; i < SYSTEMD_SOCKETS; i++)
		close(3 + (int)i);
}
END_TEST

START_TEST(anything_but_bound_datagram_sockets_is_refused)
{
	int pair[2];

	pass(bind_name(path, SOCK_STREAM), 3);
	refused("1", "not a datagram socket");
	unlink(path);
	pass(socket(AF_INET, SOCK_DGRAM, 0), 3);
	refused("1", "not a Unix socket");
	pass(open("/dev/null", O_RDONLY), 3);
	refused("1", "not a socket");
	pass(socket(AF_UNIX, SOCK_DGRAM, 0), 3);
	refused("1", "bound to no address");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	close(pair[1]);
	pass(pair[0], 3);
	refused("1", "bound to no address");
	pass(bind_name(path, SOCK_DGRAM), 3);
	pass(open("/dev/null", O_RDONLY), 4);
	refused("2", "not a socket");
	/* and yet none of them reaches a child */
	ck_assert(fcntl(3, F_GETFD) & FD_CLOEXEC);
	ck_assert(fcntl(4, F_GETFD) & FD_CLOEXEC);
	close(3);
	refused("1", "not open");
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("systemd");
	TCase *send = suite_case(suite, "notifications", setup, teardown);
	TCase *sockets = suite_case(suite, "watchdog and sockets", setup,
				    teardown);

	tcase_add_loop_test(
		send, a_state_arrives_at_the_socket_of_the_environment, 0, 2);
	tcase_add_test(send, reloading_says_when_it_began);
	tcase_add_test(send, a_manager_that_does_not_read_stops_nobody);
	tcase_add_test(send, a_status_that_is_too_long_is_refused_not_cut);
	tcase_add_loop_test(send, without_a_socket_every_call_does_nothing, 0,
			    COUNT(no_sockets));
	tcase_add_test(send, the_descriptor_does_not_reach_a_child);
	tcase_add_loop_test(sockets, the_watchdog_interval_is_ours_or_none, 0,
			    COUNT(watchdogs));
	tcase_add_loop_test(sockets, the_passed_socket_is_taken_and_made_ours,
			    0, 2);
	tcase_add_loop_test(sockets,
			    what_the_environment_says_is_for_us_or_refused, 0,
			    COUNT(environments));
	tcase_add_loop_test(sockets, several_datagram_sockets_are_taken, 0, 2);
	tcase_add_test(sockets, anything_but_bound_datagram_sockets_is_refused);
	return suite_run(suite, CK_FORK);
}
