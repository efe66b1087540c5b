/* SPDX-License-Identifier: MIT */
/* See caught.h. */
#define _GNU_SOURCE
#include "tests/lib/caught.h"

#include <check.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int caught_fd;
static int stderr_fd;
static char caught[1024 * 1024];

void caught_begin(void)
{
	caught_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_ge(caught_fd, 0);
	ck_assert_int_eq(fcntl(caught_fd, F_SETFL, O_APPEND), 0);
	stderr_fd = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(caught_fd, STDERR_FILENO), STDERR_FILENO);
}

const char *caught_end(void)
{
	ssize_t n;

	ck_assert_int_eq(dup2(stderr_fd, STDERR_FILENO), STDERR_FILENO);
	close(stderr_fd);
	n = pread(caught_fd, caught, sizeof(caught) - 1, 0);
	ck_assert_int_ge(n, 0);
	caught[n] = 0;
	close(caught_fd);
	return caught;
}
