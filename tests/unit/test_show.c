/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: every message is in one place, and health is judged right.  Their
 * texts: JSON and metrics that readers accept, no longer than the room for
 * them, with every line of the table.
 *
 * There are no threads: the test does what loop and workers do.  The clock is
 * the test's own and starts late, so that times can lie minutes back.
 * CLOCK_MONOTONIC counts from the boot of the machine, which may be shorter
 * ago.
 */
#include <inttypes.h>
#include <time.h>

#include "client/command/json.h"
#include "tests/lib/core.h"
#include "daemon/base/clock.h"
#include "daemon/base/remedy.h"
#include "daemon/control/show.h"
#include "daemon/filing/transfer.h"
#include "daemon/region/ring_check.h"
#include "tests/lib/metrics.h"

#define MOST 64

static struct core_ring c;
static uint64_t now;
static struct arena arenas[MOST];
static struct flush flushes[MOST];
static struct region_names names = { .number = 7 };
static void *mem[MOST];
static size_t arena_len;
static struct config *cfg;
static struct listener listener;
static struct senders senders;
static struct workers workers;
static struct reload settings;
static struct recovered recovered;
static struct stats_control control;
static struct rate rate;
static struct sources from;
static struct start start;
static struct metrics_file metrics_file; /* there is none */
static struct path_watch path_watch;
static struct snapshot snapshot;
static struct health health;
static char *text_memory;
static struct text text;

static void open_parts(unsigned count, uint64_t slots, uint64_t size)
{
	unsigned i;

	now = 1000 * CLOCK_SECOND;
	core_mkdir("files");
	cfg = CORE_SETTINGS("files.suffix=");
	core_ring_open(&c, slots, 100, UINT32_MAX - 3);
	arena_len = arena_bytes(size, 100);
	workers.list = aligned_alloc(CACHE_LINE, count * sizeof(struct worker));
	memset(workers.list, 0, count * sizeof(struct worker));
	workers.count = count;
	for (i = 0; i < count; i++) {
		mem[i] = core_map(arena_len);
		arena_open(&arenas[i], mem[i], size, 100, FRAMING_NEWLINE);
		arena_format(&arenas[i]);
		flush_open(&flushes[i], cfg, i, &names);
		workers.list[i].arena = &arenas[i];
	}
	settings.cfg = cfg;
	from = (struct sources){ .ring = &c.ring,
				 .listener = &listener,
				 .workers = &workers,
				 .workers_most = count,
				 .lanes_most = 2 * LANE_USERS_TOLD,
				 .start = &start,
				 .watch = &path_watch,
				 .region_watch = &path_watch,
				 .lock_watch = &path_watch,
				 .metrics = &metrics_file,
				 .settings = &settings,
				 .recovered = &recovered,
				 .qlen = 512,
				 .socket = "/run/x.sock",
				 .started_ns = 1234567890123456789,
				 .started_mono_ns = now };
	memset(&listener, 0, sizeof(listener));
	memset(&recovered, 0, sizeof(recovered));
	memset(&start, 0, sizeof(start));
	start.complete = true;
	memset(&control, 0, sizeof(control));
	rate_open(&rate, from.started_mono_ns);
	ck_assert_int_eq(snapshot_open(&snapshot, &from), 0);
	text_memory = malloc(show_room(count, true));
	text_open(&text, text_memory, show_room(count, true));
}

static void close_parts(void)
{
	unsigned i;

	for (i = 0; i < workers.count; i++)
		munmap(mem[i], arena_len);
	free(workers.list);
	free(text_memory);
	snapshot_close(&snapshot);
	core_ring_close(&c);
	config_free(cfg);
}

static void look(void)
{
	snapshot_take(&snapshot, now, &from, &rate, &control, 3);
	health_judge(&health, &snapshot, &from);
}

/* A datagram of this length is above the limit of its sender. */
#define ABOVE_LIMIT 77

