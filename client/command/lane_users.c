/* SPDX-License-Identifier: MIT */
/* See lane_users.h. */
#include "client/command/lane_users.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "client/command/format.h"
#include "client/command/json.h"

static void read_program(uint64_t pid, char program[16])
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%llu/comm",
		 (unsigned long long)pid);
	f = fopen(path, "re");
	if (!f || !fgets(program, 16, f))
		strcpy(program, "?");
	if (f)
		fclose(f);
	program[strcspn(program, "\n")] = 0;
	format_safe(program);
}

void lane_users_names(const char *row, struct lane_user_names *names)
{
	uint64_t uid = json_count(json_at(row, "uid"));
	struct passwd *pw = getpwuid((uid_t)uid);

	read_program(json_count(json_at(row, "pid")), names->program);
	if (pw)
		snprintf(names->user, sizeof(names->user), "%s", pw->pw_name);
	else
		snprintf(names->user, sizeof(names->user), "%llu",
			 (unsigned long long)uid);
	format_safe(names->user);
}

const char *lane_users_find(const char *answer, const char *row)
{
	const char *list = json_at(answer, "lanes.busiest"), *other;
	uint64_t pid = json_count(json_at(row, "pid"));
	unsigned i;

	for (i = 0; (other = json_item(list, i)); i++)
		if (json_count(json_at(other, "pid")) == pid)
			return other;
	return NULL;
}

void lane_users_print_line(const char *answer)
{
	const char *lanes = json_at(answer, "lanes");
	double most = json_number(json_at(lanes, "most"));
	double n = json_number(json_at(lanes, "processes"));

	/* An older daemon has none, and this one may be told to have none. */
	if (most > 0)
		printf("lanes      %.0f of %.0f open, by %.0f %s\n",
		       json_number(json_at(lanes, "open")), most, n,
		       n == 1 ? "process" : "processes");
}

static void print_row(const char *row)
{
	struct lane_user_names names;

	lane_users_names(row, &names);
	printf("%7.0f %-15s %-10.10s %9s %9s %9s %6s %6s\n",
	       json_number(json_at(row, "pid")), names.program, names.user,
	       format_count(json_number(json_at(row, "messages")), 9),
	       format_bytes(json_number(json_at(row, "bytes"))),
	       format_bytes(json_number(json_at(row, "unread_bytes"))),
	       format_count(json_number(json_at(row, "waits")), 6),
	       format_count(json_number(json_at(row, "timeouts")), 6));
}

void lane_users_print(const char *answer)
{
	const char *list = json_at(answer, "lanes.busiest"), *row;
	unsigned i;

	for (i = 0; (row = json_item(list, i)); i++) {
		if (!i)
			printf("\n%7s %-15s %-10s %9s %9s %9s %6s %6s\n",
			       "process", "program", "user", "messages",
			       "bytes", "unread", "waits", "expired");
		print_row(row);
	}
}
