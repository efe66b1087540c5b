/* SPDX-License-Identifier: MIT */
/*
 * A program that is not bufwriterd listens on the bed's control socket.  It dies
 * with the test program.
 */
#ifndef BUFWRITER_TEST_PEER_H
#define BUFWRITER_TEST_PEER_H

#include <sys/types.h>

/*
 * Listens on bed.control, in a process of its own, and answers each line with
 * this text, as it is.  `keep`: the connection stays open after it.
 */
pid_t peer_start(const char *answer, int keep);
void peer_stop(pid_t pid);

#endif
