/* SPDX-License-Identifier: MIT */
/* `bufwriter metrics`: the daemon's numbers for a monitoring system. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	return control_output("metrics");
}

int cmd_metrics(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "openmetrics", no_argument, NULL, 'o' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *socket = NULL, *command = "metrics";
	struct control control;
	int c, status;

	while ((c = getopt_long(argc, argv, ":os:h", longs, NULL)) != -1) {
		if (c == 'o') {
			command = "metrics openmetrics";
		} else if (c == 's') {
			socket = optarg;
		} else if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		} else {
			return cmd_bad_option("metrics", argv, c);
		}
	}
	if (optind < argc)
		return cmd_misuse("metrics", "'%s' is not expected",
				  argv[optind]);
	control_init(&control, socket);
	status = control_ask(&control, command, CONTROL_TIMEOUT) ?
			 print(&control) :
			 control_failed(&control, "metrics");
	control_close(&control);
	return status;
}
