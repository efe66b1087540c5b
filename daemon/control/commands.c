/* SPDX-License-Identifier: MIT */
/*
 * See commands.h.  Every answer is one JSON object.  A refusal has `error`, a
 * sentence, and `code`, a word that programs can rely on.  Bytes of a client
 * are never repeated to it or written to the log.
 */
#include "daemon/control/commands.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/control/show.h"

/* What a connection that waits for a flush keeps in wait[]. */
enum {
	EMPTIED, /* struct listener_mark */
	RECEIVED,
	REQUEST, /* of workers_flush(), 0: not begun */
	BEGAN_NS,
/* what was dropped before the drops that its answer tells of */
#define DROPPED(name, doc) TOLD_##name,
#include "daemon/base/stats.def"
	WAITS
};
_Static_assert(WAITS <= SERVER_WAIT, "a connection has a place for each");

/* How long a flush is waited for: by default, and at most. */
#define FLUSH_WAIT_MS 60000
#define FLUSH_WAIT_MAX_MS (24 * 3600 * 1000)

enum result { ANSWERED, REFUSED, LATER };

static enum result refuse(struct text *out, const char *code, const char *why)
{
	text_add(out, "{\"error\":\"%s\",\"code\":\"%s\"}", why, code);
	return REFUSED;
}

static void take_snapshot(struct commands *c)
{
	snapshot_take(&c->snapshot, clock_now(), &c->from, &c->rate,
		      &c->server.stats, c->server.open);
	health_judge(&c->health, &c->snapshot, &c->from);
}

static enum result run_ping(struct commands *c, struct connection *conn,
			    const char *argument, struct text *out)
{
	(void)c;
	(void)conn;
	(void)argument;
	text_add(out, "{\"pong\":\"bufwriterd %s\"}", BW_VERSION);
	return ANSWERED;
}

static enum result run_status(struct commands *c, struct connection *conn,
			      const char *argument, struct text *out)
{
	(void)conn;
	(void)argument;
	take_snapshot(c);
	show_status(out, &c->snapshot, &c->health, &c->from);
	return ANSWERED;
}

static enum result run_metrics(struct commands *c, struct connection *conn,
			       const char *argument, struct text *out)
{
	enum show_format format = SHOW_PROMETHEUS;

	(void)conn;
	if (!strcmp(argument, "openmetrics"))
		format = SHOW_OPENMETRICS;
	else if (*argument && strcmp(argument, "prometheus"))
		return refuse(out, "command",
			      "metrics: the format is prometheus or "
			      "openmetrics");
	take_snapshot(c);
	text_clear(&c->scratch);
	show_metrics(&c->scratch, &c->snapshot, &c->from, format);
	if (c->scratch.cut)
		return refuse(out, "internal", "metrics: no room");
	text_add(out, "{\"metrics\":");
	text_json(out, c->scratch.data);
	text_add(out, "}");
	return ANSWERED;
}

/* -- flush --------------------------------------------------------------- */

static enum result run_flush(struct commands *c, struct connection *conn,
			     const char *argument, struct text *out)
{
	unsigned long ms = FLUSH_WAIT_MS;
	struct listener_mark mark;
	char *end;

	if (*argument) {
		ms = strtoul(argument, &end, 10);
		if (*end || *argument < '0' || *argument > '9' ||
		    ms > FLUSH_WAIT_MAX_MS)
			return refuse(out, "command",
				      "flush: the time to wait is 0 to "
				      "86400000 milliseconds");
	}
	log_debug("control: flush requested by user %u", (unsigned)conn->uid);
	mark = listener_mark(c->from.listener);
	conn->wait[EMPTIED] = mark.emptied;
	conn->wait[RECEIVED] = mark.received;
	conn->wait[REQUEST] = 0;
	conn->wait[BEGAN_NS] = clock_now();
#define DROPPED(name, doc) conn->wait[TOLD_##name] = c->told.name;
#include "daemon/base/stats.def"
	conn->deadline_ns = conn->wait[BEGAN_NS] + ms * CLOCK_MS;
	return LATER;
}

/* True once every message received before the request is in a file. */
static bool is_flushed(struct commands *c, struct connection *conn)
{
	const struct listener_mark mark = { conn->wait[EMPTIED],
					    conn->wait[RECEIVED] };

	/* When the start is complete, this is asked again. */
	if (!c->from.start->complete)
		return false;
	if (!conn->wait[REQUEST]) {
		/* The ring is full: a worker that frees a slot notifies. */
		if (!listener_catch_up(c->from.listener, &mark))
			return false;
		conn->wait[REQUEST] = workers_flush(c->from.workers);
	}
	return workers_flushed(c->from.workers, conn->wait[REQUEST]);
}

