/* SPDX-License-Identifier: MIT */
/*
 * See recover.h.
 *
 * Recovery is a worker on the old region: it takes the same steps, in the
 * same order, with the same records, so a kill in recovery is a kill in a
 * worker, and the next start continues.  What only recovery does comes first:
 *
 * 1. Messages that were received but not published are published.
 * 2. The tickets of each arena's last commit are released, and if it was of a
 *    lane, its position is moved: their messages are
 *    in that arena, or in a file already.  This must precede any new commit,
 *    which overwrites the record that says so.
 * 3. The flush in which a worker died is settled.  A rename in doubt is
 *    finished.  If the temp file is gone, the rename happened (the final file
 *    proves nothing, because a shipper may have taken it).
 *
 * Then every arena is flushed, and every message that is still held goes
 * through the first arena.  A held message that a dead worker had claimed but
 * not committed is like one that nobody had claimed.
 */
#include "daemon/filing/recover.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/filing/flush.h"
#include "daemon/filing/room.h"
#include "daemon/filing/transfer.h"
#include "daemon/region/region_file.h"
#include "daemon/region/region_v1.h"
#include "daemon/region/ring_check.h"

struct recovery {
	struct region *s;
	const struct config *cfg;
	struct flush flush;
	struct room room;
	char suffix[REGION_AFFIX]; /* see without_mark() */
	recover_wait_fn *waits;
	void *arg;
	struct recovered *out;
};

static void release_committed(struct recovery *rec)
{
	struct ring_layout *ring = &rec->s->ring.layout;
	const struct arena_record *a;
	uint64_t i, ticket;

	for (i = 0; i < rec->s->header->workers; i++) {
		a = &rec->s->arenas[i].now;
		lane_table_settle(&rec->s->lanes, a);
		if (arena_is_lane(a))
			continue;
		for (ticket = a->begin; ticket < a->end; ticket++)
			if (ring_is_held(ring, ticket))
				ring_release_held(ring, ticket);
	}
	(void)FAILPOINT("recover.released");
}

static void count_file(struct recovery *rec, uint64_t messages, uint64_t bytes)
{
	rec->out->messages += messages;
	rec->out->bytes += bytes;
	rec->out->files += bytes > 0;
}

/* The disk refuses: how often, and how long until the next try. */
struct refusal {
	int last;	  /* -errno */
	const char *said; /* its remedy */
	uint64_t pause_ns;
};

static void wait_for_disk(struct recovery *rec, struct refusal *refusal,
			  int err)
{
	struct timespec ts = clock_timespec(refusal->pause_ns);
	const char *remedy = flush_remedy(&rec->flush, err);

	if (err != refusal->last || remedy != refusal->said)
		log_error("recovery: %s %s: %s; %s; the data is kept and tried "
			  "again",
			  rec->flush.op, rec->flush.where, strerror(-err),
			  remedy);
	refusal->last = err;
	refusal->said = remedy;
	if (rec->waits)
		rec->waits(rec->arg, err, remedy, refusal->pause_ns);
	nanosleep(&ts, NULL);
	refusal->pause_ns = flush_pause_after(refusal->pause_ns);
}

/* Makes a file of the arena, if the limits admit it.  0 or -errno. */
static int try_flush(struct recovery *rec, struct arena *a, uint64_t *bytes)
{
	uint64_t len = a->now.len;
	const char *limit = NULL;
	int err;

	if (len && !rec->flush.pending)
		limit = room_admits(&rec->room, len);
	if (limit)
		return flush_refuse(&rec->flush, limit);
	err = transfer_flush(a, &rec->flush, bytes);
	if (err)
		room_refused(&rec->room, err, len);
	else
		room_written(&rec->room, *bytes);
	return err;
}

