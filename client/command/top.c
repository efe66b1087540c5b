/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter top`: a live screen of what the daemon does.  No line with numbers
 * reaches the 80th column, however large they are.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/json.h"
#include "client/command/screen.h"
#include "client/command/format.h"

#define DELAY_MIN 100
#define DELAY_MAX (3600 * 1000)
#define BAR 12
/* Longest delay with a connection that stays open, in ms. */
#define KEEP 10000
/* For an answer, in ms: no key is seen meanwhile. */
#define PATIENCE 2000

static const char usage[] =
	"Usage: bufwriter top [OPTION]...\n"
	"Shows live what the daemon does; q quits.\n"
	"\n"
	"  -d, --delay DURATION  between two looks, 100ms to 1h (default "
	"1s)\n" ASK_HELP;

struct top {
	struct asker control;
	struct screen *screen;
	int delay;
	char *before; /* the answer before this one, or NULL */
};

static double at(const char *s, const char *path)
{
	return json_number(json_at(s, path));
}

static void draw_head(struct top *t, const char *s)
{
	char now[16] = "";
	time_t seconds = time(NULL);
	struct tm tm;

	if (localtime_r(&seconds, &tm) != NULL)
		strftime(now, sizeof(now), "%H:%M:%S", &tm);
	screen_title(t->screen, " bufwriterd %s  process %.0f  up %s  %s",
		     format_text(json_at(s, "version"), "?"), at(s, "pid"),
		     format_time(at(s, "uptime")), now);
	screen_line(t->screen, " %s: %s",
		    format_text(json_at(s, "health"), "?"),
		    format_text(json_at(s, "why"), "?"));
	screen_line(t->screen, "%s", "");
}

/* As it fits its column. */
static const char *rate(double n)
{
	return n < 99999999 ? format_rate(n) : format_count(n, 8);
}

static void draw_rate(struct top *t, const char *s, const char *title,
		      const char *count, const char *bytes)
{
	char path[64];
	double now[2], minute[2];
	const char *names[2] = { count, bytes };
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "rates.now.%s", names[i]);
		now[i] = at(s, path);
		snprintf(path, sizeof(path), "rates.minute.%s", names[i]);
		minute[i] = at(s, path);
	}
	screen_line(t->screen, " %-8s %8s/s %8s/s %8s/s %8s/s", title,
		    rate(now[0]), format_bytes(now[1]), rate(minute[0]),
		    format_bytes(minute[1]));
}

static void draw_rates(struct top *t, const char *s)
{
	screen_title(t->screen, " %-8s %10s %10s %10s %10s", "", "now", "",
		     "last minute", "");
	draw_rate(t, s, "received", "received", "received_bytes");
	draw_rate(t, s, "in files", "written", "file_bytes");
	screen_line(t->screen, " %-8s %8s/s %10s %8s/s", "files",
		    rate(at(s, "rates.now.files")), "",
		    rate(at(s, "rates.minute.files")));
	screen_line(t->screen,
		    " %-8s %8s/s %10s %8s/s  %s too large, %s ring full",
		    "dropped", rate(at(s, "rates.now.dropped")), "",
		    rate(at(s, "rates.minute.dropped")),
		    format_count(at(s, "dropped.too_large"), 5),
		    format_count(at(s, "dropped.ring_full"), 5));
	screen_line(t->screen, "%s", "");
}

static const char *latency(double value)
{
	if (value < 0)
		return "-";
	return isinf(value) ? "> 1 min" : format_time(value);
}

static void draw_flushes(struct top *t, const char *s)
{
	const char *all = json_at(s, "histograms.flush_seconds");
	const char *old = json_at(t->before, "histograms.flush_seconds");

	screen_line(t->screen, " flush latency  now: half %s, 99 %% %s, all %s",
		    latency(old ? format_quantile(all, old, 0.5) : -1),
		    latency(old ? format_quantile(all, old, 0.99) : -1),
		    latency(old ? format_quantile(all, old, 1) : -1));
	screen_line(t->screen,
		    "                since the start: half %s, "
		    "99 %% %s",
		    latency(format_quantile(all, NULL, 0.5)),
		    latency(format_quantile(all, NULL, 0.99)));
}

static const char *bar(char out[BAR + 1], double part, double all)
{
	double share = all > 0 ? part / all : 0;

	/* What does not agree, of another moment, is full. */
	if (share > 1)
		share = 1;
	memset(out, '.', BAR);
	out[BAR] = '\0';
	memset(out, '#', (size_t)(share * BAR + 0.5));
	return out;
}

static void draw_memory(struct top *t, const char *s)
{
	char text[BAR + 1];
	double oldest = at(s, "gauges.oldest_seconds");

	screen_line(t->screen, " ring   [%s] %s of %s, at most %s   %s",
		    bar(text, at(s, "gauges.in_ring"),
			at(s, "gauges.ring_slots")),
		    format_count(at(s, "gauges.in_ring"), 9),
		    format_count(at(s, "gauges.ring_slots"), 9),
		    format_count(at(s, "gauges.ring_high"), 9),
		    format_text(json_at(s, "listener"), "?"));
	screen_line(t->screen, " arenas %s messages, %s; oldest %s",
		    format_count(at(s, "gauges.in_arenas"), 9),
		    format_bytes(at(s, "gauges.arena_bytes")),
		    oldest > 0 ? format_time(oldest) : "-");
	draw_flushes(t, s);
	screen_line(t->screen, "%s", "");
}

static void draw_worker(struct top *t, const char *w)
{
	char text[BAR + 1];
	const char *error = json_at(w, "error");

	screen_line(t->screen, " %6.0f %-8s [%s] %9s %9s %9s %9s %6s",
		    at(w, "worker"), format_text(json_at(w, "state"), "?"),
		    bar(text, at(w, "arena_bytes"), at(w, "arena_size")),
		    format_bytes(at(w, "arena_bytes")),
		    format_count(at(w, "messages"), 9),
		    format_count(at(w, "files"), 9),
		    format_bytes(at(w, "file_bytes")),
		    format_count(at(w, "failures"), 6));
	if (error != NULL)
		screen_line(t->screen, "        %s, for %s; %s",
			    format_text(json_at(error, "text"), "?"),
			    format_time(at(error, "seconds")),
			    format_text(json_at(error, "remedy"), "?"));
}

static void draw_workers(struct top *t, const char *s)
{
	const char *list = json_at(s, "workers"), *w;
	unsigned i;

	screen_title(t->screen, " %6s %-8s %*s %9s %9s %9s %9s %6s", "worker",
		     "state", -(BAR + 2), "arena", "in memory", "messages",
		     "files", "bytes", "failed");
	for (i = 0; (w = json_item(list, i)) != NULL; i++)
		draw_worker(t, w);
}

/* Asks, and shows what came. */
static void look(struct top *t)
{
	bool answered = ask_command(&t->control, "status", PATIENCE);
	const char *s = t->control.answer;

	screen_begin(t->screen);
	if (answered) {
		draw_head(t, s);
		draw_rates(t, s);
		draw_memory(t, s);
		draw_workers(t, s);
	} else {
		screen_title(t->screen, " bufwriter top");
		screen_line(t->screen, " %s", t->control.why);
		screen_line(t->screen, " trying again; q quits");
	}
	screen_end(t->screen);
	free(t->before);
	t->before = answered ? strdup(s) : NULL;
	/* The daemon closes a connection that has nothing to say. */
	if (t->delay >= KEEP)
		ask_close(&t->control);
}

static void run(struct top *t)
{
	int key = SCREEN_CHANGED;
	int64_t next = 0, left;

	while (key != 'q' && key != 'Q' && key != SCREEN_END) {
		left = next - cmd_clock_ms(CLOCK_MONOTONIC);
		if (left <= 0 || key == SCREEN_CHANGED || key == ' ') {
			look(t);
			left = t->delay;
			next = cmd_clock_ms(CLOCK_MONOTONIC) + left;
		}
		key = screen_wait(t->screen, (int)left);
	}
}

static const char *take(void *arg, int c, const char *value)
{
	struct top *t = arg;

	(void)c;
	if (cmd_parse_ms(value, &t->delay) != 0 || t->delay < DELAY_MIN ||
	    t->delay > DELAY_MAX)
		return "is no delay from 100ms to 1h";
	return NULL;
}

int cmd_top(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "delay", required_argument, NULL, 'd' },
		ASK_LONGS,
	};
	struct top t = { .delay = 1000 };
	const struct ask_line line = { usage, ":d:" ASK_SHORTS, longs, take,
				       &t };
	const char *socket = NULL;
	int status = ask_options(&line, argc, argv, &socket);
	const char *why = screen_refusal();

	if (status >= 0)
		return status;
	if (why != NULL) {
		fprintf(stderr, "bufwriter top: %s\n", why);
		return EX_USAGE;
	}
	ask_init(&t.control, socket);
	/* A wrong path is said at once, on a screen that stays. */
	if (!ask_command(&t.control, "ping", PATIENCE)) {
		ask_close(&t.control);
		return ask_failed(&t.control, "top");
	}
	t.screen = screen_open();
	if (t.screen == NULL) {
		fputs("bufwriter top: the terminal can not be set up\n",
		      stderr);
		ask_close(&t.control);
		return EX_OSERR;
	}
	run(&t);
	status = screen_close(t.screen);
	ask_close(&t.control);
	free(t.before);
	return status ? 128 + status : 0;
}
