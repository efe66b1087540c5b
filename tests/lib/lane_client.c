/* SPDX-License-Identifier: MIT */
/* See lane_client.h. */
#define _GNU_SOURCE
#include "tests/lib/lane_client.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/bed.h"

#define HEAD 4096
#define MAGIC 0x314c5742

const char *lane_path(void)
{
	return bed_text("%s.lanes", bed.sock);
}

int lane_connect(struct lane_client *c)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memset(c, 0, sizeof(*c));
	c->memory = -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", lane_path());
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(c->fd, 0);
	if (!connect(c->fd, (const void *)&addr, sizeof(addr)))
		return 0;
	close(c->fd);
	c->fd = -1;
	return -errno;
}

void lane_request(struct lane_client *c, uint32_t type, uint64_t value)
{
	struct {
		uint32_t magic, type;
		uint64_t value;
	} packet = { MAGIC, type, value };

	(void)send(c->fd, &packet, sizeof(packet), MSG_NOSIGNAL);
}

struct lane_reply lane_reply(struct lane_client *c, int *memory)
{
	struct {
		uint32_t magic;
		int32_t status;
		uint64_t value1, value2;
	} packet = { 0 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &packet, sizeof(packet) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *h;

	if (memory)
		*memory = -1;
	if (recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC) != sizeof(packet))
		return (struct lane_reply){ .status = -ECONNRESET };
	ck_assert_uint_eq(packet.magic, MAGIC);
	h = CMSG_FIRSTHDR(&msg);
	if (h && memory)
		memcpy(memory, CMSG_DATA(h), sizeof(int));
	return (struct lane_reply){ packet.status, packet.value1,
				    packet.value2 };
}

static void map(struct lane_client *c)
{
	uint8_t *at = mmap(NULL, HEAD + 2 * c->size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rw = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;

	ck_assert_ptr_ne(at, MAP_FAILED);
	ck_assert_ptr_ne(mmap(at, HEAD + c->size, rw, flags, c->memory, 0),
			 MAP_FAILED);
	ck_assert_ptr_ne(mmap(at + HEAD + c->size, c->size, rw, flags,
			      c->memory, HEAD),
			 MAP_FAILED);
	c->head = at;
	c->data = at + HEAD;
}

void lane_use(struct lane_client *c, const struct lane_reply *reply)
{
	ck_assert_int_ge(c->memory, 0);
	c->id = reply->value1;
	c->size = reply->value2;
	map(c);
	ck_assert_str_eq((char *)c->head, "BWLANE2");
	ck_assert_uint_eq(lane_get(c, AT_ID), c->id);
	ck_assert_uint_eq(lane_get(c, AT_SIZE), c->size);
}

int lane_open(struct lane_client *c)
{
	struct lane_reply reply;
	int err = lane_connect(c);

	if (err)
		return err;
	lane_request(c, 1, 0);
	reply = lane_reply(c, &c->memory);
	if (reply.status) {
		close(c->fd);
		c->fd = -1;
		return reply.status;
	}
	lane_use(c, &reply);
	return 0;
}

void lane_open_wait(struct lane_client *c)
{
	UNTIL(!lane_open(c));
}

void lane_end(struct lane_client *c)
{
	if (c->head)
		munmap(c->head, HEAD + 2 * c->size);
	if (c->memory >= 0)
		close(c->memory);
	if (c->fd >= 0)
		close(c->fd);
	memset(c, 0, sizeof(*c));
	c->fd = c->memory = -1;
}

uint64_t lane_get(const struct lane_client *c, unsigned offset)
{
	return atomic_load_explicit((_Atomic uint64_t *)(c->head + offset),
				    memory_order_acquire);
}

void lane_set(struct lane_client *c, unsigned offset, uint64_t value)
{
	atomic_store_explicit((_Atomic uint64_t *)(c->head + offset), value,
			      memory_order_seq_cst);
}

static uint64_t record_bytes(uint32_t len)
{
	return 8 + ((uint64_t)len + 7) / 8 * 8;
}

bool lane_has_room(const struct lane_client *c, uint32_t len)
{
	return c->size - (c->written - lane_get(c, AT_READ)) >=
	       record_bytes(len);
}

bool lane_is_sealed(const struct lane_client *c)
{
	return lane_get(c, AT_WRITTEN) & SEALED;
}

bool lane_publish(struct lane_client *c, const void *data, uint32_t len)
{
	uint8_t *at = c->data + c->written % c->size;
	uint64_t from = c->written;

	memcpy(at + 8, data, len);
	memcpy(at, &len, sizeof(len));
	memset(at + 4, 0, 4);
	/* seq_cst: before `attended` is read */
	if (!atomic_compare_exchange_strong(
		    (_Atomic uint64_t *)(c->head + AT_WRITTEN), &from,
		    from + record_bytes(len)))
		return false;
	c->written += record_bytes(len);
	return true;
}

void lane_ring(struct lane_client *c)
{
	c->rings++;
	(void)send(c->fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void lane_wait(struct lane_client *c)
{
	_Atomic uint32_t *wake = (_Atomic uint32_t *)(c->head + AT_ROOM_WAKE);
	_Atomic uint32_t *waiters = (_Atomic uint32_t *)(c->head + AT_WAITERS);
	struct timespec ts = { .tv_nsec = 50000000 };
	uint64_t read = lane_get(c, AT_READ);
	uint32_t seen = atomic_load(wake);

	atomic_store(waiters, 1);
	if (lane_get(c, AT_READ) == read && !lane_is_sealed(c))
		syscall(SYS_futex, wake, FUTEX_WAIT, seen, &ts, NULL, 0);
	atomic_store(waiters, 0);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Rings if nobody promised to look. */
static void look(struct lane_client *c)
{
	if (lane_get(c, AT_ATTENDED) <= now_ms())
		lane_ring(c);
}

bool lane_write(struct lane_client *c, const void *data, uint32_t len)
{
	while (!lane_has_room(c, len)) {
		if (lane_is_sealed(c))
			return false;
		look(c);
		lane_wait(c);
	}
	if (!lane_publish(c, data, len))
		return false;
	look(c);
	return true;
}
