/* SPDX-License-Identifier: MIT */
/*
 * See transfer.h.
 *
 * A flush goes through the steps of the arena's record.  Each step can be
 * repeated after any failure, and after a death in it:
 *
 *	STEP      NEXT                     ON FAILURE           AFTER A DEATH
 *	FILLING   name it                  -                    the same
 *	WRITING   write the temp file      delete it, retry     delete it, retry
 *	RENAMING  rename the temp file     did it happen?  if   rename it if it
 *					   not, to WRITING	is there; if not,
 *					   first, then delete   that happened
 *					   it, retry
 *
 * transfer_flush() takes these steps, transfer_settle() is the last column.
 */
#include "daemon/filing/transfer.h"

#include <assert.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/failpoint.h"
#include "daemon/filing/rename.h"
#include "daemon/filing/strip.h"
#include "daemon/filing/temp_dir.h"
#include "daemon/region/ring_check.h"

/* Names tried before the directory is considered to be at fault. */
#define NAMES 1000

/* -- ring -> arena ------------------------------------------------------- */

bool transfer_must_flush(const struct arena *a, uint64_t cost)
{
	/*
	 * A message that by itself is larger than the arena's size goes
	 * behind what is there, into the room kept for it.
	 */
	return cost <= a->size && a->fill + cost > a->size;
}

/* Is the arena past its size, so that no message can follow? */
static bool is_over(const struct arena *a)
{
	return a->fill > a->size;
}

/*
 * How many of the `most` tickets from `from` fit into the arena, which is then
 * *fill bytes long, or less if socket.strip removes headers.
 */
static uint64_t count_fitting(const struct ring *r, const struct arena *a,
			      uint64_t from, uint64_t most, uint64_t *fill)
{
	struct ring_message m;
	uint64_t n, cost;

	*fill = a->fill;
	for (n = 0; n < most; n++) {
		ring_peek(r, from + n, &m);
		cost = m.oversized ? 0 : arena_cost(a, m.len, m.newline);
		if (cost <= a->size && *fill + cost > a->size)
			return n;
		*fill += cost;
		if (cost > a->size)
			return n + 1; /* past the size: none after it */
	}
	return n;
}

/* Copies the claimed tickets; returns how many were messages. */
static uint64_t copy_run(const struct ring *r, struct arena *a, uint64_t from,
			 uint64_t n, uint64_t *oldest_ns)
{
	struct ring_message m;
	uint64_t ticket, count = 0;

	for (ticket = from; ticket < from + n; ticket++) {
		ring_message(r, ticket, &m);
		if (m.oversized)
			continue;
		if (!count)
			*oldest_ns = m.received_ns;
		if (a->strip == STRIP_NONE)
			arena_append(a, m.part, m.part_len, m.newline);
		else
			strip_append(a, &m);
		(void)FAILPOINT("append.after");
		count++;
	}
	return count;
}

enum transfer_result transfer_take(struct ring *r, struct arena *a,
				   bool *producer_waits)
{
	uint64_t from, waiting, n, fill, count, oldest_ns = 0;

	/* one claim at a time is open */
	assert(arena_is_settled(a));
	if (is_over(a))
		return TRANSFER_FULL;
	do {
		from = ring_claimed(r);
		waiting = ring_published(r) - from;
		if (!waiting)
			return TRANSFER_EMPTY;
		if (waiting > TRANSFER_RUN)
			waiting = TRANSFER_RUN;
		n = count_fitting(r, a, from, waiting, &fill);
		/*
		 * With n == 0 nothing proves that the length read was this
		 * ticket's.  An early flush would be allowed, but needless.
		 */
		if (!n && ring_claimed(r) == from)
			return TRANSFER_FULL;
	} while (!n || !ring_claim(r, from, n));

	(void)FAILPOINT("claim.after");
	count = copy_run(r, a, from, n, &oldest_ns);
	/* The claim proves what was counted; a header may be less. */
	assert(a->strip == STRIP_NONE ? a->fill == fill : a->fill <= fill);
	arena_commit(a, from, from + n, count, oldest_ns);
	/* I2: not before the commit. */
	if (ring_release(r, from, n))
		*producer_waits = true;
	(void)FAILPOINT("release.after");
	return is_over(a) ? TRANSFER_FULL : TRANSFER_TOOK;
}

