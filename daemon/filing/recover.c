/* SPDX-License-Identifier: MIT */
/*
 * See recover.h.
 *
 * Recovery is a worker on the old region: it takes the same steps, in the
 * same order, with the same records, so being killed in it is being killed
 * in a worker, and the next start goes on.  What only it does comes first:
 *
 * 1. Messages that were received but not published are published.
 * 2. The tickets of each arena's last commit are released: they are in that
 *    arena, or in a file already.  This must precede any new commit, which
 *    overwrites the record that says so.
 * 3. A rename in doubt is finished.  The temp file is gone: it happened (the
 *    final file proves nothing, a shipper may have taken it).
 *
 * Then every arena is filed, and every message that is still held goes
 * through the first arena.  A held message that a dead worker had claimed
 * but not committed is like one that nobody had claimed.
 */
#include "daemon/filing/recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/filing/flush.h"
#include "daemon/base/log.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/remedy.h"
#include "daemon/filing/transfer.h"
#include "daemon/region/ring_check.h"

struct recovery {
	struct region *s;
	const struct config *cfg;
	struct flush flush;
	recover_wait_fn *waits;
	void *arg;
	struct recovered *out;
};

static void release_committed(struct recovery *rec)
{
	struct ring *r = &rec->s->ring;
	const struct arena_record *a;
	uint64_t i, ticket;

	for (i = 0; i < rec->s->header->workers; i++) {
		a = &rec->s->arenas[i].now;
		for (ticket = a->begin; ticket < a->end; ticket++)
			if (ring_is_held(&r->layout, ticket))
				ring_release_held(&r->layout, ticket);
	}
	(void)FAILPOINT("recover.released");
}

