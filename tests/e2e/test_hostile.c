/* SPDX-License-Identifier: MIT */
/*
 * Neighbours without privileges who mean harm: what they send may cost them
 * their own message, and nobody else anything.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* asm-generic/socket.h, Linux 6.16 */
#endif

/* A byte with a descriptor; 0 or the errno. */
static int send_descriptor(int fd)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int passed = STDERR_FILENO;

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &passed, sizeof(passed));
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

static int kernel_can_refuse(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), no = 0, err;

	err = setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
	close(fd);
	if (err)
		suite_skip("this kernel is older than SO_PASSRIGHTS (6.16)");
	return !err;
}

/* The daemon's own socket, and one that systemd made. */
START_TEST(a_datagram_with_a_descriptor_is_refused_by_the_kernel)
{
	struct totals totals;
	int fd;

	if (!kernel_can_refuse())
		return;
	if (_i)
		bed_hold_socket();
	daemon_start();
	fd = send_open();
	ck_assert_int_eq(send_descriptor(fd), EPERM);
	send_one(fd, "x", 1);
	send_drain(fd);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, 1);
	ck_assert_uint_eq(totals.written, 1);
}
END_TEST

START_TEST(a_command_with_a_descriptor_is_refused_by_the_kernel)
{
	int fd;

	if (!kernel_can_refuse())
		return;
	daemon_start();
	fd = ask_open();
	ck_assert_int_eq(send_descriptor(fd), EPERM);
	ck_assert_ptr_nonnull(strstr(ask_on(fd, "ping"), "pong"));
	ck_assert_int_eq(send_descriptor(fd), EPERM);
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *t = bed_case(suite, "descriptors");

	tcase_add_loop_test(
		t, a_datagram_with_a_descriptor_is_refused_by_the_kernel, 0, 2);
	tcase_add_test(t, a_command_with_a_descriptor_is_refused_by_the_kernel);
	return suite_run(suite, CK_NOFORK);
}
