/* SPDX-License-Identifier: MIT */
/*
 * Delivers the messages of `bufwriter send`: hands each one to the daemon,
 * waits as long as the user allows, and tells the outcome what became of it.
 *
 * Single-threaded.
 */
#ifndef BUFWRITER_DELIVER_H
#define BUFWRITER_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bw;
struct outcome;

struct deliver {
	struct bw *bw;
	struct outcome *outcome; /* borrowed */
	int timeout_ms;		 /* the user's, as in struct bw_options */
	int slice_ms;		 /* the part of it that one bw_write() waits */
	int64_t gone_since_ms;	 /* when the daemon was found gone, or 0 */
	int signal_fd;		 /* signalfd of SIGINT and SIGTERM, or -1 */
	int signal;		 /* the one that came, or 0 */
};

/*
 * Opens the library with this socket path and timeout (milliseconds, or
 * BW_FOREVER), and takes over SIGINT and SIGTERM unless they are ignored.
 * `outcome` outlives the struct.  Returns 0 or an error of bw_open().
 */
int deliver_open(struct deliver *d, struct outcome *outcome, const char *socket,
		 int timeout_ms);
void deliver_close(struct deliver *d);

/* Waits for input on fd, without a limit.  True: a signal came, stop. */
bool deliver_wait_input(struct deliver *d, int fd);

/*
 * Sends one message and reports it as sent or dropped.  `data` is NULL for a
 * message that was too long to keep; `number` is its place in the input.
 * True: a signal came, stop.  If the signal ended the wait for this message,
 * the message is reported neither as sent nor as dropped.
 */
bool deliver_message(struct deliver *d, const char *data, size_t bytes,
		     uint64_t number);

/* The signal that came, or 0. */
int deliver_signal(const struct deliver *d);

#endif
