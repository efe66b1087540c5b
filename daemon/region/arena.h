/* SPDX-License-Identifier: MIT */
/*
 * A worker's arena: framed messages one after the other, as they will stand
 * in a file, and the record of what is in it.
 *
 * The record is a cell.  There are two cells; `cur` counts changes, and its
 * low bit selects the cell that holds.  A change writes the other cell and
 * then moves `cur`: one store, so that length, tickets and step change
 * together or not at all, for recovery and for whoever reads the record of a
 * running worker.
 *
 *	FROM               TO        FUNCTION
 *	FILLING            FILLING   arena_commit(), arena_commit_lane()
 *	FILLING, WRITING   WRITING   arena_begin_write()
 *	WRITING            RENAMING  arena_begin_rename()
 *	RENAMING           WRITING   arena_undo_rename()
 *	RENAMING           FILLING   arena_emptied()
 *	FILLING            FILLING   arena_emptied(), of messages without bytes
 *
 * What holds in each step:
 *
 *	FILLING   No file was begun.
 *	WRITING   The temp file, if there is one, may be incomplete.
 *	RENAMING  The temp file was complete.  If it is gone, the final file
 *		  exists, or existed until a shipper took it.
 *
 * One thread owns an arena: its worker, or the loop thread while the arena is
 * lent.  Any thread may call arena_snapshot().
 */
#ifndef BUFWRITER_ARENA_H
#define BUFWRITER_ARENA_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"

/* NAME_MAX and its NUL, a multiple of 8 */
#define ARENA_NAME 256

enum arena_step { ARENA_FILLING, ARENA_WRITING, ARENA_RENAMING };

/* Where the temp file is.  While FILLING: ARENA_IN_TEMP. */
enum arena_where {
	ARENA_IN_TEMP,	    /* in files.temp, under the final name */
	ARENA_BESIDE_FINAL, /* in files.path, a dot before the final name */
};

/*
 * The numbers of a cell, as they stand in the region.  Two of them say two
 * things, by a bit of their own: ARENA_FROM_LANE in `where`, ARENA_LANE in
 * `begin`.  A word more would be another format of the region, and a longer
 * record to write and to sum for each commit.  Only arena.c knows the bits;
 * others ask arena_is_large(), arena_is_beside(), arena_is_lane() and
 * arena_lane_id().
 */
struct arena_record {
	uint64_t step;	    /* enum arena_step */
	uint64_t where;	    /* enum arena_where, ARENA_FROM_LANE */
	uint64_t len;	    /* bytes in the arena */
	uint64_t count;	    /* messages in the arena */
	uint64_t taken;	    /* messages ever committed */
	uint64_t lanes;	    /* of these, those from lanes */
	uint64_t skipped;   /* tickets claimed that hold no message to file */
	uint64_t begin;	    /* tickets of the last commit: [begin, end); or */
	uint64_t end;	    /* ARENA_LANE | id of a lane, and its position */
	uint64_t oldest_ns; /* receipt of the oldest message, CLOCK_MONOTONIC */
};

/* With either enum arena_where: the bytes are in a large lane. */
#define ARENA_FROM_LANE 2
/* `begin` is the id of a lane; a ticket has 56 bits, and an id 63. */
#define ARENA_LANE (UINT64_C(1) << 63)

/* Are the bytes those of a large lane?  See arena_begin_large(). */
static inline bool arena_is_large(const struct arena_record *rec)
{
	return rec->where & ARENA_FROM_LANE;
}

/* Is the temp file beside the final one? */
static inline bool arena_is_beside(const struct arena_record *rec)
{
	return rec->where & ARENA_BESIDE_FINAL;
}

/* Was the last commit of a lane?  See arena_commit_lane(). */
static inline bool arena_is_lane(const struct arena_record *rec)
{
	return rec->begin & ARENA_LANE;
}

/* Of which one? */
static inline uint64_t arena_lane_id(const struct arena_record *rec)
{
	return rec->begin & ~ARENA_LANE;
}

/* Messages in files: all that were committed and are not in the arena. */
static inline uint64_t arena_written(const struct arena_record *rec)
{
	return rec->taken - rec->count;
}

#define ARENA_WORDS (sizeof(struct arena_record) / sizeof(uint64_t))

struct arena_cell {
	_Atomic uint64_t seq; /* the value of `cur` that selects this cell */
	_Atomic uint64_t word[ARENA_WORDS]; /* struct arena_record */
	_Atomic uint64_t check; /* over all of the above, and the name */
	char name[ARENA_NAME];	/* final name, unless FILLING */
};

