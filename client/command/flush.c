/* SPDX-License-Identifier: MIT */
/* `bufwriter flush`: returns when what was sent before it is in files. */
#include <stdio.h>

#include "client/library/bufwriter.h"
#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/json.h"

/* Above the daemon's own limit of 24 h, it answers; we only outwait it. */
#define NEVER (24 * 3600 * 1000)
#define SLACK 5000

static const char usage[] =
	"Usage: bufwriter flush [OPTION]...\n"
	"Returns when every message sent before it is in a complete file.\n"
	"\n"
	"  -t, --timeout DURATION  how long to wait: 500ms, 10s, never "
	"(default 60s)\n"
	"  -q, --quiet             print nothing\n" ASK_HELP "\n"
	"Only root and the daemon's own user may do this.\n"
	"The exit status is 0 if it is done, 69 no daemon, 75 not in time, "
	"77 not\n"
	"permitted; see bufwriter(1).\n";

struct flush_options {
	int timeout;
	int quiet;
};

static const char *take(void *arg, int c, const char *value)
{
	struct flush_options *opt = arg;

	if (c == 'q')
		opt->quiet = 1;
	else if (cmd_parse_ms(value, &opt->timeout) != 0)
		return "is no duration";
	return NULL;
}

/* The daemon knows why it takes so long. */
static int failed(const struct asker *c)
{
	char why[300];
	int status = ask_failed(c, "flush");

	if (json_at(c->answer, "why") == NULL)
		return status;
	json_string(json_at(c->answer, "why"), why, sizeof(why));
	fprintf(stderr, "bufwriter flush: the daemon says: %s\n", why);
	return status;
}

int cmd_flush(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "quiet", no_argument, NULL, 'q' },
		ASK_LONGS,
	};
	struct flush_options opt = { .timeout = 60000 };
	const struct ask_line line = { usage, ":t:q" ASK_SHORTS, longs, take,
				       &opt };
	const char *socket = NULL;
	int status = ask_options(&line, argc, argv, &socket);
	struct asker c;
	char command[64];

	if (status >= 0)
		return status;
	if (opt.timeout == BW_FOREVER)
		opt.timeout = NEVER;
	snprintf(command, sizeof(command), "flush %d", opt.timeout);
	ask_init(&c, socket);
	status = 0;
	if (!ask_command(&c, command, opt.timeout + SLACK))
		status = failed(&c);
	else if (!opt.quiet)
		printf("everything sent before is in files (%.3f s)\n",
		       json_number(json_at(c.answer, "seconds")));
	ask_close(&c);
	return status ? status : cmd_output("flush");
}
