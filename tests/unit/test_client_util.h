/* SPDX-License-Identifier: MIT */
/*
 * A datagram socket in a directory of its own, which stands for the daemon in
 * the tests of library and command.  Included by one program each; the
 * functions are for the test's own thread unless they say otherwise.
 */
#ifndef TEST_CLIENT_UTIL_H
#define TEST_CLIENT_UTIL_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* constant after util_setup() */
static char util_dir[64];
static char util_socket[96];

static UNUSED int64_t util_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static UNUSED void util_sleep(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* Any thread: a new socket under the path, which must be free. */
static UNUSED int util_listen(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, util_socket);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		abort();
	return fd;
}

/* Any thread: the daemon is gone, as after SIGKILL and an unlink. */
static UNUSED void util_vanish(int fd)
{
	unlink(util_socket);
	close(fd);
}

/* Any thread: the length of the next datagram, or -errno.  Does not wait. */
static UNUSED ssize_t util_receive(int fd, void *to, size_t size)
{
	ssize_t n = recv(fd, to, size, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

static UNUSED void util_expect(int fd, const char *text, size_t len)
{
	static char buf[1 << 20];
	ssize_t n = util_receive(fd, buf, sizeof(buf));

	ck_assert_int_eq(n, (ssize_t)len);
	ck_assert(memcmp(buf, text, len) == 0);
}

static UNUSED void util_expect_none(int fd)
{
	char c;

	ck_assert_int_eq(util_receive(fd, &c, 1), -EAGAIN);
}

static UNUSED void util_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	/* a socket path is short, so a long TMPDIR is no help */
	if (tmp == NULL || strlen(tmp) > 40)
		tmp = "/tmp";
	snprintf(util_dir, sizeof(util_dir), "%s/bw-XXXXXX", tmp);
	ck_assert_ptr_nonnull(mkdtemp(util_dir));
	ck_assert_int_eq(chmod(util_dir, 0755), 0);
	snprintf(util_socket, sizeof(util_socket), "%s/socket", util_dir);
}

static UNUSED void util_teardown(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf '%s'", util_dir);
	ck_assert_int_eq(system(command), 0);
}

/* Runs the suite of one program; the exit status of main(). */
static UNUSED int util_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#endif