struct arena_region {
	alignas(64) _Atomic uint64_t cur;
	alignas(64) struct arena_cell cell[2];
};

_Static_assert(ARENA_WORDS == 10, "region layout");
_Static_assert(sizeof(struct arena_cell) == 352, "region layout");
_Static_assert(sizeof(struct arena_region) == 768, "region layout");

struct arena {
	/* constant after start */
	alignas(64) struct arena_region *region; /* one line, one worker */
	uint8_t *data;
	uint64_t size;	   /* bytes; the arena is flushed at this length */
	uint64_t capacity; /* bytes, at least size + a largest message */
	enum config_framing framing;
	enum config_strip strip; /* of messages from the ring, see strip.h */
	/* the owner */
	uint64_t fill; /* bytes, also of messages that are not committed */
	struct arena_record now;
	bool large; /* `data` is in a large lane */
	char name[ARENA_NAME];
};

/* Most bytes that framing adds to a message. */
#define ARENA_FRAME 4

/* Bytes of the region for one arena, a multiple of the page size; 0 if that
 * is out of all bounds. */
size_t arena_bytes(uint64_t size, uint64_t max_message);

/* The view of an arena at mem.  Before threads start. */
void arena_open(struct arena *a, void *mem, uint64_t size, uint64_t max_message,
		enum config_framing framing);
/* Writes an empty record into new memory.  Before threads start. */
void arena_format(struct arena *a);
/*
 * Reads the record that a dead process left.  0, or -EBADMSG and a text in
 * *why if the daemon cannot have left it.
 */
int arena_load(struct arena *a, const char **why);
/* The checksum of a record with this `seq`. */
uint64_t arena_check(uint64_t seq, const struct arena_record *rec,
		     const char name[ARENA_NAME]);

/* Bytes that a message takes in the arena. */
static inline uint64_t arena_cost(const struct arena *a, uint32_t len,
				  bool newline)
{
	switch (a->framing) {
	case FRAMING_NEWLINE:
		return len + (len && !newline);
	case FRAMING_LENGTH:
		return len + 4;
	case FRAMING_NONE:
	default:
		return len;
	}
}

static inline bool arena_is_empty(const struct arena *a)
{
	return a->now.count == 0;
}

/* Is everything that was appended committed, so that no claim is open? */
static inline bool arena_is_settled(const struct arena *a)
{
	return a->fill == a->now.len;
}

/*
 * Appends one message in up to two parts.  The message does not count before
 * arena_commit().  The caller has ensured that there is room.
 */
void arena_append(struct arena *a, const uint8_t *const part[2],
		  const uint32_t part_len[2], bool newline);
/* The same, with these bytes of the daemon in front of the message. */
void arena_append_behind(struct arena *a, const uint8_t *front,
			 uint32_t front_len, const uint8_t *const part[2],
			 const uint32_t part_len[2], bool newline);
/*
 * Commits what was appended: `count` messages of the tickets [begin, end); the
 * other tickets are skipped.  `oldest_ns` is the receipt of the first message.
 */
void arena_commit(struct arena *a, uint64_t begin, uint64_t end, uint64_t count,
		  uint64_t oldest_ns);
/*
 * The same for `count` messages of the lane `id`, which is taken up to the
 * position `end` by that.
 */
void arena_commit_lane(struct arena *a, uint64_t id, uint64_t end,
		       uint64_t count, uint64_t oldest_ns);

/*
 * The empty arena stands for the one message of the large lane `id`, whose
 * `len` framed bytes are at `data`; the lane is taken up to `end` when they are
 * in a file.  Until the file is begun the record says nothing of it.
 */
void arena_begin_large(struct arena *a, uint64_t id, uint64_t end,
		       uint8_t *data, uint64_t len, uint64_t now_ns);
/* The arena is empty again, and has its own memory. */
void arena_end_large(struct arena *a);
/*
 * Recovery: the file of a large message was not finished.  The message is
 * still in its lane, so the arena holds none.
 */
void arena_forget_large(struct arena *a);

/*
 * A file of this final name is begun, with its temp file there.  `name` may be
 * a->name itself: the same name again.
 */
void arena_begin_write(struct arena *a, const char *name,
		       enum arena_where where);
/* The temp file is complete. */
void arena_begin_rename(struct arena *a);
/* The rename failed: the temp file will be deleted. */
void arena_undo_rename(struct arena *a);
/* The messages are in a file, or had no bytes. */
void arena_emptied(struct arena *a);
/* A new life of an empty arena: its counters start again. */
void arena_restart(struct arena *a);

/* Any thread: a consistent copy of the record. */
void arena_snapshot(const struct arena *a, struct arena_record *out);

#endif
