/* SPDX-License-Identifier: MIT */
/* See show.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/control/sender_show.h"
#include "daemon/control/show.h"

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* Room for the value of a label: an instance's name, escaped, may be cut. */
#define LABEL 128

struct metrics {
	struct text *t;
	enum show_format format;
	char stream[LABEL]; /* the instance, escaped */
};

static void escape_label(char *out, size_t room, const char *value)
{
	size_t n = 0;

	for (; *value && n + 3 < room; value++) {
		if (*value == '\\' || *value == '"')
			out[n++] = '\\';
		/* Readers reject control characters and broken UTF-8. */
		out[n++] = *value < ' ' || *value > '~' ? '_' : *value;
	}
	out[n] = 0;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && !strcmp(name + n - m, suffix);
}

/* HELP, TYPE and UNIT of a family. */
static void add_family(struct metrics *m, const char *name, const char *type,
		       const char *doc)
{
	bool counter = !strcmp(type, "counter"), info = !strcmp(type, "info");
	const char *suffix = "";

	/*
	 * OpenMetrics names a family of counters without the _total of its
	 * samples; in Prometheus's own format both have one name.
	 */
	if (m->format == SHOW_PROMETHEUS) {
		suffix = counter ? "_total" : info ? "_info" : "";
		type = info ? "gauge" : type;
	}
	text_add(m->t, "# HELP bufwriter_%s%s %s\n", name, suffix, doc);
	text_add(m->t, "# TYPE bufwriter_%s%s %s\n", name, suffix, type);
	if (m->format == SHOW_PROMETHEUS)
		return;
	if (has_suffix(name, "_seconds"))
		text_add(m->t, "# UNIT bufwriter_%s seconds\n", name);
	else if (has_suffix(name, "_bytes"))
		text_add(m->t, "# UNIT bufwriter_%s bytes\n", name);
}

static void add_counter(struct metrics *m, const char *name, const char *doc,
			uint64_t value)
{
	add_family(m, name, "counter", doc);
	text_add(m->t, "bufwriter_%s_total{stream=\"%s\"} %" PRIu64 "\n", name,
		 m->stream, value);
}

static void add_worker_sample(struct metrics *m, const char *name,
			      unsigned worker, uint64_t value)
{
	text_add(m->t,
		 "bufwriter_%s_total{stream=\"%s\",worker=\"%u\"} %" PRIu64
		 "\n",
		 name, m->stream, worker, value);
}

static void add_drops(struct metrics *m, const struct snapshot *s)
{
	add_family(
		m, "dropped", "counter",
		"Datagrams that were received and are in no file, by reason.");
#define DROPPED(name, doc)                                               \
	text_add(m->t,                                                   \
		 "bufwriter_dropped_total{stream=\"%s\",reason=\"" #name \
		 "\"} %" PRIu64 "\n",                                    \
		 m->stream, s->name);
#include "daemon/base/stats.def"
}

/* Without senders.identify there are none. */
static void add_senders(struct metrics *m, struct senders *senders)
{
	unsigned i;

	if (!senders)
		return;
	senders_credit(senders);
	for (i = 0; i < SENDER_FAMILIES; i++) {
		add_family(m, sender_families[i].name, "counter",
			   sender_families[i].doc);
		sender_show_samples(m->t, senders, &sender_families[i],
				    m->stream);
	}
}

static void add_gauge(struct metrics *m, const char *name, const char *doc,
		      double value)
{
	add_family(m, name, "gauge", doc);
	text_add(m->t, "bufwriter_%s{stream=\"%s\"} %.*f\n", name, m->stream,
		 has_suffix(name, "_seconds") ? 3 : 0, value);
}

/* A bound; OpenMetrics requires a point even in a whole number. */
static void add_bound(struct metrics *m, uint64_t value, uint64_t unit)
{
	const char *point = value % unit ? "" : ".0";

	text_add(m->t, "%.10g%s", (double)value / unit,
		 m->format == SHOW_OPENMETRICS ? point : "");
}

static void add_histogram(struct metrics *m, const char *name, const char *doc,
			  const struct snapshot_histogram *h,
			  const uint64_t bounds[STATS_BUCKETS])
{
	bool seconds = has_suffix(name, "_seconds");
	uint64_t count = 0;
	unsigned i;

	add_family(m, name, "histogram", doc);
	for (i = 0; i <= STATS_BUCKETS; i++) {
		count += h->bucket[i];
		text_add(m->t, "bufwriter_%s_bucket{stream=\"%s\",le=\"", name,
			 m->stream);
		if (i < STATS_BUCKETS)
			add_bound(m, bounds[i], seconds ? CLOCK_SECOND : 1);
		else
			text_add(m->t, "+Inf");
		text_add(m->t, "\"} %" PRIu64 "\n", count);
	}
	text_add(m->t, "bufwriter_%s_sum{stream=\"%s\"} ", name, m->stream);
	if (seconds)
		text_seconds(m->t, h->sum);
	else
		text_add(m->t, "%" PRIu64, h->sum);
	text_add(m->t, "\nbufwriter_%s_count{stream=\"%s\"} %" PRIu64 "\n",
		 name, m->stream, count);
}

static void add_build_info(struct metrics *m)
{
	add_family(m, "build", "info", "The daemon's version; always 1.");
	text_add(m->t,
		 "bufwriter_build_info{stream=\"%s\",version=\"%s\","
		 "compiler=\"%s\"} 1\n",
		 m->stream, BW_VERSION, COMPILER);
}

void show_metrics(struct text *t, const struct snapshot *s,
		  const struct sources *from, enum show_format format)
{
	struct metrics m = { t, format, "" };
	unsigned i;

	escape_label(m.stream, LABEL, from->settings->cfg->instance);
	add_build_info(&m);
#define LISTENER(name, doc) add_counter(&m, #name, doc, s->name);
#define CONTROL(name, doc) add_counter(&m, #name, doc, s->name);
#define KEEPER(name, doc) add_counter(&m, #name, doc, s->name);
#define LOG(name, doc) add_counter(&m, #name, doc, s->name);
#define RECORD(name, doc)                      \
	add_family(&m, #name, "counter", doc); \
	for (i = 0; i < s->count; i++)         \
		add_worker_sample(&m, #name, i, s->worker[i].name);
#define WORKER(name, doc)                      \
	add_family(&m, #name, "counter", doc); \
	for (i = 0; i < s->count; i++)         \
		add_worker_sample(&m, #name, i, s->worker[i].name);
#define HISTOGRAM(name, doc) \
	add_histogram(&m, #name, doc, &s->name, stats_bounds.name);
#define GAUGE(name, doc) add_gauge(&m, #name, doc, s->name);
#include "daemon/base/stats.def"
	add_drops(&m, s);
	add_senders(&m, from->senders);
	text_add(t, "# EOF\n");
}
