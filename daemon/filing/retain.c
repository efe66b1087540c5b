/* SPDX-License-Identifier: MIT */
/* See retain.h. */
#include "daemon/filing/retain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/base/failpoint.h"

#define ATTRIBUTE "user.bufwriter.messages"

int retain_open(struct retain *r, const struct config *cfg)
{
	memset(r, 0, sizeof(*r));
	r->cfg = cfg;
	r->oldest = calloc(2 * RETAIN_MOST, sizeof(*r->oldest));
	return r->oldest ? 0 : -ENOMEM;
}

void retain_close(struct retain *r)
{
	free(r->oldest);
	r->oldest = NULL;
}

/* -- which files there are ----------------------------------------------- */

/* Only a file of one name frees its space when that name is removed. */
static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	       st->st_nlink == 1;
}

/* Two workers can make a file in one nanosecond, and two daemons can. */
static int compare(const void *a, const void *b)
{
	const struct file_name *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->worker < y->worker ? -1 : x->worker > y->worker;
}

static void keep_oldest(struct retain *r)
{
	qsort(r->oldest, r->n, sizeof(*r->oldest), compare);
	if (r->n > RETAIN_MOST)
		r->n = RETAIN_MOST;
}

int retain_scan(struct retain *r, uint64_t *bytes)
{
	DIR *dir = opendir(r->cfg->files_path);
	struct file_name name;
	struct dirent *entry;
	struct stat st;

	*bytes = 0;
	r->n = r->next = 0;
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!file_name_read(&name, r->cfg, entry->d_name) ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) ||
		    !is_ours(&st))
			continue;
		*bytes += st.st_size;
		r->oldest[r->n++] = name;
		if (r->n == 2 * RETAIN_MOST)
			keep_oldest(r);
	}
	closedir(dir);
	keep_oldest(r);
	return 0;
}

uint64_t retain_free(const struct config *cfg)
{
	struct statvfs fs;

	/* A directory that is gone is the flush's to report. */
	if (statvfs(cfg->files_path, &fs))
		return UINT64_MAX;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* -- how many messages a file has ---------------------------------------- */

void retain_note(int fd, uint64_t messages)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64, messages);

	(void)fsetxattr(fd, ATTRIBUTE, text, len, 0);
}

static bool read_note(int fd, uint64_t *messages)
{
	char text[24], *end;
	ssize_t len = fgetxattr(fd, ATTRIBUTE, text, sizeof(text) - 1);

	if (len <= 0)
		return false;
	text[len] = 0;
	*messages = strtoull(text, &end, 10);
	return !*end;
}

static uint64_t count_lines(int fd)
{
	char data[16384];
	uint64_t lines = 0;
	ssize_t n, i;

	while ((n = read(fd, data, sizeof(data))) > 0)
		for (i = 0; i < n; i++)
			lines += data[i] == '\n';
	return lines;
}

static void count_messages(const struct retain *r, int fd,
			   struct retain_file *gone)
{
	gone->messages = 0;
	gone->counted = read_note(fd, &gone->messages);
	if (!gone->counted && r->cfg->files_framing == FRAMING_NEWLINE &&
	    r->cfg->files_compression == COMPRESSION_NONE)
		gone->messages = count_lines(fd);
}

/* -- deletion ------------------------------------------------------------ */

/*
 * A lease for writing is granted only while no other process has the file
 * open.  Without one, because the file system has none, the file counts as
 * not open.
 */
static bool is_open_elsewhere(int fd)
{
	return fcntl(fd, F_SETLEASE, F_WRLCK) && errno == EAGAIN;
}

/* 1: deleted; 0: it is left, or gone; -errno. */
static int delete_file(struct retain *r, int dir, struct retain_file *gone)
{
	int fd = openat(dir, gone->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int err = 0;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (fstat(fd, &st) || !is_ours(&st))
		goto out;
	gone->bytes = st.st_size;
	count_messages(r, fd, gone);
	if (is_open_elsewhere(fd))
		goto out;
	(void)FAILPOINT("retain.delete");
	err = FAILPOINT("retain.unlink");
	if (!err && unlinkat(dir, gone->name, 0))
		err = -errno;
	err = err == -ENOENT ? 0 : err ? err : 1;
out:
	/* This gives the lease back, too. */
	close(fd);
	return err;
}

int retain_delete(struct retain *r, struct retain_file *gone)
{
	int dir = open(r->cfg->files_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int done = 0;

	if (dir < 0)
		return -errno;
	while (!done && r->next < r->n) {
		file_name_make(&r->oldest[r->next++], r->cfg, gone->name);
		done = delete_file(r, dir, gone);
	}
	close(dir);
	return done;
}

int retain_delete_some(struct retain *r, struct retain_file *gone)
{
	int done = retain_delete(r, gone);
	uint64_t bytes;

	if (done)
		return done;
	done = retain_scan(r, &bytes);
	return done ? done : retain_delete(r, gone);
}
