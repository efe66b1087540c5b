/* SPDX-License-Identifier: MIT */
/*
 * Counts every message: what was sent against what the files hold, as
 * multisets of contents.
 *
 * found too few times: lost.  Too many: doubled.  Found but never sent, or a
 * file that ends within a message: torn.
 */
#ifndef BUFWRITER_TEST_TALLY_H
#define BUFWRITER_TEST_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/files.h"
#include "tests/lib/sender.h"

enum framing { NEWLINE, NONE, LENGTH };
extern const char *const framing_words[3];

struct tally {
	/* results, complete after tally_judge() */
	uint64_t expected, found, lost, doubled, torn;
	uint64_t maybe; /* of tally_may(), those that were not found */
	uint64_t files, bytes;
	uint64_t odd; /* files with a name or mode that no complete file has */
	char first[256]; /* what was wrong first */

	/* private */
	struct tally_entry *table;
	size_t used, room;
	int expecting; /* what is read is expected, not found */
};

void tally_open(struct tally *tally);
/* A tally of its own with the same expectations and results so far. */
void tally_copy(struct tally *tally, const struct tally *from);
void tally_close(struct tally *tally);

/* One message that was sent. */
void tally_expect(struct tally *tally, const void *data, size_t len);
/* One that may have been sent: it may be found once more or not. */
void tally_may(struct tally *tally, const void *data, size_t len);
/* All that an ended sender has sent. */
void tally_expect_sender(struct tally *tally, const struct sender *sender);

/* Everything in the complete files of a directory. */
void tally_expect_dir(struct tally *tally, const char *dir,
		      enum framing framing);

/* One message that was found; `name` is for the report. */
void tally_find(struct tally *tally, const char *name, const char *data,
		size_t len);
/* Something that is no message was found. */
void tally_tear(struct tally *tally, const char *name, size_t left);
/* What one file holds; `name` is for the report. */
void tally_take(struct tally *tally, const char *name, enum framing framing,
		const char *data, size_t len);

/* All complete files of a directory; dot files are none. */
void tally_read(struct tally *tally, const char *dir, enum framing framing);

/* After all files: does this message lack, or is it there too often? */
bool tally_lacks(const struct tally *tally, const void *data, size_t len);
bool tally_doubles(const struct tally *tally, const void *data, size_t len);

/* Fills in lost and doubled. */
void tally_judge(struct tally *tally);
/* tally_judge(), and fails the test unless everything is there once. */
void tally_require_exact(struct tally *tally);
/*
 * The files of the bed, one message a line, hold exactly what this ended sender
 * sent; else fails the test.
 */
void tally_require_sender(const struct sender *sender);

#endif
