/* SPDX-License-Identifier: MIT */
/*
 * Those around the daemon: the shipper that takes files, and the watcher that
 * asks for the status all the time.  Both are processes that die with the
 * test.  The senders are those of tests/lib/sender.h.
 */
#ifndef BUFWRITER_TEST_CROWD_H
#define BUFWRITER_TEST_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CROWD_ANSWER (256 * 1024)

/*
 * One command on a connection of its own to bed.control.  The answer without
 * its newline, valid JSON, until the next call; NULL: no answer, and *why
 * says what happened instead.
 */
const char *crowd_ask(const char *command, const char **why);

/* What is wrong with a status in itself, or NULL. */
const char *crowd_check_status(const char *status);

/*
 * Takes each complete file of bed.files into the directory `to`: copies it,
 * as from one file system to another, once it is removed.
 */
void crowd_ship(const char *to);
/* With true the shipper takes nothing, until false. */
void crowd_hold_shipper(bool hold);
/* Files taken so far. */
unsigned crowd_shipped(void);

void crowd_watch(void);
void crowd_hold_watcher(bool hold);
/* Answers that the watcher has checked so far. */
unsigned crowd_watched(void);

/* Ends both; what one of them found wrong, or NULL. */
const char *crowd_end(void);

#endif
