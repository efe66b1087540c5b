/* SPDX-License-Identifier: MIT */
/*
 * Who wrote what through the library, in memory that writers share with the
 * test, so that it is known also of a writer that was killed: messages of 200
 * bytes, numbered from 0 in each line of the ledger.  A line has one writer at
 * a time.
 *
 * found once: right.  Returned and not found: lost.  Found twice: doubled.  Not
 * these 200 bytes, or a number that nobody had come to: torn.
 */
#ifndef BUFWRITER_TEST_LEDGER_H
#define BUFWRITER_TEST_LEDGER_H

#include <stdatomic.h>
#include <stdint.h>

#define LEDGER_BYTES 200

struct ledger_line {
	_Atomic uint64_t begun;	   /* messages for which a call was made */
	_Atomic uint64_t returned; /* messages for which it returned 0 */
	_Atomic uint64_t failed;   /* calls that returned an error */
};

struct ledger {
	unsigned lines;
	struct ledger_line *line; /* shared */
	/* results of ledger_require() */
	uint64_t found, lost, doubled, torn;
	uint64_t most_lost; /* of one line */
};

struct bw;

void ledger_open(struct ledger *ledger, unsigned lines);
void ledger_close(struct ledger *ledger);

/* Any process: writes the next message of the line. */
void ledger_write(struct ledger *ledger, unsigned line, struct bw *bw);
/* All calls that have returned 0, and those that have failed. */
uint64_t ledger_returned(const struct ledger *ledger);
uint64_t ledger_failed(const struct ledger *ledger);

/*
 * Reads the bed's files, and fails the test unless all is there once; but of
 * each line so many may be lost.
 */
void ledger_require(struct ledger *ledger, uint64_t may_lose);

#endif
