/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a round share: its plan, and where it stands.  The test's
 * own process only.
 */
#ifndef BUFWRITER_TEST_ROUND_H
#define BUFWRITER_TEST_ROUND_H

#include <stdbool.h>

#include "tests/chaos/ledger.h"
#include "tests/chaos/plan.h"
#include "tests/lib/bed.h"

struct round {
	struct plan plan;
	struct sender *sender[PLAN_SENDERS];
	unsigned life;	 /* number of the present one */
	bool may_drop;	 /* a finite timeout was in effect in this life */
	bool may_delete; /* when_full = delete-oldest was */
	bool faults;	 /* something is, or was, wrong with the disk */
	/* killed, and no start has looked at what the kill left */
	bool in_doubt;
	bool shipper_held, senders_held;
	struct drops drops; /* of this life, if it is killed */
	/* for the last line */
	unsigned kills, faults_on, failed_starts, done[DEEDS];
};

extern struct round now;

/* The function returns what is wrong, or NULL. */
#define CHECK(expression)                                                    \
	do {                                                                 \
		const char *check_wrong = (expression);                      \
		REQUIRE(!check_wrong, "life %u: %s", now.life, check_wrong); \
	} while (0)

#endif
