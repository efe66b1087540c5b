/* SPDX-License-Identifier: MIT */
/*
 * What the log says about dropped datagrams.  The listener counts them; this
 * file reports them, at a bounded rate, and leaves none out: while the rate
 * limit holds a report back, a timer waits for the moment when it may go.
 * Loop thread only.
 */
#ifndef BUFWRITER_DROPS_H
#define BUFWRITER_DROPS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/base/log.h"
#include "daemon/base/stats.h"

struct drops {
	/* constant after start */
	const stats_counter *ring_full; /* the listener's counter */
	/* loop thread */
	uv_timer_t report_timer; /* until the rate limit allows a report */
	bool full;		 /* the ring is, see drops_ring_full() */
	uint64_t reported;	 /* of *ring_full, in the log */
	uint64_t full_since_ns;	 /* start of the drops not reported yet */
	uint64_t read_since_ns;	 /* when the listener last read again */
	struct log_limit limit_large;
	struct log_limit limit_dropping;
	struct log_limit limit_resumed;
};

void drops_open(struct drops *d, uv_loop_t *uv, const stats_counter *ring_full);
/* Closes the timer; the loop must run once more for that. */
void drops_close(struct drops *d);

/* A datagram of `bytes` was larger than `allowed`, and was dropped. */
void drops_too_large(struct drops *d, uint64_t bytes, uint64_t allowed);
/* The ring has become full: what is dropped from now on counts from here. */
void drops_ring_full(struct drops *d);
/* Datagrams were dropped because the ring is full. */
void drops_dropping(struct drops *d);
/* The ring has room again: reports what was dropped. */
void drops_resumed(struct drops *d);

#endif
