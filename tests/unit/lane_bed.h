/* SPDX-License-Identifier: MIT */
/*
 * Lanes without a client's process: the daemon's mapping of a lane, and a
 * second one that stands for the client, which can write any byte of it.
 */
#ifndef BUFWRITER_TESTS_LANE_BED_H
#define BUFWRITER_TESTS_LANE_BED_H

#include "daemon/base/atomic.h"
#include "daemon/region/lane.h"
#include "tests/lib/core.h"

struct client {
	struct lane_head *head;
	uint8_t *data; /* mapped twice in a row */
	uint64_t size;
	uint64_t written; /* the end of the records that it has put */
	int fd;
};

static inline void client_map(struct client *c, int fd, uint64_t size)
{
	const int rw = PROT_READ | PROT_WRITE, at = MAP_SHARED | MAP_FIXED;
	uint8_t *base = mmap(NULL, LANE_HEAD_BYTES + 2 * size, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(base, MAP_FAILED);
	*c = (struct client){ .fd = fd, .size = size };
	c->head = (struct lane_head *)base;
	c->data = base + LANE_HEAD_BYTES;
	ck_assert_ptr_ne(mmap(base, LANE_HEAD_BYTES + size, rw, at, fd, 0),
			 MAP_FAILED);
	ck_assert_ptr_ne(mmap(c->data + size, size, rw, at, fd,
			      LANE_HEAD_BYTES),
			 MAP_FAILED);
}

static inline void client_close(struct client *c)
{
	munmap(c->head, LANE_HEAD_BYTES + 2 * c->size);
	close(c->fd);
}

/* Makes the lane of this entry, and maps it for both. */
static inline void lane_bed_open(struct client *c, struct lane *l,
				 struct lane_entry *e)
{
	int fd = lane_make(e);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lane_map(l, fd, e), 0);
	client_map(c, fd, e->size);
	c->written = load_relaxed(&e->position);
}

/* A record that says `said`, at `written`, which stays. */
static inline void client_record(struct client *c, const void *data,
				 uint32_t len, uint32_t said)
{
	uint8_t *at = c->data + c->written % c->size;
	const uint32_t head[2] = { said, 0 };

	memcpy(at, head, sizeof(head));
	if (len)
		memcpy(at + LANE_RECORD, data, len);
}

static inline void client_set_written(struct client *c, uint64_t written)
{
	atomic_store(&c->head->written, written);
}

static inline void client_put(struct client *c, const void *data, uint32_t len)
{
	client_record(c, data, len, len);
	c->written += lane_record_bytes(len);
	client_set_written(c, c->written);
}

static inline void client_put_text(struct client *c, const char *text)
{
	client_put(c, text, (uint32_t)strlen(text));
}

static inline bool client_has_room(const struct client *c, uint32_t len)
{
	return c->written + lane_record_bytes(len) -
		       atomic_load(&c->head->read) <=
	       c->size;
}

#endif
