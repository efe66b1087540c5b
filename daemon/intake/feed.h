/* SPDX-License-Identifier: MIT */
/*
 * From the ring to the workers.  The listener publishes messages in the ring;
 * what becomes of them next is decided here.
 *
 * The loop thread puts messages into an arena as soon as it has received them,
 * see workers_take().  What stays in the ring does not wake a worker with each
 * batch: that would cost two context switches for a few messages.  Workers are
 * woken when the ring is full, or FEED_WAKE_MS after the first message that
 * stayed; a message is as safe in the ring as in an arena, and its age counts
 * from its receipt.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_FEED_H
#define BUFWRITER_FEED_H

#include <stdint.h>
#include <uv.h>

#include "daemon/worker/workers.h"

#define FEED_WAKE_MS 1

struct feed {
	/* constant after feed_begin(), NULL before */
	struct workers *workers;
	/* loop thread */
	uv_timer_t wake_timer;	   /* until workers are woken for the rest */
	uv_timer_t deadline_timer; /* until an arena that this thread filled
				      becomes buffer.forced old */
	uint64_t ring_high;	   /* most messages that waited in the ring */
};

void feed_open(struct feed *f, uv_loop_t *uv);
/* There are workers, and a ring, from now on.  They stay the caller's. */
void feed_begin(struct feed *f, struct workers *workers);
/* Closes the timers; the loop must run once more for that. */
void feed_close(struct feed *f);

/* Messages were published: this thread puts them into arenas itself. */
void feed_arenas(struct feed *f);
/* After the last batch of a turn: what stayed in the ring is for the workers. */
void feed_workers(struct feed *f);
/* No slot is free: a worker must make room now. */
void feed_wake(struct feed *f);
/* The workers get new settings.  Each is woken for them, and then watches the
 * time of its arena. */
void feed_configure(struct feed *f);

#endif
