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
	      "       bufwriterd --is-clean PATH\n"
	      "Takes datagrams from a Unix socket and writes them to "
	      "complete files.\n\n"
	      "  -c, --config FILE    settings (default "
	      "/etc/bufwriter/bufwriter.ini, if it exists)\n"
	      "  -o, --option S.K=V   one setting, instead of the file's\n"
	      "  -t, --test           check the settings, print them and exit\n"
	      "      --is-clean PATH  exit with 0 if the state region PATH "
	      "holds no messages,\n"
	      "                       and with 1 otherwise\n"
	      "      --version        print the version and exit\n"
	      "      --help           print this help and exit\n\n"
	      "Signals: SIGTERM writes everything to files and exits, SIGUSR1 "
	      "flushes now,\nSIGHUP reads FILE again.\n"
	      "See bufwriterd(8) and bufwriter.ini(5).\n",
	      to);
}

enum action arguments_parse(struct arguments *a, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "option", required_argument, NULL, 'o' },
		{ "test", no_argument, NULL, 't' },
		{ "is-clean", required_argument, NULL, 'C' },
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
		case 'C':
			action = ACTION_CLEAN;
			a->region = optarg;
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
			"bufwriterd: unexpected argument '%s'%s\n"
			"Try 'bufwriterd --help'.\n",
			argv[optind],
			action == ACTION_CLEAN ?
				"; --is-clean takes one path" :
				"; give a settings file with -c");
		return ACTION_WRONG;
	}
	if (!a->file)
		a->file = arguments_default_file();
	return action;
}

const char *arguments_default_file(void)
{
	static const char path[] = "/etc/bufwriter/bufwriter.ini";

	/* If access is denied, report it rather than start with defaults. */
	if (access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	return path;
}

void arguments_free(struct arguments *a)
{
	free(a->options);
	a->options = NULL;
}
