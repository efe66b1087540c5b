/* SPDX-License-Identifier: MIT */
/*
 * The connections to the lanes' socket: packets in, answers out, and bounds on
 * what a client can cost.  One connection is for one lane: when it ends, the
 * lane is read to its end.
 *
 * A turn takes LANE_CLIENTS_PACKETS packets of a connection.  One that rang the
 * doorbell, or sent more, is not looked at for LANE_CLIENTS_PAUSE_MS.  One that
 * has no lane and asks for nothing is closed after LANE_CLIENTS_IDLE_MS.  The
 * daemon takes no descriptor from a client.
 *
 * What a request means is the owner's business.  Loop thread only.
 */
#ifndef BUFWRITER_LANE_CLIENTS_H
#define BUFWRITER_LANE_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/base/stats.h"
#include "daemon/intake/lane_report.h"
#include "daemon/intake/lane_wire.h"
#include "daemon/intake/listener.h"
#include "daemon/worker/workers.h"

#define LANE_CLIENTS_PACKETS 16
#define LANE_CLIENTS_PAUSE_MS 1
#define LANE_CLIENTS_IDLE_MS 5000
/* Connections beyond those that have a lane. */
#define LANE_CLIENTS_SPARE 16

#define LANE_NO_SLOT UINT32_MAX

/* Where its FLUSH is, see lane_flush.h. */
enum lane_client_flush {
	LANE_CLIENT_NONE,
	LANE_CLIENT_READING,
	LANE_CLIENT_READ,
	LANE_CLIENT_BEGUN
};

/* A connection. */
struct lane_client {
	/* private */
	uv_poll_t poll;
	struct lane_clients *all;
	int fd;	      /* -1: not in use */
	bool closing; /* libuv still has the handle */
	bool paused;
	/* since when it has neither a lane nor a question */
	uint64_t idle_ns;
	/* constant while it is connected */
	uid_t uid;
	pid_t pid;
	/* lane_handout.c */
	uint32_t slot; /* of its lane, or LANE_NO_SLOT */
	/* lane_end.c */
	uint64_t asks; /* the lane of an ASK without an answer yet, or 0 */
	/* lane_flush.c */
	enum lane_client_flush flush;
	uint64_t flush_number;		 /* the client's, for the answer */
	struct listener_mark flush_mark; /* of when it came */
	uint64_t flush_request;		 /* BEGUN: of workers_flush() */
	uint64_t told;			 /* drops of which it knows */
};

/* A request came.  The owner answers it, now or later, or disconnects. */
typedef void lane_clients_request_fn(void *arg, struct lane_client *c,
				     const struct lane_request *request);

struct lane_clients {
	/* constant after lane_clients_open() */
	struct workers *workers;
	struct stats_listener *stats;
	lane_clients_request_fn *on_request;
	void *arg;
	uint64_t most;
	/* loop thread */
	struct lane_client *list; /* `most` of them */
	uv_timer_t pause_timer;	  /* until paused ones are looked at */
	uv_timer_t idle_timer;
	struct lane_report report; /* what the log says of them */
};

/*
 * Room for the clients of so many lanes.  The pointers outlive it.  0 or
 * -ENOMEM.
 */
int lane_clients_open(struct lane_clients *cs, uv_loop_t *uv, uint64_t lanes,
		      struct workers *workers, struct stats_listener *stats,
		      lane_clients_request_fn *on_request, void *arg);
/*
 * Closes all connections, without a word to the workers about their lanes.  The
 * loop must run once more.
 */
void lane_clients_close(struct lane_clients *cs);

/* Serves this connection, which is given up to it.  NULL: there is no room, and
 * `fd` stays the caller's. */
struct lane_client *lane_clients_add(struct lane_clients *cs, int fd);
/* The client of the lane in this slot; NULL: the lane has none any more. */
struct lane_client *lane_clients_find(const struct lane_clients *cs,
				      uint32_t slot);
/* How many connections this user has. */
uint64_t lane_clients_count(const struct lane_clients *cs, uid_t uid);

/*
 * Sends an answer, with this descriptor unless it is -1.  False: the connection
 * cannot take it, and is closed.
 */
bool lane_clients_answer(struct lane_client *c, int status, uint64_t value1,
			 uint64_t value2, int fd);
/* Answers -EAGAIN and closes: the program asks again soon, as it should. */
void lane_clients_put_off(struct lane_client *c);
/* Counts the refusal, reports it, answers with this -errno, and closes. */
void lane_clients_refuse(struct lane_client *c, int err);
/* Closes.  Its lane, if it has one, is read to what is written by now. */
void lane_clients_disconnect(struct lane_client *c);

#endif