/* What the listener does with one datagram. */
static bool receive(uint32_t len)
{
	static uint8_t data[200];
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;

	if (!ring_arm(&c.ring, 1, &msgs)) {
		stats_add(&listener.stats.received, 1);
		stats_add(&listener.stats.ring_full, 1);
		return false;
	}
	core_receive(msgs, data, len);
	stats_add(&listener.stats.received, 1);
	if (len == ABOVE_LIMIT) {
		ring_refuse(&c.ring, 0);
		stats_add(&listener.stats.sender_rate, 1);
	}
	ring_publish(&c.ring, 1, now, &batch);
	stats_add(&listener.stats.too_large, batch.too_large);
	return true;
}

/* Messages in the ring as the ring itself has them: another source. */
static unsigned held_messages(void)
{
	uint64_t head = ring_head(&c.ring.layout), ticket;
	struct ring_message m;
	unsigned n = 0;

	for (ticket = head - c.ring.layout.geo.slots; ticket < head; ticket++) {
		if (!ring_is_held(&c.ring.layout, ticket))
			continue;
		ring_peek(&c.ring, ticket, &m);
		n += !m.oversized;
	}
	return n;
}

static unsigned filed_messages(void)
{
	struct core_files files = core_files(core_path("files"));
	unsigned i, n = 0;
	size_t len, at;
	char *data;

	for (i = 0; i < files.n; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/files/%s", core_dir,
			 files.name[i]);
		data = file_read(path, &len);
		for (at = 0; at < len; at++)
			n += data[at] == '\n';
		free(data);
	}
	core_files_free(&files);
	return n;
}

static void require_sum(void)
{
	uint64_t in_arenas = 0;
	unsigned i;

	look();
	for (i = 0; i < workers.count; i++)
		in_arenas += arenas[i].now.count;
	ck_assert_uint_eq((uint64_t)snapshot.in_ring, held_messages());
	ck_assert_uint_eq((uint64_t)snapshot.in_arenas, in_arenas);
	ck_assert_uint_eq(snapshot.written, filed_messages());
	ck_assert_uint_eq(snapshot.received,
			  snapshot.written + (uint64_t)snapshot.in_arenas +
				  (uint64_t)snapshot.in_ring +
				  snapshot.dropped);
}

START_TEST(every_message_is_in_one_place_after_every_step)
{
	uint64_t bytes;
	bool wanted;
	unsigned i, w, step;

	open_parts(3, 16, 300);
	for (step = 0; step < 2000; step++) {
		w = random_below(3);
		switch (random_below(4)) {
		case 0:
		case 1:
			/* 0 to 119 bytes: above 100 is too large */
			for (i = random_below(6); i; i--)
				receive(1 + random_below(119));
			break;
		case 2:
			if (transfer_take(&c.ring, &arenas[w], &wanted) !=
			    TRANSFER_FULL)
				break;
			/* fall through */
		case 3:
			if (!random_below(4))
				ck_assert_int_eq(transfer_flush(&arenas[w],
								&flushes[w],
								&bytes),
						 0);
		}
		if (!(step % 8))
			require_sum();
	}
	require_sum();
	/* Each kind of place was used. */
	ck_assert_uint_gt(snapshot.too_large, 0);
	ck_assert_uint_gt(snapshot.ring_full, 0);
	ck_assert_uint_gt(snapshot.sender_rate, 0);
	ck_assert_uint_gt(snapshot.written, 0);
	close_parts();
}
END_TEST

/* I2 as an assertion: one datagram that is nowhere ends the daemon. */
START_TEST(a_snapshot_that_does_not_add_up_aborts)
{
	open_parts(2, 16, 300);
	receive(10);
	look();
	stats_add(&listener.stats.received, 1);
	look();
}
END_TEST

/* -- health -------------------------------------------------------------- */

static void expect_health(enum health_level level, const char *why)
{
	look();
	ck_assert_msg(health.level == level && strstr(health.why, why),
		      "%s: %s", health_word(health.level), health.why);
}

