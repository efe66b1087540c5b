/* SPDX-License-Identifier: MIT */
/*
 * The state region: ring and arenas in one mapping, so that they outlive the
 * process.  A file on tmpfs, allocated in full when it is made: a file
 * system that is too small is an error at start and never a SIGBUS later.
 *
 * Layout: struct region_header (16 KiB), the ring, then the arenas.  The
 * header describes the rest.
 * No pointer in it means anything to another process (the receive headers
 * are the kernel's struct mmsghdr; of these only msg_len is read again).
 *
 * Only one process at a time uses a region: `<path>.lock` is locked with
 * flock(2) and holds the owner's process id.  Main thread only.
 */
#ifndef BUFWRITER_REGION_H
#define BUFWRITER_REGION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/config.h"
#include "daemon/base/failure.h"
#include "daemon/region/arena.h"
#include "daemon/region/ring.h"

#define REGION_MAGIC "BUFWRITE"
#define REGION_VERSION 1
#define REGION_PATH 3584 /* settings allow 3500 */

/* Where files were going: the temp file of a rename in doubt is there. */
struct region_dirs {
	uint64_t seq; /* the value of dirs_seq that selects these */
	char path[REGION_PATH];
	char temp[REGION_PATH];
	uint64_t check; /* over all of the above */
};

struct region_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;
	uint64_t total_bytes;
	struct ring_geometry ring;
	uint64_t workers;
	uint64_t size; /* of an arena */
	uint64_t arena_bytes;
	uint8_t boot[16]; /* /proc/sys/kernel/random/boot_id */
	uint64_t check;	  /* over all of the above */
	/* Changed as a whole, as the cells of an arena are. */
	_Atomic uint64_t dirs_seq;
	struct region_dirs dirs[2];
	/* 1 after an orderly stop that left nothing. */
	_Atomic uint64_t clean;
};

_Static_assert(sizeof(struct ring_geometry) == 32, "region layout");
_Static_assert(sizeof(struct region_header) <= 16384, "region layout");
_Static_assert(offsetof(struct region_header, boot) == 80, "region layout");
/* the package's removal reads these, systemd/debian/bufwriter.prerm */
_Static_assert(REGION_VERSION == 1, "bufwriter.prerm");
_Static_assert(offsetof(struct region_header, version) == 8, "bufwriter.prerm");
_Static_assert(offsetof(struct region_header, clean) == 14480,
	       "bufwriter.prerm");

#define REGION_HEADER_BYTES 16384

/* A mapped region, this process's own or a dead one's. */
struct region {
	struct region_header *header;
	size_t bytes;
	struct ring ring;
	struct arena *arenas; /* header->workers of them */
	int anonymous;
};

/*
 * Locks the region at path for this process and writes its id into the lock
 * file, creating the directory if it is missing.  Returns the descriptor to
 * keep open, or -errno with a text; -EBUSY: another process has it.
 */
int region_lock(const char *path, struct failure *error);

/*
 * Makes the region for these settings and maps it: a new file under
 * state_path in place of what is there, or anonymous memory if that is empty.
 * 0 or -errno with a text.
 */
int region_create(struct region *s, const struct config *cfg,
		  struct failure *error);

/*
 * Maps the region that is there and checks every part of it.
 * 0; -ENOENT: there is none, or one from before a reboot that has nothing to
 * file; -EBADMSG: it can not be proved right, error says why; -errno: it can
 * not be read, or is not the daemon's own.
 */
int region_open_old(struct region *s, const char *path,
		    enum config_framing framing, struct failure *error);

/* The directories in which the region's temp files and renames are. */
const struct region_dirs *region_dirs(const struct region_header *h);
/*
 * From now on they are those of the settings.  Not while an arena is in
 * ARENA_RENAMING.  Safe to be killed in.
 */
void region_use_dirs(struct region *s, const struct config *cfg);

/* True if the region holds exactly what region_create() would make. */
int region_fits(const struct region *s, const struct config *cfg);
/* Takes over an old region from which everything was filed. */
void region_adopt(struct region *s);
/* Gives the file another name.  0 and the name in `aside`, or -errno. */
int region_set_aside(const char *path, char *aside, size_t n);

/* Records in the header whether a later start has anything to file. */
void region_set_clean(struct region *s, int clean);
/* Unmaps; the file stays. */
void region_close(struct region *s);

#endif
