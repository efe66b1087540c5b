/* SPDX-License-Identifier: MIT */
/*
 * Lives for the tests of recovery: processes that die at failpoints, one after
 * the other on one region, and the count of what stands in files at the end.
 *
 * A life is the daemon without threads: it recovers, receives with
 * recvmmsg(2), takes messages into arenas, and flushes.  The socket and its
 * queue belong to the test, as they would to systemd, and a shipper takes away
 * every file between two lives.  The test's own process passes no failpoint
 * while it has lives.
 */
#ifndef BUFWRITER_TEST_LIVES_H
#define BUFWRITER_TEST_LIVES_H

#include "daemon/base/failpoint.h"
#include "daemon/base/log.h"
#include "daemon/filing/recover.h"
#include "tests/lib/core.h"

struct life {
	const char *options[12]; /* the settings */
	struct recovered *out;	 /* shared, or NULL */
	recover_wait_fn *waits;
	bool last; /* file everything */
};

/* What the processes of a test are started with. */
struct variant {
	enum config_framing framing;
	const char *fixed[4]; /* of all lives */
	const char *each[3];  /* of the first, second, and all later lives */
	const char *points;   /* in all lives but the last */
};

/* How many messages come before each life; a test may change it. */
extern unsigned lives_news;

/* Makes the socket and the directories; closes the socket. */
void lives_begin(void);
void lives_end(void);
/* Forgets the region and the count. */
void lives_next_round(void);

/* The life with this number, from 0. */
struct life lives_plan(const struct variant *v, unsigned number, bool last);
/* Lives a struct life; for core_child().  Returns its exit status. */
int lives_run(void *life);
/*
 * A life with this rule and the variant's, or the last one (NULL), and then the
 * shipper.  True if it was killed.
 */
bool lives_one(const struct variant *v, unsigned number, const char *kill);

/* The shipper: every complete file of a directory is counted and removed. */
void lives_ship(const char *dir, enum config_framing framing);
/* Every message that fits was in exactly one file; `what` names the case. */
void lives_expect_exactly_once(const char *what, enum config_framing framing);
/* No file is left, not even a temporary one. */
void lives_expect_clean(const char *what);

#endif