/* 1: something is there; 0: nothing is; -errno: nobody can tell. */
static int look_for(const char *path)
{
	struct stat st;

	if (!lstat(path, &st))
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/*
 * The temp file of an arena of a dead process: 1 and its path; 0: it is gone;
 * -errno: nobody can tell, as when its directory is gone, too.  Before anything
 * makes a directory.  Only the place that the record names counts: in the other
 * one the same name may be the final file's.
 */
static int find_temp(const struct recovery *rec, const struct arena *a,
		     char path[PATH_MAX])
{
	const struct region_dirs *d = region_dirs(rec->s->header);
	bool beside = a->now.step & ARENA_BESIDE;
	const char *dir = beside ? d->path : d->temp;
	int found;

	/* a path that does not fit was never opened */
	if (flush_path(path, dir, beside ? "." : "", a->name))
		return 0;
	found = look_for(path);
	if (found)
		return found;
	return look_for(dir) > 0 ? 0 : -ENOENT;
}

/* Files an arena, waiting for the disk as long as it takes. */
static void file_arena(struct recovery *rec, struct arena *a)
{
	uint64_t pause = FLUSH_PAUSE, count = a->now.count, bytes;
	struct timespec ts;
	int err, last = 0;

	while ((err = transfer_flush(a, &rec->flush, &bytes))) {
		if (err != last)
			log_error("recovery: %s %s: %s; %s; the data is kept "
				  "and tried again",
				  rec->flush.op, rec->flush.where,
				  strerror(-err), remedy(err));
		last = err;
		if (rec->waits)
			rec->waits(rec->arg, err, pause);
		ts = clock_timespec(pause);
		nanosleep(&ts, NULL);
		pause = flush_pause_after(pause);
	}
	rec->out->messages += count;
	rec->out->bytes += bytes;
	rec->out->files += bytes > 0;
	(void)FAILPOINT("recover.arena");
}

static void sync_directory(const struct recovery *rec)
{
	if (rec->cfg->files_sync == SYNC_DATA)
		(void)flush_sync_directory(region_dirs(rec->s->header)->path);
}

static void finish_rename(struct recovery *rec, struct arena *a)
{
	char from[PATH_MAX], to[PATH_MAX];
	uint64_t count = a->now.count, bytes = a->now.len;
	const char *dir = region_dirs(rec->s->header)->path;
	int found = find_temp(rec, a, from), err;

	if (found == 0) {
		/* renamed, but perhaps not yet on the disk */
		sync_directory(rec);
		arena_emptied(a);
		return;
	}
	if (found > 0) {
		err = flush_path(to, dir, "", a->name);
		if (!err)
			err = flush_rename(from, to);
		(void)FAILPOINT("recover.renamed");
		if (!err) {
			sync_directory(rec);
			arena_emptied(a);
			rec->out->messages += count;
			rec->out->bytes += bytes;
			rec->out->files++;
			return;
		}
	}
	/* The directories changed, or the name is taken: write it again. */
	arena_begin_write(a, a->name, a->now.step & ARENA_BESIDE);
	if (found > 0)
		unlink(from);
}

/* What a dead process was about to do with its temp files. */
static void settle_temps(struct recovery *rec)
{
	char path[PATH_MAX];
	struct arena *a;
	uint64_t i;

	for (i = 0; i < rec->s->header->workers; i++) {
		a = &rec->s->arenas[i];
		switch (a->now.step & ~ARENA_BESIDE) {
		case ARENA_RENAMING:
			finish_rename(rec, a);
			break;
		case ARENA_WRITING:
			if (find_temp(rec, a, path) > 0)
				unlink(path);
			break;
		default:
			break;
		}
	}
	(void)FAILPOINT("recover.settled");
}

static void file_messages(struct recovery *rec)
{
	struct ring *r = &rec->s->ring;
	struct arena *a = &rec->s->arenas[0];
	uint64_t head = ring_head(&r->layout), n = ring_slots(r), ticket, cost;
	struct ring_message m;

	for (ticket = head - n; ticket < head; ticket++) {
		if (!ring_is_held(&r->layout, ticket))
			continue;
		ring_peek(r, ticket, &m);
		cost = m.oversized ? 0 : arena_cost(a, m.len, m.newline);
		if (a->fill > a->size || transfer_must_flush(a, cost))
			file_arena(rec, a);
		transfer_one(r, a, ticket);
		(void)FAILPOINT("recover.message");
	}
	file_arena(rec, a);
}

static int recover_old(struct recovery *rec, struct failure *error)
{
	struct region *s = rec->s;
	uint64_t i;
	int err;

	(void)FAILPOINT("recover.begin");
	ring_recover(&s->ring.layout);
	(void)FAILPOINT("recover.published");
	release_committed(rec);
	settle_temps(rec);
	region_use_dirs(s, rec->cfg);
	/* Only now: this makes the directory that settle_temps() looks for. */
	err = flush_probe(&rec->flush);
	if (err)
		return flush_explain(&rec->flush, err, error);
	for (i = 0; i < s->header->workers; i++)
		file_arena(rec, &s->arenas[i]);
	file_messages(rec);
	region_set_clean(s, 1);
	(void)FAILPOINT("recover.done");
	return 0;
}

static int set_aside(const struct config *cfg, struct recovered *out,
		     struct failure *error)
{
	const char *path = cfg->state_path;
	int err = region_set_aside(path, out->aside, sizeof(out->aside));

	if (err) {
		snprintf(error->text, sizeof(error->text),
			 "state.path: cannot rename %s to %s: %s", path,
			 out->aside, strerror(-err));
		return err;
	}
	log_error("recovery: the state region %s can not be trusted: %.200s; "
		  "it was set aside as %s, and this start begins with an "
		  "empty one",
		  path, error->text, out->aside);
	return 0;
}

static void report(const struct recovered *out)
{
	if (out->messages)
		log_notice("recovered: messages=%llu files=%llu bytes=%llu "
			   "from the process before, in %.1f ms",
			   (unsigned long long)out->messages,
			   (unsigned long long)out->files,
			   (unsigned long long)out->bytes, out->ns / 1e6);
}

/* What there is has nothing in it; its memory makes room for the new one. */
static int make_new(struct region *s, const struct config *cfg,
		    struct failure *error)
{
	if (unlink(cfg->state_path) && errno != ENOENT) {
		snprintf(error->text, sizeof(error->text),
			 "state.path: cannot remove %s: %s", cfg->state_path,
			 strerror(errno));
		return -errno;
	}
	(void)FAILPOINT("recover.removed");
	return region_create(s, cfg, error);
}

int recover_region(struct region *s, const struct config *cfg,
		   recover_wait_fn *waits, void *arg, struct recovered *out,
		   struct failure *error)
{
	struct recovery rec = { s, cfg, .waits = waits, .arg = arg,
				.out = out };
	uint64_t start = clock_now();
	int err;

	memset(out, 0, sizeof(*out));
	if (!cfg->state_path[0])
		return region_create(s, cfg, error);
	err = region_open_old(s, cfg->state_path, cfg->files_framing, error);
	if (err == -ENOENT)
		return make_new(s, cfg, error);
	if (err == -EBADMSG) {
		err = set_aside(cfg, out, error);
		return err ? err : region_create(s, cfg, error);
	}
	if (err)
		return err;
	flush_open(&rec.flush, cfg, 0);
	err = recover_old(&rec, error);
	if (err) {
		region_close(s);
		return err;
	}
	out->ns = clock_now() - start;
	report(out);
	if (region_fits(s, cfg)) {
		region_adopt(s);
		return 0;
	}
	region_close(s);
	return make_new(s, cfg, error);
}
