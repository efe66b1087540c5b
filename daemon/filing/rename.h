/* SPDX-License-Identifier: MIT */
/*
 * A rename that replaces nothing, and what became of one that failed: on NFS a
 * rename may happen and report an error.  Any thread.
 */
#ifndef BUFWRITER_RENAME_H
#define BUFWRITER_RENAME_H

#include <stdbool.h>
#include <sys/stat.h>

/* renameat2(2) with RENAME_NOREPLACE, or the nearest that the file system
 * offers.  0 or -errno. */
int rename_noreplace(const char *from, const char *to);

/*
 * rename_noreplace() failed; did it happen all the same?  `temp` is the file
 * that was at `from`, in the directory `dir`; `sure`: it was certainly there.
 * 1, 0, or -errno: that cannot be found out now.
 */
int rename_happened(const char *dir, const char *from, const char *to,
		    const struct stat *temp, bool sure);

#endif
