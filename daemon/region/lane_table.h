/* SPDX-License-Identifier: MIT */
/*
 * The lane table of a region: one entry for each lane that was given out.  It
 * says how far the daemon has read a lane whose memory only the client and
 * systemd still have.  An entry is taken from the loop thread, or by the
 * recovery before the workers start; `position` and `state` of an OPEN entry
 * belong to whoever holds the claim of that lane.
 */
#ifndef BUFWRITER_LANE_TABLE_H
#define BUFWRITER_LANE_TABLE_H

#include <stdbool.h>

#include "daemon/region/arena.h"
#include "daemon/region/lane_layout.h"

/* More than lanes.count allows, twice. */
#define LANE_TABLE_MOST 4096

struct lane_table {
	/* constant after start */
	struct lane_entry *entry;
	uint64_t entries;
};

/* Large lanes at one time, in all.  lanes.count does not include them. */
#define LANE_TABLE_LARGE 2

/* Entries for lanes that are OPEN, and for as many that are CLOSED. */
static inline uint64_t lane_table_entries(uint64_t lanes_count)
{
	return lanes_count ? 2 * (lanes_count + LANE_TABLE_LARGE) : 0;
}

/* Bytes of the region for so many entries, a multiple of the page size. */
size_t lane_table_bytes(uint64_t entries);
/*
 * Reads what a dead process left.  0, or -EBADMSG and a text in *why if the
 * daemon cannot have left it.
 */
int lane_table_check(const struct lane_table *t, const char **why);

/* The entry of this lane, OPEN or CLOSED; NULL: there is none. */
struct lane_entry *lane_table_find(const struct lane_table *t, uint64_t id);
/* A FREE entry, or the one that was CLOSED first; NULL: all are OPEN. */
struct lane_entry *lane_table_room(const struct lane_table *t);
/* An id that no lane has or had. */
uint64_t lane_table_new_id(const struct lane_table *t);
/* Makes this entry, which is not OPEN, that of a new lane. */
void lane_entry_open(struct lane_entry *e, uint64_t id, uint64_t size,
		     uint64_t large, uint32_t uid, uint32_t pid,
		     uint64_t position);
/* Entries that are OPEN or CLOSED. */
uint64_t lane_table_used(const struct lane_table *t);
/* OPEN entries of this user. */
unsigned lane_table_count(const struct lane_table *t, uint32_t uid);
/* OPEN entries of large lanes; *own: those of this user. */
unsigned lane_table_large(const struct lane_table *t, uint32_t uid,
			  unsigned *own);
/* From now on `position` is final. */
void lane_entry_close(struct lane_entry *e);
/*
 * Recovery: what this record has taken from a lane was taken, although the
 * dead process had not written that into the entry.
 */
void lane_table_settle(struct lane_table *t, const struct arena_record *rec);
/*
 * Recovery: copies what is OPEN or CLOSED into a new, empty table.  A smaller
 * one gets what is OPEN, and then what was CLOSED last.
 */
void lane_table_carry(struct lane_table *to, const struct lane_table *from);

static inline unsigned lane_entry_index(const struct lane_table *t,
					const struct lane_entry *e)
{
	return e - t->entry;
}

#endif