START_TEST(health_is_judged_by_the_worst)
{
	open_parts(2, 16, 300);
	expect_health(HEALTH_OK, "nothing is wrong");
	strcpy(recovered.aside, "/run/state.bad-1");
	expect_health(HEALTH_DEGRADED, "/run/state.bad-1");
	listener.state = LISTENER_WAITING;
	expect_health(HEALTH_DEGRADED, "the ring is full");
	receive(101);
	expect_health(HEALTH_DEGRADED,
		      "1 datagram was dropped in the last 1 s: too_large 1");
	ck_assert_ptr_null(strstr(health.why, "ring_full"));
	listener.state = LISTENER_DROPPING;
	expect_health(HEALTH_FAILING, "being dropped");
	workers.list[1].error = ENOSPC;
	workers.list[1].remedy = remedy(-ENOSPC);
	workers.list[1].failing_since_ns = now - 12 * CLOCK_SECOND;
	expect_health(HEALTH_FAILING, "1 of 2 workers");
	ck_assert_ptr_nonnull(strstr(health.why, "12.0 s"));
	ck_assert_ptr_nonnull(strstr(health.why, strerror(ENOSPC)));
	ck_assert_ptr_nonnull(strstr(health.why, "free space"));
	/* Not "nothing is lost": a datagram was dropped (I7). */
	ck_assert_ptr_nonnull(strstr(health.why, "their data is kept"));
	ck_assert_ptr_null(strstr(health.why, "lost"));
	ck_assert_ptr_nonnull(strstr(health.why, "; 1 datagram was dropped "
						 "since the start: too_large "
						 "1"));
	close_parts();
}
END_TEST

/* As if the daemon did nothing for so long. */
static void sleep_for(uint64_t seconds)
{
	struct dropped_run *drops = &rate.drops;

	drops->first_ns -= seconds * CLOCK_SECOND;
	drops->last_ns -= seconds * CLOCK_SECOND;
}

/* A monitor that asks every five minutes learns of every drop. */
START_TEST(a_drop_is_known_for_ten_minutes)
{
	open_parts(1, 16, 300);
	receive(101);
	expect_health(HEALTH_DEGRADED, "the last one 0.0 s ago");
	sleep_for(62);
	expect_health(HEALTH_DEGRADED,
		      "1 datagram was dropped in the last 63 s: too_large 1; "
		      "the last one 62.0 s ago");
	sleep_for(537);
	expect_health(HEALTH_DEGRADED, "the last one 599.0 s ago");
	/* Another one continues the run, and its time is that of the run. */
	receive(101);
	receive(102);
	expect_health(HEALTH_DEGRADED,
		      "3 datagrams were dropped in the last 600 s: "
		      "too_large 3; the last one 0.0 s ago");
	sleep_for(600);
	expect_health(HEALTH_OK, "nothing is wrong");
	ck_assert_uint_eq(snapshot.dropped, 3);
	/* A new run does not count the old one again. */
	receive(101);
	expect_health(HEALTH_DEGRADED,
		      "1 datagram was dropped in the last 1 s: too_large 1;");
	close_parts();
}
END_TEST

START_TEST(the_time_of_the_last_drop_is_told)
{
	double before = time(NULL);

	open_parts(1, 16, 300);
	look();
	ck_assert_double_eq(snapshot.last_drop_seconds, 0);
	receive(101);
	look();
	ck_assert_double_ge(snapshot.last_drop_seconds, before);
	ck_assert_double_le(snapshot.last_drop_seconds, time(NULL) + 1);
	sleep_for(900);
	look();
	ck_assert_double_ge(snapshot.last_drop_seconds, before - 900);
	ck_assert_double_le(snapshot.last_drop_seconds, time(NULL) - 899);
	close_parts();
}
END_TEST

