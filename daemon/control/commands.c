/* SPDX-License-Identifier: MIT */
/*
 * The commands of the control socket, see control.h.  Every answer is one
 * JSON object; one that refuses has `error`, a sentence, and `code`, a word
 * that programs can rely on.  Bytes of a client are never repeated to it or
 * to the log.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/control/control.h"
#include "daemon/control/show.h"
#include "daemon/base/log.h"

/* What a connection that waits for a flush keeps in wait[]. */
enum { EMPTIED, RECEIVED, REQUEST, BEGAN };

/*
 * Datagrams read before a flush: what was sent before it can not be further
 * back in the kernel's queue.
 */
#define CATCH_UP 65536
#define READS (CATCH_UP / RING_BATCH)
/* How long a flush is waited for: by default and at most, in ms. */
#define FLUSH_WAIT 60000
#define FLUSH_WAIT_MAX (24 * 3600 * 1000)

enum result { ANSWERED, REFUSED, LATER };

static enum result refuse(struct text *out, const char *code, const char *why)
{
	text_add(out, "{\"error\":\"%s\",\"code\":\"%s\"}", why, code);
	return REFUSED;
}

void control_look(struct control *c)
{
	snapshot_take(&c->snapshot, clock_now(), &c->from, &c->rate,
		      &c->server.stats, c->server.open);
}

static enum result run_ping(struct control *c, struct connection *conn,
			    const char *argument, struct text *out)
{
	(void)c;
	(void)conn;
	(void)argument;
	text_add(out, "{\"pong\":\"bufwriterd %s\"}", BW_VERSION);
	return ANSWERED;
}

static enum result run_status(struct control *c, struct connection *conn,
			      const char *argument, struct text *out)
{
	(void)conn;
	(void)argument;
	control_look(c);
	show_status(out, &c->snapshot, &c->from);
	return ANSWERED;
}

static enum result run_metrics(struct control *c, struct connection *conn,
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
	control_look(c);
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

static enum result run_flush(struct control *c, struct connection *conn,
			     const char *argument, struct text *out)
{
	unsigned long ms = FLUSH_WAIT;
	char *end;

	if (*argument) {
		ms = strtoul(argument, &end, 10);
		if (*end || *argument < '0' || *argument > '9' ||
		    ms > FLUSH_WAIT_MAX)
			return refuse(out, "command",
				      "flush: the time to wait is 0 to "
				      "86400000 milliseconds");
	}
	log_debug("control: flush asked by user %u", (unsigned)conn->uid);
	conn->wait[EMPTIED] = c->from.listener->emptied;
	conn->wait[RECEIVED] = stats_get(&c->from.listener->stats.received);
	conn->wait[REQUEST] = 0;
	conn->wait[BEGAN] = clock_now();
	conn->deadline = conn->wait[BEGAN] + ms * (CLOCK_SECOND / 1000);
	return LATER;
}

/* Was everything read that was in the kernel's queue when this was asked? */
static bool is_caught_up(const struct control *c, const struct connection *conn)
{
	const struct listener *l = c->from.listener;

	return l->emptied != conn->wait[EMPTIED] ||
	       l->state == LISTENER_STOPPED ||
	       stats_get(&l->stats.received) - conn->wait[RECEIVED] >= CATCH_UP;
}

/* True once every message received before the request is in a file. */
static bool is_flushed(struct control *c, struct connection *conn)
{
	unsigned i;

	if (!conn->wait[REQUEST]) {
		for (i = 0; i < READS && !is_caught_up(c, conn); i++)
			if (!listener_catch_up(c->from.listener))
				break;
		/* The ring is full: when it is not, we are called again. */
		if (!is_caught_up(c, conn))
			return false;
		conn->wait[REQUEST] = workers_flush(c->from.workers);
	}
	return workers_flushed(c->from.workers, conn->wait[REQUEST]);
}

static void answer_flush(struct control *c, struct connection *conn,
			 uint64_t now)
{
	struct text *out = server_begin(&c->server, conn);

	text_add(out, "{\"flushed\":true,\"seconds\":");
	text_seconds(out, now - conn->wait[BEGAN]);
	text_add(out, "}");
	server_send(&c->server, conn, now);
}

void control_check_flushes(struct control *c)
{
	unsigned i;

	for (i = 0; i < SERVER_CONNECTIONS; i++) {
		struct connection *conn = &c->server.connections[i];

		if (conn->fd >= 0 && conn->waiting && is_flushed(c, conn))
			answer_flush(c, conn, clock_now());
	}
}

void control_end_flushes(struct control *c, bool filed)
{
	unsigned i;

	for (i = 0; i < SERVER_CONNECTIONS; i++) {
		struct connection *conn = &c->server.connections[i];

		if (conn->fd < 0 || !conn->waiting)
			continue;
		if (filed) {
			answer_flush(c, conn, clock_now());
			continue;
		}
		refuse(server_begin(&c->server, conn), "stopping",
		       "flush: the daemon stopped before everything was in "
		       "files; its next start files the rest");
		server_send(&c->server, conn, clock_now());
	}
}

void control_late(void *arg, struct connection *conn, struct text *out)
{
	struct control *c = arg;

	control_look(c);
	text_add(out, "{\"error\":\"not everything was in files after %.1f s\"",
		 (clock_now() - conn->wait[BEGAN]) / 1e9);
	text_add(out, ",\"code\":\"timeout\",\"health\":\"%s\",\"why\":",
		 snapshot_health_word(c->snapshot.health));
	text_json(out, c->snapshot.why);
	text_add(out, "}");
}

/* -- reload -------------------------------------------------------------- */

/* The reports come mixed; the answer has a list for each kind. */
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

static enum result run_reload(struct control *c, struct connection *conn,
			      const char *argument, struct text *out)
{
	struct lists lists;
	struct text *of = lists.of;
	int err;

	(void)argument;
	log_notice("reload: asked by user %u", (unsigned)conn->uid);
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

/* -- which one ----------------------------------------------------------- */

typedef enum result run_fn(struct control *c, struct connection *conn,
			   const char *argument, struct text *out);

static const struct command {
	const char *name;
	run_fn *run;
	bool argument; /* may have one */
	bool changes;  /* only for who is trusted, and not while stopping */
} commands[] = {
	{ "ping", run_ping, false, false },
	{ "status", run_status, false, false },
	{ "metrics", run_metrics, true, false },
	{ "flush", run_flush, true, true },
	{ "reload", run_reload, false, true },
};

static const struct command *find(const char *name)
{
	unsigned i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* Cuts `WORD` or `WORD ARGUMENT` in two; false: it is neither. */
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

static const char *why_not(const struct control *c,
			   const struct connection *conn,
			   const struct command *command, const char *argument,
			   const char **code)
{
	*code = "command";
	if (!command)
		return "unknown command; there are ping, status, metrics, "
		       "flush and reload";
	if (*argument && !command->argument)
		return "this command has no argument";
	*code = "permission";
	if (command->changes && !conn->trusted)
		return "only root and the daemon's own user may flush or "
		       "reload";
	*code = "stopping";
	if (command->changes && c->stopping)
		return "the daemon is stopping, and files everything";
	return NULL;
}

bool control_line(void *arg, struct connection *conn, char *line, size_t len,
		  struct text *out)
{
	const struct command *command = NULL;
	const char *why, *code;
	struct control *c = arg;
	char *argument = line + len;
	enum result result;

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
