/* SPDX-License-Identifier: MIT */
/* See temp_dir.h. */
#include "daemon/filing/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Most parents of a directory: no path has more. */
#define DEPTH (PATH_MAX / 2)

static bool is_ours_alone(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

int temp_dir_open(const char *path, bool make)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags), err = 0;
	struct stat st;

	if (fd < 0 && errno == ENOENT && make &&
	    (!mkdir(path, 0700) || errno == EEXIST))
		fd = open(path, flags);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!is_ours_alone(&st))
		err = -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int temp_dir_check(const char *path, bool make)
{
	int fd = temp_dir_open(path, make);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

bool temp_dir_is_foreign(int err)
{
	/* ENOTDIR: a symbolic link, too */
	return err == -EPERM || err == -ELOOP || err == -ENOTDIR ||
	       err == -EACCES || err == -EROFS;
}

/* The reason for -EPERM and the like, in words. */
static void explain(const char *path, int err, char why[128])
{
	struct stat st;

	if (lstat(path, &st))
		snprintf(why, 128, "it cannot be made: %s", strerror(-err));
	else if (S_ISLNK(st.st_mode))
		snprintf(why, 128, "it is a symbolic link");
	else if (!S_ISDIR(st.st_mode))
		snprintf(why, 128, "it is not a directory");
	else if (st.st_uid != geteuid())
		snprintf(why, 128, "it belongs to user %u",
			 (unsigned)st.st_uid);
	else if (!is_ours_alone(&st))
		snprintf(why, 128,
			 "other users may write to it (its mode is %04o)",
			 (unsigned)st.st_mode & 07777);
	else
		snprintf(why, 128, "it cannot be used: %s", strerror(-err));
}

/* Failures that last until somebody acts; others, such as ENOSPC, pass. */
static bool is_lasting(int err)
{
	switch (-err) {
	case EPERM:
	case ELOOP:
	case ENOTDIR:
	case EACCES:
	case EROFS:
	case ENOENT:
	case ENAMETOOLONG:
		return true;
	default:
		return false;
	}
}

/*
 * What the kernel's struct statx says of the mount.  Not every C library has
 * statx(), or knows this member, so this is the system call itself.
 */
struct mount_statx {
	uint32_t mask;
	unsigned char between[140];
	uint64_t mount_id;
	unsigned char rest[104];
};
_Static_assert(offsetof(struct mount_statx, mount_id) == 144 &&
		       sizeof(struct mount_statx) == 256,
	       "the kernel's layout");
#define MOUNT_ID 0x1000u /* STATX_MNT_ID */

static bool has_mount_id(const char *path, struct mount_statx *x)
{
	return !syscall(SYS_statx, AT_FDCWD, path, 0, MOUNT_ID, x) &&
	       (x->mask & MOUNT_ID);
}

/* True if both paths are known to be on different mounts. */
static bool are_mounts_different(const char *a, const char *b)
{
	struct mount_statx x, y;

	return has_mount_id(a, &x) && has_mount_id(b, &y) &&
	       x.mount_id != y.mount_id;
}

int temp_dir_probe(const struct config *cfg, const char **op, char why[128])
{
	const char *temp = cfg->temp;
	struct stat d, t = { 0 };
	int fd = temp_dir_open(temp, true);
	int err = fd < 0 ? fd : 0;

	if (!err && faccessat(fd, ".", W_OK | X_OK, 0))
		err = -errno;
	if (err) {
		if (fd >= 0)
			close(fd);
		if (!is_lasting(err))
			return 0; /* each flush tries it again */
		/* A directory that the settings name has to be there. */
		*op = lstat(temp, &t) ? "mkdir" : "open";
		if (cfg->files_temp[0] && err != -EPERM && err != -ELOOP &&
		    !S_ISLNK(t.st_mode))
			return err;
		explain(temp, err, why);
		return 1;
	}
	err = fstat(fd, &t) || stat(cfg->files_path, &d);
	close(fd);
	if (err)
		return 0; /* the first flush reports it */
	/* In files.path itself, unfinished files would have final names. */
	if (d.st_dev == t.st_dev && d.st_ino == t.st_ino)
		snprintf(why, 128, "it is files.path");
	else if (d.st_dev != t.st_dev)
		snprintf(why, 128, "it is on another file system");
	else if (are_mounts_different(temp, cfg->files_path))
		snprintf(why, 128, "it is on another mount");
	else
		return 0;
	return 1;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool temp_dir_is_inside(const struct config *cfg)
{
	struct stat path, at, before;
	int fd, up;
	bool inside = false;
	unsigned n;

	fd = open(cfg->temp, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	memset(&before, 0, sizeof(before));
	if (stat(cfg->files_path, &path))
		goto out;
	for (n = 0; n < DEPTH && !inside; n++) {
		if (fstat(fd, &at) || is_same(&at, &before))
			break;
		inside = is_same(&at, &path);
		before = at;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			break;
		close(fd);
		fd = up;
	}
out:
	close(fd);
	return inside;
}

void temp_dir_remove_former(const struct config *cfg)
{
	char path[PATH_MAX];
	struct stat former, used;

	snprintf(path, sizeof(path), "%s/.tmp", cfg->files_path);
	if (lstat(path, &former) || !S_ISDIR(former.st_mode) ||
	    former.st_uid != geteuid() || (former.st_mode & 07777) != 0700)
		return;
	if (!stat(cfg->temp, &used) && is_same(&former, &used))
		return;
	(void)rmdir(path);
}
