/* SPDX-License-Identifier: MIT */
/*
 * FLUSH of the lanes' clients: what a client wrote or sent before is in files
 * when the answer comes, and the answer says how many messages were dropped
 * since the last one (I7).
 *
 *	FROM	TO	[function]
 *	NONE	READING	[lane_flush_request: marks what is in the sockets'
 *			 queues]
 *	READING	READ	[go_on: that is in the ring]
 *	READ	BEGUN	[go_on: the workers are told, LANE_FLUSH_PAUSE_MS after
 *			 the last time or later]
 *	BEGUN	NONE	[lane_flush_notified: all workers have done it, and the
 *			 client is answered]
 *
 * Each flush makes files, hence the pause.  All clients that are READ at its end
 * share one flush.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_LANE_FLUSH_H
#define BUFWRITER_LANE_FLUSH_H

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
	uv_timer_t timer; /* the pause, until the next flush may begin */
};

/* The pointers outlive it. */
void lane_flush_open(struct lane_flush *f, uv_loop_t *uv,
		     struct lane_clients *clients, struct listener *listener,
		     struct workers *workers);
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
