/* SPDX-License-Identifier: MIT */
/* See files.h. */
#define _GNU_SOURCE
#include "tests/lib/files.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Suites that run side by side share the file system. */
#define MEMORY_ROOM (UINT64_C(256) << 20)

static bool has_room(const char *dir)
{
	struct statvfs fs;

	return !statvfs(dir, &fs) &&
	       (uint64_t)fs.f_bavail * fs.f_frsize >= MEMORY_ROOM;
}

void dir_make(char path[DIR_PATH])
{
	const char *dirs[] = { "/dev/shm", getenv("TMPDIR"), "/tmp" };
	unsigned i;

	for (i = has_room(dirs[0]) ? 0 : 1; i < 3; i++) {
		if (!dirs[i] || strlen(dirs[i]) > 40)
			continue;
		snprintf(path, DIR_PATH, "%s/bwtest-XXXXXX", dirs[i]);
		if (!mkdtemp(path))
			continue;
		ck_assert_int_eq(chmod(path, 0755), 0);
		return;
	}
	ck_abort_msg("no temporary directory: %s", strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	if (!remove(path) || errno != EBUSY)
		return 0;
	/* A test mounted it, in a name space of its own. */
	umount2(path, MNT_DETACH);
	remove(path);
	return 0;
}

void dir_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool dir_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	if (dir)
		closedir(dir);
	return !n;
}

bool file_exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

void file_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, data, len), len);
	close(fd);
}

void file_touch(const char *path)
{
	file_write(path, "", 0);
}

char *file_read_fd(int fd, size_t *len)
{
	struct stat st;
	size_t got = 0;
	ssize_t n;
	char *data;

	ck_assert_int_eq(fstat(fd, &st), 0);
	data = malloc(st.st_size + 1);
	ck_assert_ptr_nonnull(data);
	while (got < (size_t)st.st_size) {
		n = read(fd, data + got, st.st_size - got);
		ck_assert_int_gt(n, 0);
		got += n;
	}
	data[got] = '\0';
	if (len)
		*len = got;
	return data;
}

char *file_read(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	data = file_read_fd(fd, len);
	close(fd);
	return data;
}

unsigned files_count(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

char *files_content(const char *path, size_t *len)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	char *all = calloc(1, 1);
	char *one;
	size_t n;
	int fd;

	*len = 0;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		one = file_read_fd(fd, &n);
		close(fd);
		all = realloc(all, *len + n + 1);
		ck_assert_ptr_nonnull(all);
		memcpy(all + *len, one, n + 1);
		*len += n;
		free(one);
	}
	if (dir)
		closedir(dir);
	return all;
}
