/* SPDX-License-Identifier: MIT */
/*
 * What the shipper says on standard error: lines of its log, and on a terminal
 * a line that shows the progress.  Under systemd each line begins with its
 * priority.  Single-threaded.
 */
#ifndef BUFWRITER_SHIP_SAY_H
#define BUFWRITER_SHIP_SAY_H

#include <stdbool.h>

/* The numbers are those of syslog, see sd-daemon(3). */
enum say_level { SAY_ERROR = 3, SAY_WARNING = 4, SAY_NOTICE = 5, SAY_INFO = 6 };

/* With `quiet` no progress and nothing below a warning. */
void say_open(bool quiet);
void say(enum say_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* True if there is a terminal for the progress line. */
bool say_has_progress(void);
/* Rewrites the line, or removes it. */
void say_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say_progress_end(void);

#endif
