/* SPDX-License-Identifier: MIT */
/*
 * Room for the files of a recovery: it holds files.keep and files.keep_free
 * while there are no workers and no keeper (worker/keeper.h) that do so.
 *
 * With files.when_full = wait, a file waits at a limit.  With delete-oldest,
 * the oldest complete files are deleted, until there is room for this one file
 * and no further: the keeper does the rest.
 *
 * Each function may wait for the disk.  One thread owns a struct room.
 */
#ifndef BUFWRITER_ROOM_H
#define BUFWRITER_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"
#include "daemon/filing/retain.h"

struct room {
	const struct config *cfg;
	struct retain retain;
	/* bytes of the complete files: of the last scan, and written since */
	uint64_t held;
	uint64_t scanned_ns; /* CLOCK_MONOTONIC; 0: no scan yet */
	/* what it has deleted, as the counters of these names */
	uint64_t deleted_files, deleted_bytes, deleted_messages;
	uint64_t deleted_uncounted;
};

/* The settings stay valid until room_close().  0 or -ENOMEM. */
int room_open(struct room *r, const struct config *cfg);
void room_close(struct room *r);

/*
 * Before a file of at most this length is written.  NULL, or the setting for
 * which it must wait.
 */
const char *room_admits(struct room *r, uint64_t len);
/* A file of this length was written. */
void room_written(struct room *r, uint64_t bytes);
/* The disk has refused a file of this length with this -errno. */
void room_refused(struct room *r, int err, uint64_t len);

#endif
