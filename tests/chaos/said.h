/* SPDX-License-Identifier: MIT */
/*
 * What a life of the daemon said in its log: the numbers of its lines, and
 * whether these agree with each other.
 */
#ifndef BUFWRITER_TEST_SAID_H
#define BUFWRITER_TEST_SAID_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/bed.h"

struct said {
	bool ready, stopped, recovered, incomplete;
	bool lines_lost; /* and this one says so */
	struct totals totals;
	uint64_t left;
	bool lanes_left; /* messages that a stop left in lanes */
	uint64_t messages, files, bytes; /* recovered */
	uint64_t large, full;		 /* in reports of drops */
	bool dropping;			 /* it said that it drops */
	unsigned failures, full_disk;
	/* complete files that it deleted */
	struct {
		uint64_t files, messages, bytes;
		uint64_t uncounted; /* files with "about" so many messages */
	} deleted;
};

/* Reads bed.log. */
void said_read(struct said *s);
/* What is wrong in it, or NULL; a text lives until the next call. */
const char *said_check(const struct said *s, int wait_status);

#endif
