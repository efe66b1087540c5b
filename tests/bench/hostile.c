/* SPDX-License-Identifier: MIT */
/*
 * A client of lanes that means harm, until it is killed:
 *
 *	hostile scribble SOCKET		publishes nonsense and changes it meanwhile
 *	hostile open SOCKET		opens lanes without end
 *
 * As root it becomes user 65534 first, whose share of the lanes is a quarter.
 * Written from bufwriter-lanes(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MAGIC 0x314c5742u
#define HEAD 4096
#define NOBODY 65534
#define KEPT 256

/* Words of the head, in units of 8 bytes. */
enum { WRITTEN = 8, READ = 16, ATTENDED = 17, FINAL = 18, WAITERS = 24 };

struct lane {
	int fd;
	uint8_t *base; /* NULL: refused */
	uint64_t size;
};

static uint64_t state = 88172645463325252u;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int reach(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct timeval second = { .tv_sec = 1 };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	if (!connect(fd, (const void *)&addr, sizeof(addr)))
		return fd;
	close(fd);
	return -1;
}

/* The memory that came with the answer, or -1. */
static int ask(int fd, uint64_t *size)
{
	const struct {
		uint32_t magic, type;
		uint64_t value;
	} request = { MAGIC, 1, 0 };
	struct {
		uint32_t magic;
		int32_t status;
		uint64_t id, size;
	} answer;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *h;
	int memory = -1;

	if (send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0 ||
	    recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) != sizeof(answer))
		return -1;
	h = CMSG_FIRSTHDR(&msg);
	if (h)
		memcpy(&memory, CMSG_DATA(h), sizeof(memory));
	*size = answer.size;
	return memory;
}

static struct lane get(const char *path)
{
	struct lane l = { .fd = reach(path) };
	int memory = l.fd < 0 ? -1 : ask(l.fd, &l.size);

	if (memory < 0)
		return l;
	l.base = mmap(NULL, HEAD + l.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      memory, 0);
	if (l.base == MAP_FAILED)
		l.base = NULL;
	close(memory);
	return l;
}

static void drop(struct lane *l)
{
	if (l->base)
		munmap(l->base, HEAD + l->size);
	if (l->fd >= 0)
		close(l->fd);
	l->base = NULL;
	l->fd = -1;
}

/* Records of which some are right, so that the daemon goes on reading. */
static void publish(struct lane *l, uint64_t *at)
{
	volatile uint64_t *head = (volatile uint64_t *)l->base;
	uint32_t len = (uint32_t)(any() % 1000);
	volatile uint32_t *record = (volatile uint32_t *)(l->base + HEAD +
							  *at % l->size);

	record[0] = len;
	record[1] = 0;
	*at += 8 + (len + 7) / 8 * 8;
	head[WRITTEN] = *at;
	/* The length changes while it is read. */
	if (any() % 64 == 0)
		record[0] = (uint32_t)any();
}

static void spoil(struct lane *l)
{
	static const unsigned words[] = { WRITTEN, READ, ATTENDED, FINAL,
					  WAITERS };
	volatile uint64_t *head = (volatile uint64_t *)l->base;
	uint64_t value = any();

	if (any() % 2)
		value %= 4 * l->size;
	head[words[any() % 5]] = value;
}

static void scribble(const char *path)
{
	struct lane l = get(path);
	uint64_t at = 0;
	unsigned i;

	for (i = 0; l.base; i++) {
		publish(&l, &at);
		if (any() % 4096 == 0)
			spoil(&l);
		/* A doorbell for each few messages, needed or not. */
		if (i % 16 == 0 &&
		    send(l.fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		    errno != EAGAIN)
			break;
	}
	drop(&l);
}

static void open_more(const char *path)
{
	static struct lane kept[KEPT];
	static unsigned next;
	struct lane *l = &kept[next++ % KEPT];

	if (next > KEPT)
		drop(l);
	*l = get(path);
	/* One record, and never a doorbell. */
	if (l->base)
		((volatile uint64_t *)l->base)[WRITTEN] = 8;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: hostile scribble|open SOCKET\n", stderr);
		return 2;
	}
	if (!getuid() && (setgid(NOBODY) || setuid(NOBODY)))
		return 1;
	for (;;) {
		if (!strcmp(argv[1], "open"))
			open_more(argv[2]);
		else
			scribble(argv[2]);
	}
}