START_TEST(a_disk_that_hangs_is_seen_without_an_error)
{
	open_parts(2, 16, 300);
	workers.list[1].flushing_since_ns = now - 9 * CLOCK_SECOND;
	expect_health(HEALTH_OK, "nothing is wrong");
	workers.list[1].flushing_since_ns = now - 11 * CLOCK_SECOND;
	expect_health(HEALTH_DEGRADED, "for 11 s: the disk is slow");
	workers.list[1].flushing_since_ns = now - 61 * CLOCK_SECOND;
	expect_health(HEALTH_FAILING, "for 61 s: the disk hangs");
	/* An error says more than the time. */
	workers.list[1].error = EDQUOT;
	workers.list[1].remedy = remedy(-EDQUOT);
	workers.list[1].failing_since_ns = workers.list[1].flushing_since_ns;
	expect_health(HEALTH_FAILING, strerror(EDQUOT));
	close_parts();
}
END_TEST

START_TEST(a_stopping_daemon_is_degraded)
{
	open_parts(1, 16, 300);
	listener.state = LISTENER_DRAINING;
	expect_health(HEALTH_DEGRADED, "stopping");
	close_parts();
}
END_TEST

START_TEST(workers_have_a_word_for_what_they_do)
{
	struct snapshot_worker w = { .state = WORKER_PARKED };

	ck_assert_str_eq(snapshot_worker_word(&w), "idle");
	w.record.count = 1;
	ck_assert_str_eq(snapshot_worker_word(&w), "filling");
	w.state = WORKER_FLUSHING;
	ck_assert_str_eq(snapshot_worker_word(&w), "writing");
	w.error = EIO;
	ck_assert_str_eq(snapshot_worker_word(&w), "retrying");
	w.state = WORKER_EXITED;
	ck_assert_str_eq(snapshot_worker_word(&w), "stopped");
}
END_TEST

START_TEST(the_oldest_message_counts_from_its_receipt)
{
	bool wanted;

	open_parts(2, 16, 300);
	look();
	ck_assert_double_eq(snapshot.oldest_seconds, 0);
	receive(10);
	now += CLOCK_SECOND;
	receive(10);
	now += CLOCK_SECOND;
	look();
	ck_assert_double_eq(snapshot.oldest_seconds, 2);
	transfer_take(&c.ring, &arenas[1], &wanted);
	look();
	ck_assert_double_eq(snapshot.oldest_seconds, 2);
	close_parts();
}
END_TEST

/* -- what is shown ------------------------------------------------------- */

/*
 * Every number and path as long as it can be.  (A path of nothing but control
 * characters would take six times as much; then the answer is an error.)
 */
static void make_everything_large(void)
{
	static char name[256], path[3501];
	const uint64_t large = UINT64_MAX;
	unsigned i;

	memset(name, '"', 255);
	memset(path, 'x', 3500);
	cfg->instance = strdup(name);
	cfg->file = strdup(path);
	cfg->files_path = strdup(path);
	memset(from.socket, 'x', 107);
	memset(recovered.aside, 'x', PATH_MAX - 1);
	recovered.messages = recovered.files = recovered.ns = large;
	look();
#define LISTENER(n, doc) snapshot.n = large;
#define DROPPED(n, doc) snapshot.n = large;
#define CONTROL(n, doc) snapshot.n = large;
#define KEEPER(n, doc) snapshot.n = large;
#define LOG(n, doc) snapshot.n = large;
#define RECORD(n, doc) snapshot.n = large;
#define WORKER(n, doc) snapshot.n = large;
#define HISTOGRAM(n, doc) memset(&snapshot.n, 0xff, sizeof(snapshot.n));
#define GAUGE(n, doc) snapshot.n = 18446744073709551615.0;
#include "daemon/base/stats.def"
	memset(health.why, '"', sizeof(health.why) - 1);
	snapshot.lane_users.users = snapshot.lane_users.most;
	memset(snapshot.lane_users.user, 0xff,
	       snapshot.lane_users.most * sizeof(*snapshot.lane_users.user));
	for (i = 0; i < snapshot.count; i++) {
		memset(&snapshot.worker[i], 0xff, sizeof(snapshot.worker[i]));
		snapshot.worker[i].state = WORKER_FLUSHING;
		snapshot.worker[i].error = ENOTEMPTY;
		snapshot.worker[i].remedy = remedy(-EROFS);
	}
}