/* Flushes an arena, waiting for the disk as long as it takes. */
static void flush_arena(struct recovery *rec, struct arena *a)
{
	struct refusal refusal = { .pause_ns = FLUSH_PAUSE_NS };
	uint64_t count = a->now.count, bytes = 0;
	int err;

	while ((err = try_flush(rec, a, &bytes)))
		wait_for_disk(rec, &refusal, err);
	assert(arena_is_empty(a));
	count_file(rec, count, bytes);
	(void)FAILPOINT("recover.arena");
}

/*
 * A former files.path that cannot be synced is not waited for: nothing else
 * needs it any more, and it may be gone for good.
 */
static void settle_flush(struct recovery *rec, struct arena *a,
			 const struct region_dirs *dirs)
{
	bool is_former = strcmp(dirs->path, rec->cfg->files_path);
	struct refusal refusal = { .pause_ns = FLUSH_PAUSE_NS };
	uint64_t count = a->now.count;
	bool renamed = false;
	int err;

	while ((err = transfer_settle(a, &rec->flush, dirs, &renamed)) &&
	       !is_former)
		wait_for_disk(rec, &refusal, err);
	if (err) {
		log_error("recovery: fsync %s: %s; a power failure may undo "
			  "the names of the last files there",
			  dirs->path, strerror(-err));
		arena_emptied(a);
	}
	assert(a->now.step != ARENA_RENAMING);
	if (renamed)
		count_file(rec, count, rec->flush.bytes);
}

static void settle_seen(struct recovery *rec)
{
	const struct region_dirs *dirs = region_header_dirs(rec->s->header);
	uint64_t i;

	for (i = 0; i < rec->s->header->workers; i++)
		transfer_settle_seen(&rec->s->arenas[i], &rec->flush, dirs);
	(void)FAILPOINT("recover.seen");
}

static void settle_flushes(struct recovery *rec)
{
	const struct region_dirs *dirs = region_header_dirs(rec->s->header);
	struct arena *a;
	uint64_t i;

	for (i = 0; i < rec->s->header->workers; i++) {
		a = &rec->s->arenas[i];
		settle_flush(rec, a, dirs);
		/* What was not renamed is still in its lane; the rest is not. */
		if (arena_is_large(&a->now))
			arena_forget_large(a);
		lane_table_settle(&rec->s->lanes, &a->now);
	}
	(void)FAILPOINT("recover.settled");
}

static void file_messages(struct recovery *rec)
{
	struct ring *r = &rec->s->ring;
	struct arena *a = &rec->s->arenas[0];
	uint64_t head = ring_head(&r->layout), ticket, cost;
	struct ring_message m;

	for (ticket = head - ring_slots(r); ticket < head; ticket++) {
		if (!ring_is_held(&r->layout, ticket))
			continue;
		ring_peek(r, ticket, &m);
		cost = m.oversized ? 0 : arena_cost(a, m.len, m.newline);
		if (a->fill > a->size || transfer_must_flush(a, cost))
			flush_arena(rec, a);
		transfer_one(r, a, ticket);
		(void)FAILPOINT("recover.message");
	}
	flush_arena(rec, a);
}

static bool is_ring_empty(const struct ring_layout *ring)
{
	uint64_t head = ring_head(ring), ticket;

	for (ticket = head - ring->geo.slots; ticket < head; ticket++)
		if (ring_is_held(ring, ticket))
			return false;
	return true;
}

static bool holds_messages(const struct region *s)
{
	uint64_t i;

	for (i = 0; i < s->header->workers; i++)
		if (!arena_is_empty(&s->arenas[i]))
			return true;
	return !is_ring_empty(&s->ring.layout);
}

/*
 * The directories of the files, by flush_check() or flush_probe().  A region
 * that holds messages waits for them, as for a disk that is full; without a
 * message, a directory that is missing is a mistake in the settings.
 */
static int look_at(struct recovery *rec, int (*look)(struct flush *f),
		   struct failure *error)
{
	struct refusal refusal = { .pause_ns = FLUSH_PAUSE_NS };
	int err;

