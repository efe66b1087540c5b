/* SPDX-License-Identifier: MIT */
/*
 * See snapshot.h.
 *
 * Why the sum is exact (I2) although workers run meanwhile.  This is the loop
 * thread, between two batches, so what it counts (received, dropped,
 * published) does not change: every received datagram is published or dropped
 * by now.  A worker's record is read in one piece.  A message in it is either
 * in the worker's arena or in its files, and no message moves from one worker
 * to another.  So each published message is in exactly one place, at whichever
 * moment each record is read: in the one record that has taken it; or, if no
 * record has, in the ring:
 *
 *	in_ring = published - taken from it by all records - too large
 *		  - above the limit of its sender
 *
 * (The last two are published, too, as tickets without a message.)  in_ring is
 * at most the number of slots: a slot is armed again only after its last ticket
 * was released, which is after its commit, and the loop thread saw the release
 * before.
 *
 * A message in a lane counts from its commit on, and the record says how many of
 * its messages came from lanes: these are added to what arrived.  One that is
 * too large is in no record; this thread adds it to what arrived and to what was
 * dropped at one time, see listener_lanes_dropped().
 *
 * The records are read again until two passes agree; then all were true at one
 * moment.  On a busy daemon two passes may never agree, so their number is
 * bounded.  Then one worker's record is a microsecond older than another's,
 * and the sum holds all the same.
 */
#include "daemon/control/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/base/atomic.h"
#include "daemon/base/log.h"

#define PASSES 8

int snapshot_open(struct snapshot *s, const struct sources *from)
{
	memset(s, 0, sizeof(*s));
	s->count = from->workers_most;
	s->worker = calloc(s->count, sizeof(*s->worker));
	if (!s->worker)
		return -ENOMEM;
	return lane_users_open(&s->lane_users, from->lanes_most);
}

void snapshot_close(struct snapshot *s)
{
	free(s->worker);
	s->worker = NULL;
	lane_users_close(&s->lane_users);
}