void transfer_one(struct ring *r, struct arena *a, uint64_t ticket)
{
	uint64_t oldest_ns = 0, count;

	assert(ring_is_held(&r->layout, ticket));
	assert(arena_is_settled(a) && !is_over(a));
	count = copy_run(r, a, ticket, 1, &oldest_ns);
	arena_commit(a, ticket, ticket + 1, count, oldest_ns);
	ring_release_held(&r->layout, ticket);
}

/* -- arena -> file ------------------------------------------------------- */

/*
 * FILLING, or WRITING after a failure: a new name, but not before the temp file
 * of the failed try is deleted, because only the record knows about that file.
 * 0 or -errno.
 */
static int begin_file(struct arena *a, struct flush *f)
{
	char name[FLUSH_NAME];
	int err;

	if (a->now.step == ARENA_WRITING && !f->foreign) {
		err = flush_discard(f, a->name, arena_is_beside(&a->now));
		if (err)
			return err;
	}
	f->foreign = false;
	flush_name(f, name);
	arena_begin_write(a, name,
			  f->beside ? ARENA_BESIDE_FINAL : ARENA_IN_TEMP);
	(void)FAILPOINT("flush.begin");
	return 0;
}

/* WRITING -> RENAMING. */
static int write_temp(struct arena *a, struct flush *f)
{
	int err;

	f->messages = a->now.count;
	err = flush_write(f, a->name, a->data, a->now.len);
	if (err)
		return err;
	arena_begin_rename(a);
	(void)FAILPOINT("flush.marked");
	return 0;
}

/* RENAMING -> FILLING, or back to WRITING. */
static int rename_temp(struct arena *a, struct flush *f)
{
	int err = flush_publish(f, a->name);

	if (!err) {
		arena_emptied(a);
		(void)FAILPOINT("flush.reset");
		return 0;
	}
	/* The next try goes on where this one failed. */
	if (f->pending)
		return err;
	/*
	 * The record first: a later life that found the temp file and the step
	 * RENAMING would rename it.
	 */
	arena_undo_rename(a);
	(void)flush_discard(f, a->name, arena_is_beside(&a->now));
	return err;
}

/* Is a failed step worth another name or place at once? */
static bool is_worth_a_name(const struct flush *f, int err)
{
	return !f->pending && (err == -EEXIST || err == -EXDEV);
}

/* Takes the step that the record names.  0 or -errno. */
static int take_step(struct arena *a, struct flush *f, unsigned *names)
{
	int err;

	switch (a->now.step) {
	case ARENA_FILLING:
		return begin_file(a, f);
	case ARENA_WRITING:
		err = write_temp(a, f);
		break;
	default:
		assert(a->now.step == ARENA_RENAMING);
		err = rename_temp(a, f);
	}
	if (!is_worth_a_name(f, err) || ++*names == NAMES)
		return err;
	return begin_file(a, f);
}

int transfer_flush(struct arena *a, struct flush *f, uint64_t *bytes)
{
	unsigned names = 0;
	int err = 0;

	/* I3: no claim is open while this thread touches the disk. */
	assert(arena_is_settled(a));
	assert(a->now.step != ARENA_RENAMING || f->pending);
	*bytes = 0;
	if (!a->now.len) {
		if (!arena_is_empty(a))
			arena_emptied(a);
		return 0;
	}
	/* A try that failed before: begin anew. */
	if (a->now.step == ARENA_WRITING)
		err = begin_file(a, f);
	while (!err) {
		err = take_step(a, f, &names);
		if (a->now.step == ARENA_FILLING)
			break;
	}
	*bytes = f->bytes;
	assert(err || arena_is_empty(a));
	assert(!err ||
	       a->now.step == (f->pending ? ARENA_RENAMING : ARENA_WRITING));
	return err;
}

