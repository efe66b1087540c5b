/* SPDX-License-Identifier: MIT */
/*
 * All numbers of the daemon as of one moment, and what they mean for its
 * health.  Loop thread only; workers go on meanwhile.
 */
#ifndef BUFWRITER_SNAPSHOT_H
#define BUFWRITER_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/region/arena.h"
#include "daemon/base/unix_socket.h"
#include "daemon/control/rate.h"
#include "daemon/intake/listener.h"
#include "daemon/filing/recover.h"
#include "daemon/reload.h"
#include "daemon/region/ring.h"
#include "daemon/base/stats.h"
#include "daemon/worker/workers.h"

/* What is looked at.  All of it outlives whoever looks. */
struct sources {
	const struct ring *ring;
	struct listener *listener;
	struct workers *workers;
	struct reload *settings;
	const struct recovered *recovered;
	char socket[UNIX_SOCKET_NAME]; /* where datagrams come in */
	int qlen;		       /* see unix_socket_qlen() */
	uint64_t started;	       /* CLOCK_REALTIME, ns */
	uint64_t started_mono;	       /* CLOCK_MONOTONIC, ns */
};

#define SNAPSHOT_WHY 280

enum health { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILING };

struct snapshot_histogram {
	uint64_t bucket[STATS_BUCKETS + 1];
	uint64_t count; /* sum of the buckets */
	uint64_t sum;
};

struct snapshot_worker {
	struct arena_record record;
	uint64_t size; /* of its arena */
	enum worker_state state;
	int error;	      /* errno of the failing flush, or 0 */
	uint64_t failing_ns;  /* for how long */
	uint64_t flushing_ns; /* how long it is at the disk by now, or 0 */
#define WORKER(name, doc) uint64_t name;
#include "daemon/base/stats.def"
};

struct snapshot_rate {
	double seconds;
	struct rate_sample counted; /* in these seconds */
};

struct snapshot {
	uint64_t now; /* CLOCK_MONOTONIC, ns */
	uint64_t uptime;
	/* by the names of the table */
#define LISTENER(name, doc) uint64_t name;
#define DROPPED(name, doc) uint64_t name;
#define CONTROL(name, doc) uint64_t name;
#define RECORD(name, doc) uint64_t name;
#define WORKER(name, doc) uint64_t name;
#define HISTOGRAM(name, doc) struct snapshot_histogram name;
#define GAUGE(name, doc) double name;
#include "daemon/base/stats.def"
	uint64_t dropped; /* for whatever reason */
	enum listener_state listener;
	struct snapshot_rate second, minute;
	enum health health;
	char why[SNAPSHOT_WHY]; /* one line */
	/* constant: memory for as many as there are */
	unsigned count;
	struct snapshot_worker *worker;
};

/* 0 or -ENOMEM.  Before the loop runs. */
int snapshot_open(struct snapshot *s, const struct sources *from);
void snapshot_close(struct snapshot *s);

/*
 * Takes it; `now_ns` is clock_now().  It holds, exactly, that
 *	received = written + in_arenas + in_ring + dropped
 */
void snapshot_take(struct snapshot *s, uint64_t now_ns,
		   const struct sources *from, struct rate *rate,
		   const struct stats_control *control,
		   unsigned open_connections);

/* The numbers of which rates are kept, as they are now. */
void snapshot_sample(const struct sources *from, struct rate_sample *out);

/* The errno of a worker that cannot write its file, 0: there is none. */
int snapshot_error(const struct sources *from);
/*
 * What is said of workers that cannot write, wherever it is said: the error,
 * its remedy, and what becomes of the data.  Begins with "workers".
 */
#define SNAPSHOT_FAILURE 200
void snapshot_explain_failure(char text[SNAPSHOT_FAILURE], int error);

/* What a worker does, in a word. */
const char *snapshot_worker_word(const struct snapshot_worker *w);
const char *snapshot_health_word(enum health health);

#endif