/* Each character of a name takes as much room as one can. */
static void make_senders_large(void)
{
	const struct sender_id id = { UINT32_MAX, UINT32_MAX };
	struct sender *row;
	unsigned i;

	ck_assert_int_eq(senders_open(&senders, cfg, now), 0);
	from.senders = &senders;
	for (i = 0; i < SENDER_UNITS; i++) {
		memset(senders.units.at[i].name, '\\', SENDER_UNIT_NAME - 1);
		memset(&senders.units.at[i].sums, 0xff,
		       sizeof(senders.units.at[i].sums));
	}
	memset(&senders.total, 0xff, sizeof(senders.total));
	memset(&senders.limit, 0xff, sizeof(senders.limit));
	for (i = 0; i < SENDERS_MOST; i++) {
		row = &senders.at[i];
		row->id = id;
		row->used = row->has_unit = true;
		memset(row->command, 1, SENDER_COMMAND - 1);
		memset(&row->sums, 0xff, sizeof(row->sums));
		row->credited = row->sums;
		row->last_ns = row->mark_ns = now;
		row->speed = (struct sender_speed){ 1e15, 1e18 };
	}
}

static const unsigned counts[] = { 1, 4, MOST };

START_TEST(the_worst_case_fits_its_room)
{
	struct config before;
	struct text inner;
	char *copy;

	open_parts(counts[_i], 16, 300);
	before = *cfg;
	make_senders_large();
	make_everything_large();
	show_status(&text, &snapshot, &health, &from);
	ck_assert_msg(!text.cut, "status has no room");
	ck_assert(json_valid(text.data));
	ck_assert_uint_lt(text.len + 2, text.room);
	copy = malloc(text.room);
	text_open(&inner, copy, text.room);
	show_metrics(&inner, &snapshot, &from, SHOW_OPENMETRICS);
	ck_assert_msg(!inner.cut, "metrics have no room");
	/* As the answer that holds it. */
	text_clear(&text);
	text_add(&text, "{\"metrics\":");
	text_json(&text, inner.data);
	text_add(&text, "}\n");
	ck_assert_msg(!text.cut, "the answer has no room for the metrics");
	free(copy);
	free((char *)cfg->instance);
	free((char *)cfg->file);
	free((char *)cfg->files_path);
	*cfg = before;
	senders_close(&senders);
	close_parts();
}
END_TEST

