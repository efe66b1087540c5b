/* SPDX-License-Identifier: MIT */
/*
 * A client of the lane format, written from bufwriter-lanes(7) and without the
 * library: what a program in another language would do, one step a function,
 * and what a hostile one would do.  It shares no header with the daemon.
 */
#ifndef BUFWRITER_TEST_LANE_CLIENT_H
#define BUFWRITER_TEST_LANE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define LANE_TEST_SIZE 262144

/* Values of `attended`. */
enum { ASLEEP, CLOSED };
/* In `written`: the daemon takes nothing behind it. */
#define SEALED UINT64_C(1)

/* Words of the head, as offsets. */
enum {
	AT_SIZE = 16,
	AT_ID = 24,
	AT_WRITTEN = 64,
	AT_READ = 128,
	AT_ATTENDED = 136,
	AT_FINAL = 144,
	AT_ROOM_WAKE = 152,
	AT_WAITERS = 192,
};

struct lane_client {
	int fd;	       /* the connection */
	int memory;    /* the memfd */
	uint8_t *head; /* NULL: no lane */
	uint8_t *data; /* mapped twice */
	uint64_t size, id;
	uint64_t written;
	uint64_t rings;
};

/* Answer to a request. */
struct lane_reply {
	int32_t status;
	uint64_t value1, value2;
};

/* The bed's lanes socket. */
const char *lane_path(void);
/* Connects; the lane is not open yet.  -errno if nobody listens. */
int lane_connect(struct lane_client *c);
/* Sends a request of this type. */
void lane_request(struct lane_client *c, uint32_t type, uint64_t value);
/*
 * Waits for the answer; -ECONNRESET as status: the connection ended.  *memory
 * is the descriptor that came with it, or -1.
 */
struct lane_reply lane_reply(struct lane_client *c, int *memory);
/* After an answer to OPEN, with c->memory: maps the lane. */
void lane_use(struct lane_client *c, const struct lane_reply *reply);
/* Connects and opens a lane; the status. */
int lane_open(struct lane_client *c);
/* The same, again until the daemon gives one. */
void lane_open_wait(struct lane_client *c);
/* Ends the connection and unmaps. */
void lane_end(struct lane_client *c);

/* A word of the head. */
uint64_t lane_get(const struct lane_client *c, unsigned offset);
void lane_set(struct lane_client *c, unsigned offset, uint64_t value);

/* Is there room for a message of this length? */
bool lane_has_room(const struct lane_client *c, uint32_t len);
bool lane_is_sealed(const struct lane_client *c);
/*
 * Puts the record and moves `written`, and does nothing else.  False: the lane
 * is sealed, and the record is not in it.
 */
bool lane_publish(struct lane_client *c, const void *data, uint32_t len);
void lane_ring(struct lane_client *c);
/* Waits in the futex until the daemon took something, 50 ms at most. */
void lane_wait(struct lane_client *c);
/*
 * A whole write, as the library's: waits for room, publishes, rings if nobody
 * looks.  False: the lane is sealed, and the record is not in it.
 */
bool lane_write(struct lane_client *c, const void *data, uint32_t len);

#endif
