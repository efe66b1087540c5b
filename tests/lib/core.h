/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the daemon's core share: a directory, settings, a ring
 * that receives messages without a socket, and processes that die at a
 * failpoint.
 *
 * A process reads the rules of BW_FAILPOINTS once, when it passes its first
 * failpoint.  So a test that wants failpoints sets them before anything else,
 * and a test that wants several lives gives each a process of its own.
 */
#ifndef BUFWRITER_TEST_CORE_H
#define BUFWRITER_TEST_CORE_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/config.h"
#include "daemon/region/ring.h"
#include "tests/lib/files.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

/* --- a directory --------------------------------------------------------- */

extern char core_dir[DIR_PATH];

/* Checked fixtures: a new directory; the directory is removed. */
void core_open(void);
void core_close(void);
/* A test case with these fixtures, added to the suite. */
TCase *core_case(Suite *suite, const char *name);

/* A path in the directory; valid until 15 more were made. */
const char *core_path(const char *name);
void core_mkdir(const char *name);

struct core_files {
	unsigned n;
	char **name; /* in the order in which they were made */
};

/* All names in a directory but `.tmp`; dot files count, as nothing may. */
struct core_files core_files(const char *dir);
void core_files_free(struct core_files *files);
unsigned core_count(const char *dir);

/* --- settings ------------------------------------------------------------ */

/* Settings with all paths in the directory, to be freed. */
struct config *core_settings(const char *const *options);

#define CORE_SETTINGS(...) \
	core_settings((const char *const[]){ __VA_ARGS__, NULL })

/* --- a ring -------------------------------------------------------------- */

/* Zeroed, page aligned memory that a child shares. */
void *core_map(size_t bytes);

struct core_ring {
	struct ring ring;
	void *mem;
	size_t bytes;
};

/* An empty ring whose next ticket is `first`; 0: the number of its slots. */
void core_ring_open(struct core_ring *c, uint64_t slots, uint64_t max_message,
		    uint64_t first);
void core_ring_close(struct core_ring *c);

/* Leaves a datagram where recvmmsg(2) with MSG_TRUNC would leave it. */
void core_receive(struct mmsghdr *msg, const void *data, uint32_t len);
/* One datagram into the ring, received at `now`; false: it is full. */
bool core_put_at(struct ring *r, const void *data, uint32_t len, uint64_t now);
/* The same, at a time that is its ticket and 1000. */
bool core_put(struct ring *r, const void *data, uint32_t len);
/* Copies a claimed message; its length. */
uint32_t core_copy(const struct ring *r, uint64_t ticket, uint8_t *to);

/* --- processes ----------------------------------------------------------- */

/* Sets BW_FAILPOINTS; NULL: none. */
void core_points(const char *points);
/* Runs fn in a process of its own with these failpoints; its wait status. */
int core_child(const char *points, int (*fn)(void *), void *arg);
bool core_was_killed(int status);

#endif
