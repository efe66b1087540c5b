/* SPDX-License-Identifier: MIT */
/* See senders.h. */
#include "client/command/senders.h"

#include <stdio.h>
#include <string.h>

#include "client/command/format.h"
#include "client/command/json.h"
#include "client/command/lane_users.h"

bool senders_are_known(const char *answer)
{
	return json_is_true(json_at(answer, "senders.identify"));
}

/* True: the value is a text with at least one character. */
static bool copy_safe(const char *value, char *out, size_t room)
{
	format_copy(value, out, room);
	format_safe(out);
	return *out;
}

void senders_words(const char *row, struct sender_words *words)
{
	struct lane_user_names names;

	lane_users_names(row, &names);
	memcpy(words->user, names.user, sizeof(words->user));
	if (!copy_safe(json_at(row, "command"), words->program,
		       sizeof(words->program)))
		memcpy(words->program, names.program, sizeof(words->program));
	if (!copy_safe(json_at(row, "unit"), words->unit,
		       sizeof(words->unit)) ||
	    !strcmp(words->unit, "unknown") || !strcmp(words->unit, "none"))
		strcpy(words->unit, "-");
}

void senders_print_line(const char *answer)
{
	const char *s = json_at(answer, "senders");
	double rate = json_number(json_at(s, "rate"));
	const char *by = format_text(json_at(s, "by"), "uid");

	if (!senders_are_known(answer))
		return;
	printf("senders    %.0f processes are known",
	       json_number(json_at(s, "processes")));
	if (rate > 0)
		printf("; each %s may send %.0f messages a second",
		       strcmp(by, "unit") ? "user" : "unit", rate);
	putchar('\n');
	if (json_is_true(json_at(s, "hidden")))
		puts("           commands and units of other users are hidden "
		     "from the daemon:\n"
		     "           install identify.conf, see \"Who sends\" in "
		     "bufwriterd(8)");
}

static void print_row(const char *row)
{
	struct sender_words words;

	senders_words(row, &words);
	printf("%7.0f %-15s %-10.10s %9s %9s %9s %9s %7s %s\n",
	       json_number(json_at(row, "pid")), words.program, words.user,
	       format_rate(json_number(json_at(row, "messages_per_second"))),
	       format_bytes(json_number(json_at(row, "bytes_per_second"))),
	       format_count(json_number(json_at(row, "messages")), 9),
	       format_bytes(json_number(json_at(row, "bytes"))),
	       format_count(json_number(json_at(row, "dropped")), 7),
	       words.unit);
}

void senders_print(const char *answer)
{
	const char *list = json_at(answer, "senders.busiest"), *row;
	unsigned i;

	for (i = 0; (row = json_item(list, i)); i++) {
		if (!i)
			printf("\n%7s %-15s %-10s %9s %9s %9s %9s %7s %s\n",
			       "process", "datagrams from", "user", "now/s",
			       "bytes/s", "messages", "bytes", "dropped",
			       "unit");
		print_row(row);
	}
}
