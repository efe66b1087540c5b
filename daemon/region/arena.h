/* SPDX-License-Identifier: MIT */
/*
 * A worker's arena: framed messages one after the other, as they will stand
 * in a file, and the record of what is in it.
 *
 * The record is a cell.  There are two; `cur` counts up and its low bit says
 * which one holds.  A change writes the other cell and then moves `cur`: one
 * store, so that length, tickets and step change together or not at all, for
 * recovery and for whoever looks at a running worker.
 *
 *	FILLING ──begin_write──▶ WRITING ──begin_rename──▶ RENAMING
 *	   ▲                        ▲ (write again)            │
 *	   └────────────────────emptied────────────────────────┘
 *
 * Owned by one worker, or by the loop thread while that is lent it; only
 * arena_snapshot() is for any thread.
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
/* With the latter two: the temp file is a dot file beside the final one. */
#define ARENA_BESIDE 4

/* The numbers of a cell. */
struct arena_record {
	uint64_t step;	  /* enum arena_step, | ARENA_BESIDE */
	uint64_t len;	  /* bytes in the arena */
	uint64_t count;	  /* messages in the arena */
	uint64_t taken;	  /* messages ever committed */
	uint64_t written; /* of these, those in files */
	uint64_t skipped; /* tickets claimed that hold no message to file */
	uint64_t begin;	  /* tickets of the last commit: [begin, end) */
	uint64_t end;
	uint64_t oldest_ns; /* receipt of the oldest message, CLOCK_MONOTONIC */
};

#define ARENA_WORDS (sizeof(struct arena_record) / sizeof(uint64_t))

struct arena_cell {
	_Atomic uint64_t seq; /* the value of `cur` that selects this cell */
	_Atomic uint64_t word[ARENA_WORDS];
	_Atomic uint64_t check; /* over all of the above, and the name */
	char name[ARENA_NAME];	/* final name, unless FILLING */
};

struct arena_region {
	alignas(64) _Atomic uint64_t cur;
	alignas(64) struct arena_cell cell[2];
};

_Static_assert(sizeof(struct arena_region) % 64 == 0, "region layout");
_Static_assert(ARENA_WORDS == 9, "region layout");

struct arena {
	/* constant after start */
	alignas(64) struct arena_region *region; /* one line, one worker */
	uint8_t *data;
	uint64_t size;	   /* flush at this length */
	uint64_t capacity; /* room, at least size + a largest message */
	enum config_framing framing;
	/* worker */
	uint64_t fill; /* bytes, also of messages not yet committed */
	struct arena_record now;
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
/* Writes an empty record into new memory. */
void arena_format(struct arena *a);
/*
 * Reads the record that is there.  0, or -EBADMSG and a text in *why if a
 * living arena can not have left it.
 */
int arena_load(struct arena *a, const char **why);

/* What a message takes in the arena. */
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

/*
 * Appends one message in up to two parts behind what is there.  It does not
 * count before arena_commit().  The caller has made sure of the room.
 */
void arena_append(struct arena *a, const uint8_t *const part[2],
		  const uint32_t part_len[2], bool newline);
/*
 * Commits what was appended: `count` messages, of tickets [begin, end), the
 * others being skipped; `oldest` is the receipt of the first.
 */
void arena_commit(struct arena *a, uint64_t begin, uint64_t end, uint64_t count,
		  uint64_t oldest);

/*
 * FILLING or WRITING or RENAMING -> WRITING a file of this final name, with a
 * temp file of the kind that is recorded for recovery.
 */
void arena_begin_write(struct arena *a, const char *name, bool beside);
/* WRITING -> RENAMING: the temp file is complete. */
void arena_begin_rename(struct arena *a);
/* A new life of an empty arena: its counters start again. */
void arena_restart(struct arena *a);
/* The messages are in a file (or were of no bytes): empty and FILLING. */
void arena_emptied(struct arena *a);

/* Any thread: a consistent copy of the record. */
void arena_snapshot(const struct arena *a, struct arena_record *out);

#endif
