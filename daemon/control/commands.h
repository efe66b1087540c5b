/* SPDX-License-Identifier: MIT */
/*
 * The commands of the control socket: ping, status, metrics, flush, reload;
 * bufwriter-control(7) documents them.  Here is what they need: the
 * connections that they come from, the numbers that they show, and room for
 * their answers.
 *
 * Knows no libuv: control.c watches the server's descriptors and its times.
 * Loop thread only.
 */
#ifndef BUFWRITER_COMMANDS_H
#define BUFWRITER_COMMANDS_H

#include <stdbool.h>

#include "daemon/control/dropped.h"
#include "daemon/control/health.h"
#include "daemon/control/rate.h"
#include "daemon/control/server.h"
#include "daemon/control/snapshot.h"
#include "daemon/control/text.h"

struct commands {
	/* constant after start */
	struct sources from;
	bool serving; /* the server is open */
	char *memory; /* of scratch */
	/* loop thread */
	struct server server;
	struct rate rate;
	struct snapshot snapshot;
	struct health health; /* of the snapshot */
	struct text scratch;
	struct dropped told; /* drops that a flush has been told of */
	bool stopping;	     /* flush and reload are refused */
};

/*
 * Serves the listening, non-blocking stream socket, which stays the
 * caller's; -1: there is none, and only commands_note() and
 * commands_metrics() are of use.  0 or -errno.
 */
int commands_open(struct commands *c, int listener, const struct sources *from);
/*
 * Answers the connections that wait for a flush, and closes all.
 * `flushed`: every message is in a file.  Harmless if never opened.
 */
void commands_close(struct commands *c, bool flushed);

/*
 * Before the loop sleeps: notes what the counters are, for the rates.  Does
 * next to nothing.
 */
void commands_note(struct commands *c);
/* The text of the metrics file, as of now. */
void commands_metrics(struct commands *c, struct text *out);
/* Answers the connections whose flush is complete by now. */
void commands_check_flushes(struct commands *c);

#endif
