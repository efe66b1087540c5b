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
#include "tests/lib/lane_client.h"
#include "tests/lib/process.h"
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

/* With senders.identify the daemon gives the kernel room for credentials. */
static const char *identify(int yes)
{
	return bed_text("senders.identify=%s", yes ? "yes" : "no");
}

/* The daemon's own socket, and one that systemd made. */
START_TEST(a_datagram_with_a_descriptor_is_refused_by_the_kernel)
{
	struct totals totals;
	int fd;

	if (!kernel_can_refuse())
		return;
	if (_i & 1)
		bed_hold_socket();
	daemon_start(identify(_i & 2));
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

/* More than the daemon may have open. */
#define ATTEMPTS 2000

/* On kernels that refuse nothing, too: what came along is closed. */
START_TEST(no_descriptor_that_is_passed_stays_open)
{
	struct lane_client lane, other;
	struct totals totals;
	unsigned before, i;
	int control, fd;

	if (_i & 1) {
		bed_hold_socket();
		bed_hold_lanes();
	}
	daemon_start(identify(_i & 2));
	control = ask_open();
	ck_assert_ptr_nonnull(strstr(ask_on(control, "ping"), "pong"));
	lane_open_wait(&lane);
	before = process_descriptors(bed.pid);
	fd = send_open();
	for (i = 0; i < ATTEMPTS; i++) {
		(void)send_descriptor(fd);
		(void)send_descriptor(control);
		(void)send_descriptor(lane.fd);
	}
	/* Nobody is held up: datagram, command and lane. */
	send_one(fd, "x", 1);
	send_drain(fd);
	ck_assert_ptr_nonnull(ask("ping"));
	UNTIL(process_descriptors(bed.pid) <= before + 1);
	lane_open_wait(&other);
	ck_assert(lane_write(&other, "y", 1));
	lane_end(&other);
	lane_end(&lane);
	close(control);
	daemon_stop(&totals);
	/* Older kernels take the datagram, and nothing of what came along. */
	ck_assert_uint_ge(totals.written, 2);
	ck_assert_uint_eq(totals.written, totals.received);
}
END_TEST

/* The connection stays what it was. */
START_TEST(a_lane_request_with_a_descriptor_is_refused_by_the_kernel)
{
	struct lane_client lane;

	if (!kernel_can_refuse())
		return;
	if (_i) {
		bed_hold_socket();
		bed_hold_lanes();
	}
	daemon_start();
	lane_open_wait(&lane);
	ck_assert_int_eq(send_descriptor(lane.fd), EPERM);
	ck_assert(lane_write(&lane, "x", 1));
	lane_end(&lane);
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *t = bed_case(suite, "descriptors");

	tcase_add_loop_test(
		t, a_datagram_with_a_descriptor_is_refused_by_the_kernel, 0, 4);
	tcase_add_test(t, a_command_with_a_descriptor_is_refused_by_the_kernel);
	tcase_add_loop_test(t, no_descriptor_that_is_passed_stays_open, 0, 4);
	tcase_add_loop_test(
		t, a_lane_request_with_a_descriptor_is_refused_by_the_kernel, 0,
		2);
	return suite_run(suite, CK_NOFORK);
}
