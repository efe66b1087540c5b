/* SPDX-License-Identifier: MIT */
/*
 * A datagram socket in a directory of its own.  It stands for the daemon in the
 * unit tests of the library and of `bufwriter send`, and shows what arrives.
 *
 * There is one receiver a test.  Its functions belong to the test's own thread
 * unless they say otherwise.
 */
#ifndef BUFWRITER_TEST_RECEIVER_H
#define BUFWRITER_TEST_RECEIVER_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/lib/files.h"
#include "tests/lib/suite.h"

struct bw;

struct receiver {
	char dir[DIR_PATH];
	char path[96]; /* of the socket */
	int fd;	       /* the socket, or -1: there is no daemon */
};

extern struct receiver receiver;

/* Checked fixtures: a new directory without a socket; everything removed. */
void receiver_setup(void);
void receiver_teardown(void);
/* Adds the only case of a suite, with the fixtures. */
TCase *receiver_case(Suite *suite, const char *name);

/* A daemon starts: receiver.fd is a new socket at the path. */
void receiver_listen(void);
/* The same for a socket that the caller keeps.  Any thread. */
int receiver_bind(void);
/* The daemon is dead, and the file of its socket is still there. */
void receiver_close(void);
/* The daemon is dead, and the file is gone. */
void receiver_vanish(void);

/* The length of the next datagram, or -errno.  Does not wait.  Any thread. */
ssize_t receiver_take(int fd, void *to, size_t size);
/* The next datagram of receiver.fd is exactly this. */
void receiver_expect(const char *text, size_t len);
/* Nothing is left in the queue of receiver.fd. */
void receiver_expect_none(void);

/* A handle of the library to this socket. */
struct bw *receiver_open(int timeout_ms);

/* CLOCK_MONOTONIC.  Any thread. */
int64_t receiver_now_ms(void);

#endif
