/* SPDX-License-Identifier: MIT */
/*
 * Lines on their way from any thread to the one thread that writes them.
 * Memory is fixed.  Nobody waits: a line that finds no slot is refused.
 */
#ifndef BUFWRITER_LOG_QUEUE_H
#define BUFWRITER_LOG_QUEUE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* One write(2) of so many bytes stays in one piece in a pipe. */
#define LOG_LINE PIPE_BUF
#define LOG_QUEUE_LINES 64

/* Before threads use it. */
void log_queue_open(void);
/* Any thread.  False: all slots are taken. */
bool log_queue_put(const char *line, size_t len);
/* The writing thread.  The length of the next line, or 0: it is empty. */
size_t log_queue_take(char line[LOG_LINE]);

#endif
