/* SPDX-License-Identifier: MIT */
/*
 * The lanes' socket: accepts connections and gives each request to the file
 * that knows the answer.  bufwriter-lanes(7) describes the packets.
 *
 *	lane_clients.h	connections: packets, answers, doorbells, bounds
 *	lane_store.h	lanes in systemd's store
 *	lane_handout.h	OPEN: who gets a lane, and how it is made
 *	lane_end.h	the end of a lane, and ASK
 *	lane_flush.h	FLUSH
 *	lane_rest.h	what a stop leaves in lanes
 *	lane_restore.h	the lanes of a former life
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_LANE_SERVER_H
#define BUFWRITER_LANE_SERVER_H

#include <stdbool.h>
#include <uv.h>

#include "conf/config.h"
#include "daemon/intake/lane_clients.h"
#include "daemon/intake/lane_end.h"
#include "daemon/intake/lane_flush.h"
#include "daemon/intake/lane_handout.h"
#include "daemon/intake/lane_rest.h"
#include "daemon/intake/lane_store.h"
#include "daemon/intake/listener.h"
#include "daemon/worker/workers.h"

/* New connections that one turn takes ... */
#define LANE_SERVER_ACCEPTS 8
/* ... and how long accepting pauses after a turn that took so many. */
#define LANE_SERVER_PAUSE_MS 5
/* The same after an error, such as no free descriptor. */
#define LANE_SERVER_ERROR_PAUSE_MS 100

struct lane_server {
	/* constant after lane_server_open() */
	int fd; /* listening, the caller's */
	/* loop thread */
	uv_poll_t accepts;
	uv_timer_t accept_timer; /* until new ones are accepted */
	struct lane_clients clients;
	struct lane_store store;
	struct lane_handout handout;
	struct lane_end end;
	struct lane_flush flush;
	bool open, accepting, stopping;
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
/* How many lanes are open. */
static inline unsigned lane_server_lanes(const struct lane_server *s)
{
	return s->handout.lanes;
}
/* How many copies of lanes the start could not read. */
static inline unsigned lane_server_unread(const struct lane_server *s)
{
	return s->handout.unread;
}
/*
 * The workers take nothing more.  What is left in lanes is kept for the next
 * start, see lane_rest.h.
 */
void lane_server_keep(struct lane_server *s, struct lane_rest *rest);
/*
 * The same, afterwards: closes all connections.  The loop must run once more.
 * Harmless if never opened.
 */
void lane_server_close(struct lane_server *s);

#endif
