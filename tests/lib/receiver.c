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
#include "tests/lib/handle.h"

struct receiver receiver = { .fd = -1 };

void receiver_setup(void)
{
	dir_make(receiver.dir);
	snprintf(receiver.path, sizeof(receiver.path), "%s/socket",
		 receiver.dir);
	receiver.fd = -1;
}

void receiver_teardown(void)
{
	if (receiver.fd >= 0)
		close(receiver.fd);
	dir_remove(receiver.dir);
}

TCase *receiver_case(Suite *suite, const char *name)
{
	return suite_case(suite, name, receiver_setup, receiver_teardown);
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
	return handle_open(receiver.path, timeout_ms, BW_LANES_AUTO);
}

int64_t receiver_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}
