/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter send`, in four parts:
 *
 *	send.c		options, and the order of things
 *	send_split.c	input into messages
 *	send_deliver.c	a message to the daemon, with patience
 *	send_report.c	counts, progress, summary, exit status
 *
 * The parts share one struct; none of them looks into another's fields.
 */
#ifndef BUFWRITER_SEND_H
#define BUFWRITER_SEND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/library/bufwriter.h"

/*
 * No datagram can be as large as this: the kernel makes one of a piece that
 * kmalloc gives (4 MiB) and 17 pages.  What is longer is not kept to try.
 */
#define SPLIT_MAX ((size_t)5 << 20)
#define SPLIT_BLOCK ((size_t)256 << 10)

enum split_mode { SPLIT_LINES, SPLIT_NULL, SPLIT_WHOLE };

struct report {
	int quiet;
	int progress;  /* show a progress line */
	uint64_t size; /* of all input in bytes, 0: unknown */

	const char *where;  /* name of the input that is being read */
	const char *socket; /* the daemon's, to name it */
	uint64_t read;	    /* bytes of input so far */
	uint64_t sent;
	uint64_t bytes;	     /* in the messages that were sent */
	uint64_t dropped[8]; /* by reason, see send_report.c */
	int failed; /* an exit status for input that could not be read */
	int64_t started;
	int64_t shown; /* when the progress line was last written */
	int visible;   /* there is a progress line on the terminal */
};

struct deliver {
	struct bw *bw;
	int timeout;	    /* what the user asked for, as in bw_options */
	int slice;	    /* of it, that the library waits for */
	int64_t gone_since; /* when the daemon was found gone, or 0 */
	int signals;	    /* signalfd of SIGINT and SIGTERM, or -1 */
	int stopped;	    /* the signal that came, or 0 */
};

struct split {
	enum split_mode mode;
	uint64_t number; /* of the message in its input, from 1 */
	size_t end;	 /* bytes in the buffer: the beginning of a message */
	size_t lost;	 /* bytes of it that did not fit the buffer */
};

struct send {
	struct report report;
	struct deliver deliver;
	struct split split;
};

/* --- send_report.c --------------------------------------------------- */

int64_t report_clock(void); /* milliseconds, monotonic, coarse */
void report_start(struct send *s);
/* Writes the progress line now and then.  Call it often. */
void report_progress(struct send *s);
void report_sent(struct send *s, size_t len);
/* A message was not taken: its number in the input, length, what bw said. */
void report_dropped(struct send *s, uint64_t number, size_t len, int error);
/* An input could not be read, or only in part.  status: exit status. */
void report_failed(struct send *s, const char *name, int error, int status);
/* Writes the summary, returns the exit status. */
int report_end(struct send *s);

/* --- send_deliver.c -------------------------------------------------- */

/*
 * Opens the library with this socket and timeout, and takes
 * SIGINT and SIGTERM over, unless they are ignored.  0 or a library's error.
 */
int deliver_open(struct send *s, const char *socket, int timeout);
void deliver_close(struct send *s);
/* Waits up to ms milliseconds for a signal that ends it all; 1 if one came. */
int deliver_stopped(struct send *s, int ms);
/* Waits for input, without a limit.  1: a signal came, stop. */
int deliver_wait_input(struct send *s, int fd);
/*
 * Sends one message and counts it.  data NULL: it was too long to keep.
 * Returns 1 if a signal ended the wait and the message is neither.
 */
int deliver(struct send *s, const char *data, size_t len, uint64_t number);

/* --- send_split.c ---------------------------------------------------- */

/* Begins an input, or with SPLIT_WHOLE all of them. */
void split_begin(struct send *s);
/* Delivers what is in fd.  0: at the end; 1: stopped; or -errno of read(2). */
int split_read(struct send *s, int fd);
/* Delivers the last message, if one is left.  1: stopped. */
int split_end(struct send *s);

#endif
