/* SPDX-License-Identifier: MIT */
/*
 * See outcome.h.  The summary goes to standard error, and answers for a program
 * go to standard output.
 *
 * An answer that cannot be written ends the answers, not the sending: the
 * messages are worth more.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/outcome.h"
#include "client/command/signal_name.h"
#include "client/library/bufwriter.h"

/* The progress line appears after this time and is rewritten this often. */
#define PROGRESS_AFTER_MS 1000
#define PROGRESS_EVERY_MS 250
/* For each reason, so many dropped messages have a line of their own. */
#define LINES_PER_REASON 3

/*
 * The exit status is that of the first reason with a dropped message.  The
 * last reason stands for every error that has no entry.
 */
static const struct reason {
	int error;
	int status;
	bool names_socket; /* the explanation needs the path */
	const char *label;
	const char *word; /* of an answer */
} reasons[] = {
	{ BW_NOT_PERMITTED, EX_NOPERM, true, "not permitted", "not-permitted" },
	{ BW_NO_DAEMON, EX_UNAVAILABLE, true, "no daemon", "no-daemon" },
	{ BW_WRONG_SOCKET, EX_UNAVAILABLE, true, "not the daemon's socket",
	  "wrong-socket" },
	{ BW_TIMEOUT, EX_TEMPFAIL, false, "timed out", "timeout" },
	{ BW_TOO_LARGE, EX_DATAERR, false, "too large", "too-large" },
	{ 0, EX_OSERR, false, "other errors", "error" },
};

_Static_assert(sizeof(reasons) / sizeof(reasons[0]) == OUTCOME_REASONS,
	       "struct outcome has a counter for each reason");

void outcome_init(struct outcome *r, const char *socket, bool quiet)
{
	memset(r, 0, sizeof(*r));
	r->socket = socket;
	r->quiet = quiet;
}

/* The coarse clock is precise enough, and cheap enough for each message. */
static int64_t progress_clock_ms(void)
{
	return cmd_clock_ms(CLOCK_MONOTONIC_COARSE);
}

void outcome_start(struct outcome *r, bool answers)
{
	r->answers = answers;
	if (answers)
		signal(SIGPIPE, SIG_IGN);
	r->shows_progress = !r->quiet && isatty(STDERR_FILENO);
	r->started_ms = progress_clock_ms();
}

void outcome_expect(struct outcome *r, uint64_t bytes)
{
	r->expected_bytes += bytes;
}

void outcome_input(struct outcome *r, const char *name)
{
	r->input = name;
	r->answered = 0;
}

void outcome_read(struct outcome *r, size_t bytes)
{
	r->read_bytes += bytes;
}

static uint64_t dropped_sum(const struct outcome *r)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < OUTCOME_REASONS; i++)
		sum += r->dropped[i];
	return sum;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void show_progress(struct outcome *r, int64_t now_ms)
{
	fprintf(stderr, "\r%" PRIu64 " sent, %" PRIu64 " dropped, %.1f MB",
		r->sent, dropped_sum(r), r->read_bytes / 1e6);
	/* Input from a pipe adds to what was read and not to the size. */
	if (r->expected_bytes && r->read_bytes <= r->expected_bytes)
		fprintf(stderr, " (%" PRIu64 "%%)",
			r->read_bytes * 100 / r->expected_bytes);
	fprintf(stderr, ", %" PRId64 " s\033[K",
		(now_ms - r->started_ms) / 1000);
	fflush(stderr);
	r->shown_ms = now_ms;
	r->is_visible = true;
}

static void hide_progress(struct outcome *r)
{
	if (r->is_visible)
		fputs("\r\033[K", stderr);
	r->is_visible = false;
}

void outcome_progress(struct outcome *r)
{
	int64_t now_ms;

	if (!r->shows_progress)
		return;
	now_ms = progress_clock_ms();
	if (now_ms - r->started_ms >= PROGRESS_AFTER_MS &&
	    now_ms - r->shown_ms >= PROGRESS_EVERY_MS)
		show_progress(r, now_ms);
}

void outcome_sent(struct outcome *r, size_t bytes)
{
	r->sent++;
	r->sent_bytes += bytes;
}