START_TEST(the_status_has_every_line_of_the_table)
{
	const char *value;

	open_parts(3, 16, 300);
	receive(10);
	stats_add(&listener.stats.waits, 7);
	stats_add(&workers.list[0].stats.files, 2);
	stats_add(&workers.list[2].stats.files, 3);
	STATS_OBSERVE(&workers.list[1].stats, flush_seconds, 1500000);
	look();
	show_status(&text, &snapshot, &health, &from);
	ck_assert(json_valid(text.data));
#define HAS(path)                         \
	value = json_at(text.data, path); \
	ck_assert_msg(value, "no %s: %s", path, text.data)
#define LISTENER(name, doc) HAS("counters." #name);
#define DROPPED(name, doc) HAS("dropped." #name);
#define CONTROL(name, doc) HAS("counters." #name);
#define KEEPER(name, doc) HAS("counters." #name);
#define LOG(name, doc) HAS("counters." #name);
#define RECORD(name, doc) HAS("counters." #name);
#define WORKER(name, doc) HAS("counters." #name);
#define HISTOGRAM(name, doc) HAS("histograms." #name);
#define GAUGE(name, doc) HAS("gauges." #name);
#include "daemon/base/stats.def"
	HAS("workers");
	ck_assert_ptr_nonnull(json_item(value, 2));
	ck_assert_ptr_null(json_item(value, 3));
	value = json_item(value, 2);
#define WORKER(name, doc) ck_assert_ptr_nonnull(json_at(value, #name));
#define RECORD(name, doc) ck_assert_ptr_nonnull(json_at(value, #name));
#include "daemon/base/stats.def"
	ck_assert_double_eq(json_number(json_at(value, "files")), 3);
	ck_assert_double_eq(json_number(json_at(text.data, "counters.files")),
			    5);
	ck_assert_double_eq(json_number(json_at(text.data, "counters.waits")),
			    7);
	/* 1.5 ms is in the bucket up to 2 ms, the sixth. */
	HAS("histograms.flush_seconds.counts");
	ck_assert_double_eq(json_number(json_item(value, 5)), 1);
	HAS("histograms.flush_seconds.sum");
	ck_assert_double_eq_tol(json_number(value), 0.0015, 1e-9);
	ck_assert_ptr_null(json_at(text.data, "settings"));
	close_parts();
}
END_TEST

/* Any bytes of a process's name, and what a unit's name may have. */
static void add_senders(void)
{
	const struct sender_id id = { 7, 1000 };
	struct sender_answer answer = {
		.id = id,
		.found = true,
		.started = 1,
		.command = "\x1b[2J\"\\\n}\xff",
		.unit = "srv-a\\x2db@1.mount",
	};

	ck_assert_int_eq(senders_open(&senders, cfg, now), 0);
	from.senders = &senders;
	senders_count(&senders, &id, 10, false, now);
	senders_count(&senders, &id, 10, true, now);
	senders_name(&senders, &answer, now);
}

START_TEST(the_status_and_the_metrics_have_the_senders)
{
	const char *row;

	open_parts(1, 16, 300);
	add_senders();
	senders.hidden = true;
	look();
	show_status(&text, &snapshot, &health, &from);
	ck_assert(json_valid(text.data));
	ck_assert_int_eq(*json_at(text.data, "senders.hidden"), 't');
	row = json_item(json_at(text.data, "senders.busiest"), 0);
	ck_assert_double_eq(json_number(json_at(row, "pid")), 7);
	ck_assert_double_eq(json_number(json_at(row, "dropped")), 1);
	ck_assert(json_is_string(json_at(row, "command")));
	row = json_item(json_at(text.data, "senders.units"), 0);
	ck_assert_double_eq(json_number(json_at(row, "bytes")), 20);
	text_clear(&text);
	show_metrics(&text, &snapshot, &from, SHOW_PROMETHEUS);
	ck_assert_double_eq(
		metrics_value(text.data,
			      "bufwriter_sender_messages_total{"
			      "stream=\"bufwriter\",unit=\"srv-a\\\\x2db@1."
			      "mount\"}"),
		2);
	ck_assert_double_eq(
		metrics_value(text.data,
			      "bufwriter_sender_dropped_total{"
			      "stream=\"bufwriter\",unit=\"srv-a\\\\x2db@1."
			      "mount\"}"),
		1);
	senders_close(&senders);
	close_parts();
}
END_TEST

static const char *const labels[] = { "plain", "we\"i\\r\nd\x80" };

