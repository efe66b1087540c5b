/* SPDX-License-Identifier: MIT */
/* See room.h. */
#include "daemon/filing/room.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"

/* A file that waits asks again and again; it is not looked at each time. */
#define SCAN_NS CLOCK_SECOND

int room_open(struct room *r, const struct config *cfg)
{
	memset(r, 0, sizeof(*r));
	r->cfg = cfg;
	return retain_open(&r->retain, cfg);
}

void room_close(struct room *r)
{
	retain_close(&r->retain);
}

/* -- deletion ------------------------------------------------------------ */

static bool deletes(const struct room *r)
{
	return r->cfg->files_when_full == FULL_DELETE_OLDEST;
}

/* Deletes files, the oldest first, of so many bytes together. */
static void delete_oldest(struct room *r, uint64_t wanted, const char *why)
{
	uint64_t files = 0, bytes = 0, messages = 0;
	struct retain_file gone;

	while (bytes < wanted && retain_delete_some(&r->retain, &gone) > 0) {
		files++;
		bytes += gone.bytes;
		messages += gone.messages;
		r->deleted_uncounted += !gone.counted;
	}
	r->deleted_files += files;
	r->deleted_bytes += bytes;
	r->deleted_messages += messages;
	r->held -= bytes < r->held ? bytes : r->held;
	if (files)
		log_warning("recovery: files.when_full: %s; deleted the oldest "
			    "files: files=%" PRIu64 " messages=%" PRIu64
			    " bytes=%" PRIu64,
			    why, files, messages, bytes);
}

/* -- limits -------------------------------------------------------------- */

/* A file that is longer than the limit has room where no other file is. */
static bool exceeds(const struct room *r, uint64_t len)
{
	return r->held && r->held + len > r->cfg->files_keep_bytes;
}

/* A directory that cannot be read is the flush's to report. */
static void scan(struct room *r)
{
	uint64_t held;

	r->held = retain_scan(&r->retain, &held) ? 0 : held;
	r->scanned_ns = clock_now();
}

/* Is there room below files.keep? */
static bool hold_keep(struct room *r, uint64_t len)
{
	uint64_t keep = r->cfg->files_keep_bytes;

	if (!keep)
		return true;
	/* A shipper may have made room since: no file is deleted for nothing. */
	if (!r->scanned_ns ||
	    (exceeds(r, len) &&
	     (deletes(r) || clock_now() - r->scanned_ns >= SCAN_NS)))
		scan(r);
	if (exceeds(r, len) && deletes(r))
		delete_oldest(r, r->held + len - keep, "files.keep is reached");
	return !exceeds(r, len);
}

static bool hold_free(struct room *r, uint64_t len)
{
	uint64_t keep = r->cfg->files_keep_free_bytes, left;

	if (!keep)
		return true;
	left = retain_free(r->cfg);
	if (left >= keep + len)
		return true;
	if (deletes(r))
		delete_oldest(r, keep + len - left,
			      "files.keep_free is reached");
	return false;
}

const char *room_admits(struct room *r, uint64_t len)
{
	const char *limit = NULL;

	if (!hold_keep(r, len))
		limit = "files.keep";
	if (!hold_free(r, len))
		limit = "files.keep_free";
	return deletes(r) ? NULL : limit;
}

void room_written(struct room *r, uint64_t bytes)
{
	r->held += bytes;
}

void room_refused(struct room *r, int err, uint64_t len)
{
	if (deletes(r) && (err == -ENOSPC || err == -EDQUOT))
		delete_oldest(r, len, "the disk is full");
}