static void write_answers(struct outcome *r)
{
	const char *from = r->answer;
	const char *end = r->answer + r->answer_bytes;
	ssize_t n;

	while (r->answers && from < end) {
		n = write(STDOUT_FILENO, from, end - from);
		if (n >= 0)
			from += n;
		else if (errno != EINTR)
			r->answers = false;
	}
	r->answer_bytes = 0;
}

/* "NUMBER WORD"; a line has at most 20 digits and a short word. */
static void add_answer(struct outcome *r, uint64_t number, const char *word)
{
	size_t room = sizeof(r->answer) - r->answer_bytes;

	if (room < 64) {
		write_answers(r);
		room = sizeof(r->answer);
	}
	r->answer_bytes += snprintf(r->answer + r->answer_bytes, room,
				    "%" PRIu64 " %s\n", number, word);
}

void outcome_decided(struct outcome *r, uint64_t number)
{
	if (!r->answers || number == r->answered)
		return;
	r->answered = number;
	add_answer(r, number, "done");
	write_answers(r);
}

static size_t find_reason(int error)
{
	size_t i = 0;

	while (i < OUTCOME_REASONS - 1 && reasons[i].error != error)
		i++;
	return i;
}

void outcome_dropped(struct outcome *r, uint64_t number, size_t bytes,
		     int error)
{
	size_t i = find_reason(error);

	/* the whole input is its first message */
	if (r->answers)
		add_answer(r, number ? number : 1, reasons[i].word);
	if (++r->dropped[i] > LINES_PER_REASON)
		return;
	hide_progress(r);
	fprintf(stderr, "bufwriter send: %s", r->input);
	if (number)
		fprintf(stderr, ":%" PRIu64, number);
	fprintf(stderr, ": dropped, %zu byte%s: ", bytes, plural(bytes));
	if (reasons[i].names_socket)
		fprintf(stderr, "%s: ", r->socket);
	fputs(bw_strerror(error), stderr);
	if (r->dropped[i] == LINES_PER_REASON)
		fputs(" (more are only counted)", stderr);
	fputc('\n', stderr);
}

void outcome_lost(struct outcome *r, uint64_t messages, uint64_t bytes,
		  int error)
{
	size_t i = find_reason(error);

	r->sent -= messages;
	r->sent_bytes -= bytes;
	r->dropped[i] += messages;
	hide_progress(r);
	fprintf(stderr,
		"bufwriter send: %" PRIu64 " message%s lost, %" PRIu64
		" byte%s: the daemon was killed, and %s\n",
		messages, plural(messages), bytes, plural(bytes),
		error == BW_TOO_LARGE ?
			"the next one takes no message of this length" :
			"no other one came in time");
}

void outcome_failed(struct outcome *r, const char *name, int error, int status)
{
	hide_progress(r);
	fprintf(stderr, "bufwriter send: %s: %s\n", name, strerror(-error));
	r->input_status = status;
}

static void print_summary(const struct outcome *r, int signal)
{
	const char *before = ": ";
	size_t i;

	fprintf(stderr,
		"bufwriter send: %" PRIu64 " message%s sent, %" PRIu64
		" byte%s; %" PRIu64 " dropped",
		r->sent, plural(r->sent), r->sent_bytes, plural(r->sent_bytes),
		dropped_sum(r));
	for (i = 0; i < OUTCOME_REASONS; i++)
		if (r->dropped[i]) {
			fprintf(stderr, "%s%" PRIu64 " %s", before,
				r->dropped[i], reasons[i].label);
			before = ", ";
		}
	if (signal)
		fprintf(stderr, "; stopped by %s, the rest was not sent",
			signal_name(signal));
	fputc('\n', stderr);
}

int outcome_end(struct outcome *r, int signal)
{
	size_t i;

	write_answers(r);
	hide_progress(r);
	if (!r->quiet)
		print_summary(r, signal);
	if (signal)
		return 128 + signal;
	if (r->input_status)
		return r->input_status;
	for (i = 0; i < OUTCOME_REASONS; i++)
		if (r->dropped[i])
			return reasons[i].status;
	return 0;
}
