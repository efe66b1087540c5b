/* SPDX-License-Identifier: MIT */
/*
 * The processes that send datagrams, for `bufwriter status` and `bufwriter top`.
 * The daemon tells them if senders.identify is set.  It knows command and unit
 * where it may see the process; else this command looks for the program itself.
 *
 * Single-threaded.
 */
#ifndef BUFWRITER_COMMAND_SENDERS_H
#define BUFWRITER_COMMAND_SENDERS_H

#include <stdbool.h>

/* A row, as it is shown: each is printable. */
struct sender_words {
	char program[16];
	char user[33];	/* a name, or the number */
	char unit[128]; /* "-": it is not known, or there is none */
};

/* Does the daemon ask who sends? */
bool senders_are_known(const char *answer);
/* `row` is an element of "senders.busiest". */
void senders_words(const char *row, struct sender_words *words);
/* For people: how many there are, in one line. */
void senders_print_line(const char *answer);
/* For people: a table; nothing if nobody sent. */
void senders_print(const char *answer);

#endif
