/* SPDX-License-Identifier: MIT */
/*
 * FLUSH of the lanes' clients: what a client wrote or sent before is in files
 * when the answer comes, and the answer says how many messages were dropped
 * since the last one (I7).
 *
 * Each flush makes files, so there are LANE_FLUSH_PAUSE_MS between two of them.
 * All clients that wait at the end of a pause share one:
 *
 *	the pause ends		mark: the datagrams in the sockets' queues
 *	they are read		workers_flush(): lanes, ring and arenas
 *	all workers have done	answers
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_LANE_FLUSH_H
#define BUFWRITER_LANE_FLUSH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/intake/lane_clients.h"
#include "daemon/intake/listener.h"
#include "daemon/worker/workers.h"

#define LANE_FLUSH_PAUSE_MS 50

struct lane_flush {
	/* constant after lane_flush_open() */
	struct lane_clients *clients;
	struct listener *listener;
	struct workers *workers;
	/* loop thread */
	uv_timer_t timer; /* until the next flush may begin */
	bool catching_up; /* the datagrams at the mark are not read yet */
	struct listener_mark mark;
};

/* The pointers outlive it. */
void lane_flush_open(struct lane_flush *f, uv_loop_t *uv,
		     struct lane_clients *clients, struct listener *listener,
		     struct workers *workers);
/* The daemon stops: no further flush begins. */
void lane_flush_stop(struct lane_flush *f);
/* The loop must run once more. */
void lane_flush_close(struct lane_flush *f);

/* A new client is told of no drop that was before it. */
void lane_flush_greet(const struct lane_flush *f, struct lane_client *c);
/* FLUSH of this client, which gives it this number. */
void lane_flush_request(struct lane_flush *f, struct lane_client *c,
			uint64_t number);
/* A worker notified: a flush may be complete, or the listener may read again. */
void lane_flush_notified(struct lane_flush *f);

#endif
