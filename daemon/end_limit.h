/* SPDX-License-Identifier: MIT */
/*
 * A bound on the end of the process.
 *
 * When the daemon has said "stopped:", each message is in a file or in the
 * region, and the exit status is known.  What follows gives back what the
 * kernel would take back anyway.  But it removes files and joins threads, and
 * a file system that hangs, or a mistake, could hold it up for ever; then
 * nobody could tell where.  So a thread waits for END_LIMIT_S beside it, names
 * the step in the log, and ends the process with the exit status that it has.
 *
 * Main thread.
 */
#ifndef BUFWRITER_END_LIMIT_H
#define BUFWRITER_END_LIMIT_H

/* The steps take milliseconds; a busy disk may take seconds to remove a file.
 */
#define END_LIMIT_S 10

/* From now on the process lives for END_LIMIT_S at most. */
void end_limit_start(int status);
/* What comes next, for the log: "closing the sockets".  A literal. */
void end_limit_step(const char *step);

#endif
