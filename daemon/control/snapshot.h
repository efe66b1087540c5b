/* SPDX-License-Identifier: MIT */
/*
 * All numbers of the daemon as of one moment.  Loop thread only; workers run
 * meanwhile.
 */
#ifndef BUFWRITER_SNAPSHOT_H
#define BUFWRITER_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/stats.h"
#include "daemon/base/unix_socket.h"
#include "daemon/control/dropped.h"
#include "daemon/control/lane_users.h"
#include "daemon/control/metrics_file.h"
#include "daemon/control/rate.h"
#include "daemon/filing/recover.h"
#include "daemon/intake/lane_server.h"
#include "daemon/intake/listener.h"
#include "daemon/base/path_watch.h"
#include "daemon/region/arena.h"
#include "daemon/region/ring.h"
#include "daemon/reload.h"
#include "daemon/start.h"
#include "daemon/worker/workers.h"

/* Where the numbers come from.  All of it outlives the snapshots. */
struct sources {
	const struct ring *ring;
	struct listener *listener;
	struct senders *senders; /* NULL: not asked for */
	struct workers *workers; /* none before the start is complete */
	unsigned workers_most;	 /* memory for so many */
	uint64_t lanes_most;	 /* the same; 0: there are none */
	struct reload *settings;
	const struct start *start; /* whether it is complete */
	const struct lane_server *lanes;
	struct path_watch *watch; /* whether datagrams can reach it */
	struct further *further;  /* at its other sockets; NULL: none */
	/* whether a next start finds the region, and this one's lock */
	struct path_watch *region_watch, *lock_watch;
	const struct metrics_file *metrics; /* whether it is up to date */
	const struct recovered *recovered;
	char socket[UNIX_SOCKET_NAME]; /* where datagrams come in */
	int qlen;		       /* see unix_socket_qlen() */
	uint64_t started_ns;	       /* CLOCK_REALTIME */
	uint64_t started_mono_ns;      /* CLOCK_MONOTONIC */
};

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
	const char *remedy;   /* for it */
	uint64_t failing_ns;  /* for how long */
	uint64_t flushing_ns; /* for how long it flushes by now, or 0 */
#define RECORD(name, doc) uint64_t name;
#define WORKER(name, doc) uint64_t name;
#include "daemon/base/stats.def"
};

struct snapshot_rate {
	double seconds;
	struct rate_sample counted; /* in these seconds */
};

struct snapshot {
	uint64_t now_ns; /* CLOCK_MONOTONIC */
	uint64_t uptime_ns;
	/* by the names of the table */
#define LISTENER(name, doc) uint64_t name;
#define DROPPED(name, doc) uint64_t name;
#define CONTROL(name, doc) uint64_t name;
#define KEEPER(name, doc) uint64_t name;
#define LOG(name, doc) uint64_t name;
#define RECORD(name, doc) uint64_t name;
#define WORKER(name, doc) uint64_t name;
#define HISTOGRAM(name, doc) struct snapshot_histogram name;
#define GAUGE(name, doc) double name;
#include "daemon/base/stats.def"
	uint64_t arrived; /* from the socket and from lanes */
	uint64_t dropped; /* for all reasons together */
	enum listener_state listener;
	struct snapshot_rate second, minute;
	struct dropped recent; /* see dropped.h */
	uint64_t recent_ns;    /* since the first of them */
	uint64_t since_last_drop_ns;
	/* constant after start; rows are all zero before the workers run */
	unsigned count;
	struct snapshot_worker *worker;
	struct lane_users lane_users;
};

/* 0 or -ENOMEM.  Before the loop runs. */
int snapshot_open(struct snapshot *s, const struct sources *from);
void snapshot_close(struct snapshot *s);

/*
 * Takes the snapshot; `now_ns` is clock_now().  Its numbers hold I2, exactly:
 *	arrived = written + in_arenas + in_ring + dropped
 */
void snapshot_take(struct snapshot *s, uint64_t now_ns,
		   const struct sources *from, struct rate *rate,
		   const struct stats_control *control,
		   unsigned open_connections);

/* The present values of the counters that have rates. */
void snapshot_sample(const struct sources *from, struct rate_sample *out);

/* What a worker does, in a word. */
const char *snapshot_worker_word(const struct snapshot_worker *w);

#endif
