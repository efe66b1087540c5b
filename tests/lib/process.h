/* SPDX-License-Identifier: MIT */
/* What the kernel says of a process, from /proc. */
#ifndef BUFWRITER_TEST_PROCESS_H
#define BUFWRITER_TEST_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* Open descriptors. */
unsigned process_descriptors(pid_t pid);
/* Pages in memory. */
long process_resident(pid_t pid);

/*
 * Does it catch, ignore or block this signal, or has it ended?  A program that
 * has just been started does none of that, and the signal kills it.
 */
bool process_heeds(pid_t pid, int sig);

/* Processes of the group that still run; nobody may wait for the others. */
unsigned process_group_runs(pid_t group);
/*
 * Sends SIGKILL to a random process that is a child of `parent` or in `group`,
 * but is not `besides`, if there is one.
 */
void process_kill_one(pid_t parent, pid_t group, pid_t besides);

#endif
