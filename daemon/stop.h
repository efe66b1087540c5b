/* SPDX-License-Identifier: MIT */
/*
 * From SIGTERM to the exit status.
 *
 * The listener takes what is in the socket's queue, the workers flush
 * everything, and the region is marked clean.  What the disk refuses for
 * longer than buffer.stop_timeout stays in the region for the next start.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_STOP_H
#define BUFWRITER_STOP_H

#include "daemon/daemon.h"

/* Before the loop's first turn. */
void stop_open(struct daemon *d);
/*
 * The daemon is to end, and says why.  Later calls do nothing.  While the start
 * is not complete it goes on until buffer.stop_timeout; when it completes
 * before, stop_drain() follows.
 */
void stop_begin(struct daemon *d, const char *why);
/* The workers run: takes what is in the lanes and in the socket's queue, then
 * ends them. */
void stop_drain(struct daemon *d);
/* A worker notified the loop. */
void stop_notified(struct daemon *d);
/*
 * After the loop's last turn: says what was done, and closes everything, with
 * the bound of end_limit.h.  From here on signals have no effect.  Returns the
 * exit status, unless a thread hangs: then it exits itself.
 */
int stop_end(struct daemon *d);

#endif
