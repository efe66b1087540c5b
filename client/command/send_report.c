/* SPDX-License-Identifier: MIT */
/*
 * What `bufwriter send` says: counts, progress, summary, exit status.
 *
 * Everything goes to standard error; standard output is not used.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/send.h"

#define SHOW_AFTER 1000 /* milliseconds */
#define SHOW_EVERY 250
/* dropped messages of one reason that are told one by one */
#define TOLD 3

/* In the order in which the exit status is chosen.  The last one is any. */
static const struct reason {
	int error;
	int status;
	int names_socket; /* whether the path belongs to the explanation */
	const char *label;
} reasons[] = {
	{ BW_NOT_PERMITTED, EX_NOPERM, 1, "not permitted" },
	{ BW_NO_DAEMON, EX_UNAVAILABLE, 1, "no daemon" },
	{ BW_WRONG_SOCKET, EX_UNAVAILABLE, 1, "not the daemon's socket" },
	{ BW_TIMEOUT, EX_TEMPFAIL, 0, "timed out" },
	{ BW_TOO_LARGE, EX_DATAERR, 0, "too large" },
	{ 0, EX_OSERR, 0, "other errors" },
};

#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

_Static_assert(REASONS <= sizeof(((struct report *)NULL)->dropped) /
				  sizeof(((struct report *)NULL)->dropped[0]),
	       "a counter for each reason");

int64_t report_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void report_start(struct send *s)
{
	s->report.progress = !s->report.quiet && isatty(STDERR_FILENO);
	s->report.started = report_clock();
}

static uint64_t dropped_sum(const struct report *r)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < REASONS; i++)
		sum += r->dropped[i];
	return sum;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void show(struct report *r, int64_t now)
{
	fprintf(stderr, "\r%" PRIu64 " sent, %" PRIu64 " dropped, %.1f MB",
		r->sent, dropped_sum(r), (double)r->read / 1e6);
	if (r->size != 0 && r->read <= r->size)
		fprintf(stderr, " (%" PRIu64 "%%)", r->read * 100 / r->size);
	fprintf(stderr, ", %" PRId64 " s\033[K", (now - r->started) / 1000);
	fflush(stderr);
	r->shown = now;
	r->visible = 1;
}

static void hide(struct report *r)
{
	if (r->visible)
		fputs("\r\033[K", stderr);
	r->visible = 0;
}

void report_progress(struct send *s)
{
	struct report *r = &s->report;
	int64_t now;

	if (!r->progress)
		return;
	now = report_clock();
	if (now - r->started >= SHOW_AFTER && now - r->shown >= SHOW_EVERY)
		show(r, now);
}

void report_sent(struct send *s, size_t len)
{
	s->report.sent++;
	s->report.bytes += len;
}

void report_dropped(struct send *s, uint64_t number, size_t len, int error)
{
	struct report *r = &s->report;
	size_t i = 0;

	while (i < REASONS - 1 && reasons[i].error != error)
		i++;
	if (++r->dropped[i] > TOLD)
		return;
	hide(r);
	fprintf(stderr, "bufwriter send: %s", r->where);
	if (number != 0)
		fprintf(stderr, ":%" PRIu64, number);
	fprintf(stderr, ": dropped, %zu byte%s: ", len, plural(len));
	if (reasons[i].names_socket)
		fprintf(stderr, "%s: ", r->socket);
	fputs(bw_strerror(error), stderr);
	fputs(r->dropped[i] == TOLD ? " (more are only counted)\n" : "\n",
	      stderr);
}

void report_failed(struct send *s, const char *name, int error, int status)
{
	hide(&s->report);
	fprintf(stderr, "bufwriter send: %s: %s\n", name, strerror(-error));
	s->report.failed = status;
}

static void summary(const struct report *r, int stopped)
{
	const uint64_t sum = dropped_sum(r);
	const char *before = ": ";
	size_t i;

	fprintf(stderr,
		"bufwriter send: %" PRIu64 " message%s sent, %" PRIu64
		" byte%s; %" PRIu64 " dropped",
		r->sent, plural(r->sent), r->bytes, plural(r->bytes), sum);
	for (i = 0; i < REASONS; i++)
		if (r->dropped[i] != 0) {
			fprintf(stderr, "%s%" PRIu64 " %s", before,
				r->dropped[i], reasons[i].label);
			before = ", ";
		}
	if (stopped != 0)
		fprintf(stderr, "; stopped by SIG%s, the rest was not sent",
			sigabbrev_np(stopped));
	fputc('\n', stderr);
}

int report_end(struct send *s)
{
	const int stopped = s->deliver.stopped;
	struct report *r = &s->report;
	size_t i;

	hide(r);
	if (!r->quiet)
		summary(r, stopped);
	if (stopped != 0)
		return 128 + stopped;
	if (r->failed != 0)
		return r->failed;
	for (i = 0; i < REASONS; i++)
		if (r->dropped[i] != 0)
			return reasons[i].status;
	return 0;
}
