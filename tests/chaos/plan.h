/* SPDX-License-Identifier: MIT */
/*
 * What happens in a round.  plan_make() takes every decision from the seed,
 * before anything runs, so that a seed repeats the decisions whatever the
 * timing is.
 *
 * A round is a few lives of the daemon with senders that go on through all of
 * them.  A life has settings, failpoints that are switched on and off, a list
 * of deeds, and an end.
 */
#ifndef BUFWRITER_TEST_PLAN_H
#define BUFWRITER_TEST_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

#define PLAN_LIVES 7
#define PLAN_DEEDS 14
#define PLAN_FAULTS 5
#define PLAN_SENDERS 5
#define PLAN_NEVER UINT32_MAX

enum deed {
	DEED_WAIT,
	DEED_FAULT,	   /* switches a failpoint on */
	DEED_MEND,	   /* ends every fault */
	DEED_FILL,	   /* the disk has no byte left */
	DEED_READ_ONLY,	   /* the disk is mounted read-only */
	DEED_REPLACE_PATH, /* files.path is moved away, and made anew */
	DEED_REMOVE_PATH,  /* files.path is moved away */
	DEED_REMOVE_TEMP,  /* the temp directory is removed */
	DEED_HOLD_SHIPPER, /* the shipper rests; a second time: it goes on */
	DEED_HOLD_SENDERS, /* the same for the senders */
	DEED_RELOAD,	   /* other settings, by the control socket */
	DEED_HUP,	   /* the same by SIGHUP */
	DEED_WRONG,	   /* settings with an error, by SIGHUP */
	DEED_USR1,
	DEED_FLUSH,
	DEED_STATUS,
	DEED_METRICS,
	DEED_FREEZE, /* SIGSTOP, and SIGCONT after a while */
	DEED_CLOCK,  /* the daemon's clock steps */
	DEEDS
};

enum end {
	END_TERM,
	END_INT,
	END_KILL,	/* after the deeds */
	END_KILL_START, /* a moment after the start */
	END_KILL_POINT, /* at a failpoint */
};

struct settings {
	/* constant for a life */
	unsigned workers;
	unsigned queue_size;
	const char *size;
	enum framing framing;
	const char *compression;
	/* changed by a reload */
	uint32_t timeout_ms; /* PLAN_NEVER */
	const char *forced;
	const char *stop_timeout;
	const char *sync;
	const char *prefix;
	const char *permission;
};

struct step {
	enum deed deed;
	unsigned pause_ms; /* before it */
	unsigned which;	   /* fault, or length of a freeze in ms */
	int clock_ms;	   /* DEED_CLOCK: the step */
	struct settings settings;
};

struct fault {
	const char *point;
	const char *action; /* as in failpoint.h */
	unsigned nth;	    /* 0: every time */
	bool always;	    /* and not only while it is switched on */
};

struct life {
	struct settings settings;
	struct fault fault[PLAN_FAULTS];
	unsigned faults;
	struct step step[PLAN_DEEDS];
	unsigned steps;
	enum end end;
	unsigned end_us;	/* END_KILL_START: after so long */
	const char *kill_point; /* END_KILL_POINT */
	unsigned kill_nth;
	bool mends; /* every fault ends between this life and the next one */
};

struct plan {
	uint64_t seed;
	struct flow flow[PLAN_SENDERS];
	unsigned flows;
	uint32_t max_message;
	const char *disk; /* its size */
	bool ships;
	bool watches; /* a process asks for the status all the time */
	struct life life[PLAN_LIVES];
	unsigned lives;
};

void plan_make(struct plan *plan, uint64_t seed);

/* The decisions, for whoever looks into a round that failed. */
void plan_print(const struct plan *plan, FILE *to);

extern const char *const plan_deed_words[DEEDS];

#endif
