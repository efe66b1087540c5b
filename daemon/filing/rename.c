/* SPDX-License-Identifier: MIT */
/* See rename.h. */
#include "daemon/filing/rename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/failpoint.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif

/* The system call itself: not every C library has renameat2(). */
static int rename_without_replacing(const char *from, const char *to)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to,
			    RENAME_NOREPLACE);
}

int rename_noreplace(const char *from, const char *to)
{
	struct stat st;

	if (!rename_without_replacing(from, to))
		return FAILPOINT("rename.done");
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/*
	 * A file system without the flag.  Worker, daemon and nanosecond in
	 * the name make it unique, so a check before the rename is as good.
	 */
	if (!lstat(to, &st))
		return -EEXIST;
	return rename(from, to) ? -errno : FAILPOINT("rename.done");
}

/* 1: something is there; 0: nothing is; -errno: that cannot be found out. */
static int look(const char *path, struct stat *st)
{
	int err = FAILPOINT("rename.look");

	if (!err && lstat(path, st))
		err = -errno;
	if (!err)
		return 1;
	return err == -ENOENT || err == -ENOTDIR ? 0 : err;
}

int rename_happened(const char *dir, const char *from, const char *to,
		    const struct stat *temp, bool sure)
{
	struct stat st;
	int found = look(to, &st);

	if (found > 0)
		return st.st_dev == temp->st_dev && st.st_ino == temp->st_ino;
	if (found < 0 || !sure)
		return found;
	/* A shipper may have taken the file: then it is in neither place. */
	found = look(from, &st);
	if (found)
		return found > 0 ? 0 : found;
	return look(dir, &st);
}
