/* SPDX-License-Identifier: MIT */
/* `bufwriter metrics`: the daemon's numbers for a monitoring system. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "control.h"
#include "json.h"

static const char usage[] =
	"Usage: bufwriter metrics [OPTION]...\n"
	"Prints the daemon's counters, gauges and histograms.\n"
	"\n"
	"  -o, --openmetrics  by the letter of OpenMetrics 1.0; the default "
	"is what\n"
	"                     promtool and the node exporter read too\n" CONTROL_HELP;

static int print(struct control *c)
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
		CONTROL_LONGS,
	};
	const char *socket = NULL, *command = "metrics";
	const struct control_line line = { usage, ":o" CONTROL_SHORTS, longs,
					   take, &command };
	int status = control_options(&line, argc, argv, &socket);
	struct control c;

	if (status >= 0)
		return status;
	control_init(&c, socket);
	status = control_ask(&c, command, CONTROL_TIMEOUT) ?
			 print(&c) :
			 control_failed(&c, "metrics");
	control_close(&c);
	return status;
}
