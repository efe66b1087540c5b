/* SPDX-License-Identifier: MIT */
/* See health.h. */
#include "daemon/control/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/atomic.h"
#include "daemon/base/remedy.h"
#include "daemon/control/disk_watch.h"
#include "daemon/control/text.h"

__attribute__((format(printf, 3, 4))) static void
judge(struct health *h, enum health_level level, const char *fmt, ...)
{
	va_list ap;

	h->level = level;
	va_start(ap, fmt);
	vsnprintf(h->why, sizeof(h->why), fmt, ap);
	va_end(ap);
}

int health_error(const struct sources *from, const char **remedy)
{
	const struct workers *ws = from->workers;
	unsigned i;
	int error;

	for (i = 0; i < ws->count; i++) {
		/* pairs with the release in set_failing(), worker.c */
		error = load_acquire(&ws->list[i].error);
		if (!error)
			continue;
		/* relaxed: ordered by `error` */
		*remedy = load_relaxed(&ws->list[i].remedy);
		return error;
	}
	return 0;
}

void health_explain_error(char text[HEALTH_ERROR], int error,
			  const char *remedy)
{
	snprintf(text, HEALTH_ERROR,
		 "workers cannot write files: %s; %s; their data is kept",
		 strerror(error), remedy);
}

static void add_reasons(struct text *t, const struct dropped *d)
{
#define DROPPED(name, doc) \
	if (d->name)       \
		text_add(t, " " #name " %" PRIu64, d->name);
#include "daemon/base/stats.def"
}

void health_explain_drops(char text[HEALTH_DROPS], const struct dropped *d)
{
	uint64_t n = dropped_sum(d);
	struct text t;

	text_open(&t, text, HEALTH_DROPS);
	if (!n)
		return;
	text_add(&t, "; %" PRIu64 " datagram%s dropped since the start:", n,
		 n == 1 ? " was" : "s were");
	add_reasons(&t, d);
}

/* Whatever the trouble is, nobody may take it for one without a loss. */
static void add_drops(struct health *h, const struct snapshot *s)
{
	char text[HEALTH_DROPS];
	struct dropped all;
	size_t len = strlen(h->why);

#define DROPPED(name, doc) all.name = s->name;
#include "daemon/base/stats.def"
	health_explain_drops(text, &all);
	snprintf(h->why + len, sizeof(h->why) - len, "%s", text);
}

/* At least one worker fails: speaks of the one that has for longest. */
static void judge_workers(struct health *h, const struct snapshot *s)
{
	char text[HEALTH_ERROR];
	unsigned i, longest = 0;

	for (i = 1; i < s->count; i++)
		if (s->worker[i].failing_ns > s->worker[longest].failing_ns)
			longest = i;
	health_explain_error(text, s->worker[longest].error,
			     s->worker[longest].remedy);
	judge(h, HEALTH_FAILING, "%.0f of %u %s (failing for %.1f s)",
	      s->workers_failing, s->count, text,
	      s->worker[longest].failing_ns / 1e9);
}

/* The longest flush under way, which need not have failed yet. */
static uint64_t longest_flush(const struct snapshot *s)
{
	uint64_t longest_ns = 0;
	unsigned i;

	for (i = 0; i < s->count; i++)
		if (s->worker[i].flushing_ns > longest_ns)
			longest_ns = s->worker[i].flushing_ns;
	return longest_ns;
}

static void judge_disk(struct health *h, uint64_t flushing_ns)
{
	bool hangs = flushing_ns >= DISK_WATCH_HANGS_NS;

	judge(h, hangs ? HEALTH_FAILING : HEALTH_DEGRADED,
	      "a worker has been writing one file for %.0f s: the disk %s",
	      flushing_ns / 1e9, hangs ? "hangs" : "is slow");
}

/* True: the sentence says how many. */
static bool judge_drops(struct health *h, const struct snapshot *s,
			uint64_t dropped)
{
	/* Rounded up: a daemon can drop in its first moment. */
	uint64_t seconds = s->recent_ns / CLOCK_SECOND + 1;
	struct text why;

	h->level = HEALTH_DEGRADED;
	text_open(&why, h->why, sizeof(h->why));
	text_add(&why,
		 "%" PRIu64 " datagram%s dropped in the last %" PRIu64 " s:",
		 dropped, dropped == 1 ? " was" : "s were", seconds);
	add_reasons(&why, &s->recent);
	text_add(&why, "; the last one %.1f s ago",
		 s->since_last_drop_ns / 1e9);
	return true;
}

/* The start is not complete: there is no ring yet, and no worker. */
static void judge_recovery(struct health *h, const struct snapshot *s,
			   const struct sources *from)
{
	bool drops = s->listener == LISTENER_DROPPING;
	const char *remedy;
	int error = start_waits_for(from->start, &remedy);

	if (error)
		judge(h, HEALTH_FAILING,
		      "the recovery waits for the disk: %s; %s; what the "
		      "process before left is kept%s",
		      strerror(error), remedy,
		      drops ? ", and new datagrams are dropped" : "");
	else
		judge(h, drops ? HEALTH_FAILING : HEALTH_DEGRADED,
		      "the daemon recovers what the process before left%s",
		      drops ? ", and new datagrams are dropped" : "");
}

static void judge_region(struct health *h, const struct sources *from)
{
	if (from->region_watch->lost)
		judge(h, HEALTH_FAILING,
		      "a crash loses the messages in memory: %.100s was "
		      "removed, or another file is in its place; restart the "
		      "daemon",
		      from->region_watch->path);
	else
		judge(h, HEALTH_FAILING,
		      "the lock file %.100s was removed, or another file is "
		      "in its place; restart the daemon",
		      from->lock_watch->path);
}

/* A monitor that asks now and then has to learn of it. */
static bool is_deleting(const struct snapshot *s, const struct sources *from)
{
	/* relaxed: the number alone counts */
	uint64_t then = load_relaxed(&from->workers->keeper.deleted_ns);

	return then && s->now_ns - then < DROPPED_RECENT_NS;
}

void health_judge(struct health *h, const struct snapshot *s,
		  const struct sources *from)
{
	const char *lost = from->further ? further_lost(from->further) : NULL;
	bool about_drops = false;
	uint64_t dropped = dropped_sum(&s->recent);
	uint64_t flushing_ns = longest_flush(s);

	path_watch_check(from->watch);
	path_watch_check(from->region_watch);
	path_watch_check(from->lock_watch);
	if (!from->start->complete)
		judge_recovery(h, s, from);
	else if (from->watch->lost || lost)
		judge(h, HEALTH_FAILING,
		      "programs cannot reach the daemon: %s was removed, or "
		      "another socket is in its place; %s",
		      from->watch->lost ? from->watch->path : lost,
		      from->start->socket.fd >= 0 ? "see the log" :
						    "restart the socket unit");
	else if (s->workers_failing)
		judge_workers(h, s);
	else if (from->region_watch->lost || from->lock_watch->lost)
		judge_region(h, from);
	else if (flushing_ns >= DISK_WATCH_HANGS_NS)
		judge_disk(h, flushing_ns);
	else if (s->listener == LISTENER_DROPPING)
		judge(h, HEALTH_FAILING,
		      "datagrams are being dropped: the ring is full, and the "
		      "workers cannot keep up with the senders");
	else if (listener_is_stopping(from->listener))
		judge(h, HEALTH_DEGRADED, "the daemon is stopping");
	else if (dropped)
		about_drops = judge_drops(h, s, dropped);
	else if (flushing_ns >= DISK_WATCH_SLOW_NS)
		judge_disk(h, flushing_ns);
	else if (s->listener == LISTENER_WAITING)
		judge(h, HEALTH_DEGRADED,
		      "the ring is full, and senders wait for the workers");
	else if (is_deleting(s, from))
		judge(h, HEALTH_DEGRADED,
		      "%" PRIu64 " complete files were deleted since the "
		      "start, with %" PRIu64 " messages, because nobody had "
		      "taken them: see files.when_full",
		      s->deleted_files, s->deleted_messages);
	else if (from->recovered->aside[0])
		judge(h, HEALTH_DEGRADED,
		      "the last start could not recover the messages in "
		      "memory: see %.100s",
		      from->recovered->aside);
	else if (from->lanes && lane_server_unread(from->lanes))
		judge(h, HEALTH_DEGRADED,
		      "messages of the process before wait in %u copies of "
		      "lanes that cannot be read: see the log of the start",
		      lane_server_unread(from->lanes));
	else if (metrics_file_trouble(from->metrics, h->why, sizeof(h->why)))
		h->level = HEALTH_DEGRADED;
	else
		judge(h, HEALTH_OK, "nothing is wrong");
	if (h->level != HEALTH_OK && !about_drops)
		add_drops(h, s);
}

const char *health_word(enum health_level level)
{
	static const char *const words[] = { "ok", "degraded", "failing" };

	return words[level];
}
