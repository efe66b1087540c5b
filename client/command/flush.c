/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter flush`: the daemon writes what it holds to files; the command
 * returns when that is done.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client/library/bufwriter.h"
#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/json.h"
#include "client/command/format.h"

/*
 * `never` is the longest timeout that the daemon accepts, see
 * bufwriter-control(7).
 */
#define NEVER_MS (24 * 3600 * 1000)
/* The daemon answers when the timeout is over; its answer may be this late. */
#define ANSWER_LATE_MS 5000

static const char usage[] =
	"Usage: bufwriter flush [OPTION]...\n"
	"Returns when every message that was sent before is in a complete "
	"file.\n"
	"\n"
	"  -t, --timeout DURATION  how long to wait: 500ms, 10s, never "
	"(default 60s)\n"
	"  -q, --quiet             print nothing\n" ASK_HELP "\n"
	"Only root and the daemon's own user may flush.\n"
	"The exit status is 0 if everything is in files.  Otherwise it is 65 "
	"if the daemon\n"
	"has dropped messages since the last flush, 69 if no daemon answers, "
	"75 after the\n"
	"timeout, 77 if the user is not permitted; see bufwriter(1).\n";

struct flush_options {
	int timeout_ms;
	bool quiet;
};

static const char *take_option(void *arg, int letter, const char *value)
{
	struct flush_options *opt = arg;

	if (letter == 'q')
		opt->quiet = true;
	else if (cmd_parse_ms(value, &opt->timeout_ms))
		return "is not a duration; " CMD_DURATIONS;
	return NULL;
}

/* Also prints what the daemon says about why the flush takes so long. */
static int print_failure(const struct ask *a)
{
	char why[500];
	int status = ask_print_failure(a, "flush");

	if (!json_at(a->answer, "why"))
		return status;
	format_copy(json_at(a->answer, "why"), why, sizeof(why));
	fprintf(stderr, "bufwriter flush: the daemon says: %s\n", why);
	return status;
}

/* Daemons of earlier versions do not tell of drops. */
static uint64_t count_dropped(const struct ask *a, const char *reason)
{
	return json_count(json_at(json_at(a->answer, "dropped"), reason));
}

static int print_flushed(const struct ask *a, bool quiet)
{
	double seconds = json_number(json_at(a->answer, "seconds"));
	uint64_t too_large = count_dropped(a, "too_large");
	uint64_t ring_full = count_dropped(a, "ring_full");
	uint64_t above = count_dropped(a, "sender_rate");
	uint64_t lane_lost = count_dropped(a, "lane_lost");
	uint64_t all = too_large + ring_full + above + lane_lost;

	if (all) {
		fprintf(stderr,
			"bufwriter flush: the daemon has dropped %" PRIu64
			" message%s since the last flush: %" PRIu64
			" larger than max_message, %" PRIu64
			" because the ring was full",
			all, all == 1 ? "" : "s", too_large, ring_full);
		if (above)
			fprintf(stderr, ", %" PRIu64 " above senders.rate",
				above);
		if (lane_lost)
			fprintf(stderr,
				", %" PRIu64
				" in lanes that a stop could not keep",
				lane_lost);
		fprintf(stderr,
			"; everything else that was sent before is in files "
			"(%.3f s)\n",
			seconds);
		return EX_DATAERR;
	}
	if (!quiet)
		printf("everything sent before is in files (%.3f s)\n",
		       seconds);
	return 0;
}

int cmd_flush(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "quiet", no_argument, NULL, 'q' },
		ASK_LONGS,
	};
	struct flush_options opt = { .timeout_ms = 60000 };
	const struct ask_options options = { usage, ":t:q" ASK_SHORTS, longs,
					     take_option, &opt };
	const char *socket = NULL;
	int status = ask_options_read(&options, argc, argv, &socket);
	struct ask a;
	char command[64];

	if (status >= 0)
		return status;
	if (opt.timeout_ms == BW_FOREVER)
		opt.timeout_ms = NEVER_MS;
	snprintf(command, sizeof(command), "flush %d", opt.timeout_ms);
	ask_init(&a, socket);
	if (!ask_command(&a, command, opt.timeout_ms + ANSWER_LATE_MS))
		status = print_failure(&a);
	else
		status = print_flushed(&a, opt.quiet);
	ask_close(&a);
	return status ? status : cmd_output("flush");
}
