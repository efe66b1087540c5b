/* SPDX-License-Identifier: MIT */
/*
 * The daemon's own log: one line a message, to standard error.
 *
 * Under systemd each line begins with the priority `<N>` of sd-daemon(3),
 * otherwise with the local time.  A line is one write(2), so lines of several
 * threads do not mix.  Control characters in a message are replaced, so that a
 * path or a name cannot forge a line (I6).
 *
 * Nobody waits for standard error, whatever it is: a pipe or a socket that
 * nobody reads, a stopped terminal, a file on a disk that hangs.  A thread of
 * its own writes the lines.  While that thread waits, LOG_QUEUE_LINES more
 * are kept; further ones are lost, counted, and the number is a line of the
 * log as soon as there can be one.
 *
 * Any thread.  Allocates nothing, and takes no lock but that of the C library
 * around the time zone.
 */
#ifndef BUFWRITER_LOG_H
#define BUFWRITER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"

/*
 * Before any file is opened: opens /dev/null for those of the descriptors 0 to
 * 2 that are closed, and finds out whether systemd reads standard error.  Until
 * log_start() the caller's own thread writes each line.
 */
void log_open(void);
/* Starts the writing thread: 0 or -errno.  Before anybody must not wait. */
int log_start(void);
/*
 * Ends the writing thread after the last line, or gives it up when standard
 * error takes nothing for LOG_STOP_MS.  Then lines are lost.
 */
#define LOG_STOP_MS 1000
void log_stop(void);
/* After log_open(): whether each line must begin with its priority. */
bool log_has_priorities(void);
/* From now on, less severe messages are left out. */
void log_set_level(enum config_level level);
/* Whether a message of this level would be written. */
bool log_enabled(enum config_level level);

void log_write(enum config_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* How many lines were lost so far. */
uint64_t log_lost(void);

#define log_error(...) log_write(LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LEVEL_DEBUG, __VA_ARGS__)

/*
 * Bounds the rate of one kind of message: at most one in `every_ns`.  Owned by
 * one thread.  log_limit() returns true if the message may be written now, and
 * stores in *missed how many were held back since the last one.
 */
struct log_limit {
	uint64_t every_ns;
	uint64_t next_ns; /* CLOCK_MONOTONIC */
	uint64_t missed;
};

bool log_limit(struct log_limit *limit, uint64_t now_ns, uint64_t *missed);

#endif
