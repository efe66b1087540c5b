/* SPDX-License-Identifier: MIT */
/*
 * The accounts of a round: what was sent, what the files hold, what each life
 * of the daemon said that it did.  A life that was killed takes its counters
 * with it, so the ledger knows how many messages it may have dropped
 * without a record of it: none, or what the status said last.
 *
 * The functions return what is wrong, or NULL.  A text lives until the next
 * call.
 */
#ifndef BUFWRITER_TEST_LEDGER_H
#define BUFWRITER_TEST_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/chaos/plan.h"
#include "tests/chaos/writers.h"

struct drops {
	uint64_t too_large, ring_full;
};

struct ledger {
	uint64_t sent, too_large; /* so many of them are above max_message */
	uint64_t files, messages, dropped, deleted;
	uint64_t misnamed; /* files that hold something else than they say */
	uint64_t litter;
	unsigned failures; /* lines of the log about a failed flush */
	struct writers_sum writers;
};

extern struct ledger ledger;

void ledger_open(const struct plan *plan);

/*
 * The daemon ended, and bed.log is what it said.  `faults`: a flush may have
 * failed; `deletes`: complete files may have been deleted.
 */
const char *ledger_life(int wait_status, const struct drops *killed,
			bool faults, bool deletes);

/* Everything a sender has sent. */
void ledger_expect(const struct sender *sender);
/* The same of the programs with the library, and of strangers. */
const char *ledger_expect_others(const struct plan *plan);
/* A complete file. */
void ledger_file(const char *path, const char *name);
/* Writes to standard error which messages lack, or are there twice. */
void ledger_list(const struct plan *plan, struct sender *const *senders);
/* All files were given: the sum. */
const char *ledger_judge(void);

#endif