/* -- after a death ------------------------------------------------------- */

/* 1: something is there; 0: nothing is; -errno: that cannot be found out. */
static int exists(const char *path)
{
	struct stat st;

	if (!lstat(path, &st))
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static const char *dir_of(const struct arena *a, const struct region_dirs *dirs)
{
	return arena_is_beside(&a->now) ? dirs->path : dirs->temp;
}

/*
 * Is the directory of the temp file the daemon's alone, so that what is there,
 * or is not, proves something?
 */
static bool is_trusted(const struct arena *a, const struct region_dirs *dirs)
{
	return arena_is_beside(&a->now) || !temp_dir_check(dirs->temp, false);
}

/*
 * The temp file of an arena: 1 and its path; 0: it is gone; -errno: that
 * cannot be found out, for example because its directory is gone, too.  Only
 * the place that the record names counts: in the other place the same name may
 * be the final file's.
 */
static int find_temp(const struct arena *a, const struct region_dirs *dirs,
		     char path[PATH_MAX])
{
	const char *dir = dir_of(a, dirs);
	int found;

	if (!is_trusted(a, dirs))
		return -EPERM;
	/* A path that does not fit was never opened. */
	if (flush_path(path, dir, arena_is_beside(&a->now) ? "." : "", a->name))
		return 0;
	found = exists(path);
	if (found)
		return found;
	return exists(dir) > 0 ? 0 : -ENOENT;
}

/* Does the file of the recorded name prove that the rename happened? */
static bool is_final_there(const struct arena *a,
			   const struct region_dirs *dirs)
{
	char to[PATH_MAX];

	return !flush_path(to, dirs->path, "", a->name) && exists(to) > 0;
}

/*
 * 1: the rename is finished, and f->bytes is the file's length; 0: it had
 * happened; -errno: it cannot be.
 */
static int finish_rename(const struct arena *a, struct flush *f,
			 const struct region_dirs *dirs)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct stat temp;
	int found = find_temp(a, dirs, from), err;

	if (found < 0 && is_final_there(a, dirs))
		return 0;
	if (found <= 0)
		return found;
	err = flush_path(to, dirs->path, "", a->name);
	if (!err && lstat(from, &temp))
		err = -errno;
	if (!err) {
		err = rename_noreplace(from, to);
		if (err &&
		    rename_happened(dir_of(a, dirs), from, to, &temp, true) > 0)
			err = 0;
	}
	(void)FAILPOINT("recover.renamed");
	if (err)
		return err;
	f->bytes = temp.st_size;
	return 1;
}

static void delete_temp(const struct arena *a, const struct region_dirs *dirs)
{
	char path[PATH_MAX];

	if (find_temp(a, dirs, path) > 0)
		unlink(path);
}

void transfer_settle_seen(struct arena *a, struct flush *f,
			  const struct region_dirs *dirs)
{
	char path[PATH_MAX];

	if (a->now.step == ARENA_RENAMING && !find_temp(a, dirs, path) &&
	    !flush_sync_names(f, dirs->path))
		arena_emptied(a);
}

int transfer_settle(struct arena *a, struct flush *f,
		    const struct region_dirs *dirs, bool *renamed)
{
	int done, err;

	if (a->now.step == ARENA_RENAMING) {
		done = finish_rename(a, f, dirs);
		if (done >= 0) {
			*renamed |= done > 0;
			err = flush_sync_names(f, dirs->path);
			if (!err)
				arena_emptied(a);
			return err;
		}
		/* Other directories, or the name is taken: write it again. */
		arena_undo_rename(a);
		delete_temp(a, dirs);
	} else if (a->now.step == ARENA_WRITING) {
		delete_temp(a, dirs);
	}
	return 0;
}