START_TEST(both_formats_of_metrics_are_what_they_say)
{
	char *instance = strdup(labels[_i]);
	const char *wrong, *before;
	int format;

	open_parts(2, 16, 300);
	before = cfg->instance;
	cfg->instance = instance;
	add_senders();
	stats_add(&workers.list[1].stats.files, 3);
	STATS_OBSERVE(&workers.list[0].stats, flush_seconds, 1);
	STATS_OBSERVE(&workers.list[1].stats, flush_seconds, UINT64_MAX / 2);
	look();
	for (format = 0; format < 2; format++) {
		text_clear(&text);
		show_metrics(&text, &snapshot, &from, format);
		wrong = metrics_check(text.data, format == SHOW_OPENMETRICS);
		ck_assert_msg(!wrong, "%s", wrong);
		wrong = metrics_check(text.data, format != SHOW_OPENMETRICS);
		ck_assert_msg(wrong, "the check sees no difference");
		if (_i)
			continue;
		ck_assert_double_eq(metrics_value(text.data,
						  "bufwriter_files_total{"
						  "stream=\"plain\",worker="
						  "\"1\"}"),
				    3);
		ck_assert_double_eq(metrics_value(text.data,
						  "bufwriter_flush_seconds_"
						  "count{stream=\"plain\"}"),
				    2);
	}
	cfg->instance = before;
	senders_close(&senders);
	free(instance);
	close_parts();
}
END_TEST

START_TEST(the_metrics_have_every_line_of_the_table)
{
	open_parts(1, 16, 300);
	look();
	show_metrics(&text, &snapshot, &from, SHOW_PROMETHEUS);
#define SHOWN(what) ck_assert_msg(strstr(text.data, what), "no %s", what)
#define LISTENER(name, doc) SHOWN("# HELP bufwriter_" #name "_total " doc "\n");
#define CONTROL(name, doc) SHOWN("# HELP bufwriter_" #name "_total " doc "\n");
#define KEEPER(name, doc) SHOWN("# HELP bufwriter_" #name "_total " doc "\n");
#define LOG(name, doc) SHOWN("# HELP bufwriter_" #name "_total " doc "\n");
#define RECORD(name, doc) SHOWN("# HELP bufwriter_" #name "_total " doc "\n");
#define WORKER(name, doc) SHOWN("# HELP bufwriter_" #name "_total " doc "\n");
#define HISTOGRAM(name, doc) SHOWN("# HELP bufwriter_" #name " " doc "\n");
#define GAUGE(name, doc) SHOWN("# HELP bufwriter_" #name " " doc "\n");
#define DROPPED(name, doc) SHOWN("reason=\"" #name "\"} 0\n");
#include "daemon/base/stats.def"
	SHOWN("bufwriter_build_info{stream=\"bufwriter\",version=\"");
	close_parts();
}
END_TEST

