/* SPDX-License-Identifier: MIT */
/*
 * A pool of workers, and the test as its loop thread.
 *
 * No test measures time: it waits for what must happen, and a wait that does
 * not end is a hang.
 */
#ifndef BUFWRITER_TEST_POOL_H
#define BUFWRITER_TEST_POOL_H

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/region/region.h"
#include "daemon/worker/workers.h"
#include "tests/lib/core.h"

extern struct workers pool;
extern struct config *pool_cfg;
extern struct region pool_region;
/* How often the pool has notified the loop thread. */
extern _Atomic unsigned pool_notified;
/* What the workers call to do so; its argument is &pool_notified. */
void pool_notify(void *arg);

/* Starts workers with these settings, in a new directory for files. */
void pool_start_list(const char *const *options);
/* The same with the ring in anonymous memory. */
#define POOL_START(...)  \
	pool_start_list( \
		(const char *const[]){ "state.path=", __VA_ARGS__, NULL })
/* Stops the workers, waits for their end, and frees everything. */
void pool_stop(void);

enum worker_state pool_state(unsigned worker);
/* True if all workers are parked and asleep, and none is being woken. */
bool pool_is_parked(void);
struct arena_record pool_record(unsigned worker);
/* Messages in files that this worker made. */
uint64_t pool_written_by(unsigned worker);
/* Messages that all workers have written to files. */
uint64_t pool_written(void);

/* Puts a message into the ring and wakes no worker. */
void pool_put(const char *text);
/*
 * Puts a message into the ring, wakes a worker, and waits until the message is
 * taken and all workers are parked.
 */
void pool_put_and_wait(const char *text);

/* How many files there are. */
unsigned pool_files(void);
/* The n-th file by its time holds this. */
void pool_expect_file(unsigned n, const char *text);

/* A rule for a failpoint that is in force until pool_unblock(). */
void pool_block(const char *rule);
void pool_unblock(void);

#endif
