/* SPDX-License-Identifier: MIT */
/* See cmd.h. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/library/bufwriter.h"
#include "client/command/cmd.h"

/* The longest duration. */
#define DAY_US (UINT64_C(24) * 3600 * 1000000)

int cmd_misuse(const char *cmd, const char *fmt, ...)
{
	const char *space = cmd ? " " : "";
	va_list args;

	if (!cmd)
		cmd = "";
	fprintf(stderr, "bufwriter%s%s: ", space, cmd);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "; try 'bufwriter%s%s --help'\n", space, cmd);
	return EX_USAGE;
}

int cmd_bad_option(const char *cmd, char **argv, int c)
{
	const char *given = argv[optind - 1];
	const char *problem = c == ':' ? "needs a value" : "is unknown";

	/* If a value is missing, musl counts it, too. */
	if (!given)
		given = argv[optind - 2];
	/* optopt: 0 for an unknown long option, else the short form. */
	if (strncmp(given, "--", 2) && optopt)
		return cmd_misuse(cmd, "option '-%c' %s", optopt, problem);
	if (c == '?' && optopt)
		problem = "takes no value";
	return cmd_misuse(cmd, "option '%s' %s", given, problem);
}

int cmd_output(const char *cmd)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	fprintf(stderr, "bufwriter%s%s: cannot write the output: %s\n",
		cmd ? " " : "", cmd ? cmd : "", strerror(errno));
	return EX_IOERR;
}

int64_t cmd_clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

int cmd_version(const char *cmd)
{
	puts("bufwriter " BW_VERSION);
	return cmd_output(cmd);
}

/*
 * The daemon's settings have the same units (conf/value.c).  The command
 * shares no source with the daemon, so it has a parser of its own.
 */
int cmd_parse_ms(const char *text, int *ms)
{
	static const struct {
		const char *name;
		uint64_t us;
	} units[] = {
		{ "us", 1 },	       { "ms", 1000 },	    { "s", 1000000 },
		{ "m", 60 * 1000000 }, { "h", 3600000000 },
	};
	uint64_t n = 0;
	size_t i;

	if (!strcmp(text, "never")) {
		*ms = BW_FOREVER;
		return 0;
	}
	if (!strcmp(text, "0")) {
		*ms = 0;
		return 0;
	}
	for (i = 0; text[i] >= '0' && text[i] <= '9'; i++)
		if (n <= DAY_US)
			n = n * 10 + (text[i] - '0');
	if (!i || n > DAY_US)
		return -EINVAL;
	text += i;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(text, units[i].name))
			break;
	if (i == sizeof(units) / sizeof(units[0]) || n > DAY_US / units[i].us)
		return -EINVAL;
	*ms = (n * units[i].us + 999) / 1000;
	return 0;
}