/* The manual's list is written by hand: the names, and the words after them. */
START_TEST(the_manual_has_every_line_of_the_table)
{
	char *page = file_read("daemon/bufwriter-control.7", NULL);
	char *list = strstr(page, "\n.Sh COUNTERS\n"), *at;

	ck_assert_ptr_nonnull(list);
	*strstr(list + 1, "\n.Sh ") = 0;
	for (at = list; *at; at++)
		if (*at == '\n')
			*at = ' ';
#define LISTED(name, doc)                                     \
	ck_assert_msg(strstr(list, " .It Va " #name " " doc), \
		      "COUNTERS does not say " #name ": " doc)
#define LISTENER(name, doc) LISTED(name, doc);
#define DROPPED(name, doc) LISTED(name, doc);
#define CONTROL(name, doc) LISTED(name, doc);
#define KEEPER(name, doc) LISTED(name, doc);
#define LOG(name, doc) LISTED(name, doc);
#define RECORD(name, doc) LISTED(name, doc);
#define WORKER(name, doc) LISTED(name, doc);
#define HISTOGRAM(name, doc) LISTED(name, doc);
#define GAUGE(name, doc) LISTED(name, doc);
#include "daemon/base/stats.def"
	free(page);
}
END_TEST

/* -- histograms ---------------------------------------------------------- */

START_TEST(buckets_take_what_is_up_to_their_bound)
{
	struct stats_histogram h;
	const uint64_t *bounds = stats_bounds.flush_seconds;
	unsigned i;

	for (i = 1; i < STATS_BUCKETS; i++) {
		ck_assert_uint_gt(bounds[i], bounds[i - 1]);
		ck_assert_uint_gt(stats_bounds.file_size_bytes[i],
				  stats_bounds.file_size_bytes[i - 1]);
	}
	memset(&h, 0, sizeof(h));
	for (i = 0; i < STATS_BUCKETS; i++) {
		stats_observe(&h, bounds, bounds[i]);
		stats_observe(&h, bounds, bounds[i] + 1);
	}
	ck_assert_uint_eq(stats_get(&h.bucket[0]), 1);
	for (i = 1; i < STATS_BUCKETS; i++)
		ck_assert_uint_eq(stats_get(&h.bucket[i]), 2);
	ck_assert_uint_eq(stats_get(&h.bucket[STATS_BUCKETS]), 1);
	stats_observe(&h, bounds, 0);
	ck_assert_uint_eq(stats_get(&h.bucket[0]), 2);
}
END_TEST

/* What promtool would say about texts that it would refuse. */
static const char *const broken[] = {
	"",
	"# EOF",
	"# HELP a_total x\n# TYPE a_total counter\na_total 1\n",
	"a 1\n# EOF\n",
	"# HELP a x\n# TYPE a counter\na 1\n# EOF\n",
	"# TYPE a gauge\na 1\n# EOF\n",
	"# HELP a x\n# TYPE a gauge\na one\n# EOF\n",
	"# HELP a x\n# TYPE a gauge\n# EOF\n",
	"# HELP a x\n# TYPE a gauge\na{b=c} 1\n# EOF\n",
	"# HELP a x\n# TYPE a gauge\na 1\n# EOF\n\n",
	"# HELP a x\n# TYPE a gauge\na 1\n# HELP b x\n# TYPE b gauge\nb 1\n"
	"# HELP a x\n# EOF\n",
	"# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\n"
	"a_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n# EOF\n",
	"# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\n"
	"a_sum 1\na_count 1\n# EOF\n",
};

START_TEST(the_check_of_metrics_can_fail)
{
	ck_assert_msg(metrics_check(broken[_i], 0), "%s", broken[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control show");
	TCase *tcase = suite_case(suite, "snapshot", core_open, core_close);

	tcase_add_test(tcase, every_message_is_in_one_place_after_every_step);
	tcase_add_test(tcase, health_is_judged_by_the_worst);
	tcase_add_test(tcase, a_drop_is_known_for_ten_minutes);
	tcase_add_test(tcase, the_time_of_the_last_drop_is_told);
	tcase_add_test(tcase, a_disk_that_hangs_is_seen_without_an_error);
	tcase_add_test(tcase, a_stopping_daemon_is_degraded);
	tcase_add_test(tcase, workers_have_a_word_for_what_they_do);
	tcase_add_test(tcase, the_oldest_message_counts_from_its_receipt);
	tcase_add_loop_test(tcase, the_worst_case_fits_its_room, 0, 3);
	tcase_add_test(tcase, the_status_has_every_line_of_the_table);
	tcase_add_test(tcase, the_status_and_the_metrics_have_the_senders);
	tcase_add_loop_test(tcase, both_formats_of_metrics_are_what_they_say, 0,
			    2);
	tcase_add_test(tcase, the_metrics_have_every_line_of_the_table);
	tcase_add_test(tcase, the_manual_has_every_line_of_the_table);
	tcase_add_test(tcase, buckets_take_what_is_up_to_their_bound);
	tcase_add_loop_test(tcase, the_check_of_metrics_can_fail, 0,
			    sizeof(broken) / sizeof(broken[0]));
	/* Its directory is removed here, because the test aborts. */
	tcase = suite_case(suite, "asserts", NULL, NULL);
	tcase_add_unchecked_fixture(tcase, core_open, core_close);
	tcase_add_test_raise_signal(
		tcase, a_snapshot_that_does_not_add_up_aborts, SIGABRT);
	return suite_run(suite, CK_FORK);
}
