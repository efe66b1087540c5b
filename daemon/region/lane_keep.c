/* SPDX-License-Identifier: MIT */
/* See lane_keep.h. */
#include "daemon/region/lane_keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/failpoint.h"

#define MARK ".lane-"
#define DIGITS 16
#define PART ".part"

/* -- names --------------------------------------------------------------- */

/* 0 or -ENAMETOOLONG. */
static int path_of(char path[PATH_MAX], const char *state, uint64_t id,
		   const char *end)
{
	int n = snprintf(path, PATH_MAX, "%s" MARK "%016" PRIx64 "%s", state,
			 id, end);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The id in the name of a copy of this region, and what follows; 0: none. */
static uint64_t id_of(const char *name, const char *base, const char **end)
{
	size_t len = strlen(base);
	uint64_t id;

	if (strncmp(name, base, len) || strncmp(name + len, MARK, strlen(MARK)))
		return 0;
	name += len + strlen(MARK);
	if (strspn(name, "0123456789abcdef") != DIGITS)
		return 0;
	id = strtoull(name, NULL, 16);
	*end = name + DIGITS;
	return id <= LANE_ID_MAX ? id : 0;
}

/* -- writing ------------------------------------------------------------- */

/* 0 or -errno. */
static int put(int fd, const void *data, uint64_t n, uint64_t at)
{
	const uint8_t *from = data;
	ssize_t done;

	while (n) {
		done = pwrite(fd, from, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		from += done;
		at += (uint64_t)done;
		n -= (uint64_t)done;
	}
	return 0;
}

/*
 * The bytes from `at` to `to` in their places.  The rest of the file is a hole:
 * it takes no memory, and nobody reads it.
 */
static int put_records(int fd, const struct lane *l, uint64_t at, uint64_t to)
{
	uint64_t place = at & (l->size - 1), n = to - at;
	uint64_t first = n < l->size - place ? n : l->size - place;
	int err = put(fd, l->data + place, first, LANE_HEAD_BYTES + place);

	return err ? err :
		     put(fd, l->data + place + first, n - first,
			 LANE_HEAD_BYTES);
}

static int fill(int fd, const struct lane *l, uint64_t to)
{
	const struct lane_entry *e = l->entry;
	struct lane_head head = {
		.magic = LANE_MAGIC,
		.head_bytes = LANE_HEAD_BYTES,
		.size = e->size,
		.id = e->id,
		.large = e->large,
	};
	static const uint8_t rest[LANE_HEAD_BYTES - sizeof(head)];
	uint64_t at = lane_position(l);
	int err = FAILPOINT("lane.keep");

	store_relaxed(&head.written, to);
	store_relaxed(&head.read, at);
	if (!err && ftruncate(fd, (off_t)(LANE_HEAD_BYTES + e->size)))
		err = -errno;
	if (!err)
		err = put(fd, &head, sizeof(head), 0);
	if (!err)
		err = put(fd, rest, sizeof(rest), sizeof(head));
	/* The framing is written behind a large message: transfer_large(). */
	return err ? err :
		     put_records(fd, l, at, e->large ? to + LANE_ALIGN : to);
}

int lane_keep(const struct lane *l, uint64_t to, const char *state)
{
	char part[PATH_MAX], path[PATH_MAX];
	int err = path_of(path, state, l->entry->id, ""), fd;

	if (!err)
		err = path_of(part, state, l->entry->id, PART);
	if (err)
		return err;
	unlink(part);
	fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = fill(fd, l, to);
	if (close(fd) && !err)
		err = -errno;
	(void)FAILPOINT("lane.copy");
	if (!err && rename(part, path))
		err = -errno;
	if (err)
		unlink(part);
	else
		(void)FAILPOINT("lane.kept");
	return err;
}

/* -- reading ------------------------------------------------------------- */

int lane_keep_open(const char *state, uint64_t id)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, err = path_of(path, state, id, "");

	if (err)
		return err;
	/* O_NONBLOCK: opening a pipe of that name must not hang */
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	/* It cannot be sealed, so nobody else may be able to open it. */
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		 st.st_nlink != 1 || st.st_mode & 077)
		err = -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int lane_keep_remove(const char *state, uint64_t id)
{
	char path[PATH_MAX];
	int err = path_of(path, state, id, "");

	if (!err)
		err = FAILPOINT("lane.remove");
	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	(void)FAILPOINT("lane.removed");
	return err;
}

/* The directory of the region; its file's name in *base. */
static DIR *open_dir(const char *state, const char **base)
{
	const char *slash = strrchr(state, '/');
	char dir[PATH_MAX] = ".";

	*base = slash ? slash + 1 : state;
	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", (int)(*base - state), state);
	return opendir(dir);
}

/* False: there is no memory. */
static bool add(uint64_t **ids, unsigned *n, uint64_t id)
{
	uint64_t *more = realloc(*ids, (*n + 1) * sizeof(**ids));

	if (!more)
		return false;
	more[(*n)++] = id;
	*ids = more;
	return true;
}

unsigned lane_keep_list(const char *state, uint64_t **ids)
{
	char part[PATH_MAX];
	const char *base, *end;
	DIR *d = open_dir(state, &base);
	struct dirent *entry;
	unsigned n = 0;
	uint64_t id;

	*ids = NULL;
	while (d && n < LANE_TABLE_MOST && (entry = readdir(d))) {
		id = id_of(entry->d_name, base, &end);
		if (!id)
			continue;
		if (!strcmp(end, PART) && !path_of(part, state, id, PART))
			unlink(part);
		if (!*end && !add(ids, &n, id))
			break;
	}
	if (d)
		closedir(d);
	return n;
}

unsigned lane_keep_unknown(const char *state, const struct lane_table *t)
{
	const char *base, *end;
	DIR *d = open_dir(state, &base);
	struct dirent *entry;
	unsigned n = 0;
	uint64_t id;

	while (d && (entry = readdir(d))) {
		id = id_of(entry->d_name, base, &end);
		n += id && !*end && !lane_table_find(t, id);
	}
	if (d)
		closedir(d);
	return n;
}
