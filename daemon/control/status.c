/* SPDX-License-Identifier: MIT */
/* See show.h. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/remedy.h"
#include "daemon/control/sender_show.h"
#include "daemon/control/show.h"

size_t show_room(unsigned workers, bool identify)
{
	/* tests/unit/test_show.c tests the worst case of both */
	return 60 * 1024 + workers * 4096 + (identify ? SENDER_SHOW_ROOM : 0);
}

static void add_number(struct text *t, const char *name, uint64_t n)
{
	text_add(t, "\"%s\":%" PRIu64 ",", name, n);
}

/* Replaces the comma after the last member by what closes the list. */
static void close_with(struct text *t, const char *end)
{
	if (t->len && t->data[t->len - 1] == ',')
		t->data[--t->len] = 0;
	text_add(t, "%s", end);
}

static void add_process(struct text *t, const struct snapshot *s,
			const struct health *health, const struct sources *from)
{
	const struct config *cfg = from->settings->cfg;

	text_add(t,
		 "{\"schema\":%d,\"version\":\"%s\",\"pid\":%d,"
		 "\"instance\":",
		 SHOW_SCHEMA, BW_VERSION, (int)getpid());
	text_json(t, cfg->instance);
	text_add(t, ",\"settings\":");
	text_json(t, cfg->file);
	text_add(t, ",\"socket\":");
	text_json(t, from->socket);
	text_add(t, ",\"files_path\":");
	text_json(t, cfg->files_path);
	text_add(t, ",\"started\":");
	text_seconds(t, from->started_ns);
	text_add(t, ",\"uptime\":");
	text_seconds(t, s->uptime_ns);
	text_add(t, ",\"health\":\"%s\",\"why\":", health_word(health->level));
	text_json(t, health->why);
	text_add(t, ",\"listener\":\"%s\",", listener_state_word(s->listener));
}

/* Each socket for datagrams, the first one first. */
static void add_sockets(struct text *t, const struct sources *from)
{
	const struct further *further = from->further;
	char name[UNIX_SOCKET_NAME];
	const struct further_socket *s;
	unsigned i;

	text_add(t, "\"sockets\":[");
	for (i = 0; i < from->listener->receiver.sockets; i++) {
		s = i ? &further->at[i - 1] : NULL;
		if (s)
			unix_socket_name(s->fd, name);
		text_add(t, "{\"path\":");
		text_json(t, s ? name : from->socket);
		text_add(t, ",\"received\":%" PRIu64 ",\"lost\":%s},",
			 from->listener->receiver.socket[i].received,
			 (s ? s->watch.lost : from->watch->lost) ? "true" :
								   "false");
	}
	close_with(t, "],");
}

/* The processes that have written most through lanes that are open. */
static void add_lanes(struct text *t, const struct snapshot *s,
		      const struct config *cfg)
{
	const struct lane_user *u;
	uint64_t i;

	text_add(t, "\"lanes\":{");
	add_number(t, "most", cfg->lanes_count);
	add_number(t, "open", (uint64_t)s->lanes_open);
	add_number(t, "processes", s->lane_users.users);
	text_add(t, "\"busiest\":[");
	for (i = 0; i < s->lane_users.users && i < LANE_USERS_TOLD; i++) {
		u = &s->lane_users.user[i];
		text_add(t, "{");
		add_number(t, "pid", u->pid);
		add_number(t, "uid", u->uid);
		add_number(t, "lanes", u->lanes);
		add_number(t, "messages", u->messages);
		add_number(t, "bytes", u->bytes);
		add_number(t, "too_large", u->too_large);
		add_number(t, "unread_bytes", u->unread);
		add_number(t, "waits", u->waits);
		add_number(t, "timeouts", u->timeouts);
		add_number(t, "fallbacks", u->fallbacks);
		close_with(t, "},");
	}
	close_with(t, "]},");
}

static void add_senders(struct text *t, const struct snapshot *s,
			const struct sources *from)
{
	text_add(t, "\"senders\":");
	sender_show_status(t, from->senders, s->now_ns);
	text_add(t, ",");
}

static void add_messages(struct text *t, const struct snapshot *s)
{
	text_add(t, "\"messages\":{");
	add_number(t, "received", s->arrived);
	add_number(t, "written", s->written);
	add_number(t, "in_arenas", (uint64_t)s->in_arenas);
	add_number(t, "in_ring", (uint64_t)s->in_ring);
	add_number(t, "dropped", s->dropped);
	close_with(t, "},\"dropped\":{");
#define DROPPED(name, doc) add_number(t, #name, s->name);
#include "daemon/base/stats.def"
	close_with(t, "},");
}

