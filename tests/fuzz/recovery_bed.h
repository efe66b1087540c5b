/* SPDX-License-Identifier: MIT */
/*
 * What fuzz_recovery.c needs: a directory with files and a region, and the
 * regions that it begins with.
 *
 * A template is a region that the daemon's own code left at a telling moment,
 * with the temp file or the final file of that moment.  Its messages are
 * numbered.
 */
#ifndef BUFWRITER_TESTS_RECOVERY_BED_H
#define BUFWRITER_TESTS_RECOVERY_BED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"
#include "daemon/base/log.h"
#include "daemon/filing/recover.h"
#include "daemon/filing/transfer.h"
#include "daemon/region/region.h"
#include "daemon/region/region_header.h"
#include "daemon/region/ring.h"
#include "daemon/region/ring_layout.h"
#include "tests/fuzz/fuzz.h"

#define BED_TEMPLATES 16
#define BED_MESSAGES 80 /* at most in a template */
#define BED_FIELDS 400
#define BED_NAMES 8

struct field {
	size_t at;
	unsigned bytes;
	bool sealed; /* see ring_seal() */
};

struct template
{
	uint8_t *bytes;
	size_t size;
	/*
	 * Damage to these bytes is noticed, or does no harm.  The others are
	 * the bytes of messages, and words without a check.
	 */
	bool *is_checked;
	struct field field[BED_FIELDS];
	unsigned fields;
	size_t names[BED_NAMES]; /* where file names are */
	unsigned name_count;
	unsigned variant; /* its settings */
	unsigned sent;
	bool is_filed[BED_MESSAGES]; /* before that moment, and taken away */
	/* files of that moment, with their content; or an empty name */
	char temp_name[ARENA_NAME], final_name[ARENA_NAME];
	uint8_t *file;
	size_t file_size;
};

struct bed {
	struct template templates[BED_TEMPLATES];
	unsigned count;
	const struct template *template; /* of this input */
	char files[REGION_PATH], other[REGION_PATH], temp[REGION_PATH];
	char state[PATH_MAX];
	/* names in the damaged region */
	char noted[2 * BED_NAMES][ARENA_NAME];
	unsigned notes;
	unsigned found[BED_MESSAGES]; /* by number: in so many places */
};

/* --- directory, settings, messages: recovery_bed.c ----------------------- */

/* The sizes of the settings, by the variant of a template. */
#define BED_VARIANTS 2
extern const char *const bed_variants[BED_VARIANTS][5];

/* Settings with these sizes and this files.path, to be freed. */
struct config *bed_load(const struct bed *b, const char *const sizes[5],
			const char *files);
/* The path of a name; valid until the next one is made. */
const char *bed_path(const char *dir, const char *name);
void bed_make_directory(const char *path);
/* Removes what is in a directory, with directories in it. */
void bed_empty(const char *path);
/*
 * Writes message n, at most `most` bytes, and returns its length.  It is
 * always the same: short, or longer than a slot.
 */
uint32_t bed_message(unsigned n, uint32_t most, char *to);
/* Leaves a datagram where recvmmsg(2) would leave it. */
void bed_receive(struct mmsghdr *msg, const void *data, uint32_t len);

/* --- templates: recovery_template.c -------------------------------------- */

/* Makes the directory and the templates. */
void bed_open(struct bed *b);

/* --- one input: recovery_bed.c ------------------------------------------- */

/* The directory for one input; bed_end() empties it. */
void bed_begin(struct bed *b, uint64_t template);
void bed_end(struct bed *b);
/* To be freed. */
struct config *bed_settings(const struct bed *b, bool other_sizes,
			    bool other_files);
/* What somebody may have done to the files. */
void bed_take_temp_file(struct bed *b);
void bed_take_temp(struct bed *b);
void bed_take_name(struct bed *b);

/* Notes the file names in the region's records. */
void bed_note_names(struct bed *b, const uint8_t *region, size_t size);

/* One datagram into the ring; false: it is full. */
bool bed_send(struct ring *r, const void *data, uint32_t len);

/* Counts each message in the files. */
void bed_count(struct bed *b);
/*
 * Looks at every name in the directory: files of the daemon's, in their
 * places, and nothing else.  Returns how many final files there are.
 */
unsigned bed_check_names(struct bed *b);
void bed_expect_file(const char *path, const void *data, size_t size);

/* --- checksums: recovery_repair.c ---------------------------------------- */

/*
 * Makes the checksums right, with `fit` also the sizes; returns the region,
 * which may have moved.  The directories that the region names stay those of
 * the bed: recovery renames and removes files there.
 */
uint8_t *bed_repair(const struct bed *b, uint8_t *region, size_t *size,
		    bool fit);
/* Without repair: other directories are damage that is noticed. */
void bed_guard(const struct bed *b, uint8_t *region, size_t size);
/* The same region as an earlier daemon would have left it. */
void bed_to_v1(const struct bed *b, uint8_t *region, size_t size);
/* Arena i, where the header says that it is; NULL: there is none. */
struct arena_region *bed_arena_at(uint8_t *region, size_t size, uint64_t i);

#endif
