/* SPDX-License-Identifier: MIT */
/*
 * What operators see of the daemon: the control socket, the metrics file and
 * the status line for systemd, each connected to the loop's events.
 *
 * Loop thread only.  After the start nothing here allocates, locks or waits.
 * An idle daemon is never woken, and connections get a small share of the
 * loop thread's time at most (server.h).
 */
#ifndef BUFWRITER_CONTROL_H
#define BUFWRITER_CONTROL_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/base/log.h"
#include "daemon/control/commands.h"
#include "daemon/control/disk_watch.h"
#include "daemon/control/metrics_file.h"

/* What the status line in systemd says. */
enum control_status { CONTROL_LISTENING, CONTROL_DROPPING, CONTROL_FAILING };

struct control {
	/* loop thread */
	struct commands commands;
	struct metrics_file file;
	struct disk_watch disk;
	/* the status line */
	enum control_status reported;
	int reported_error; /* errno, with CONTROL_FAILING */
	const char *reported_remedy;
	uint64_t reported_dropped; /* with both that name a trouble */
	struct log_limit report_limit;
	enum listener_state listener_seen; /* before the last sleep */
	bool stopping;			   /* main reports, not control */
	uv_timer_t report_timer; /* sends a status line that had to wait */
	uv_poll_t ready;	 /* the server's epoll set */
	uv_timer_t pause_timer;	 /* until the server may go on */
	uv_timer_t expiry_timer; /* the next deadline of a connection */
	uv_timer_t file_timer;	 /* the next writing of the metrics file */
};

/*
 * Serves the listening, non-blocking stream socket, which stays the
 * caller's; -1: there is none.  Starts the metrics file if the settings name
 * one.  0 or -errno.
 */
int control_open(struct control *c, uv_loop_t *loop, int listener,
		 const struct sources *from);
/*
 * Before each turn of the loop: notes what the counters are, for the rates,
 * and reports a change to systemd, at most once a second.  Does next to
 * nothing.
 */
void control_note(struct control *c);
/* A worker notified the loop: a flush began, is complete, or has failed. */
void control_notified(struct control *c);
/* Goes on with another listening socket: the old one has lost its path. */
void control_replace(struct control *c, int listener);
/* The daemon begins to stop: from now on no command may change anything. */
void control_stopping(struct control *c);
/*
 * The workers have exited.  `flushed`: every message is in a file.  Answers
 * the connections that wait, and closes; the loop must run once more.
 * Harmless if never opened.
 */
void control_close(struct control *c, bool flushed);

#endif