static void add_rate(struct text *t, const char *name,
		     const struct snapshot_rate *rate)
{
	const struct rate_sample *n = &rate->counted;
	double per = rate->seconds > 0 ? 1 / rate->seconds : 0;

	text_add(t,
		 "\"%s\":{\"seconds\":%.3f,\"received\":%.3f,"
		 "\"received_bytes\":%.0f,\"dropped\":%.3f,\"written\":%.3f,"
		 "\"files\":%.3f,\"file_bytes\":%.0f},",
		 name, rate->seconds, n->received * per,
		 n->received_bytes * per, rate_dropped(n) * per,
		 n->written * per, n->files * per, n->file_bytes * per);
}

static void add_numbers(struct text *t, const struct snapshot *s)
{
	text_add(t, "\"counters\":{");
#define LISTENER(name, doc) add_number(t, #name, s->name);
#define RECORD(name, doc) add_number(t, #name, s->name);
#define WORKER(name, doc) add_number(t, #name, s->name);
#define CONTROL(name, doc) add_number(t, #name, s->name);
#define KEEPER(name, doc) add_number(t, #name, s->name);
#define LOG(name, doc) add_number(t, #name, s->name);
#include "daemon/base/stats.def"
	close_with(t, "},\"gauges\":{");
	/* Seconds have three digits after the point, counts have none. */
#define GAUGE(name, doc)                                                      \
	text_add(t, "\"%s\":%.*f,", #name, strstr(#name, "_seconds") ? 3 : 0, \
		 s->name);
#include "daemon/base/stats.def"
	close_with(t, "},");
}

static void add_error(struct text *t, const struct snapshot_worker *w)
{
	if (!w->error) {
		text_add(t, "\"error\":null,");
		return;
	}
	text_add(t, "\"error\":{\"errno\":%d,\"text\":", w->error);
	text_json(t, strerror(w->error));
	text_add(t, ",\"remedy\":");
	text_json(t, w->remedy);
	text_add(t, ",\"seconds\":");
	text_seconds(t, w->failing_ns);
	text_add(t, "},");
}

static void add_workers(struct text *t, const struct snapshot *s)
{
	unsigned i;

	text_add(t, "\"workers\":[");
	for (i = 0; i < s->count; i++) {
		const struct snapshot_worker *w = &s->worker[i];
		const struct arena_record *rec = &w->record;

		text_add(t, "{\"worker\":%u,\"state\":\"%s\",", i,
			 snapshot_worker_word(w));
		add_error(t, w);
		text_add(t, "\"filing_seconds\":%.3f,", w->flushing_ns / 1e9);
		add_number(t, "arena_bytes", rec->len);
		add_number(t, "arena_size", w->size);
		add_number(t, "messages", rec->count);
		text_add(t, "\"oldest_seconds\":%.3f,",
			 rec->count && s->now_ns > rec->oldest_ns ?
				 (s->now_ns - rec->oldest_ns) / 1e9 :
				 0);
#define RECORD(name, doc) add_number(t, #name, w->name);
#define WORKER(name, doc) add_number(t, #name, w->name);
#include "daemon/base/stats.def"
		close_with(t, "},");
	}
	close_with(t, "],");
}

static void add_histogram(struct text *t, const char *name,
			  const struct snapshot_histogram *h,
			  const uint64_t bounds[STATS_BUCKETS])
{
	bool seconds = strstr(name, "_seconds");
	unsigned i;

	text_add(t, "\"%s\":{\"le\":[", name);
	for (i = 0; i < STATS_BUCKETS; i++)
		text_add(t, "%.10g,", seconds ? bounds[i] / 1e9 : bounds[i]);
	close_with(t, "],\"counts\":[");
	for (i = 0; i <= STATS_BUCKETS; i++)
		text_add(t, "%" PRIu64 ",", h->bucket[i]);
	close_with(t, "],\"sum\":");
	if (seconds)
		text_seconds(t, h->sum);
	else
		text_add(t, "%" PRIu64, h->sum);
	text_add(t, "},");
}

static void add_recovery(struct text *t, const struct recovered *r)
{
	text_add(t, "\"recovery\":{");
	add_number(t, "messages", r->messages);
	add_number(t, "files", r->files);
	add_number(t, "bytes", r->bytes);
	text_add(t, "\"seconds\":");
	text_seconds(t, r->ns);
	text_add(t, ",\"set_aside\":");
	text_json(t, r->aside[0] ? r->aside : NULL);
	text_add(t, "}}");
}

void show_status(struct text *t, const struct snapshot *s,
		 const struct health *health, const struct sources *from)
{
	add_process(t, s, health, from);
	add_sockets(t, from);
	add_lanes(t, s, from->settings->cfg);
	add_senders(t, s, from);
	add_messages(t, s);
	text_add(t, "\"rates\":{");
	add_rate(t, "now", &s->second);
	add_rate(t, "minute", &s->minute);
	close_with(t, "},");
	add_numbers(t, s);
	add_workers(t, s);
	text_add(t, "\"histograms\":{");
#define HISTOGRAM(name, doc) \
	add_histogram(t, #name, &s->name, stats_bounds.name);
#include "daemon/base/stats.def"
	close_with(t, "},");
	add_recovery(t, from->recovered);
}
