/* SPDX-License-Identifier: MIT */
/* See arguments.h. */
#include "daemon/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_help(FILE *to)
{
	fputs("Usage: bufwriterd [-c FILE] [-t] [-o SECTION.KEY=VALUE]...\n"
	      "Takes datagrams from a Unix socket and makes complete files "
	      "of them.\n\n"
	      "  -c, --config FILE    settings (default "
	      "/etc/bufwriter/bufwriter.ini, if it is there)\n"
	      "  -o, --option S.K=V   one setting; wins over the file\n"
	      "  -t, --test           check the settings, print them, exit\n"
	      "      --version        print the version, exit\n"
	      "      --help           print this, exit\n\n"
	      "SIGTERM files everything and exits, SIGUSR1 flushes now, "
	      "SIGHUP reads FILE again.\n"
	      "See bufwriterd(8) and bufwriter.ini(5).\n",
	      to);
}

enum action arguments_parse(struct arguments *a, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "option", required_argument, NULL, 'o' },
		{ "test", no_argument, NULL, 't' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	enum action action = ACTION_RUN;
	int c;

	a->options = calloc(argc, sizeof(*a->options));
	if (!a->options)
		return ACTION_WRONG;
	while ((c = getopt_long(argc, argv, "c:o:th", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->file = optarg;
			break;
		case 'o':
			a->options[a->noptions++] = optarg;
			break;
		case 't':
			action = ACTION_TEST;
			break;
		case 'V':
			puts("bufwriterd " BW_VERSION);
			return ACTION_DONE;
		case 'h':
			print_help(stdout);
			return ACTION_DONE;
		default:
			fputs("Try 'bufwriterd --help'.\n", stderr);
			return ACTION_WRONG;
		}
	}
	if (optind < argc) {
		fprintf(stderr,
			"bufwriterd: unexpected argument '%s'; a settings "
			"file is given with -c\n"
			"Try 'bufwriterd --help'.\n",
			argv[optind]);
		return ACTION_WRONG;
	}
	if (!a->file)
		a->file = arguments_default_file();
	return action;
}

const char *arguments_default_file(void)
{
	static const char path[] = "/etc/bufwriter/bufwriter.ini";

	/* One that cannot be looked for is no reason to go on without. */
	if (access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	return path;
}

void arguments_free(struct arguments *a)
{
	free(a->options);
	a->options = NULL;
}