static uint64_t age(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

/* One pass over all records; true if none has changed since the last. */
static bool read_records(struct snapshot *s, const struct sources *from)
{
	struct arena_record rec;
	bool same = true;
	unsigned i;

	for (i = 0; i < from->workers->count; i++) {
		arena_snapshot(from->workers->list[i].arena, &rec);
		if (memcmp(&rec, &s->worker[i].record, sizeof(rec)))
			same = false;
		s->worker[i].record = rec;
	}
	return same;
}

/* Where every message is. */
static void place_messages(struct snapshot *s, const struct sources *from)
{
	uint64_t taken = 0, empty, published;
	unsigned i, pass;

	for (pass = 0; pass < PASSES && !read_records(s, from); pass++)
		;
	s->written = 0;
	s->lane_messages = 0;
	s->in_arenas = 0;
	s->arena_bytes = 0;
	for (i = 0; i < s->count; i++) {
		const struct arena_record *rec = &s->worker[i].record;

		s->worker[i].written = arena_written(rec);
		s->worker[i].lane_messages = rec->lanes;
		taken += rec->taken - rec->lanes;
		s->written += s->worker[i].written;
		s->lane_messages += rec->lanes;
		s->in_arenas += rec->count;
		s->arena_bytes += rec->len;
	}
	published = ring_published(from->ring) - from->ring->first;
	/* Those that found no slot are in ring_full. */
	empty = s->too_large - from->listener->lane_too_large + s->sender_rate;
	assert(taken + empty <= published);
	s->in_ring = published - taken - empty;
	s->arrived = s->received + s->lane_messages +
		     from->listener->lane_too_large;
	assert(s->in_ring <= ring_slots(from->ring));
}

static void read_loop_counters(struct snapshot *s, const struct sources *from,
			       const struct stats_control *control)
{
	const struct stats_listener *l = &from->listener->stats;
	const struct stats_keeper *k = &from->workers->keeper.stats;

	s->dropped = 0;
#define LISTENER(name, doc) s->name = stats_get(&l->name);
#define DROPPED(name, doc)             \
	s->name = stats_get(&l->name); \
	s->dropped += s->name;
#define CONTROL(name, doc) s->name = stats_get(&control->name);
/* The recovery has a keeper of its own. */
#define KEEPER(name, doc) s->name = stats_get(&k->name) + from->recovered->name;
#define LOG(name, doc) s->name = name();
#include "daemon/base/stats.def"
}

static void add_histogram(struct snapshot_histogram *to,
			  const struct stats_histogram *from)
{
	uint64_t n;
	unsigned i;

	for (i = 0; i <= STATS_BUCKETS; i++) {
		n = stats_get(&from->bucket[i]);
		to->bucket[i] += n;
		to->count += n;
	}
	to->sum += stats_get(&from->sum);
}

static void read_worker(struct snapshot *s, struct snapshot_worker *to,
			const struct worker *w)
{
	uint64_t then;

	to->size = w->arena->size;
	to->state = worker_state(w);
	/* pairs with the release in set_failing(), worker.c */
	to->error = load_acquire(&w->error);
	/* relaxed: the number alone counts */
	then = load_relaxed(&w->flushing_since_ns);
	to->flushing_ns = then ? age(s->now_ns, then) : 0;
	to->failing_ns = 0;
	to->remedy = NULL;
	if (to->error) {
		/* relaxed, both: ordered by `error` */
		to->remedy = load_relaxed(&w->remedy);
		then = load_relaxed(&w->failing_since_ns);
		to->failing_ns = age(s->now_ns, then);
		s->workers_failing++;
	}
#define WORKER(name, doc)                     \
	to->name = stats_get(&w->stats.name); \
	s->name += to->name;
#define HISTOGRAM(name, doc) add_histogram(&s->name, &w->stats.name);
#include "daemon/base/stats.def"
}

static void read_workers(struct snapshot *s, const struct sources *from)
{
	unsigned i;

	s->workers_failing = 0;
#define WORKER(name, doc) s->name = 0;
#define HISTOGRAM(name, doc) memset(&s->name, 0, sizeof(s->name));
#include "daemon/base/stats.def"
	for (i = 0; i < from->workers->count; i++)
		read_worker(s, &s->worker[i], &from->workers->list[i]);
}

/* Age of the oldest message in an arena or in the ring. */
static uint64_t oldest(const struct snapshot *s, const struct ring *r)
{
	uint64_t oldest_ns = 0, claimed = ring_claimed(r), ns;
	unsigned i;

	for (i = 0; i < s->count; i++) {
		const struct arena_record *rec = &s->worker[i].record;

		ns = rec->count ? age(s->now_ns, rec->oldest_ns) : 0;
		if (ns > oldest_ns)
			oldest_ns = ns;
	}
	if (claimed == ring_published(r))
		return oldest_ns;
	/* This thread wrote it, and overwrites it only when it publishes. */
	ns = age(s->now_ns, ring_received_ns(r, claimed));
	return ns > oldest_ns ? ns : oldest_ns;
}

/* Seconds since 1970, by the clock as it is set now; 0: there was no drop. */
static double last_drop_seconds(const struct snapshot *s,
				const struct dropped_run *drops)
{
	struct timespec now;

	if (!drops->first_ns)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec + now.tv_nsec / 1e9 -
	       age(s->now_ns, drops->last_ns) / 1e9;
}

static void read_drops(struct snapshot *s, const struct sources *from,
		       struct dropped_run *drops)
{
	dropped_note(drops, &from->listener->stats, s->now_ns);
	s->recent = dropped_recent(drops, s->now_ns);
	s->recent_ns = age(s->now_ns, drops->first_ns);
	s->since_last_drop_ns = age(s->now_ns, drops->last_ns);
	s->last_drop_seconds = last_drop_seconds(s, drops);
}

static void fill_gauges(struct snapshot *s, const struct sources *from,
			unsigned open_connections)
{
	s->oldest_seconds = oldest(s, from->ring) / 1e9;
	s->ring_slots = ring_slots(from->ring);
	s->ring_high = from->listener->feed.ring_high;
	s->lanes_open = from->lanes ? lane_server_lanes(from->lanes) : 0;
	s->workers = s->count;
	s->dropping = from->listener->state == LISTENER_DROPPING;
	s->max_dgram_qlen = from->qlen < 0 ? -1 : from->qlen;
	s->recovered_messages = from->recovered->messages;
	s->control_open = open_connections;
	s->start_time_seconds = from->started_ns / 1e9;
}

void snapshot_sample(const struct sources *from, struct rate_sample *out)
{
	const struct stats_listener *l = &from->listener->stats;
	struct workers_totals totals;

#define DROPPED(name, doc) out->name = stats_get(&l->name);
#include "daemon/base/stats.def"
	workers_sum(from->workers, &totals);
	out->received = stats_get(&l->received) + totals.lane_messages +
			from->listener->lane_too_large;
	out->received_bytes = stats_get(&l->received_bytes) + totals.lane_bytes;
	out->written = totals.written;
	out->files = totals.files;
	out->file_bytes = totals.files_bytes;
}

static void read_rates(struct snapshot *s, const struct sources *from,
		       struct rate *rate)
{
	struct rate_sample sample;

	snapshot_sample(from, &sample);
	if (rate_is_due(rate, s->now_ns))
		rate_advance(rate, s->now_ns, &sample);
	s->second.seconds = rate_since(rate, s->now_ns, 1, &sample,
				       &s->second.counted);
	s->minute.seconds = rate_since(rate, s->now_ns, RATE_MINUTE, &sample,
				       &s->minute.counted);
}

/* I2 */
static void check_sum(const struct snapshot *s)
{
	assert(s->arrived == s->written + (uint64_t)s->in_arenas +
				     (uint64_t)s->in_ring + s->dropped);
}

void snapshot_take(struct snapshot *s, uint64_t now_ns,
		   const struct sources *from, struct rate *rate,
		   const struct stats_control *control,
		   unsigned open_connections)
{
	s->now_ns = now_ns;
	s->uptime_ns = age(now_ns, from->started_mono_ns);
	s->listener = from->listener->state;
	assert(from->workers->count <= s->count);
	read_loop_counters(s, from, control);
	place_messages(s, from);
	read_workers(s, from);
	lane_users_take(&s->lane_users, &from->workers->lanes);
	fill_gauges(s, from, open_connections);
	read_rates(s, from, rate);
	read_drops(s, from, &rate->drops);
	check_sum(s);
}

const char *snapshot_worker_word(const struct snapshot_worker *w)
{
	if (w->state == WORKER_EXITED)
		return "stopped";
	if (w->error)
		return "retrying";
	if (w->state == WORKER_FLUSHING)
		return "writing";
	return w->record.count ? "filling" : "idle";
}
