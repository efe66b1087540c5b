/* SPDX-License-Identifier: MIT */
/*
 * What a region says about itself: its geometry, the boot that it belongs to,
 * the directories that its renames go to, and whether it is clean.  One thread
 * at a time: the recovery's, then the main thread.  This file knows no mapping
 * and no file.
 */
#ifndef BUFWRITER_REGION_HEADER_H
#define BUFWRITER_REGION_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"
#include "daemon/base/failure.h"
#include "daemon/region/ring_layout.h"

#define REGION_MAGIC "BUFWRITE"
#define REGION_VERSION 3
#define REGION_VERSION_2 2 /* without lanes; read as it is */
#define REGION_PATH 3584   /* settings allow 3500 */
#define REGION_HEADER_BYTES 16384
#define REGION_NUMBER_MAX INT32_MAX
#define REGION_AFFIX 256      /* NAME_MAX and its NUL */
#define REGION_AFFIX_BOTH 195 /* settings leave 60 bytes for the numbers */

/* Where files were going: the temp file of a rename in doubt is there. */
struct region_dirs {
	uint64_t seq; /* the value of dirs_seq that selects these */
	char path[REGION_PATH];
	char temp[REGION_PATH];
	uint64_t check; /* over all of the above */
};

/*
 * What makes the names of this region's files its own (I1).  Names that are
 * later than `last_ns` were not used before, in this life or a former one,
 * whatever the clock and the process id do.  Other daemons, which may share
 * files.path or ship to the same place, have another number.
 */
struct region_names {
	uint64_t number; /* random, 1 to REGION_NUMBER_MAX; 0: none yet */
	_Atomic uint64_t last_ns; /* the latest time in a name */
};

/*
 * The settings under which messages are taken: how they are framed, whether
 * they lose a header, and what their file's name says of that.
 */
struct region_form {
	uint64_t seq; /* the value of form_seq that selects this one */
	/*
	 * enum config_framing, from bit 8 on enum config_strip, and from bit 16
	 * on enum config_compression; zeroes in regions of older daemons
	 */
	uint64_t taking;
	char prefix[REGION_AFFIX];
	char suffix[REGION_AFFIX];
	uint64_t check; /* over all of the above */
};

struct region_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;
	uint64_t total_bytes;
	struct ring_geometry ring;
	uint64_t workers;
	uint64_t size; /* of an arena, bytes */
	uint64_t arena_bytes;
	uint8_t boot[16]; /* /proc/sys/kernel/random/boot_id */
	uint64_t check;	  /* over all of the above */
	/* Counts changes; the low bit selects the directories in use. */
	_Atomic uint64_t dirs_seq;
	struct region_dirs dirs[2];
	/* 1 after an orderly stop that left nothing. */
	_Atomic uint64_t clean;
	/* Not in the checksums: damage here makes other names, and no harm. */
	struct region_names names;
	/*
	 * As dirs_seq and dirs.  Older daemons left zeroes, which no checksum
	 * fits: the form is not known then.
	 */
	_Atomic uint64_t form_seq;
	struct region_form form[2];
	/*
	 * Entries of the lane table behind the arenas; 0 in version 2.  The
	 * sum of all parts, total_bytes, is in the checksum.
	 */
	uint64_t lanes;
};

_Static_assert(sizeof(struct ring_geometry) == 32, "region layout");
_Static_assert(sizeof(struct region_dirs) == 7184, "region layout");
_Static_assert(offsetof(struct region_header, boot) == 80, "region layout");
_Static_assert(offsetof(struct region_header, clean) == 14480, "region layout");
_Static_assert(offsetof(struct region_header, names) == 14488, "region layout");
_Static_assert(sizeof(struct region_form) == 536, "region layout");
_Static_assert(offsetof(struct region_header, form) == 14512, "region layout");
_Static_assert(offsetof(struct region_header, lanes) == 15584, "region layout");
_Static_assert(sizeof(struct region_header) <= REGION_HEADER_BYTES,
	       "region layout");

/*
 * The header of an empty region for these settings, with room for at least so
 * many lanes.
 */
void region_header_describe(struct region_header *h, const struct config *cfg,
			    uint64_t lanes);
/* Writes the checksums of the header and of both its directories. */
void region_header_seal(struct region_header *h);
/*
 * Is this header, of a file of this many bytes, one that
 * region_header_describe() could have made?  0, or -EBADMSG with a text.
 */
int region_header_check(const struct region_header *h, size_t bytes,
			struct failure *error);
/* 0; -ENOENT: it is of an earlier boot, and clean; -EBADMSG: of an earlier
 * boot, and not clean.  Both with a text. */
int region_header_check_boot(const struct region_header *h,
			     struct failure *error);
/*
 * True if region_header_describe() would make the same header now, or one with
 * room for fewer lanes.
 */
bool region_header_fits(const struct region_header *h,
			const struct config *cfg);

/* The directories in which the region's temp files and renames are. */
const struct region_dirs *region_header_dirs(const struct region_header *h);
/*
 * From now on these are the directories of the settings.  Not while an arena
 * is RENAMING.  Safe to be killed in.
 */
void region_header_use_dirs(struct region_header *h, const struct config *cfg);

/* The settings under which the region's messages were taken; NULL: that is not
 * known. */
const struct region_form *region_header_form(const struct region_header *h);
/*
 * From now on messages are taken under these settings.  Framing and strip
 * change only while the region is empty.  Safe to be killed in.
 */
void region_header_use_form(struct region_header *h, const struct config *cfg);
enum config_framing region_form_framing(const struct region_form *form);
enum config_strip region_form_strip(const struct region_form *form);
enum config_compression region_form_compression(const struct region_form *form);
/* Are these the settings under which files are made now? */
bool region_form_fits(const struct region_form *form, const struct config *cfg);

/* Gives the region a number of its own if it has none that makes sense. */
void region_header_use_names(struct region_header *h);

/*
 * The time for a new name: now_ns (CLOCK_REALTIME), or later than in each name
 * before.  Any worker.
 */
uint64_t region_names_next(struct region_names *names, uint64_t now_ns);

/* Whether a later start has anything to file. */
bool region_header_is_clean(const struct region_header *h);
void region_header_set_clean(struct region_header *h, bool clean);

#endif
