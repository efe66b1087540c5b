/* SPDX-License-Identifier: MIT */
/*
 * Lives that end at a named step, and the count at the end: nothing lost,
 * nothing doubled, nothing torn.
 *
 * The steps are not listed here: a daemon under load says which ones it
 * passes.  The bed holds the socket as systemd would, so that what nobody had
 * taken yet waits in the kernel for the next daemon.
 */
#ifndef BUFWRITER_TEST_STEPS_H
#define BUFWRITER_TEST_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#define STEPS_MOST 100

/* The names of the failpoints, after steps_list(). */
extern char steps[STEPS_MOST][40];
extern unsigned steps_count;
/* Lists them, the first time. */
void steps_list(void);

/* Ways to die that together make the recovery take all of its steps. */
#define STEPS_DEATHS 7
extern const char *const steps_deaths[STEPS_DEATHS];

/*
 * Passed with compression or with lanes, which have tests of their own, and
 * without them never, or by chance at a stop.
 */
bool steps_is_elsewhere(const char *name);
/* Passed by a start only, or only after another life. */
bool steps_is_start(const char *name);

/* A new bed that holds the socket. */
void steps_bed(void);
/* Starts a daemon that takes each step often; or with another geometry. */
void steps_spawn(int changed);
/* It compresses its files, if it can. */
extern bool steps_compressed;
/*
 * Each sender sends so many messages, from one byte to beyond an arena and
 * beyond a slot's own buffer.
 */
void steps_send(uint64_t count);
bool steps_all_taken(void);
/*
 * Waits until the daemon is dead, or has nothing left to do; 1: it was killed.
 */
int steps_killed_or_done(void);
/* A last daemon files the rest; the test counts everything. */
void steps_finish(void);

#endif
