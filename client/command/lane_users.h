/* SPDX-License-Identifier: MIT */
/*
 * The processes that write through lanes, for `bufwriter status` and `bufwriter
 * top`.  The daemon tells process and user as numbers; their names are looked
 * up here.
 *
 * Single-threaded.
 */
#ifndef BUFWRITER_COMMAND_LANE_USERS_H
#define BUFWRITER_COMMAND_LANE_USERS_H

/* A row, as it is shown. */
struct lane_user_names {
	char program[16]; /* "?": the process is gone, or another's /proc */
	char user[33];	  /* a name, or the number */
};

/* `row` is an element of "lanes.busiest". */
void lane_users_names(const char *row, struct lane_user_names *names);

/* The element of "lanes.busiest" of the same process in another answer, or
 * NULL. */
const char *lane_users_find(const char *answer, const char *row);

/* For people: how many lanes are open, in one line. */
void lane_users_print_line(const char *answer);
/* For people: a table; nothing if no lane is open. */
void lane_users_print(const char *answer);

#endif
