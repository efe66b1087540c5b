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
#define PLAN_MORE_DEEDS 4
#define PLAN_FAULTS 5
#define PLAN_SENDERS 5
#define PLAN_WRITERS 3
#define PLAN_NEVER UINT32_MAX
/* The first flow of a syslog sender; letter 'g' of 'A' to 'Z', 'a' to 'z'. */
#define PLAN_SYSLOG_FLOW 32
#define PLAN_SYSLOG_BYTES 16
/* The first flow of a program with the library. */
#define PLAN_WRITER_FLOW 8
/* What comes with a descriptor. */
#define PLAN_STRANGER_FLOW 20

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
	DEED_FREEZE,	  /* SIGSTOP, and SIGCONT after a while */
	DEED_CLOCK,	  /* the daemon's clock steps */
	DEED_KILL_WRITER, /* a program with a lane dies, and another begins */
	DEED_STORM,	  /* signals without a pause: system calls end early */
	DEED_FILE_LIMIT,  /* RLIMIT_FSIZE for a while */
	DEED_DESCRIPTORS, /* the same of RLIMIT_NOFILE */
	DEED_STRANGER,	  /* descriptors and nonsense for every socket */
	DEEDS
};

enum end {
	END_TERM,
	END_INT,
	END_KILL,	/* after the deeds */
	END_KILL_START, /* a moment after the start */
	END_KILL_POINT, /* at a failpoint */
};

enum strip { STRIP_NOTHING, STRIP_HEADER, STRIP_TO_TAG, STRIPS };
extern const char *const strip_words[STRIPS];

struct settings {
	/* constant for a life */
	unsigned workers;
	unsigned queue_size;
	unsigned long size;
	enum framing framing;
	enum strip strip;
	const char *compression;
	const char *lane_size;
	unsigned lanes;
	const char *lane_large;
	/* changed by a reload */
	uint32_t timeout_ms; /* PLAN_NEVER */
	const char *forced;
	const char *stop_timeout;
	const char *sync;
	const char *prefix;
	const char *permission;
	unsigned keep_files; /* files.keep has room for so many; 0: no limit */
	const char *keep_free;
	bool deletes; /* files.when_full = delete-oldest */
};

struct step {
	enum deed deed;
	unsigned pause_ms; /* before it */
	unsigned which;	   /* fault; or how long it lasts, in ms */
	unsigned more;	   /* DEED_DESCRIPTORS: so many may be opened */
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
	struct step step[PLAN_DEEDS + PLAN_MORE_DEEDS];
	unsigned steps;
	enum end end;
	unsigned end_us;	/* END_KILL_START: after so long */
	const char *kill_point; /* END_KILL_POINT */
	unsigned kill_nth;
	bool mends; /* every fault ends between this life and the next one */
};

/* A program with the library. */
struct writer_plan {
	struct flow flow;
	int timeout_ms;	     /* of its handle; -1: for ever */
	int lanes;	     /* bw_options.lanes */
	unsigned flush_each; /* bw_flush() after so many messages, or 0 */
	unsigned socket;
};

struct plan {
	uint64_t seed;
	struct flow flow[PLAN_SENDERS];
	unsigned socket[PLAN_SENDERS]; /* of each flow; 0: the first one */
	unsigned flows;
	struct writer_plan writer[PLAN_WRITERS];
	unsigned writers;
	unsigned also; /* further sockets */
	/* systemd has the lanes' socket, and what the daemon stores */
	bool holds_lanes, stores;
	bool never; /* no timeout in any life: nothing is dropped */
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
