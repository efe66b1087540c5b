/* SPDX-License-Identifier: MIT */
/* See remedy.h. */
#include "daemon/base/remedy.h"

#include <errno.h>

const char *remedy(int err)
{
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
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files";
	case EFBIG:
		return "raise the limit of file size";
	case ENAMETOOLONG:
		return "shorten files.path, prefix or suffix";
	default:
		return "check the file system";
	}
}
