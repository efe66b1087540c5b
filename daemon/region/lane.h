/* SPDX-License-Identifier: MIT */
/*
 * A lane as the daemon maps it, and its records.  Nothing that stands in the
 * client's memory is believed: each word is read once and checked, and a
 * record's bytes are valid only in the copy that the reader makes of them.
 *
 * One thread at a time reads a lane: the one that holds its claim
 * (worker/lanes.h), or the recovery.  This file knows no thread.
 */
#ifndef BUFWRITER_LANE_H
#define BUFWRITER_LANE_H

#include <stdbool.h>

#include "daemon/region/lane_table.h"

struct lane {
	/* constant while it is mapped */
	struct lane_head *head; /* NULL: not mapped */
	/* `size` bytes, mapped twice in a row; written to in a large lane only */
	uint8_t *data;
	uint64_t size; /* bytes, a power of two */
	struct lane_entry *entry;
	bool kept; /* it is a copy in a file, see lane_keep.h */
};

/*
 * Makes the memory of a lane, sealed against growing, shrinking and other
 * seals, with all pages present unless it is `large`.  Returns the descriptor,
 * or -errno.
 */
int lane_make(const struct lane_entry *e);
/*
 * Maps the lane of this entry.  0; -EBADMSG: this memory was not made by
 * lane_make() for this entry; -errno.  The descriptor may be closed.
 */
int lane_map(struct lane *l, int fd, struct lane_entry *e);
/* The same of a copy that lane_keep() made.  -EBADMSG also if the copy does not
 * hold what the entry's position says is next. */
int lane_map_kept(struct lane *l, int fd, struct lane_entry *e);
void lane_unmap(struct lane *l);

/* Whoever reads the lane: how far that is. */
uint64_t lane_position(const struct lane *l);
/*
 * Whoever reads the lane: the end of the records, as the client says now.
 * False: that cannot be.
 */
bool lane_written(const struct lane *l, uint64_t *written);
/*
 * Whoever reads the lane: the same, and no record gets into the lane from here
 * on.  The client is woken if it waits for room.
 */
bool lane_seal(struct lane *l, uint64_t *written);

enum lane_found {
	LANE_NONE,   /* `to` is reached */
	LANE_FOUND,  /* *len bytes at *data */
	LANE_BROKEN, /* what stands there cannot be a record */
};

/*
 * The record at `at`, below `to`, which lane_written() has returned.  The
 * client may change the bytes meanwhile.
 */
enum lane_found lane_record(const struct lane *l, uint64_t at, uint64_t to,
			    const uint8_t **data, uint32_t *len);

/*
 * Whoever reads the lane, after the commit: the lane is taken up to there.
 * The client may reuse the room, and is woken if it waits for that.
 */
void lane_release(struct lane *l, uint64_t position);
/* Whoever reads the lane: `attended` of the head. */
void lane_attend(struct lane *l, uint64_t attended);
/* Whoever reads the lane: nothing more is taken.  The entry is CLOSED first. */
void lane_finish(struct lane *l);
/*
 * How many records lie between the position and `to`, which lane_seal() has
 * returned, as far as they make sense.
 */
uint64_t lane_count(const struct lane *l, uint64_t to);
/*
 * The end of the process, with the rest up to `to` in a copy: the client is
 * told that all of it was taken.  The entry stays OPEN.
 */
void lane_hand_over(struct lane *l, uint64_t to);
/* Recovery: the client is told what the region knows, and may write again. */
void lane_revive(struct lane *l);

#endif
