/* SPDX-License-Identifier: MIT */
/*
 * What the log says about messages that were dropped or could not be received.
 * The listener counts them; this file reports them, each kind in a line of
 * report.h.  Loop thread only.
 */
#ifndef BUFWRITER_DROPS_H
#define BUFWRITER_DROPS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/intake/report.h"
#include "daemon/intake/senders.h"

/* Messages larger than socket.max_message, from a socket or a lane. */
struct drops_large {
	uint64_t count;
	uint64_t bytes;	  /* of all of them */
	uint64_t largest; /* bytes of the largest one */
};

struct drops {
	struct report report;
	/* not in the log yet */
	struct drops_large large;
	uint64_t allowed_bytes;	 /* socket.max_message */
	uint64_t errors;	 /* failures of recvmmsg(2) ... */
	int error;		 /* ... and the last errno */
	uint64_t limited;	 /* dropped because of senders.rate ... */
	struct senders *senders; /* ... and who sent them */
	uint64_t full;		 /* dropped without a free slot */
	uint64_t full_since_ns;	 /* start of the drops not reported yet */
	uint64_t read_since_ns;	 /* when the listener last read again */
	struct log_limit limit_dropping;
};

void drops_open(struct drops *d, uv_loop_t *uv);
/* Reports what is left. */
void drops_say(struct drops *d);
/* The same, and closes the timer; the loop must run once more. */
void drops_close(struct drops *d);

/* These were larger than allowed_bytes, and were dropped. */
void drops_too_large(struct drops *d, const struct drops_large *some,
		     uint64_t allowed_bytes);
/* So many were dropped because these senders are over their limit. */
void drops_limited(struct drops *d, uint64_t count, struct senders *senders);
/* recvmmsg(2) failed with this errno. */
void drops_receive_failed(struct drops *d, int error);
/* The ring has become full: what is dropped from now on counts from here. */
void drops_ring_full(struct drops *d);
/*
 * So many datagrams were dropped because the ring is full; `recovering`:
 * because the start still recovers, and there is no ring yet.
 */
void drops_dropping(struct drops *d, unsigned dropped, bool recovering);
/* The ring has room again: reports what was dropped. */
void drops_resumed(struct drops *d);

#endif
