/* SPDX-License-Identifier: MIT */
/*
 * Bytes in memory -> a complete file under its final name.
 *
 * A flush opens the temp file, writes it, sets its mode, syncs it as
 * configured and closes it.  Then it renames the temp file, never over another
 * file (I1).  Each function is one step that can be repeated after any failure,
 * and says in `op` and `where` what failed.  Paths are resolved each time, so
 * that a directory that was replaced or mounted over takes effect; that costs
 * less than 1 us a file.
 *
 * One thread owns a struct flush.
 */
#ifndef BUFWRITER_FLUSH_H
#define BUFWRITER_FLUSH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "conf/config.h"
#include "daemon/base/clock.h"
#include "daemon/base/failure.h"
#include "daemon/filing/compress.h"
#include "daemon/filing/file_name.h"
#include "daemon/region/region_header.h"

#define FLUSH_NAME FILE_NAME

/* What the start finds out about files, for all threads that make some. */
struct flush_place {
	bool beside;	/* as in struct flush */
	bool has_group; /* files.group is not empty */
	gid_t group;
};

struct flush {
	const struct config *cfg; /* its owner may change it between files */
	unsigned worker;
	struct region_names *names;
	/* the owner's; NULL without files.compression */
	struct compressor *compressor;
	/*
	 * The temp file is a dot file in files.path, because it cannot be in
	 * files.temp: see temp_dir.h.
	 */
	bool beside;
	char why_beside[128]; /* after flush_probe() */
	bool has_group;	      /* files get `group`, which files.group names */
	gid_t group;
	/* the temp file that flush_write() completed last */
	struct stat temp;
	uint64_t bytes;	   /* its length */
	uint64_t messages; /* in the file, set by the owner; 0: not known */
	/*
	 * flush_publish() failed after that, and must be called again with the
	 * same name: nobody can tell whether its rename happened, or it did
	 * happen, and only the directory could not be synced.
	 */
	bool pending;
	bool renamed;
	bool says_unsynced; /* the log says that names are not synced */
	bool foreign; /* flush_write() found a file that it did not make */
	/* after a failure: the operation and its path */
	const char *op;
	char where[PATH_MAX];
	bool vanished; /* where is the temp file, and it is gone */
	bool limited;  /* by flush_refuse() */
};

/* `names` outlives it; NULL where no name is made. */
void flush_open(struct flush *f, const struct config *cfg, unsigned worker,
		struct region_names *names);

/*
 * Is files.path a directory that can be written to?
 * 0 or -errno with op and where.
 */
int flush_check(struct flush *f);
/*
 * Checks files.path and files.temp before the first file.  Makes files.temp if
 * it is missing.  If unfinished files cannot be there, sets f->beside and says
 * why in f->why_beside, which is "" otherwise.
 * 0 or -errno with op and where.
 */
int flush_probe(struct flush *f);
/*
 * After flush_probe(): finds the group that files get, and whether the daemon
 * may give it to them.  0; 1: it may not give them the group of files.path, so
 * f->beside was set, where the kernel gives it; -errno with a failure.
 */
int flush_find_group(struct flush *f, struct failure *failure);
/* What was found out in one struct flush, and its use in another. */
struct flush_place flush_get_place(const struct flush *f);
void flush_set_place(struct flush *f, const struct flush_place *place);
/*
 * After flush_check() or flush_probe() failed: sets the failure, which says
 * which setting is wrong and why, and returns err.
 */
int flush_explain(const struct flush *f, int err, struct failure *failure);

/*
 * A new final name (I1): <prefix><worker>_<daemon>_<nanoseconds><suffix>.
 * The daemon's number tells apart what shares files.path or ships to the same
 * place.  A process id would not: it is 1 in each container.
 */
void flush_name(struct flush *f, char name[FLUSH_NAME]);

/*
 * Writes the complete temp file for this name, which it makes: these bytes, or
 * one frame of them with files.compression.  On failure it deletes the temp
 * file, if it can.  0 or -errno; with f->foreign: a file of that name is there,
 * which is not the daemon's; -EXDEV: f->beside was set (write again).
 */
int flush_write(struct flush *f, const char *name, const void *data,
		size_t len);
/*
 * Renames the temp file to its final name, and syncs the directory as
 * configured.  A rename that reports an error may
 * have happened all the same, for example on NFS, so the files are looked at
 * before an error is returned.
 * 0 or -errno.  With f->pending: call this again, with the same name.  Without
 * it the rename did not happen, and -EEXIST means: the name is taken (take
 * another, write again); -EXDEV: f->beside was set (write again); -ENOENT: no
 * temp file (or no directory): `where` tells which.
 */
int flush_publish(struct flush *f, const char *name);
/*
 * Deletes the temp file of this name, if there is one; `beside` is the value
 * of f->beside when it was written.  0; or -errno with op and where: the file
 * is still there.
 */
int flush_discard(struct flush *f, const char *name, bool beside);

/*
 * The file must wait, because this setting, which limits the complete files, is
 * reached.  Returns -EDQUOT, with op and where.
 */
int flush_refuse(struct flush *f, const char *limit);

/* What the operator can do about this failure of one of these functions. */
const char *flush_remedy(const struct flush *f, int err);

/* The pause before the second try at a failed file. */
#define FLUSH_PAUSE_NS (100 * CLOCK_MS)
#define FLUSH_PAUSE_MAX_NS (5 * CLOCK_SECOND)

/* The pause that follows this one: twice as long, up to the maximum. */
static inline uint64_t flush_pause_after(uint64_t pause_ns)
{
	return pause_ns * 2 < FLUSH_PAUSE_MAX_NS ? pause_ns * 2 :
						   FLUSH_PAUSE_MAX_NS;
}

/* The path of a file: dir, '/', leading, name.  0 or -ENAMETOOLONG. */
int flush_path(char out[PATH_MAX], const char *dir, const char *leading,
	       const char *name);
/*
 * With files.sync = data, fsync(2) on a directory: its names survive a power
 * failure.  0 or -errno with op and where.
 */
int flush_sync_names(struct flush *f, const char *dir);

#endif
