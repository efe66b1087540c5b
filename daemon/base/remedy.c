/* SPDX-License-Identifier: MIT */
/* See remedy.h. */
#include "daemon/base/remedy.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

const char *remedy_limit(int err)
{
	switch (-err) {
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files";
	case EFBIG:
		return "raise the limit of file size";
	case ENOMEM:
		return "free memory, or raise its limit";
	case EAGAIN:
		return "raise the limits of threads and of memory";
	default:
		return NULL;
	}
}

const char *remedy(int err)
{
	const char *limit = remedy_limit(err);

	if (limit)
		return limit;
	switch (-err) {
	case ENOSPC:
	case EDQUOT:
		return "free space, or move files away";
	case ENOENT:
		return "create the directory";
	case ENOTDIR:
		return "put a directory in its place";
	case EACCES:
	case EPERM:
		return "let the daemon's user write there";
	case EROFS:
		return "mount the file system writable, or let the unit write "
		       "there with ReadWritePaths=";
	case ENAMETOOLONG:
		return "shorten files.path, prefix or suffix";
	default:
		return "check the file system";
	}
}

/* statvfs(3) of the directory: the file need not exist. */
static bool has_inodes(const char *path)
{
	char dir[PATH_MAX];
	struct statvfs fs;
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return true;
	*slash = 0;
	/* Some file systems have no fixed number of inodes: 0 of 0. */
	return statvfs(dir, &fs) || !fs.f_files || fs.f_favail;
}

const char *remedy_at(int err, const char *path)
{
	if (err == -ENOSPC && !has_inodes(path))
		return "free inodes, which are used up (df -i): remove files, "
		       "or move them away";
	return remedy(err);
}
