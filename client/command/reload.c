/* SPDX-License-Identifier: MIT */
/* `bufwriter reload`: makes the daemon read its settings again. */
#include <stdio.h>

#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/json.h"
#include "client/command/format.h"

/* The exit status if some settings need a restart of the daemon. */
#define SOME_NEED_A_RESTART 1

static const char usage[] =
	"Usage: bufwriter reload [OPTION]...\n"
	"Makes the daemon read its settings again and prints what changed.\n"
	"\n" ASK_HELP "\n"
	"Only root and the daemon's own user may reload.\n"
	"The exit status is 0 if the daemon uses all settings of the file, and "
	"1 if some\n"
	"need a restart.  Otherwise it is 78 if the file is wrong and nothing "
	"changed, 69\n"
	"if no daemon answers, 77 if the user is not permitted; see "
	"bufwriter(1).\n";

/* Prints each string of the array on a line; returns how many. */
static unsigned print_list(const char *array, FILE *to, const char *before)
{
	const char *item;
	char text[4096];
	unsigned n = 0;

	while ((item = json_item(array, n))) {
		format_copy(item, text, sizeof(text));
		fprintf(to, "%s%s\n", before, text);
		n++;
	}
	return n;
}

static int print_changes(const struct ask *a)
{
	unsigned applied, restart;

	applied = print_list(json_at(a->answer, "applied"), stdout,
			     "changed: ");
	restart = print_list(json_at(a->answer, "restart"), stdout,
			     "needs a restart: ");
	if (!applied && !restart)
		puts("no setting changed");
	return restart ? SOME_NEED_A_RESTART : 0;
}

int cmd_reload(int argc, char **argv)
{
	static const struct option longs[] = { ASK_LONGS };
	const struct ask_options options = { usage, ":" ASK_SHORTS, longs, NULL,
					     NULL };
	const char *socket = NULL;
	int status = ask_options_read(&options, argc, argv, &socket);
	struct ask a;

	if (status >= 0)
		return status;
	ask_init(&a, socket);
	if (ask_command(&a, "reload", ASK_TIMEOUT_MS)) {
		status = print_changes(&a);
	} else {
		print_list(json_at(a.answer, "problems"), stderr, "");
		status = ask_print_failure(&a, "reload");
	}
	ask_close(&a);
	return cmd_output("reload") ? EX_IOERR : status;
}
