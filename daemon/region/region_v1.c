/* SPDX-License-Identifier: MIT */
/* See region_v1.h. */
#include "daemon/region/region_v1.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/region/arena.h"
#include "daemon/region/checksum.h"
#include "daemon/region/region_file.h"

/* A record's step was or'ed with this if the temp file was beside the final
 * one; the word `where` did not exist. */
#define V1_BESIDE 4
#define V1_WORDS 9

struct v1_cell {
	uint64_t seq;
	uint64_t word[V1_WORDS];
	uint64_t check;
	char name[ARENA_NAME];
};

struct v1_arena {
	alignas(64) uint64_t cur;
	alignas(64) struct v1_cell cell[2];
};

/* So the arena's bytes stay where they are. */
_Static_assert(sizeof(struct v1_arena) == sizeof(struct arena_region),
	       "region layout");
_Static_assert(sizeof(struct v1_cell) == 344, "region layout");

/* -- header -------------------------------------------------------------- */

/* FNV-1a */
static uint64_t v1_hash(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static bool is_v1(const struct region_header *h)
{
	return !memcmp(h->magic, REGION_MAGIC, sizeof(h->magic)) &&
	       h->version == 1;
}

int region_v1_convert_header(struct region_header *h, struct failure *error)
{
	const struct region_dirs *d = region_header_dirs(h);

	if (!is_v1(h))
		return 0;
	if (h->check != v1_hash(h, offsetof(struct region_header, check)) ||
	    d->check != v1_hash(d, offsetof(struct region_dirs, check)))
		return failure_set(error, -EBADMSG, "its header is damaged");
	h->version = REGION_VERSION;
	region_header_seal(h);
	return 0;
}

/* -- records ------------------------------------------------------------- */

static uint64_t v1_check(const struct v1_cell *cell)
{
	uint64_t sum = checksum_word(CHECKSUM_START, cell->seq);

	sum = checksum(sum, cell->word, sizeof(cell->word));
	if (cell->word[0] == ARENA_FILLING)
		return sum;
	return checksum(sum, cell->name, sizeof(cell->name));
}

/* 0, or -EBADMSG: it is damaged. */
static int convert_record(const struct v1_arena *from, struct arena_region *to)
{
	const struct v1_cell *old = &from->cell[from->cur & 1];
	struct arena_cell *cell = &to->cell[from->cur & 1];
	const uint64_t *word = old->word;
	struct arena_record rec = {
		.step = word[0] & ~(uint64_t)V1_BESIDE,
		.where = word[0] & V1_BESIDE ? ARENA_BESIDE_FINAL :
					       ARENA_IN_TEMP,
	};
	size_t i;

	if (old->seq != from->cur || old->check != v1_check(old))
		return -EBADMSG;
	/* the other words follow each other as they did */
	memcpy(&rec.len, &word[1], (V1_WORDS - 1) * sizeof(*word));
	rec.lanes = 0; /* was the number of messages in files */
	memset(to, 0, sizeof(*to));
	atomic_init(&to->cur, from->cur);
	atomic_init(&cell->seq, from->cur);
	for (i = 0; i < ARENA_WORDS; i++)
		atomic_init(&cell->word[i], ((const uint64_t *)&rec)[i]);
	memcpy(cell->name, old->name, ARENA_NAME);
	atomic_init(&cell->check, arena_check(from->cur, &rec, cell->name));
	return 0;
}

/* -- the file ------------------------------------------------------------ */

static int read_at(int fd, void *data, size_t bytes, off_t at)
{
	ssize_t n = pread(fd, data, bytes, at);

	if (n < 0)
		return -errno;
	return (size_t)n == bytes ? 0 : -EIO;
}

static int write_at(int fd, const void *data, size_t bytes, off_t at)
{
	ssize_t n = pwrite(fd, data, bytes, at);

	if (n < 0)
		return -errno;
	return (size_t)n == bytes ? 0 : -EIO;
}

static int copy_file(int from, int to, size_t bytes)
{
	static char chunk[65536];
	size_t at, n;
	int err = 0;

	for (at = 0; at < bytes && !err; at += n) {
		n = bytes - at < sizeof(chunk) ? bytes - at : sizeof(chunk);
		err = read_at(from, chunk, n, at);
		if (!err)
			err = write_at(to, chunk, n, at);
	}
	return err;
}

/* Everything into the new file, the parts that changed in their new layout. */
static int convert(int from, int to, const struct region_header *h)
{
	off_t at = REGION_HEADER_BYTES + ring_bytes(&h->ring);
	struct v1_arena old;
	struct arena_region new;
	uint64_t i;
	int err;

	err = copy_file(from, to, h->total_bytes);
	if (!err)
		err = write_at(to, h, sizeof(*h), 0);
	for (i = 0; i < h->workers && !err; i++, at += h->arena_bytes) {
		err = read_at(from, &old, sizeof(old), at);
		if (!err)
			err = convert_record(&old, &new);
		if (!err)
			err = write_at(to, &new, sizeof(new), at);
	}
	return err;
}

static int replace(const char *path, int from, const struct region_header *h,
		   struct failure *error)
{
	char made[PATH_MAX];
	int to, err;

	to = region_file_make(path, h->total_bytes, made, error);
	if (to < 0)
		return to;
	err = convert(from, to, h);
	if (err == -EBADMSG)
		failure_set(error, err, "an arena's record is damaged");
	else if (err)
		failure_set(error, err, "state.path: %s: %s", path,
			    strerror(-err));
	else
		err = region_file_publish(made, path, error);
	if (err)
		unlink(made);
	close(to);
	return err;
}

/* The header of an old region, converted; *is_old: it was of version 1. */
static int read_header(int fd, const char *path, struct region_header *h,
		       bool *is_old, struct failure *error)
{
	int err = read_at(fd, h, sizeof(*h), 0);

	if (err)
		return failure_set(error, err, "state.path: cannot read %s",
				   path);
	*is_old = is_v1(h);
	return region_v1_convert_header(h, error);
}

int region_v1_replace(const char *path, struct failure *error)
{
	struct region_header *h = malloc(sizeof(*h));
	bool is_old = false;
	size_t bytes = 0;
	int fd, err;

	if (!h)
		return failure_set(error, -ENOMEM, "out of memory");
	fd = region_file_open(path, &bytes, error);
	if (fd < 0) {
		free(h);
		return fd;
	}
	err = read_header(fd, path, h, &is_old, error);
	if (!err && is_old)
		err = region_header_check(h, bytes, error);
	if (!err && is_old)
		err = region_header_check_boot(h, error);
	if (!err && is_old)
		err = replace(path, fd, h, error);
	close(fd);
	free(h);
	return err;
}
