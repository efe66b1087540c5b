/* SPDX-License-Identifier: MIT */
/*
 * An error and its sentence, for everything before the daemon is ready.  The
 * function that fails writes the sentence.  The caller that decides what to do
 * about the error logs the sentence, once.  Owned by one thread.
 *
 * Flushes are different, because a worker retries them: struct flush carries
 * the operation and the path that failed.
 */
#ifndef BUFWRITER_FAILURE_H
#define BUFWRITER_FAILURE_H

/* Room for a sentence with a path of full length in it. */
#define FAILURE_TEXT 4600

struct failure {
	int err;		 /* -errno, never 0 */
	char text[FAILURE_TEXT]; /* one line for the operator, no newline */
};

/* Sets both (the text is cut to fit) and returns err. */
int failure_set(struct failure *f, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
