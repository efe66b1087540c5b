/* SPDX-License-Identifier: MIT */
/*
 * The keeper holds the complete files within files.keep and files.keep_free: a
 * thread of its own with a low priority, which sleeps until a worker wakes it.
 * Nothing wakes it while nothing is written.
 *
 * With files.when_full = wait, a worker asks keeper_admits() before it writes a
 * file, and waits as for a full disk if the answer is no.  With delete-oldest,
 * the worker goes on, and the keeper deletes the oldest files.
 *
 * How many bytes there are is known from a scan of the directory, and from what
 * workers have written and the keeper has deleted since.  What a shipper took
 * meanwhile is not known, so a scan comes before a deletion for files.keep.
 * Each deletion frees a sixteenth of the limit, so that a scan is rare.
 */
#ifndef BUFWRITER_KEEPER_H
#define BUFWRITER_KEEPER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"
#include "daemon/base/stats.h"
#include "daemon/filing/retain.h"

struct keeper {
	/* constant after start */
	pthread_t thread;
	bool open;
	bool ended; /* loop thread */
	/* shared, atomic: written by the loop thread */
	_Atomic(const struct config *) cfg;
	_Atomic uint64_t cfg_generation;
	_Atomic bool stop;
	/* shared: workers post, the keeper waits */
	sem_t wake;
	_Atomic bool woken;	 /* a post that the keeper has not seen yet */
	_Atomic uint64_t wanted; /* bytes that the disk has refused, or 0 */
	_Atomic uint64_t asked;	 /* bytes that a limit does not admit, or 0 */
	/* shared, atomic: workers add, the keeper corrects */
	_Atomic uint64_t bytes; /* of the complete files */
	/* shared, atomic: written by the keeper */
	_Atomic uint64_t cfg_seen;
	_Atomic uint64_t deleted_ns; /* CLOCK_MONOTONIC, the last one, or 0 */
	struct stats_keeper stats;
	/* keeper */
	struct retain retain;
	uint64_t scanned_ns;	 /* CLOCK_MONOTONIC */
	uint64_t round_ns;	 /* a minute of the log began, or 0 */
	unsigned named;		 /* deletions that it names */
	struct retain_file more; /* sums of those that it does not name */
	uint64_t more_files;
	int error; /* of the last deletion, so that only changes are logged */
};

/*
 * Starts the thread.  The settings stay valid until keeper_settled() is true.
 * 0 or -errno.
 */
int keeper_start(struct keeper *k, const struct config *cfg);
/* Loop thread: new settings. */
void keeper_configure(struct keeper *k, const struct config *cfg);
bool keeper_settled(const struct keeper *k);
/*
 * Ends the thread, while workers may still hang at the disk: what it has deleted
 * is in the log then.  False: it hangs itself.
 */
bool keeper_end(struct keeper *k);
/*
 * Ends the thread, after the workers.  False: it hangs at the disk, and uses
 * its memory until the process ends.  Fine if it was never started.
 */
bool keeper_stop(struct keeper *k);

/*
 * A worker, before it writes a file of at most this length.  NULL, or the
 * setting for which it must wait.
 */
const char *keeper_admits(struct keeper *k, const struct config *cfg,
			  uint64_t len);
/* A worker: it has written a file of this length. */
void keeper_written(struct keeper *k, uint64_t bytes);
/* A worker: the disk has refused a file of this length with this -errno. */
void keeper_refused(struct keeper *k, const struct config *cfg, int err,
		    uint64_t len);

#endif
