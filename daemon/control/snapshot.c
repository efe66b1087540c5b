/* SPDX-License-Identifier: MIT */
/*
 * See snapshot.h.
 *
 * Why the sum is exact although workers move while this looks.  What the
 * loop thread counts (received, dropped, published) stands still, because
 * this is the loop thread, between two batches: every datagram received is
 * either published or was dropped by then.  A worker's record is read in one
 * piece: a message is in it or not, and if it is, then either in its arena
 * or in its files.  No message moves from one worker to another.  So each
 * published message is in exactly one place, whatever the moment in which
 * each record is read: in the record that has it, or, for those that no
 * record had, in the ring:
 *
 *	in_ring = published - taken by all records - too large
 *
 * (A datagram that is too large is published too, as a ticket with nothing
 * in it.)  The records are read again until two passes agree; then they were
 * all true together.  On a busy daemon that may never happen, so the passes
 * are few, and then what one worker has is a microsecond older than what
 * another has; the sum holds all the same.
 */
#include "daemon/control/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/remedy.h"

#define PASSES 8

/* A flush takes milliseconds.  From here on the disk is slow; it hangs. */
#define SLOW (10 * CLOCK_SECOND)
#define HANGS (60 * CLOCK_SECOND)

int snapshot_open(struct snapshot *s, const struct sources *from)
{
	memset(s, 0, sizeof(*s));
	s->count = from->workers->count;
	s->worker = calloc(s->count, sizeof(*s->worker));
	return s->worker ? 0 : -ENOMEM;
}

void snapshot_close(struct snapshot *s)
{
	free(s->worker);
	s->worker = NULL;
}