/*
 * Whoever flushes learns which datagrams will be in no file (I7): those dropped
 * since the last flush that was answered when this one began.  So no drop is
 * left out, and flushes at the same time each tell of it.
 */
static void answer_flush(struct commands *c, struct connection *conn,
			 uint64_t now)
{
	struct text *out = server_begin(&c->server, conn);
	const char *comma = "";

	dropped_read(&c->told, &c->from.listener->stats);
	text_add(out, "{\"flushed\":true,\"seconds\":");
	text_seconds(out, now - conn->wait[BEGAN_NS]);
	text_add(out, ",\"dropped\":{");
#define DROPPED(name, doc)                                \
	text_add(out, "%s\"" #name "\":%" PRIu64, comma,  \
		 c->told.name - conn->wait[TOLD_##name]); \
	comma = ",";
#include "daemon/base/stats.def"
	text_add(out, "}}");
	server_send(&c->server, conn, now);
}

void commands_check_flushes(struct commands *c)
{
	unsigned i;

	if (!c->serving)
		return;
	for (i = 0; i < SERVER_CONNECTIONS; i++) {
		struct connection *conn = &c->server.connections[i];

		if (conn->fd >= 0 && conn->waiting && is_flushed(c, conn))
			answer_flush(c, conn, clock_now());
	}
}

/* The last answers: no worker runs any more. */
static void end_flushes(struct commands *c, bool flushed)
{
	unsigned i;

	for (i = 0; i < SERVER_CONNECTIONS; i++) {
		struct connection *conn = &c->server.connections[i];

		if (conn->fd < 0 || !conn->waiting)
			continue;
		if (flushed) {
			answer_flush(c, conn, clock_now());
			continue;
		}
		refuse(server_begin(&c->server, conn), "stopping",
		       "flush: the daemon stopped before everything was in "
		       "files; its next start files the rest");
		server_send(&c->server, conn, clock_now());
	}
}

/* server_late_fn: the time to wait for a flush is over. */
static void on_late(void *arg, struct connection *conn, struct text *out)
{
	struct commands *c = arg;

	take_snapshot(c);
	text_add(out, "{\"error\":\"not everything was in files after %.1f s\"",
		 (clock_now() - conn->wait[BEGAN_NS]) / 1e9);
	text_add(out, ",\"code\":\"timeout\",\"health\":\"%s\",\"why\":",
		 health_word(c->health.level));
	text_json(out, c->health.why);
	text_add(out, "}");
}

/* -- reload -------------------------------------------------------------- */

/* Reports of the three kinds come mixed; the answer has a list of each. */
struct lists {
	struct text of[3]; /* by enum reload_kind */
	char applied[2048];
	char restart[2048];
};

static void on_report(void *arg, enum reload_kind kind, const char *line)
{
	struct text *list = &((struct lists *)arg)->of[kind];
	size_t before = list->len;

	if (before)
		text_add(list, ",");
	text_json(list, line);
	if (!list->cut)
		return;
	/* What does not fit is in the log. */
	list->len = before;
	list->data[before] = 0;
}

static enum result run_reload(struct commands *c, struct connection *conn,
			      const char *argument, struct text *out)
{
	struct lists lists;
	struct text *of = lists.of;
	int err;

	(void)argument;
	/* The recovery's thread still uses the settings. */
	if (!c->from.start->complete)
		return refuse(out, "starting",
			      "reload: the daemon still recovers what the "
			      "process before left; see bufwriter status");
	log_notice("reload: requested by user %u", (unsigned)conn->uid);
	text_open(&of[RELOAD_APPLIED], lists.applied, sizeof(lists.applied));
	text_open(&of[RELOAD_RESTART], lists.restart, sizeof(lists.restart));
	text_open(&of[RELOAD_WRONG], c->scratch.data, c->scratch.room - 256);
	err = reload_run(c->from.settings, on_report, &lists);
	if (err == -EINVAL)
		text_add(out,
			 "{\"error\":\"reload: the settings stay as they "
			 "are\",\"code\":\"settings\",\"problems\":[%s]}",
			 of[RELOAD_WRONG].data);
	else if (err)
		refuse(out, "internal", "reload: out of memory");
	else
		text_add(out,
			 "{\"reloaded\":true,\"applied\":[%s],"
			 "\"restart\":[%s]}",
			 of[RELOAD_APPLIED].data, of[RELOAD_RESTART].data);
	return ANSWERED;
}

/* -- dispatch ----------------------------------------------------------- */

typedef enum result run_fn(struct commands *c, struct connection *conn,
			   const char *argument, struct text *out);

static const struct command {
	const char *name;
	run_fn *run;
	bool argument; /* it may have one */
	bool changes; /* for trusted connections only, and not while stopping */
} table[] = {
	{ "ping", run_ping, false, false },
	{ "status", run_status, false, false },
	{ "metrics", run_metrics, true, false },
	{ "flush", run_flush, true, true },
	{ "reload", run_reload, false, true },
};

static const struct command *find(const char *name)
{
	unsigned i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

/* Splits `WORD` or `WORD ARGUMENT`; false: the line is neither. */
static bool split(char *line, size_t len, char **argument)
{
	size_t i;

	if (len && line[len - 1] == '\r')
		line[--len] = 0;
	*argument = line + len;
	for (i = 0; i < len; i++) {
		if (line[i] < ' ' || line[i] > '~')
			return false;
		if (line[i] == ' ' && !**argument) {
			line[i] = 0;
			*argument = line + i + 1;
		}
	}
	return true;
}

/* Why the command is refused, or NULL. */
static const char *why_not(const struct commands *c,
			   const struct connection *conn,
			   const struct command *command, const char *argument,
			   const char **code)
{
	*code = "command";
	if (!command)
		return "unknown command; the commands are ping, status, metrics, "
		       "flush and reload";
	if (*argument && !command->argument)
		return "this command has no argument";
	*code = "permission";
	if (command->changes && !conn->trusted)
		return "only root and the daemon's own user may flush or "
		       "reload";
	*code = "stopping";
	if (command->changes && c->stopping)
		return "the daemon is stopping, which files everything";
	return NULL;
}

/* server_line_fn */
static bool on_line(void *arg, struct connection *conn, char *line, size_t len,
		    struct text *out)
{
	const struct command *command = NULL;
	const char *why, *code;
	struct commands *c = arg;
	char *argument = line + len;
	enum result result;

	assert(c->serving && !conn->waiting);
	if (split(line, len, &argument))
		command = find(line);
	why = why_not(c, conn, command, argument, &code);
	result = command && !why ? command->run(c, conn, argument, out) :
				   refuse(out, code, why);
	stats_add(result == REFUSED ? &c->server.stats.control_wrong :
				      &c->server.stats.control_commands,
		  1);
	return result != LATER;
}

/* -- open and close ------------------------------------------------------ */

int commands_open(struct commands *c, int listener, const struct sources *from)
{
	size_t room = show_room(from->workers_most, from->senders);
	int err;

	assert(from->settings->cfg);
	memset(c, 0, sizeof(*c));
	c->from = *from;
	rate_open(&c->rate, from->started_mono_ns);
	err = snapshot_open(&c->snapshot, &c->from);
	if (err)
		return err;
	c->memory = malloc(room);
	if (!c->memory)
		return -ENOMEM;
	/* Touched now, so that no page is missing later. */
	memset(c->memory, 0, room);
	text_open(&c->scratch, c->memory, room);
	if (listener < 0)
		return 0;
	err = server_open(&c->server, listener, room, on_line, on_late, c);
	c->serving = !err;
	return err;
}

void commands_close(struct commands *c, bool flushed)
{
	if (c->serving) {
		end_flushes(c, flushed);
		server_close(&c->server);
	}
	c->serving = false;
	snapshot_close(&c->snapshot);
	free(c->memory);
	c->memory = NULL;
}

/* -- for control.c ------------------------------------------------------- */

void commands_note(struct commands *c)
{
	const struct stats_listener *l = &c->from.listener->stats;
	uint64_t now = clock_now();
	struct rate_sample sample;

	if (rate_is_due(&c->rate, now)) {
		snapshot_sample(&c->from, &sample);
		rate_advance(&c->rate, now, &sample);
	}
	c->rate.latest.received = stats_get(&l->received);
	c->rate.latest.received_bytes = stats_get(&l->received_bytes);
#define DROPPED(name, doc) c->rate.latest.name = stats_get(&l->name);
#include "daemon/base/stats.def"
	dropped_note(&c->rate.drops, l, now);
}

void commands_metrics(struct commands *c, struct text *out)
{
	take_snapshot(c);
	show_metrics(out, &c->snapshot, &c->from, SHOW_PROMETHEUS);
}
