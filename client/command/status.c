/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter status`: prints what the daemon does, for people, for programs
 * (JSON), and for monitoring (one line and an exit status).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/json.h"
#include "client/command/format.h"
#include "client/command/lane_users.h"
#include "client/command/senders.h"
#include "client/command/shipping.h"

static const char usage[] =
	"Usage: bufwriter status [OPTION]...\n"
	"Shows what the daemon does.\n"
	"\n"
	"  -j, --json         print one line of JSON; see "
	"bufwriter-control(7)\n"
	"  -c, --check        for monitoring: print one line; the exit status "
	"is 0 (ok),\n"
	"                     1 (degraded) or 2 (failing, or no daemon)\n" ASK_HELP;

enum mode { HUMAN, JSON, CHECK };

/* The sockets beside the first one. */
static void print_sockets(const char *s)
{
	const char *list = json_at(s, "sockets"), *item;
	unsigned i;

	for (i = 1; (item = json_item(list, i)); i++)
		printf("and from   %s, %.0f messages%s\n",
		       format_text(json_at(item, "path"), "?"),
		       json_number(json_at(item, "received")),
		       json_is_true(json_at(item, "lost")) ?
			       "; programs cannot reach it" :
			       "");
}

static void print_process(const char *s)
{
	time_t started = (time_t)json_count(json_at(s, "started"));
	char when[64] = "";
	struct tm tm;

	if (localtime_r(&started, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("bufwriterd %s, process %.0f, up %s, since %s\n\n",
	       format_text(json_at(s, "version"), "?"),
	       json_number(json_at(s, "pid")),
	       format_time(json_number(json_at(s, "uptime"))), when);
	printf("health     %s: %s\n", format_text(json_at(s, "health"), "?"),
	       format_text(json_at(s, "why"), "?"));
	printf("settings   %s\n", format_text(json_at(s, "settings"),
					      "no file; defaults and options"));
	printf("takes from %s, %s\n", format_text(json_at(s, "socket"), "?"),
	       format_text(json_at(s, "listener"), "?"));
	print_sockets(s);
	printf("files into %s\n", format_text(json_at(s, "files_path"), "?"));
}

static void print_rate(const char *s, const char *title, const char *name,
		       const char *(*format)(double), double total)
{
	const char *now = json_at(s, "rates.now");
	const char *minute = json_at(s, "rates.minute");

	printf("%-16s %12s %12s %14s\n", title,
	       format(json_number(json_at(now, name))),
	       format(json_number(json_at(minute, name))), format(total));
}

static const char *format_total(double n)
{
	return n < 1e15 ? format_rate(n) : "many";
}

static void print_rates(const char *s)
{
	const char *counters = json_at(s, "counters");
	const double received = json_number(json_at(s, "messages.received"));
	/* Two ways in, and a counter of each. */
	const double bytes = json_number(json_at(counters, "received_bytes")) +
			     json_number(json_at(counters, "lane_bytes"));

	printf("\n%-16s %12s %12s %14s\n", "", "now/s", "minute/s", "total");
	print_rate(s, "received", "received", format_total, received);
	print_rate(s, "  bytes", "received_bytes", format_bytes, bytes);
	print_rate(s, "in files", "written", format_total,
		   json_number(json_at(counters, "written")));
	print_rate(s, "  files", "files", format_total,
		   json_number(json_at(counters, "files")));
	print_rate(s, "  bytes", "file_bytes", format_bytes,
		   json_number(json_at(counters, "file_bytes")));
	print_rate(s, "dropped", "dropped", format_total,
		   json_number(json_at(s, "messages.dropped")));
}

static double gauge(const char *s, const char *name)
{
	return json_number(json_at(json_at(s, "gauges"), name));
}

static void print_memory(const char *s)
{
	printf("\nring       %.0f messages in %.0f slots, at most %.0f so "
	       "far\n",
	       gauge(s, "in_ring"), gauge(s, "ring_slots"),
	       gauge(s, "ring_high"));
	printf("arenas     %.0f messages, %s\n", gauge(s, "in_arenas"),
	       format_bytes(gauge(s, "arena_bytes")));
	printf("oldest     %s\n",
	       gauge(s, "oldest_seconds") > 0 ?
		       format_time(gauge(s, "oldest_seconds")) :
		       "nothing is in memory");
	printf("dropped    %.0f larger than max_message, %.0f because the "
	       "ring was full, %.0f above senders.rate\n",
	       json_number(json_at(s, "dropped.too_large")),
	       json_number(json_at(s, "dropped.ring_full")),
	       json_number(json_at(s, "dropped.sender_rate")));
	if (json_number(json_at(s, "dropped.lane_lost")) > 0)
		printf("           %.0f in lanes that a stop could not keep\n",
		       json_number(json_at(s, "dropped.lane_lost")));
	if (gauge(s, "max_dgram_qlen") >= 0)
		printf("kernel     queues %.0f datagrams before senders wait "
		       "(max_dgram_qlen)\n",
		       gauge(s, "max_dgram_qlen"));
	else
		puts("kernel     max_dgram_qlen is not known");
}

static const char *quantile(const char *histogram, double share)
{
	double value = format_quantile(histogram, NULL, share);

	if (value < 0)
		return "-";
	return isinf(value) ? "more than a minute" : format_time(value);
}

static void print_flushes(const char *s)
{
	const char *h = json_at(s, "histograms.flush_seconds");

	if (format_quantile(h, NULL, 1) < 0)
		puts("flushes    none so far");
	else
		printf("flushes    half take up to %s, 99 of 100 up to %s\n",
		       quantile(h, 0.5), quantile(h, 0.99));
}

static void print_recovery(const char *s)
{
	const char *r = json_at(s, "recovery");

	if (json_at(r, "set_aside"))
		printf("recovery   the state region could not be trusted, and "
		       "is kept as\n           %s\n",
		       format_text(json_at(r, "set_aside"), "?"));
	else if (json_number(json_at(r, "messages")) > 0)
		printf("recovery   the last start found %.0f messages in "
		       "memory: %.0f files, %s, in %s\n",
		       json_number(json_at(r, "messages")),
		       json_number(json_at(r, "files")),
		       format_bytes(json_number(json_at(r, "bytes"))),
		       format_time(json_number(json_at(r, "seconds"))));
	else
		puts("recovery   the last start found nothing to recover");
}

static void print_worker(const char *w)
{
	double bytes = json_number(json_at(w, "arena_bytes"));
	double size = json_number(json_at(w, "arena_size"));
	const char *error = json_at(w, "error");

	printf("%6.0f  %-8s %10s %4.0f%% %8.0f %10s %8.0f %10s %6.0f\n",
	       json_number(json_at(w, "worker")),
	       format_text(json_at(w, "state"), "?"), format_bytes(bytes),
	       size > 0 ? 100 * bytes / size : 0,
	       json_number(json_at(w, "messages")),
	       bytes > 0 ?
		       format_time(json_number(json_at(w, "oldest_seconds"))) :
		       "-",
	       json_number(json_at(w, "files")),
	       format_bytes(json_number(json_at(w, "file_bytes"))),
	       json_number(json_at(w, "failures")));
	if (error)
		printf("        %s, for %s; %s\n",
		       format_text(json_at(error, "text"), "?"),
		       format_time(json_number(json_at(error, "seconds"))),
		       format_text(json_at(error, "remedy"), "?"));
}

static void print_workers(const char *s)
{
	const char *list = json_at(s, "workers"), *w;
	unsigned i;

	printf("\n%6s  %-8s %10s %5s %8s %10s %8s %10s %6s\n", "worker",
	       "state", "in memory", "full", "messages", "oldest", "files",
	       "bytes", "failed");
	for (i = 0; (w = json_item(list, i)); i++)
		print_worker(w);
}

static void print_shipping(const struct ask *a)
{
	char path[4096];

	json_string(json_at(a->answer, "files_path"), path, sizeof(path));
	shipping_print(path, a->path);
}

static int print_human(const struct ask *a)
{
	const char *s = a->answer;

	print_process(s);
	print_rates(s);
	print_memory(s);
	lane_users_print_line(s);
	senders_print_line(s);
	print_flushes(s);
	print_recovery(s);
	print_shipping(a);
	print_workers(s);
	senders_print(s);
	lane_users_print(s);
	return 0;
}

/* For a monitoring system.  A daemon that does not answer is failing. */
static int print_check(const struct ask *a, bool answered)
{
	static const char *const words[] = { "ok", "degraded", "failing" };
	const char *word;
	int i;

	if (!answered) {
		printf("failing: %s\n", a->reason);
		return 2;
	}
	word = format_text(json_at(a->answer, "health"), "failing");
	for (i = 0; i < 2 && strcmp(word, words[i]); i++)
		;
	printf("%s: %s\n", words[i],
	       format_text(json_at(a->answer, "why"), "?"));
	return i;
}

/* The daemon's answer, and what this process counts in the directory. */
static int print_json(const char *s)
{
	size_t len = strlen(s);
	char path[4096];

	json_string(json_at(s, "files_path"), path, sizeof(path));
	if (s[len - 1] != '}' || !*path) {
		puts(s);
		return 0;
	}
	printf("%.*s,", (int)(len - 1), s);
	shipping_print_json(path);
	puts("}");
	return 0;
}

static int print_status(struct ask *a, enum mode mode)
{
	bool answered = ask_command(a, "status", ASK_TIMEOUT_MS);

	if (mode == CHECK)
		return print_check(a, answered);
	if (!answered)
		return ask_print_failure(a, "status");
	if (mode == HUMAN)
		return print_human(a);
	return print_json(a->answer);
}

static const char *take_option(void *arg, int letter, const char *value)
{
	(void)value;
	*(enum mode *)arg = letter == 'j' ? JSON : CHECK;
	return NULL;
}

int cmd_status(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'c' },
		ASK_LONGS,
	};
	enum mode mode = HUMAN;
	const struct ask_options options = { usage, ":jc" ASK_SHORTS, longs,
					     take_option, &mode };
	const char *socket = NULL;
	int status = ask_options_read(&options, argc, argv, &socket);
	struct ask a;

	if (status >= 0)
		return status;
	ask_init(&a, socket);
	status = print_status(&a, mode);
	ask_close(&a);
	return cmd_output("status") ? EX_IOERR : status;
}
