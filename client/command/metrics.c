/* SPDX-License-Identifier: MIT */
/* `bufwriter metrics`: the daemon's numbers for a monitoring system. */
#include <stdio.h>
#include <stdlib.h>

#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/json.h"

static const char usage[] =
	"Usage: bufwriter metrics [OPTION]...\n"
	"Prints the daemon's counters, gauges and histograms.\n"
	"\n"
	"  -o, --openmetrics  by the letter of OpenMetrics 1.0; the default "
	"is what\n"
	"                     promtool and the node exporter read too\n" ASK_HELP;

static int print(struct asker *c)
{
	const char *value = json_at(c->answer, "metrics");
	size_t len = json_string(value, NULL, 0);
	char *text = malloc(len + 1);

	if (text == NULL || !json_is_string(value)) {
		fprintf(stderr, "bufwriter metrics: %s\n",
			text ? "the answer has no metrics" : "no memory");
		free(text);
		return EX_PROTOCOL;
	}
	json_string(value, text, len + 1);
	fwrite(text, 1, len, stdout);
	free(text);
	return cmd_output("metrics");
}

static const char *take(void *arg, int c, const char *value)
{
	(void)c;
	(void)value;
	*(const char **)arg = "metrics openmetrics";
	return NULL;
}

int cmd_metrics(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "openmetrics", no_argument, NULL, 'o' },
		ASK_LONGS,
	};
	const char *socket = NULL, *command = "metrics";
	const struct ask_line line = { usage, ":o" ASK_SHORTS, longs, take,
				       &command };
	int status = ask_options(&line, argc, argv, &socket);
	struct asker c;

	if (status >= 0)
		return status;
	ask_init(&c, socket);
	status = ask_command(&c, command, ASK_TIMEOUT) ?
			 print(&c) :
			 ask_failed(&c, "metrics");
	ask_close(&c);
	return status;
}
