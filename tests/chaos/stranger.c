/* SPDX-License-Identifier: MIT */
/* See stranger.h. */
#define _GNU_SOURCE
#include "tests/chaos/stranger.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/chaos/plan.h"
#include "tests/lib/bed.h"
#include "tests/lib/lane_client.h"

#define DESCRIPTORS 3

/* Any socket.max_message of a round is larger. */
static const struct flow flow = { .id = PLAN_STRANGER_FLOW,
				  .min = 20,
				  .max = 60 };
static uint64_t taken;

/* Sends with descriptors, or without if the kernel refuses them: 0 or -1. */
static int pass(int fd, const void *data, size_t len)
{
	char control[CMSG_SPACE(DESCRIPTORS * sizeof(int))] = "";
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int list[DESCRIPTORS] = { STDIN_FILENO, STDERR_FILENO, fd };

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(list));
	memcpy(CMSG_DATA(head), list, sizeof(list));
	if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return 0;
	return send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
			       (ssize_t)len ?
		       0 :
		       -1;
}

/* A connection, or -1: nobody is there, or too many wait already. */
static int call(int type, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	close(fd);
	return -1;
}

static void send_datagram(const char *path)
{
	int fd = call(SOCK_DGRAM, path);
	uint8_t buf[64];

	if (fd < 0)
		return;
	if (!pass(fd, buf, flow_message(&flow, taken, buf)))
		taken++;
	close(fd);
}

/* One hangs up before the answer, one in the middle of a command. */
static void call_control(void)
{
	static const char *const words[] = { "status\n", "sta", "\n\n" };
	unsigned i;
	int fd;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		fd = call(SOCK_STREAM, bed.control);
		if (fd < 0)
			continue;
		pass(fd, words[i], strlen(words[i]));
		close(fd);
	}
}

/* One asks for a lane and is gone when it comes. */
static void call_lanes(void)
{
	struct lane_client gone;
	int fd = call(SOCK_SEQPACKET, lane_path());

	if (fd < 0)
		return;
	pass(fd, "nonsense", 8);
	close(fd);
	gone = (struct lane_client){
		.fd = call(SOCK_SEQPACKET, lane_path()),
	};
	if (gone.fd < 0)
		return;
	lane_request(&gone, 1, 0);
	close(gone.fd);
}

void stranger_calls(void)
{
	unsigned i;

	send_datagram(bed.sock);
	for (i = 0; i < bed.also; i++)
		send_datagram(bed_also(i));
	call_control();
	call_lanes();
}

uint64_t stranger_expect(struct tally *tally)
{
	uint8_t buf[64];
	uint64_t n;

	for (n = 0; n < taken; n++)
		tally_expect(tally, buf, flow_message(&flow, n, buf));
	return taken;
}
