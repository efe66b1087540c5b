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
#ifdef BW_ZSTD
#include <zstd.h>
#endif

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

static void copy_one(int from, int to, const char *name)
{
	int in = openat(from, name, O_RDONLY | O_CLOEXEC);
	int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			 0600);
	struct timespec times[2];
	struct stat st;
	char *data;
	size_t len;

	ck_assert_msg(in >= 0 && out >= 0, "%s: %s", name, strerror(errno));
	data = file_read_fd(in, &len);
	ck_assert_int_eq(write(out, data, len), len);
	free(data);
	ck_assert_int_eq(fstat(in, &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	ck_assert_int_eq(fchmod(out, st.st_mode & 07777), 0);
	ck_assert_int_eq(futimens(out, times), 0);
	close(in);
	close(out);
}

void dir_copy(const char *from, const char *to)
{
	const struct dirent *entry;
	DIR *source = opendir(from);
	struct stat st;
	int fd;

	ck_assert_msg(source && !fstat(dirfd(source), &st), "%s: %s", from,
		      strerror(errno));
	ck_assert_msg(!mkdir(to, 0700), "%s: %s", to, strerror(errno));
	fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	while ((entry = readdir(source)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			copy_one(dirfd(source), fd, entry->d_name);
	ck_assert_int_eq(fchmod(fd, st.st_mode & 07777), 0);
	close(fd);
	closedir(source);
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

static bool is_packed(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, ".zst");
}

#ifdef BW_ZSTD

bool file_can_unpack(void)
{
	return true;
}

/* The bit of a frame's header that says that a checksum is at its end. */
#define HAS_CHECKSUM 4

static char *unpack(const char *data, size_t len, size_t *out_len,
		    const char **why)
{
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	ZSTD_inBuffer in = { data, len, 0 };
	ZSTD_outBuffer out = { NULL, 0, 0 };
	char *to = NULL;
	size_t left = 1;

	*why = len > 4 && data[4] & HAS_CHECKSUM ? NULL : "no checksum";
	while (left && !*why) {
		out.size = out.size * 2 + 4096;
		to = realloc(to, out.size + 1);
		/* No check of libcheck: processes of a test come here, too. */
		if (!to)
			abort();
		out.dst = to;
		left = ZSTD_decompressStream(zstd, &out, &in);
		if (ZSTD_isError(left))
			*why = ZSTD_getErrorName(left);
		else if (left && in.pos == in.size && out.pos < out.size)
			*why = "the frame is not complete";
	}
	if (!*why && in.pos != in.size)
		*why = "more than one frame";
	ZSTD_freeDCtx(zstd);
	*out_len = out.pos;
	if (!*why)
		to[out.pos] = '\0';
	return to;
}

#else

bool file_can_unpack(void)
{
	return false;
}

static char *unpack(const char *data, size_t len, size_t *out_len,
		    const char **why)
{
	(void)data;
	(void)len;
	*out_len = 0;
	*why = "built without libzstd";
	return NULL;
}

#endif

char *file_unpack(const char *name, char *data, size_t *len, const char **why)
{
	char *to;

	*why = NULL;
	if (!is_packed(name))
		return data;
	to = unpack(data, *len, len, why);
	free(data);
	if (!*why)
		return to;
	free(to);
	return NULL;
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
	const char *why;
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
		one = file_unpack(entry->d_name, one, &n, &why);
		ck_assert_msg(one, "%s: %s", entry->d_name, why);
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
