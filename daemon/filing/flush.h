/* SPDX-License-Identifier: MIT */
/*
 * Bytes in memory -> a complete file under its final name.
 *
 * The temp file is opened, written, given its mode, synced as configured and
 * closed; then it is renamed, never over another file.  Each function is one
 * step that can be repeated after any failure, and says in `op` and `where`
 * what failed.  Paths are looked up each time: a directory that was replaced
 * or mounted over is followed, and that costs less than 1 us a file.
 *
 * Owned by one thread.
 */
#ifndef BUFWRITER_FLUSH_H
#define BUFWRITER_FLUSH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/config.h"
#include "daemon/base/failure.h"

#define FLUSH_NAME 256 /* NAME_MAX and its NUL */

struct flush {
	const struct config *cfg; /* may be exchanged between two files */
	unsigned worker;
	pid_t pid;
	/*
	 * The temp file is a dot file in files.path, because files.temp is on
	 * another file system or is the same directory.
	 */
	bool beside;
	uint64_t last_ns; /* of the last name given */
	/* after a failure: the operation, and its path */
	const char *op;
	char where[PATH_MAX];
};

void flush_open(struct flush *f, const struct config *cfg, unsigned worker);

/*
 * Looks at files.path: a directory that can be written to?
 * 0 or -errno with op and where.
 */
int flush_check(struct flush *f);
/*
 * Looks at files.path and files.temp before the first file: creates temp if
 * it is missing, and sets f->beside if the two are on different file systems, or
 * are the same directory.
 * 0 or -errno with op and where.
 */
int flush_probe(struct flush *f);
/*
 * After one of these two failed: which setting is wrong, and how.  Sets the
 * failure and returns err.
 */
int flush_explain(const struct flush *f, int err, struct failure *failure);

/* A new final name: later than any before, whatever the clock does. */
void flush_name(struct flush *f, char name[FLUSH_NAME]);

/*
 * Writes the complete temp file for this name; an old one is replaced.
 * On failure it is removed again.  0 or -errno.
 */
int flush_write(struct flush *f, const char *name, const void *data,
		size_t len);
/*
 * Renames the temp file to its final name.  0 or -errno; -EEXIST: the name
 * is taken (take another, write again); -EXDEV: f->beside was set (write
 * again); -ENOENT: no temp file (or no directory).
 */
int flush_publish(struct flush *f, const char *name);
/*
 * Removes the temp file of this name, if there is one; `beside` is what f->beside
 * was when it was written.  False: it is there still.
 */
bool flush_discard(const struct flush *f, const char *name, bool beside);

/*
 * The pause before the second try at a failed file, in ns; after each
 * further try it is twice as long, up to 5 s.
 */
#define FLUSH_PAUSE UINT64_C(100000000)

static inline uint64_t flush_pause_after(uint64_t pause)
{
	const uint64_t longest = UINT64_C(5000000000);

	return pause * 2 < longest ? pause * 2 : longest;
}

/*
 * The paths of a file, in `dir` and `temp` of a configuration that need not
 * be the present one.  0 or -ENAMETOOLONG.
 */
int flush_path(char out[PATH_MAX], const char *dir, const char *leading,
	       const char *name);
/* renameat2(2) with RENAME_NOREPLACE, or as near as the file system has it.
 * 0 or -errno. */
int flush_rename(const char *from, const char *to);

/* fsync(2) on a directory: makes the names in it last.  0 or -errno. */
int flush_sync_directory(const char *path);

#endif
