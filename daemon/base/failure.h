/* SPDX-License-Identifier: MIT */
/*
 * An error and its sentence, for everything before the daemon is ready: the
 * function that fails writes the sentence, and the caller that decides what
 * to do about it logs it, once.  Owned by one thread.
 *
 * After the start only flushes fail, and those are retried: struct flush
 * carries their error.
 */
#ifndef BUFWRITER_FAILURE_H
#define BUFWRITER_FAILURE_H

/* Room for a sentence with a path of full length in it. */
#define FAILURE_TEXT 4600

struct failure {
	int err;		 /* -errno */
	char text[FAILURE_TEXT]; /* one line for the operator, no newline */
};

/* Sets both (the text is cut to fit) and returns err. */
int failure_set(struct failure *f, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
