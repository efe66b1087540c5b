/* SPDX-License-Identifier: MIT */
/*
 * The shipper: looks for files, runs the command for the oldest of them, and
 * decides what comes next.  A state machine on one loop:
 *
 *   LOCK ──▶ SCAN ──▶ RUN ──▶ PAUSE ──▶ SCAN or RUN
 *
 *   LOCK   another shipper works on the directory   1 s, then again
 *   SCAN   a thread reads the directory
 *   RUN    the command works
 *   PAUSE  ship.interval, or the back-off after a failure
 *
 * A signal ends each of them.  Only the scan runs in another thread.
 */
#ifndef BUFWRITER_SHIPPER_H
#define BUFWRITER_SHIPPER_H

#include <stdbool.h>

#include "client/ship/order.h"
#include "conf/config.h"

struct shipper_options {
	const struct config *cfg;
	const struct order *order;
	int dir;   /* descriptor of files.path */
	bool once; /* end when what is there now has been shipped */
};

/* Works until a signal comes, or with `once` is done.  The exit status. */
int shipper_run(const struct shipper_options *options);

#endif
