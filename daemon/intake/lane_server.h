/* SPDX-License-Identifier: MIT */
/*
 * The lanes' socket: gives lanes out, hears the doorbells, and learns from the
 * end of a connection that its client is gone.  One connection is one lane.
 * bufwriter-lanes(7) describes the packets.
 *
 * What a client can cost is bounded: connections and lanes in all and of one
 * user, packets and new connections a turn, and a connection that rang, or sent
 * more than a turn takes, is not looked at for LANE_PAUSE_MS.  The daemon takes
 * no descriptor from a client.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_LANE_SERVER_H
#define BUFWRITER_LANE_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "conf/config.h"
#include "daemon/intake/lane_report.h"
#include "daemon/intake/listener.h"
#include "daemon/intake/lane_wire.h"
#include "daemon/worker/workers.h"

#define LANE_PAUSE_MS 1
/* New connections and packets of one connection that one turn takes. */
#define LANE_ACCEPTS 8
#define LANE_PACKETS 16
/* How long accepting pauses after a turn that took LANE_ACCEPTS. */
#define LANE_ACCEPT_PAUSE_MS 5
/* The same after an error, such as no free descriptor. */
#define LANE_NO_ACCEPT_PAUSE_MS 100
/* Large lanes at one time, in all and of one user. */
#define LANE_LARGE_MOST 2
#define LANE_LARGE_SHARE 1
/* How long a connection may have no lane and ask for nothing. */
#define LANE_IDLE_MS 5000
/* Connections beyond those that have a lane. */
#define LANE_SPARE 16
/* The pause between two flushes that clients ask for: each makes files. */
#define LANE_FLUSH_PAUSE_MS 50

#define LANE_NO_SLOT UINT32_MAX

/* A connection. */
struct lane_client {
	uv_poll_t poll;
	struct lane_server *server;
	int fd;	      /* -1: not in use */
	bool closing; /* libuv still has the handle */
	bool paused;
	uint32_t slot; /* of its lane, or LANE_NO_SLOT */
	uid_t uid;
	pid_t pid;
	uint64_t idle_ns; /* without a lane: since when */
	uint64_t asks;	  /* the lane of an ASK without an answer yet, or 0 */
	/* FLUSH */
	bool flushes;
	uint64_t flush_number;	/* of the client */
	uint64_t flush_request; /* of workers_flush(), 0: not begun */
	uint64_t told;		/* drops of which it knows */
};

struct lane_server {
	/* constant after lane_server_open() */
	struct workers *workers;
	struct listener *listener;
	uint64_t count, size, large; /* [lanes] */
	struct lane_table *table;
	uint64_t clients_most;
	/* loop thread */
	int fd; /* listening, the caller's; -1: there are no lanes */
	struct lane_client *client; /* clients_most of them */
	uv_poll_t accepts;
	uv_timer_t tick;	 /* until paused connections are looked at */
	uv_timer_t accept_timer; /* until new ones are accepted */
	uv_timer_t flush_timer;	 /* until the next flush may begin */
	uv_timer_t idle_timer;
	/* ids of lanes that systemd has not been told to forget yet */
	uint64_t *owed;
	uint64_t owed_count, owed_most;
	uint64_t ended;	  /* lanes whose end was dealt with */
	bool catching_up; /* a flush waits for the socket's queue ... */
	struct listener_mark mark; /* ... as it was then */
	bool open, stopping;
	unsigned lanes; /* open */
	struct lane_report report;
};

/*
 * Begins to serve `fd`, a listening, non-blocking SOCK_SEQPACKET socket, which
 * stays the caller's; -1: there is none.  Goes on with the lanes that systemd
 * had stored.  All arguments outlive it.  0 or -errno.
 */
int lane_server_open(struct lane_server *s, uv_loop_t *uv, int fd,
		     struct workers *workers, struct lane_table *table,
		     struct listener *listener, const struct config *cfg,
		     unsigned stored);
/* A worker notified: lanes may have ended, a flush may be complete. */
void lane_server_notified(struct lane_server *s);
/*
 * The daemon stops: no new lanes.  What is written by now is taken, and clients
 * learn what was not.
 */
void lane_server_stop(struct lane_server *s);
/* After that: have all lanes ended? */
static inline bool lane_server_is_quiet(const struct lane_server *s)
{
	return !s->lanes;
}
/*
 * The workers take nothing more: tells the clients of the lanes that are left
 * how far they were taken.  Closes all connections; the loop must run once
 * more.  Harmless if never opened.
 */
void lane_server_close(struct lane_server *s);

/* For lane_restore.c: a connection of this client; NULL: there is no room. */
struct lane_client *lane_server_connect(struct lane_server *s, int fd);
/* The name of a lane in systemd's store; `connection`: of its connection. */
void lane_stored_name(char *name, uint64_t id, bool connection);
/* systemd forgets this lane, now or as soon as its queue has room. */
void lane_server_forget(struct lane_server *s, uint64_t id);
/* Takes what systemd had stored. */
void lane_restore(struct lane_server *s, unsigned stored);

#endif
