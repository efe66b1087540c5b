/* SPDX-License-Identifier: MIT */
/* See handout.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/library/fork.h"
#include "client/library/handle.h"
#include "client/library/handout.h"

#define MAGIC 0x314c5742 /* "BWL1" where numbers begin with the low byte */

struct request {
	uint32_t magic;
	uint32_t type;
	uint64_t value;
};

struct packet {
	uint32_t magic;
	int32_t status;
	uint64_t value[2];
};

_Static_assert(sizeof(struct request) == 16 && sizeof(struct packet) == 24,
	       "packets have no gaps");

static int connect_path(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, path, strlen(path) + 1);
	if (syscall(SYS_connect, fd, &address, sizeof(address)))
		return -errno;
	return 0;
}

int bw_handout_ask_on(const struct bw *bw, int fd, enum bw_request type,
		      uint64_t value)
{
	const struct request request = { MAGIC, type, value };
	char path[BW_LANES_PATH_BYTES], beside[BW_LANES_PATH_BYTES];
	int err = bw_limit_lanes_path(bw->address.sun_path, path, beside);

	if (!err)
		err = connect_path(fd, path);
	else
		return err;
	if ((err == -ENOENT || err == -ENOTDIR) && *beside)
		err = connect_path(fd, beside);
	if (err)
		return err;
	if (syscall(SYS_sendto, fd, &request, sizeof(request),
		    MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) != sizeof(request))
		return -errno;
	return 0;
}

int bw_handout_ask(struct bw *bw, int index, enum bw_request type,
		   uint64_t value)
{
	int fd = bw_fork_socket(bw, index);
	int err = fd < 0 ? fd : bw_handout_ask_on(bw, fd, type, value);

	if (err && fd >= 0)
		bw_fork_close(bw, index);
	return err;
}

/* The descriptor that came with a packet, or -1. */
static int passed(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int bw_handout_answer(int fd, struct bw_answer *answer)
{
	/* Room for one descriptor: the kernel closes what does not fit. */
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct packet packet;
	struct iovec iov = { &packet, sizeof(packet) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	long n = syscall(SYS_recvmsg, fd, &msg,
			 MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	answer->memory = -1;
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	answer->memory = passed(&msg);
	if (n != sizeof(packet) || packet.magic != MAGIC ||
	    (msg.msg_flags & MSG_TRUNC)) {
		if (answer->memory >= 0)
			syscall(SYS_close, answer->memory);
		answer->memory = -1;
		return n == 0 ? -ECONNRESET : -EPROTO;
	}
	answer->status = packet.status;
	memcpy(answer->value, packet.value, sizeof(answer->value));
	return 0;
}