static uint64_t age(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

/* One pass over all records; true if nothing had changed. */
static bool read_records(struct snapshot *s, const struct sources *from)
{
	struct arena_record rec;
	bool same = true;
	unsigned i;

	for (i = 0; i < s->count; i++) {
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
	uint64_t taken = 0, published;
	unsigned i, pass;

	for (pass = 0; pass < PASSES && !read_records(s, from); pass++)
		;
	s->written = 0;
	s->in_arenas = 0;
	s->arena_bytes = 0;
	for (i = 0; i < s->count; i++) {
		const struct arena_record *rec = &s->worker[i].record;

		taken += rec->taken;
		s->written += rec->written;
		s->in_arenas += rec->count;
		s->arena_bytes += rec->len;
	}
	published = ring_published(from->ring) - from->ring->first;
	s->in_ring = published - taken - s->too_large;
}

static void read_loop_counters(struct snapshot *s, const struct sources *from,
			       const struct stats_control *control)
{
	const struct stats_listener *l = &from->listener->stats;

	s->dropped = 0;
#define LISTENER(name, doc) s->name = stats_get(&l->name);
#define DROPPED(name, doc)             \
	s->name = stats_get(&l->name); \
	s->dropped += s->name;
#define CONTROL(name, doc) s->name = stats_get(&control->name);
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
	/* acquire: pairs with the release in set_state() */
	to->state = atomic_load_explicit(&w->state, memory_order_acquire);
	/* acquire: pairs with the release in set_failing() */
	to->error = atomic_load_explicit(&w->error, memory_order_acquire);
	then = atomic_load_explicit(&w->flushing_since_ns,
				    memory_order_relaxed);
	to->flushing_ns = then ? age(s->now, then) : 0;
	to->failing_ns = 0;
	if (to->error) {
		to->failing_ns = age(
			s->now, atomic_load_explicit(&w->failing_since_ns,
						     memory_order_relaxed));
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
	for (i = 0; i < s->count; i++)
		read_worker(s, &s->worker[i], &from->workers->list[i]);
}

/* Age of the oldest message that is in an arena or waits in the ring. */
static uint64_t oldest(const struct snapshot *s, const struct ring *r)
{
	uint64_t oldest_ns = 0, claimed = ring_claimed(r), ns;
	unsigned i;

	for (i = 0; i < s->count; i++) {
		const struct arena_record *rec = &s->worker[i].record;

		ns = rec->count ? age(s->now, rec->oldest_ns) : 0;
		if (ns > oldest_ns)
			oldest_ns = ns;
	}
	if (claimed == ring_published(r))
		return oldest_ns;
	/* Written by this thread, and not again before it publishes. */
	ns = age(s->now, r->received_ns[claimed % r->geo.slots]);
	return ns > oldest_ns ? ns : oldest_ns;
}

static void fill_gauges(struct snapshot *s, const struct sources *from,
			unsigned open_connections)
{
	s->oldest_seconds = oldest(s, from->ring) / 1e9;
	s->ring_slots = from->ring->geo.slots;
	s->ring_high = from->listener->ring_high;
	s->workers = s->count;
	s->dropping = from->listener->state == LISTENER_DROPPING;
	s->max_dgram_qlen = from->qlen < 0 ? -1 : from->qlen;
	s->recovered_messages = from->recovered->messages;
	s->control_open = open_connections;
	s->start_time_seconds = from->started / 1e9;
}

void snapshot_sample(const struct sources *from, struct rate_sample *out)
{
	const struct stats_listener *l = &from->listener->stats;
	struct workers_totals totals;

	out->received = stats_get(&l->received);
	out->received_bytes = stats_get(&l->received_bytes);
#define DROPPED(name, doc) out->name = stats_get(&l->name);
#include "daemon/base/stats.def"
	workers_sum(from->workers, &totals);
	out->written = totals.written;
	out->files = totals.files;
	out->file_bytes = totals.files_bytes;
}

static void read_rates(struct snapshot *s, const struct sources *from,
		       struct rate *rate)
{
	struct rate_sample sample;

	snapshot_sample(from, &sample);
	if (rate_is_due(rate, s->now))
		rate_advance(rate, s->now, &sample);
	s->second.seconds = rate_since(rate, s->now, 1, &sample,
				       &s->second.counted);
	s->minute.seconds = rate_since(rate, s->now, RATE_MINUTE, &sample,
				       &s->minute.counted);
}

/* -- health -------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void
judge(struct snapshot *s, enum health health, const char *fmt, ...)
{
	va_list ap;

	s->health = health;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
}

int snapshot_error(const struct sources *from)
{
	const struct workers *ws = from->workers;
	unsigned i;
	int error;

	for (i = 0; i < ws->count; i++) {
		/* pairs with the release in set_failing() */
		error = load_acquire(&ws->list[i].error);
		if (error)
			return error;
	}
	return 0;
}

void snapshot_explain_failure(char text[SNAPSHOT_FAILURE], int error)
{
	snprintf(text, SNAPSHOT_FAILURE,
		 "workers cannot write files: %s; %s; their data is kept",
		 strerror(error), remedy(-error));
}

/* At least one worker fails: the one that has failed for longest. */
static void judge_workers(struct snapshot *s)
{
	char failure[SNAPSHOT_FAILURE];
	unsigned i, longest = 0;

	for (i = 1; i < s->count; i++)
		if (s->worker[i].failing_ns > s->worker[longest].failing_ns)
			longest = i;
	snapshot_explain_failure(failure, s->worker[longest].error);
	judge(s, HEALTH_FAILING, "%.0f of %u %s (failing for %.1f s)",
	      s->workers_failing, s->count, failure,
	      s->worker[longest].failing_ns / 1e9);
}

/* Without an error: write(2) and its like do not come back. */
static uint64_t longest_filing(const struct snapshot *s)
{
	uint64_t longest = 0;
	unsigned i;

	for (i = 0; i < s->count; i++)
		if (s->worker[i].flushing_ns > longest)
			longest = s->worker[i].flushing_ns;
	return longest;
}

static void judge_disk(struct snapshot *s, uint64_t ns)
{
	judge(s, ns < HANGS ? HEALTH_DEGRADED : HEALTH_FAILING,
	      "a worker writes one file for %.0f s now: the disk %s", ns / 1e9,
	      ns < HANGS ? "is slow" : "hangs");
}

static uint64_t dropped_in(const struct rate_sample *counted)
{
	uint64_t n = 0;

#define DROPPED(name, doc) n += counted->name;
#include "daemon/base/stats.def"
	return n;
}

static void judge_drops(struct snapshot *s, uint64_t n)
{
	/* Rounded up: a daemon may drop in its first moment. */
	uint64_t seconds = (uint64_t)s->minute.seconds + 1;
	int len;

	judge(s, HEALTH_DEGRADED,
	      "%" PRIu64 " datagrams were dropped in the last %" PRIu64 " s:",
	      n, seconds);
	len = strlen(s->why);
#define DROPPED(name, doc)                                          \
	if (s->minute.counted.name)                                 \
		len += snprintf(s->why + len, sizeof(s->why) - len, \
				" " #name " %" PRIu64,              \
				s->minute.counted.name);
#include "daemon/base/stats.def"
}

static void judge_all(struct snapshot *s, const struct sources *from)
{
	uint64_t drops = dropped_in(&s->minute.counted);
	uint64_t filing = longest_filing(s);

	if (s->workers_failing)
		judge_workers(s);
	else if (filing >= HANGS)
		judge_disk(s, filing);
	else if (s->listener == LISTENER_DROPPING)
		judge(s, HEALTH_FAILING,
		      "what is sent now is dropped: the ring is full, and the "
		      "workers do not keep up with the disk");
	else if (listener_is_stopping(from->listener))
		judge(s, HEALTH_DEGRADED, "the daemon is stopping");
	else if (drops)
		judge_drops(s, drops);
	else if (filing >= SLOW)
		judge_disk(s, filing);
	else if (s->listener == LISTENER_WAITING)
		judge(s, HEALTH_DEGRADED,
		      "the ring is full, and senders wait for the workers");
	else if (from->recovered->aside[0])
		judge(s, HEALTH_DEGRADED,
		      "the last start could not recover what was in memory: "
		      "see %.100s",
		      from->recovered->aside);
	else
		judge(s, HEALTH_OK, "nothing is wrong");
}

void snapshot_take(struct snapshot *s, uint64_t now_ns,
		   const struct sources *from, struct rate *rate,
		   const struct stats_control *control,
		   unsigned open_connections)
{
	s->now = now_ns;
	s->uptime = age(s->now, from->started_mono);
	s->listener = from->listener->state;
	read_loop_counters(s, from, control);
	place_messages(s, from);
	read_workers(s, from);
	fill_gauges(s, from, open_connections);
	read_rates(s, from, rate);
	judge_all(s, from);
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

const char *snapshot_health_word(enum health health)
{
	static const char *const words[] = { "ok", "degraded", "failing" };

	return words[health];
}
