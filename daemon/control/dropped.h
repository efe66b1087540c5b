/* SPDX-License-Identifier: MIT */
/*
 * Dropped datagrams by reason, and the recent ones, which make the daemon
 * degraded.
 *
 * The minute of the rates is too short for that: a monitor that asks every
 * five minutes must learn of every drop.  So recent drops are a run of drops
 * without a pause of DROPPED_RECENT_NS, up to the same time after the last
 * one.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_DROPPED_H
#define BUFWRITER_DROPPED_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/clock.h"
#include "daemon/base/stats.h"

/* Twice as long as monitors wait between two questions. */
#define DROPPED_RECENT_NS (600 * CLOCK_SECOND)

struct dropped {
#define DROPPED(name, doc) uint64_t name;
#include "daemon/base/stats.def"
};

struct dropped_run {
	struct dropped noted;  /* by the last call of dropped_note() */
	struct dropped before; /* before the first drop of the run */
	uint64_t first_ns; /* CLOCK_MONOTONIC, of the run; 0: no drop ever */
	uint64_t last_ns;
};

/* Reads the counters. */
void dropped_read(struct dropped *d, const struct stats_listener *from);
/* What was counted in `now` and not yet in `before`. */
struct dropped dropped_since(const struct dropped *before,
			     const struct dropped *now);
/* For all reasons together. */
uint64_t dropped_sum(const struct dropped *d);

/*
 * Compares the counters with those of the call before.  A new drop counts as
 * of now, so this is called whenever the loop thread has received.
 */
void dropped_note(struct dropped_run *run, const struct stats_listener *from,
		  uint64_t now_ns);
/* The drops of the run if it is recent; else nothing. */
struct dropped dropped_recent(const struct dropped_run *run, uint64_t now_ns);

#endif