	while ((err = look(&rec->flush))) {
		if (!holds_messages(rec->s))
			return flush_explain(&rec->flush, err, error);
		wait_for_disk(rec, &refusal, err);
	}
	return 0;
}

static int open_compressor(struct recovery *rec, struct failure *error)
{
	int err;

	if (rec->flush.cfg->files_compression == COMPRESSION_NONE)
		return 0;
	err = compress_open(&rec->flush.compressor);
	return err ? failure_set(error, err, "out of memory") : 0;
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
	settle_seen(rec);
	/* Before a rename in doubt is settled by what the directory holds. */
	err = look_at(rec, flush_check, error);
	if (err)
		return err;
	settle_flushes(rec);
	region_header_use_dirs(s->header, rec->cfg);
	/* Only now: this makes the directory that settle_flushes() looks in. */
	err = look_at(rec, flush_probe, error);
	if (err)
		return err;
	err = flush_find_group(&rec->flush, error);
	if (err < 0)
		return err;
	err = open_compressor(rec, error);
	if (err)
		return err;
	for (i = 0; i < s->header->workers; i++)
		flush_arena(rec, &s->arenas[i]);
	file_messages(rec);
	/* I5, and region_set_clean() asserts the same of the arenas. */
	assert(is_ring_empty(&s->ring.layout));
	region_set_clean(s, true);
	rec->out->former = s->header->names.number;
	(void)FAILPOINT("recover.done");
	return 0;
}

/* As recover_old(), within the limits of the complete files. */
static int recover_within(struct recovery *rec, struct failure *error)
{
	struct recovered *out = rec->out;
	struct room *room = &rec->room;
	int err = room_open(room, rec->cfg);

	if (err)
		return failure_set(error, err, "out of memory");
	err = recover_old(rec, error);
	compress_close(rec->flush.compressor);
	room_close(room);
	out->deleted_files = room->deleted_files;
	out->deleted_bytes = room->deleted_bytes;
	out->deleted_messages = room->deleted_messages;
	out->deleted_uncounted = room->deleted_uncounted;
	return err;
}

static int set_aside(const struct config *cfg, struct recovered *out,
		     struct failure *error)
{
	const char *path = cfg->state_path;
	int err = region_file_set_aside(path, out->aside, sizeof(out->aside));

	if (err)
		return failure_set(error, err,
				   "state.path: cannot rename %s to %s: %s",
				   path, out->aside, strerror(-err));
	log_error("recovery: the state region %s cannot be trusted: %.200s; "
		  "it was set aside as %s, and this start begins with an "
		  "empty one",
		  path, error->text, out->aside);
	return 0;
}

/*
 * The region is of a daemon with libzstd, and this one has none: its files are
 * not compressed, so their names must not say that.
 */
static void without_mark(struct recovery *rec, struct config *then)
{
	size_t len = strlen(then->suffix);
	size_t mark = strlen(CONFIG_ZSTD_SUFFIX);

	then->files_compression = COMPRESSION_NONE;
	if (len < mark || strcmp(then->suffix + len - mark, CONFIG_ZSTD_SUFFIX))
		return;
	snprintf(rec->suffix, sizeof(rec->suffix), "%.*s", (int)(len - mark),
		 then->suffix);
	then->suffix = rec->suffix;
	log_notice("recovery: this daemon was built without libzstd, so the "
		   "files of the process before are not compressed");
}

/*
 * What a file says of itself is true: messages are named and framed by the
 * settings under which they were taken.
 */
static void use_form(struct recovery *rec, struct config *then)
{
	const struct region_form *form = region_header_form(rec->s->header);

	if (!form)
		return;
	then->prefix = form->prefix;
	then->suffix = form->suffix;
	then->files_compression = region_form_compression(form);
	rec->flush.cfg = then;
	if (then->files_compression != COMPRESSION_NONE && !compress_is_built())
		without_mark(rec, then);
}

