/* SPDX-License-Identifier: MIT */
/*
 * A disk that neither takes a file nor refuses it: the log says so after
 * DISK_WATCH_SLOW_NS and after DISK_WATCH_HANGS_NS.  (A disk that refuses is in
 * the log at once, from the worker; and so is the end of a slow flush.)
 *
 * A timer runs only while a worker is flushing.  Loop thread only.
 */
#ifndef BUFWRITER_DISK_WATCH_H
#define BUFWRITER_DISK_WATCH_H

#include <stdint.h>
#include <uv.h>

#include "daemon/worker/workers.h"

/* A flush takes milliseconds.  After this long the disk is slow, or hangs. */
#define DISK_WATCH_SLOW_NS WORKER_SLOW_NS
#define DISK_WATCH_HANGS_NS UINT64_C(60000000000)

struct disk_watch_flush {
	uint64_t since_ns;    /* of the flush that was reported, or 0 */
	uint64_t reported_ns; /* its age in the last report */
};

struct disk_watch {
	const struct workers *workers;
	uv_timer_t timer;
	struct disk_watch_flush *flush; /* one for each worker */
};

/* `most`: workers that there can be.  0 or -ENOMEM. */
int disk_watch_open(struct disk_watch *w, uv_loop_t *uv,
		    const struct workers *workers, unsigned most);
/* Closes the timer, too; the loop must run once more.  Fine if never opened. */
void disk_watch_close(struct disk_watch *w);
/* A worker may have begun to flush.  Cheap. */
void disk_watch_note(struct disk_watch *w);

#endif
