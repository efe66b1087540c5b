/* SPDX-License-Identifier: MIT */
/*
 * What operators see of the daemon: the control socket, the metrics file and
 * the status line for systemd.  bufwriter-control(7) documents the protocol.
 *
 * Loop thread only.  Nothing here allocates, locks or waits once it is open;
 * an idle daemon is not woken; and connections get a small share of the loop
 * thread's time at most (server.h).
 */
#ifndef BUFWRITER_CONTROL_H
#define BUFWRITER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "daemon/control/metrics_file.h"
#include "daemon/control/rate.h"
#include "daemon/control/server.h"
#include "daemon/control/snapshot.h"
#include "daemon/control/text.h"
#include "daemon/base/log.h"

/* What systemd was told last. */
enum control_said { SAID_NOTHING, SAID_OK, SAID_DROPPING, SAID_FAILING };

struct control {
	/* constant after start */
	struct sources from;
	bool serving;
	char *memory;
	/* loop thread */
	struct server server;
	struct rate rate;
	struct snapshot snapshot;
	struct text scratch;
	struct metrics_file file;
	enum control_said said;
	int said_error;
	struct log_limit say_limit;
	enum listener_state seen; /* before the last sleep */
	bool stopping;
	uv_timer_t say;	     /* what was held back */
	uv_poll_t ready;     /* the server's epoll set */
	uv_timer_t pause;    /* until the server may go on */
	uv_timer_t expiry;   /* until a connection's time is up */
	uv_timer_t interval; /* of the metrics file */
};

/*
 * Serves the listening, non-blocking stream socket, which stays the
 * caller's; -1: none.  Starts the metrics file if there is to be one.
 * 0 or -errno.
 */
int control_open(struct control *c, uv_loop_t *loop, int listener,
		 const struct sources *from);
/*
 * Before each turn of the loop: notes what the counters are, for the rates,
 * and tells systemd what has changed, at most once a second.  Does next to
 * nothing.
 */
void control_note(struct control *c);
/* A worker told the loop that something has changed. */
void control_notified(struct control *c);
/* The daemon is going to stop: from now on nothing can be changed. */
void control_stopping(struct control *c);
/*
 * The workers are done.  `filed`: every message is in a file.  Answers who
 * waits and closes; the loop must run once more.  Fine if never opened.
 */
void control_close(struct control *c, bool filed);

/* -- commands.c, for control.c ------------------------------------ */

server_line_fn control_line;
server_late_fn control_late;
/* Goes on with the flushes that connections wait for. */
void control_check_flushes(struct control *c);
void control_end_flushes(struct control *c, bool filed);
/* The snapshot is as of now after this. */
void control_look(struct control *c);

#endif