static void report(const struct recovered *out, const struct region_form *form,
		   const struct config *cfg)
{
	if (out->messages && form && !region_form_fits(form, cfg))
		log_notice("recovered files have the former settings: prefix "
			   "%s, suffix %s, and framing",
			   form->prefix, form->suffix);
	if (out->messages)
		log_notice("recovered: messages=%" PRIu64 " files=%" PRIu64
			   " bytes=%" PRIu64 " from the process before, in "
			   "%.1f ms",
			   out->messages, out->files, out->bytes,
			   out->ns / 1e6);
}

/* The old region holds nothing, so its memory makes room for the new one. */
static int make_new(struct region *s, const struct config *cfg,
		    const struct lane_table *lanes, struct failure *error)
{
	if (unlink(cfg->state_path) && errno != ENOENT)
		return failure_set(error, -errno,
				   "state.path: cannot remove %s: %s",
				   cfg->state_path, strerror(errno));
	(void)FAILPOINT("recover.removed");
	return region_create_with(s, cfg, lanes, error);
}

/*
 * The old region, from which everything was filed, does not fit the settings.
 * What it knows of lanes is in the new one before that takes its place, if
 * there is memory for both.
 */
static int replace(struct region *s, const struct config *cfg,
		   struct failure *error)
{
	uint64_t number = s->header->names.number;
	uint64_t last_ns = load_relaxed(&s->header->names.last_ns);
	struct lane_table lanes = s->lanes;
	size_t bytes = lane_table_bytes(lanes.entries);
	int err = -ENOMEM;

	lanes.entry = bytes ? aligned_alloc(CACHE_LINE, bytes) : NULL;
	if (bytes && !lanes.entry)
		return failure_set(error, -ENOMEM, "out of memory");
	if (bytes)
		memcpy(lanes.entry, s->lanes.entry, bytes);
	region_close(s);
	if (lane_table_used(&lanes))
		err = region_create_with(s, cfg, &lanes, error);
	if (err)
		err = make_new(s, cfg, &lanes, error);
	free(lanes.entry);
	if (!err) {
		/* I1: the names go on where they were. */
		s->header->names.number = number;
		store_relaxed(&s->header->names.last_ns, last_ns);
	}
	return err;
}

static int open_old(struct region *s, const struct config *cfg,
		    struct failure *error)
{
	int err = region_v1_replace(cfg->state_path, error);

	if (err)
		return err;
	return region_open_old(s, cfg->state_path, cfg->files_framing, error);
}

int recover_region(struct region *s, const struct config *cfg,
		   recover_wait_fn *waits, void *arg, struct recovered *out,
		   struct failure *error)
{
	struct recovery rec = { s, cfg, .waits = waits, .arg = arg,
				.out = out };
	const struct lane_table none = { 0 };
	uint64_t start_ns = clock_now();
	int err = -ENOENT, check;
	struct config then = *cfg;

	memset(out, 0, sizeof(*out));
	flush_open(&rec.flush, cfg, 0, NULL);
	check = flush_check(&rec.flush);
	if (cfg->state_path[0])
		err = open_old(s, cfg, error);
	/* Nothing is touched for settings that name no directory. */
	if (check && (err == -ENOENT || err == -EBADMSG))
		return flush_explain(&rec.flush, check, error);
	if (!cfg->state_path[0])
		return region_create(s, cfg, error);
	if (err == -ENOENT)
		return make_new(s, cfg, &none, error);
	if (err == -EBADMSG) {
		err = set_aside(cfg, out, error);
		return err ? err : region_create(s, cfg, error);
	}
	if (err)
		return err;
	rec.flush.names = &s->header->names;
	use_form(&rec, &then);
	err = recover_within(&rec, error);
	if (err) {
		region_close(s);
		return err;
	}
	out->ns = clock_now() - start_ns;
	report(out, region_header_form(s->header), cfg);
	if (region_fits(s, cfg)) {
		region_adopt(s, cfg);
		return 0;
	}
	return replace(s, cfg, error);
}
