/* SPDX-License-Identifier: MIT */
/*
 * Decides which files the next run of the command gets.  It touches no disk
 * and knows no time, so its rules can be tested.
 *
 * The oldest files come first, up to the limits of a batch.  A run that moved
 * nothing has failed, because the centre cannot be reached or because one file
 * of the batch stops it.  If the failure does not tell which:
 *
 * - The next batch has half as many files.  So after a few runs one file is
 *   alone.  After a success the number doubles again.
 * - A file that failed alone is a suspect, and the next run gets another file,
 *   alone.  If that one fails, too, the centre may be away: it is a suspect as
 *   well, and the search goes on with the next file.
 * - After each success the oldest suspect gets another run at once.  If it
 *   fails then, it is set aside.  If it passes, the centre was away, and no
 *   file is a suspect any more.
 * - A file that stays while others of its run pass, twice, is a suspect.
 *
 * So only a failure right after a success sets a file aside, and a batch that
 * can never pass stops the rest for a few runs only.  A file that was set aside
 * gets a run of its own now and then, while nothing else waits.
 *
 *   NORMAL   no suspects            batches of up to `size` files
 *   SEARCH   suspects               one file a run
 *   RETRY    nothing else waits     one file that was set aside
 *
 * Single-threaded.  The plan owns the files.
 */
#ifndef BUFWRITER_SHIP_PLAN_H
#define BUFWRITER_SHIP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/ship/file.h"
#include "client/ship/names.h"

/* Files that were set aside; more than that are not told apart any more. */
#define PLAN_ASIDE 10000u

/* What a run that failed says of the cause. */
enum blame {
	BLAME_NOTHING, /* the command ended with success */
	BLAME_CENTRE,  /* the centre cannot be reached: no file is at fault */
	BLAME_FILES,   /* the files that remain are at fault */
	BLAME_UNKNOWN, /* it can be either */
};

/* What follows from a run. */
enum plan_step {
	PLAN_GO_ON, /* at once */
	PLAN_BRIEF, /* after a short pause: the search for a file goes on */
	PLAN_PAUSE, /* after a pause that grows: nothing moves */
};

struct plan {
	/* constant */
	size_t max_files;
	uint64_t max_bytes;

	struct ship_file **window; /* oldest first */
	size_t n;
	size_t size;	 /* files in the next batch */
	size_t suspects; /* in the window */
	bool has_moved;	 /* the run before this one moved something */

	struct names aside; /* names that were ever set aside */
	struct ship_file **retry;
	size_t retries; /* files set aside now */
	size_t retry_room;
	size_t retry_next;

	struct ship_file **batch; /* the files of this run, borrowed */
	size_t batch_n;
	bool is_retry; /* the batch is a file that was set aside */
};

/* 0 or -ENOMEM. */
int plan_init(struct plan *plan, size_t max_files, uint64_t max_bytes);
void plan_free(struct plan *plan);

/* Adds the names of all files that the plan has: a scan leaves them out. */
void plan_known(const struct plan *plan, struct names *known);

/*
 * Adds files, oldest first, that the plan does not have; takes them over, also
 * when it fails, but not the array.  0 or -ENOMEM.
 */
int plan_fill(struct plan *plan, struct ship_file **files, size_t n);

/*
 * Chooses the next batch: plan->batch and plan->batch_n.  False: there are no
 * candidates, look for more files.  With `is_all` there are no more: a suspect
 * is then tried again.
 */
bool plan_next(struct plan *plan, bool is_all);

/* Chooses a file that was set aside.  False: there is none. */
bool plan_retry(struct plan *plan);

/* Forgets files of the batch that is_gone says are missing, before the run. */
void plan_drop_missing(struct plan *plan);

/*
 * The run has ended, and is_gone is set in the files that it moved.  The batch
 * is over.  *aside is a file that was set aside just now, or NULL, borrowed
 * until the next call.
 */
enum plan_step plan_result(struct plan *plan, enum blame blame,
			   const struct ship_file **aside);

#endif
