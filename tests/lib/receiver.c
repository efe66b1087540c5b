/* SPDX-License-Identifier: MIT */
/* See receiver.h. */
#define _GNU_SOURCE
#include "tests/lib/receiver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/library/bufwriter.h"

struct receiver receiver = { .fd = -1 };

void receiver_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	/* The path of a socket is short, so a long TMPDIR does not fit. */
	if (!tmp || strlen(tmp) > 40)
		tmp = "/tmp";
	snprintf(receiver.dir, sizeof(receiver.dir), "%s/bw-XXXXXX", tmp);
	ck_assert_ptr_nonnull(mkdtemp(receiver.dir));
	ck_assert_int_eq(chmod(receiver.dir, 0755), 0);
	snprintf(receiver.path, sizeof(receiver.path), "%s/socket",
		 receiver.dir);
	receiver.fd = -1;
}

void receiver_teardown(void)
{
	char command[96];

	if (receiver.fd >= 0)
		close(receiver.fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", receiver.dir);
	ck_assert_int_eq(system(command), 0);
}

TCase *receiver_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, receiver_setup, receiver_teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int receiver_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int receiver_bind(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, receiver.path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		abort();
	return fd;
}

void receiver_listen(void)
{
	receiver.fd = receiver_bind();
}

void receiver_close(void)
{
	close(receiver.fd);
	receiver.fd = -1;
}

void receiver_vanish(void)
{
	unlink(receiver.path);
	receiver_close();
}

ssize_t receiver_take(int fd, void *to, size_t size)
{
	ssize_t n = recv(fd, to, size, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

void receiver_expect(const char *text, size_t len)
{
	static char buf[1 << 20];
	ssize_t n = receiver_take(receiver.fd, buf, sizeof(buf));

	ck_assert_int_eq(n, (ssize_t)len);
	ck_assert(memcmp(buf, text, len) == 0);
}

void receiver_expect_none(void)
{
	char c;

	ck_assert_int_eq(receiver_take(receiver.fd, &c, 1), -EAGAIN);
}

struct bw *receiver_open(int timeout_ms)
{
	struct bw_options options = BW_OPTIONS;
	struct bw *bw;

	options.socket = receiver.path;
	options.timeout = timeout_ms;
	ck_assert_int_eq(bw_open(&bw, &options), 0);
	return bw;
}

int64_t receiver_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}
