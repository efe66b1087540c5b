/* SPDX-License-Identifier: MIT */
/*
 * The daemon's own log: one line a message, to standard error.
 *
 * Started by systemd, each line begins with the priority `<N>` of
 * sd-daemon(3), otherwise with the local time.  A line is one write(2), so
 * lines of several threads do not mix.  Any thread; allocates nothing and
 * takes no lock but the C library's around the time zone.  Control characters in a message are replaced, so that a
 * path or a name can not forge a line.
 */
#ifndef BUFWRITER_LOG_H
#define BUFWRITER_LOG_H

#include <stdatomic.h>
#include <stdint.h>

#include "conf/config.h"

/* Before threads start; finds out who reads standard error. */
void log_open(void);
/* After log_open(): each line has to begin with its priority. */
int log_has_priorities(void);
/* Any thread: from now on, less severe messages are left out. */
void log_set_level(enum config_level level);
/* Any thread: true if a message of this level would be written. */
int log_enabled(enum config_level level);

void log_write(enum config_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LEVEL_DEBUG, __VA_ARGS__)

/*
 * Bounds the rate of one kind of message: at most one each `every_ns`.
 * Owned by one thread.  log_limit() returns 1 if the message may be written
 * now and stores in *missed how many were held back since the last one.
 */
struct log_limit {
	uint64_t every_ns;
	uint64_t next_ns; /* CLOCK_MONOTONIC */
	uint64_t missed;
};

int log_limit(struct log_limit *limit, uint64_t now_ns, uint64_t *missed);

#endif
