/* SPDX-License-Identifier: MIT */
/* `bufwriter metrics`: prints the daemon's numbers for a monitoring system. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/json.h"
#include "client/command/shipping.h"

static const char usage[] =
	"Usage: bufwriter metrics [OPTION]...\n"
	"Prints the daemon's counters, gauges and histograms for Prometheus.\n"
	"\n"
	"  -o, --openmetrics  print strict OpenMetrics 1.0; the default can "
	"also be read\n"
	"                     by promtool and the node exporter\n" ASK_HELP;

/* The value of a label, up to its quote, with its escapes. */
static size_t label_length(const char *value)
{
	size_t n = 0;

	while (value[n] && value[n] != '"')
		n += value[n] == '\\' && value[n + 1] ? 2 : 1;
	return n;
}

/* Prints the text with the gauges of the backlog before its last line. */
static void print_text(char *text, const char *files_path)
{
	static const char end[] = "# EOF\n", label[] = "{stream=\"";
	char *stream = strstr(text, label);
	char *last = strstr(text, end);

	if (*files_path && stream && last) {
		fwrite(text, 1, (size_t)(last - text), stdout);
		stream += strlen(label);
		stream = strndup(stream, label_length(stream));
		if (stream)
			shipping_print_metrics(files_path, stream);
		free(stream);
		text = last;
	}
	fputs(text, stdout);
}

static int print_metrics(const struct ask *a, const char *files_path)
{
	const char *value = json_at(a->answer, "metrics");
	size_t len = json_string(value, NULL, 0);
	char *text = malloc(len + 1);

	if (!text || !json_is_string(value)) {
		fprintf(stderr, "bufwriter metrics: %s\n",
			text ? "the answer has no metrics" : "out of memory");
		free(text);
		return EX_PROTOCOL;
	}
	json_string(value, text, len + 1);
	print_text(text, files_path);
	free(text);
	return cmd_output("metrics");
}

static const char *take_option(void *arg, int letter, const char *value)
{
	(void)letter;
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
	const struct ask_options options = { usage, ":o" ASK_SHORTS, longs,
					     take_option, &command };
	int status = ask_options_read(&options, argc, argv, &socket);
	char files_path[4096] = "";
	struct ask a;

	if (status >= 0)
		return status;
	ask_init(&a, socket);
	if (ask_command(&a, "status", ASK_TIMEOUT_MS))
		json_string(json_at(a.answer, "files_path"), files_path,
			    sizeof(files_path));
	if (ask_command(&a, command, ASK_TIMEOUT_MS))
		status = print_metrics(&a, files_path);
	else
		status = ask_print_failure(&a, "metrics");
	ask_close(&a);
	return status;
}
