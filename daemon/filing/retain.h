/* SPDX-License-Identifier: MIT */
/*
 * Complete files that stay in files.path until a shipper takes them: how many
 * bytes they have, and the deletion of the oldest ones.
 *
 * Whoever calls this waits for the disk, and a scan takes a while if there are
 * many files: not the loop thread, and no worker.  One thread owns a struct
 * retain.
 *
 * Only a file that the daemon can have made is ever deleted: a regular file of
 * the daemon's user with one name, which has the form of file_name.h under the
 * present settings.  The time in that name is the file's age, whatever its
 * modification time and the clock say.  A file that another process has open
 * is left until nobody has: a shipper may be reading it.
 */
#ifndef BUFWRITER_RETAIN_H
#define BUFWRITER_RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"
#include "daemon/filing/file_name.h"

/* Bounds the memory; a scan finds so many of the oldest files. */
#define RETAIN_MOST 4096

/* A deleted file. */
struct retain_file {
	char name[FILE_NAME];
	uint64_t bytes;
	uint64_t messages;
	/*
	 * The file says how many messages it has.  If not, because its file
	 * system has no place for that, `messages` is the number of its lines,
	 * or 0 where it has none.
	 */
	bool counted;
};

struct retain {
	const struct config *cfg; /* its owner may change it between calls */
	struct file_name *oldest; /* of the last scan, room for twice as many */
	unsigned n, next;
};

/* 0 or -ENOMEM. */
int retain_open(struct retain *r, const struct config *cfg);
void retain_close(struct retain *r);

/*
 * Finds the oldest files, and the bytes of all.  0, or -errno of files.path.
 */
int retain_scan(struct retain *r, uint64_t *bytes);
/*
 * Deletes the oldest file that the last scan found and that is still there.
 * 1, with *gone; 0: there is none (scan again); -errno: it cannot be deleted.
 */
int retain_delete(struct retain *r, struct retain_file *gone);
/* As retain_delete(); scans when the files of the last scan are used up. */
int retain_delete_some(struct retain *r, struct retain_file *gone);

/* Bytes that a user may still write to the file system of files.path. */
uint64_t retain_free(const struct config *cfg);

/* Notes in the open file how many messages it has, if it can. */
void retain_note(int fd, uint64_t messages);

#endif
