/* SPDX-License-Identifier: MIT */
/*
 * The control socket's connections: lines in, answers out, and bounds on
 * everything a peer can do.
 *
 * A line of at most SERVER_LINE bytes is handed to the owner, who answers at
 * once or later.  The next line of that connection is not looked at before
 * the answer is out; the kernel holds what a peer sends ahead.  There are
 * SERVER_CONNECTIONS, and SERVER_ANSWERS buffers for answers that the kernel
 * did not take at once.  All memory is there from the start.
 *
 * All descriptors are in one epoll set of the server's own, so that the loop
 * watches a single one, and stops watching it with one call when the
 * connections took more than their share of its time: see server_turn().
 *
 * Knows no libuv.  Loop thread only.
 */
#ifndef BUFWRITER_SERVER_H
#define BUFWRITER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/control/text.h"
#include "daemon/base/log.h"
#include "daemon/base/stats.h"

#define SERVER_LINE 256
#define SERVER_CONNECTIONS 64
/* Of these, kept for root and the daemon's own user. */
#define SERVER_RESERVED 4
#define SERVER_ANSWERS 8
/* Longest time between two commands, and for taking an answer. */
#define SERVER_IDLE (30 * UINT64_C(1000000000))
#define SERVER_TAKE (10 * UINT64_C(1000000000))
/* Events dealt with before the loop gets its turn. */
#define SERVER_TURN 8
/* The share of the loop thread's time is one in so many ... */
#define SERVER_SHARE 50
/* ... and may be saved up to this. */
#define SERVER_CREDIT INT64_C(10000000)

struct answer;

struct connection {
	int fd;	      /* -1: free */
	bool trusted; /* root or the daemon's own user */
	uid_t uid;
	/* for the owner, who answers later */
	bool waiting;
	uint64_t wait[4];
	/* private */
	uint64_t deadline; /* CLOCK_MONOTONIC; while waiting the owner's */
	bool ended;	   /* the peer sends no more */
	bool last;	   /* to be closed after the answer */
	uint32_t events;   /* watched */
	struct answer *answer;
	unsigned len;
	char line[SERVER_LINE + 1];
};

/*
 * One line, without its newline, len bytes, NUL behind them.  The owner adds
 * the answer to `out`, also without newline, and returns true; or sets
 * deadline and wait[], returns false, and answers later.
 */
typedef bool server_line_fn(void *arg, struct connection *c, char *line,
			    size_t len, struct text *out);
/* The deadline of a waiting connection has passed: add the answer. */
typedef void server_late_fn(void *arg, struct connection *c, struct text *out);

struct server {
	/* constant after start */
	int listener; /* the caller's */
	int epoll;
	server_line_fn *on_line;
	server_late_fn *on_late;
	void *arg;
	/* loop thread */
	struct connection *connections;
	struct answer *answers;
	char *memory;
	unsigned open;
	int64_t credit;	   /* ns of processor time */
	uint64_t refilled; /* CLOCK_MONOTONIC, when credit was last given */
	struct log_limit limit;
	struct stats_control stats;
};

/*
 * Serves the listening, non-blocking stream socket.  `room` is the longest
 * answer, with its newline.  0 or -errno.
 */
int server_open(struct server *s, int listener, size_t room,
		server_line_fn *on_line, server_late_fn *on_late, void *arg);
/* Closes all connections, not the listening socket. */
void server_close(struct server *s);

/*
 * s->epoll is readable: deals with a bounded number of events.  Returns 0,
 * or the time in ns for which it must not be called, because the share of
 * the loop thread's time is used up.
 */
uint64_t server_turn(struct server *s, uint64_t now);
/*
 * Closes what is idle or slow.  Returns when to call it again,
 * CLOCK_MONOTONIC, 0: no connection is open.
 */
uint64_t server_expire(struct server *s, uint64_t now);

/* The later answer to a waiting connection: fill, then send. */
struct text *server_begin(struct server *s, struct connection *c);
void server_send(struct server *s, struct connection *c, uint64_t now);

#endif
