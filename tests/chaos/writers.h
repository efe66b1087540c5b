/* SPDX-License-Identifier: MIT */
/*
 * Programs that write through the library, with lanes.  What became of each
 * message is in memory that the test shares with them, so it is known also of a
 * program that was killed: the library took it, or refused it, or the program
 * died in the call, and then the daemon has the message or not.
 *
 * A program that is killed is followed by another one, which goes on with the
 * next message.
 */
#ifndef BUFWRITER_TEST_WRITERS_H
#define BUFWRITER_TEST_WRITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/chaos/plan.h"
#include "tests/lib/tally.h"

#define WRITERS_LARGEST (1u << 20)

struct writers_sum {
	uint64_t taken, refused, unknown;
	uint64_t flushes, found; /* bw_flush() with 0, and looks after one */
	uint64_t kills;
};

/*
 * All programs of the plan begin.  With `looks`, a message is looked for in the
 * files when bw_flush() has said that it is there.
 */
void writers_start(const struct plan *plan, bool looks);
void writers_hold(bool hold);
/* Kills one, if it is there, and another begins. */
void writers_kill(unsigned i);
/* They close their handles and end.  writers_start() begins them again. */
void writers_end(void);

/* Messages for which one has called the library. */
uint64_t writers_count(unsigned i);
/*
 * After their end: everything that they wrote.  What is wrong, or NULL; a text
 * lives until the next call.
 */
const char *writers_expect(const struct plan *plan, struct tally *tally,
			   struct writers_sum *sum);

#endif
