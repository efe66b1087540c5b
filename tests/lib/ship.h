/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter ship` as a process on the bed's directory of files, without a
 * daemon.  The test makes the files itself.  There is one shipper at a time;
 * a copy of `ship` keeps another one's process.
 */
#ifndef BUFWRITER_TEST_SHIP_H
#define BUFWRITER_TEST_SHIP_H

#include <sys/types.h>

#include "tests/lib/bed.h"

struct ship {
	char to[BED_PATH];   /* an empty directory: the centre */
	char said[BED_PATH]; /* a file with what the last one printed */
	const char *command; /* ship.command; NULL: the default */
	pid_t pid;	     /* the running one, or 0 */
};

extern struct ship ship;

/* Checked fixtures: bed_open() with bed.files, and the opposite. */
void ship_open(void);
void ship_close(void);

/* The name of file number i; a larger number is younger. */
const char *ship_name(unsigned i);
/* Makes the files from `from` up to but not `to`; each is its number. */
void ship_files(unsigned from, unsigned to);
/*
 * A shell's script as the command.  $ROOT is bed.root there, and `%H` is in
 * the command, so that it tells hosts apart.
 */
void ship_command(const char *script);

/* Starts it with these settings, a list that ends with NULL. */
#define ship_start(...) \
	ship_start_list((const char *const[]){ NULL, ##__VA_ARGS__, NULL })
void ship_start_list(const char *const *settings);
/* Sends SIGTERM and waits; the exit status, or 128 + N. */
int ship_stop(void);
/* With --once until its end; the exit status. */
#define ship_once(...) \
	ship_once_list((const char *const[]){ NULL, ##__VA_ARGS__, NULL })
int ship_once_list(const char *const *settings);
/* With this option until its end; the exit status. */
int ship_run(const char *option, const char *setting);

/* Lines with this text that it has printed so far. */
unsigned ship_said(const char *text);
/* A number of ship.prom, or -1. */
double ship_number(const char *name, const char *result);

/* Running processes of the group whose number is in $ROOT/pid. */
int ship_group_left(void);
void ship_kill_group(void);

#endif
