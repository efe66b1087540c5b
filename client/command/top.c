/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter top`: shows live what the daemon does.  Lines of numbers stay
 * below 80 columns, however large the numbers are.
 */
#include <assert.h>
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
#include "client/command/lane_users.h"
#include "client/command/senders.h"

#define DELAY_MIN_MS 100
#define DELAY_MAX_MS (3600 * 1000)
#define BAR_COLUMNS 12
/*
 * With this delay or a longer one, each refresh makes a connection of its own.
 * The daemon closes one that is idle for 30 s, see bufwriter-control(7).
 */
#define RECONNECT_DELAY_MS 10000
/* How long a refresh waits for the answer.  Keys are not read meanwhile. */
#define ANSWER_TIMEOUT_MS 2000

static const char usage[] =
	"Usage: bufwriter top [OPTION]...\n"
	"Shows live what the daemon does.  Press q to quit.\n"
	"\n"
	"  -d, --delay DURATION  time between two refreshes, 100ms to 1h "
	"(default 1s)\n" ASK_HELP;

struct top {
	struct ask ask;
	struct screen *screen;
	int delay_ms;
	char *previous; /* the answer of the last refresh, or NULL; owned */
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

	if (localtime_r(&seconds, &tm))
		strftime(now, sizeof(now), "%H:%M:%S", &tm);
	screen_title(t->screen, " bufwriterd %s  process %.0f  up %s  %s",
		     format_text(json_at(s, "version"), "?"), at(s, "pid"),
		     format_time(at(s, "uptime")), now);
	screen_line(t->screen, " %s: %s",
		    format_text(json_at(s, "health"), "?"),
		    format_text(json_at(s, "why"), "?"));
	screen_line(t->screen, "%s", "");
}

/* A rate in at most 8 columns. */
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
	if (senders_are_known(s))
		screen_line(t->screen, " %-8s %10s %10s %10s  %s above rate",
			    "", "", "", "",
			    format_count(at(s, "dropped.sender_rate"), 5));
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
	const char *old = json_at(t->previous, "histograms.flush_seconds");

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

static const char *bar(char out[BAR_COLUMNS + 1], double part, double all)
{
	double share = all > 0 ? part / all : 0;
	size_t filled;

	/* The two numbers may be of different moments, or make no sense. */
	if (!(share > 0))
		share = 0;
	if (share > 1)
		share = 1;
	/* Rounded to the nearest column. */
	filled = (2 * share * BAR_COLUMNS + 1) / 2;
	assert(filled <= BAR_COLUMNS);
	memset(out, '.', BAR_COLUMNS);
	memset(out, '#', filled);
	out[BAR_COLUMNS] = '\0';
	return out;
}

static void draw_memory(struct top *t, const char *s)
{
	char text[BAR_COLUMNS + 1];
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
	char text[BAR_COLUMNS + 1];
	const char *error = json_at(w, "error");

	screen_line(t->screen, " %6.0f %-8s [%s] %9s %9s %9s %9s %6s",
		    at(w, "worker"), format_text(json_at(w, "state"), "?"),
		    bar(text, at(w, "arena_bytes"), at(w, "arena_size")),
		    format_bytes(at(w, "arena_bytes")),
		    format_count(at(w, "messages"), 9),
		    format_count(at(w, "files"), 9),
		    format_bytes(at(w, "file_bytes")),
		    format_count(at(w, "failures"), 6));
	if (error)
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
		     "state", -(BAR_COLUMNS + 2), "arena", "in memory",
		     "messages", "files", "bytes", "failed");
	for (i = 0; (w = json_item(list, i)); i++)
		draw_worker(t, w);
}

static void draw_sender(struct top *t, const char *row)
{
	struct sender_words words;

	senders_words(row, &words);
	screen_line(t->screen, " %7.0f %-15s %-10.10s %8s/s %9s/s %7s %s",
		    at(row, "pid"), words.program, words.user,
		    rate(at(row, "messages_per_second")),
		    format_bytes(at(row, "bytes_per_second")),
		    format_count(at(row, "dropped"), 7), words.unit);
}

static void draw_senders(struct top *t, const char *s)
{
	const char *list = json_at(s, "senders.busiest"), *row;
	unsigned i;

	for (i = 0; (row = json_item(list, i)); i++) {
		if (!i) {
			screen_line(t->screen, "%s", "");
			screen_title(t->screen,
				     " %7s %-15s %-10s %10s %11s %7s %s",
				     "process", "program", "user", "as",
				     "datagrams", "dropped", "unit");
		}
		draw_sender(t, row);
	}
}

/* A number of this row a second, since the last refresh; 0 without one. */
static double row_rate(struct top *t, const char *s, const char *row,
		       const char *name)
{
	const char *old = lane_users_find(t->previous, row);
	double seconds = at(s, "uptime") - at(t->previous, "uptime");
	double n = at(row, name) - at(old, name);

	/* A lane of the process may have ended: its messages count no more. */
	return old && seconds > 0 && n > 0 ? n / seconds : 0;
}

static void draw_lane_user(struct top *t, const char *s, const char *row)
{
	struct lane_user_names names;

	lane_users_names(row, &names);
	screen_line(t->screen, " %7.0f %-15s %-10.10s %8s/s %9s/s %9s %6s",
		    at(row, "pid"), names.program, names.user,
		    rate(row_rate(t, s, row, "messages")),
		    format_bytes(row_rate(t, s, row, "bytes")),
		    format_bytes(at(row, "unread_bytes")),
		    format_count(at(row, "waits"), 6));
}

static void draw_lane_users(struct top *t, const char *s)
{
	const char *list = json_at(s, "lanes.busiest"), *row;
	unsigned i;

	for (i = 0; (row = json_item(list, i)); i++) {
		if (!i) {
			screen_line(t->screen, "%s", "");
			screen_title(t->screen,
				     " %7s %-15s %-10s %10s %11s %9s %6s",
				     "process", "program", "user", "through",
				     "lanes", "unread", "waits");
		}
		draw_lane_user(t, s, row);
	}
}

/* Asks the daemon and draws a frame with the answer. */
static void refresh(struct top *t)
{
	bool answered = ask_command(&t->ask, "status", ANSWER_TIMEOUT_MS);
	const char *s = t->ask.answer;

	screen_begin(t->screen);
	if (answered) {
		draw_head(t, s);
		draw_rates(t, s);
		draw_memory(t, s);
		draw_workers(t, s);
		draw_senders(t, s);
		draw_lane_users(t, s);
	} else {
		screen_title(t->screen, " bufwriter top");
		screen_line(t->screen, " %s", t->ask.reason);
		screen_line(t->screen, " retrying; press q to quit");
	}
	screen_end(t->screen);
	free(t->previous);
	t->previous = answered ? strdup(s) : NULL;
	if (t->delay_ms >= RECONNECT_DELAY_MS)
		ask_close(&t->ask);
}

static void run(struct top *t)
{
	int key = SCREEN_CHANGED;
	int64_t next_ms = 0, left_ms;

	while (key != 'q' && key != 'Q' && key != SCREEN_END) {
		left_ms = next_ms - cmd_clock_ms(CLOCK_MONOTONIC);
		if (left_ms <= 0 || key == SCREEN_CHANGED || key == ' ') {
			refresh(t);
			left_ms = t->delay_ms;
			next_ms = cmd_clock_ms(CLOCK_MONOTONIC) + left_ms;
		}
		assert(left_ms >= 0 && left_ms <= DELAY_MAX_MS);
		key = screen_wait(t->screen, left_ms);
	}
}

static const char *take_option(void *arg, int letter, const char *value)
{
	struct top *t = arg;

	(void)letter;
	if (cmd_parse_ms(value, &t->delay_ms) || t->delay_ms < DELAY_MIN_MS ||
	    t->delay_ms > DELAY_MAX_MS)
		return "is not a delay from 100ms to 1h";
	return NULL;
}

int cmd_top(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "delay", required_argument, NULL, 'd' },
		ASK_LONGS,
	};
	struct top t = { .delay_ms = 1000 };
	const struct ask_options options = { usage, ":d:" ASK_SHORTS, longs,
					     take_option, &t };
	const char *socket = NULL;
	int status = ask_options_read(&options, argc, argv, &socket);
	const char *refusal = screen_refusal();

	if (status >= 0)
		return status;
	if (refusal) {
		fprintf(stderr, "bufwriter top: %s\n", refusal);
		return EX_USAGE;
	}
	ask_init(&t.ask, socket);
	/*
	 * Ask before the screen is set up.  An error, such as a wrong path, is
	 * then printed where the user can still read it.
	 */
	if (!ask_command(&t.ask, "ping", ANSWER_TIMEOUT_MS)) {
		ask_close(&t.ask);
		return ask_print_failure(&t.ask, "top");
	}
	t.screen = screen_open();
	if (!t.screen) {
		fputs("bufwriter top: the terminal cannot be set up\n", stderr);
		ask_close(&t.ask);
		return EX_OSERR;
	}
	run(&t);
	status = screen_close(t.screen);
	ask_close(&t.ask);
	free(t.previous);
	return status ? 128 + status : 0;
}
