/* SPDX-License-Identifier: MIT */
/*
 * The control socket's connections: lines in, answers out, and bounds on
 * everything that a peer can do.
 *
 * The server hands a line of at most SERVER_LINE bytes to its owner, who
 * answers at once or later.  It reads the next line of that connection after
 * the answer is out; meanwhile the kernel holds what the peer sends ahead.
 * There are SERVER_CONNECTIONS, and SERVER_ANSWERS buffers for answers that
 * the kernel did not take at once.  All memory is allocated at the start.
 *
 * All descriptors are in one epoll set, so that the loop watches a single
 * descriptor.  With one call the loop stops watching it when the connections
 * used more than their share of the thread's time: see server_turn().
 *
 * A connection is in one of four states:
 *
 *	free		fd is -1
 *	reading		neither `waiting` nor `answer` is set
 *	waiting		`waiting`: the owner answers later
 *	answering	`answer`: a part of the answer is still to be sent
 *
 *	FROM		TO		[function]
 *	free		reading		[add_connection]
 *	reading		answering	[take_line]
 *	reading		waiting		[take_line]
 *	waiting		answering	[server_begin]
 *	answering	reading		[send_answer]
 *	any		free		[end_connection]
 *
 * Knows no libuv.  Loop thread only.
 */
#ifndef BUFWRITER_SERVER_H
#define BUFWRITER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/stats.h"
#include "daemon/control/text.h"

#define SERVER_LINE 256
#define SERVER_CONNECTIONS 64
/* Numbers that the owner keeps with a connection that waits. */
#define SERVER_WAIT 16
/* Of these, reserved for root and the daemon's own user. */
#define SERVER_RESERVED 4
#define SERVER_ANSWERS 8
/* Longest time between two commands, and for taking an answer. */
#define SERVER_IDLE_NS (30 * CLOCK_SECOND)
#define SERVER_TAKE_NS (10 * CLOCK_SECOND)
/* Events handled before the loop gets its turn. */
#define SERVER_TURN 8
/* Connections get one part in SERVER_SHARE of the loop thread's time ... */
#define SERVER_SHARE 50
/* ... and save up at most this much of it. */
#define SERVER_CREDIT_NS ((int64_t)(10 * CLOCK_MS))

struct answer;

struct connection {
	int fd;	      /* -1: free */
	bool trusted; /* root or the daemon's own user */
	uid_t uid;
	/* the owner's, if it answers later */
	bool waiting;
	uint64_t wait[SERVER_WAIT];
	/* CLOCK_MONOTONIC; the owner sets it for a later answer */
	uint64_t deadline_ns;
	/* private */
	bool ended;	 /* the peer has shut down its side */
	bool last;	 /* close after the answer */
	uint32_t events; /* in the epoll set */
	struct answer *answer;
	unsigned len;
	char line[SERVER_LINE + 1];
};

/*
 * A line of `len` bytes came, without its newline and with a NUL behind it.
 * The owner adds the answer to `out`, without a newline, and returns true; or
 * it sets deadline_ns and wait[], returns false, and answers later.
 */
typedef bool server_line_fn(void *arg, struct connection *c, char *line,
			    size_t len, struct text *out);
/* The deadline of a waiting connection passed: the owner adds the answer. */
typedef void server_late_fn(void *arg, struct connection *c, struct text *out);

struct server {
	/* constant after start */
	int listener; /* the caller's; see server_replace() */
	int epoll;
	server_line_fn *on_line;
	server_late_fn *on_late;
	void *arg;
	/* loop thread */
	struct connection *connections;
	struct answer *answers;
	char *memory;
	unsigned open;
	int64_t credit_ns;    /* of processor time */
	uint64_t refilled_ns; /* CLOCK_MONOTONIC, the last increase of credit */
	struct log_limit limit;
	uint64_t no_accepts; /* failures that the log has not told */
	int no_accept_error;
	struct stats_control stats;
};

/*
 * Serves the listening, non-blocking stream socket.  `room` is the longest
 * answer, with its newline.  0 or -errno.
 */
int server_open(struct server *s, int listener, size_t room,
		server_line_fn *on_line, server_late_fn *on_late, void *arg);
/* Goes on with another listening socket; the connections stay. */
int server_replace(struct server *s, int listener);
/* Closes all connections, not the listening socket. */
void server_close(struct server *s);

/*
 * s->epoll is readable: handles a bounded number of events.  Returns 0, or
 * for how many ns it must not be called, because the connections used up
 * their share of the loop thread's time.
 */
uint64_t server_turn(struct server *s, uint64_t now);
/*
 * Closes idle and slow connections, and says what the log does not know yet.
 * Returns when to call it again (CLOCK_MONOTONIC, ns), 0: no connection is open,
 * and nothing is to be said.
 */
uint64_t server_expire(struct server *s, uint64_t now);

/* The later answer to a waiting connection: begin, fill the text, send. */
struct text *server_begin(struct server *s, struct connection *c);
void server_send(struct server *s, struct connection *c, uint64_t now);

#endif
