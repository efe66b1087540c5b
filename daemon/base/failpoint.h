/* SPDX-License-Identifier: MIT */
/*
 * Named points at which a test can kill, stall or fail the daemon.
 *
 * A daemon built with BW_FAILPOINTS reads the environment variable
 * BW_FAILPOINTS:
 *
 *	NAME=ACTION[@N][;NAME=ACTION[@N]]...
 *
 * and does ACTION when it passes the point, with @N only the N-th time
 * (from 1), else every time:
 *
 *	kill		sends itself SIGKILL
 *	stall:FILE	waits while FILE exists
 *	ERRNO		fails with this error, for example ENOSPC
 *	ERRNO:FILE	fails while FILE exists
 *	short		a write(2) takes half of the bytes
 *	sleep:MS	sleeps, then goes on
 *
 * NAME may end in '*'.  With BW_FAILPOINTS_LOG=FILE the daemon appends the
 * name of each point to FILE the first time it passes it, so that a test can
 * list them.  In other builds a point is the constant 0 and costs nothing.
 */
#ifndef BUFWRITER_FAILPOINT_H
#define BUFWRITER_FAILPOINT_H

#ifdef BW_FAILPOINTS
/* 0, a negative errno to fail with, or FAILPOINT_SHORT.  Any thread. */
int failpoint_hit(const char *name);
#define FAILPOINT_SHORT 1
#define FAILPOINT(name) failpoint_hit(name)
#else
#define FAILPOINT_SHORT 1
#define FAILPOINT(name) 0
#endif

#endif
