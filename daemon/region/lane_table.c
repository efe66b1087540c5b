/* SPDX-License-Identifier: MIT */
/* See lane_table.h. */
#include "daemon/region/lane_table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/region/checksum.h"

#define PAGE 4096

size_t lane_table_bytes(uint64_t entries)
{
	size_t n = entries * sizeof(struct lane_entry);

	return (n + PAGE - 1) / PAGE * PAGE;
}

static uint64_t entry_check(const struct lane_entry *e)
{
	return checksum(CHECKSUM_START, e, offsetof(struct lane_entry, check));
}

/* relaxed: the recovery alone, or the loop thread, decides by the state */
static uint64_t state_of(const struct lane_entry *e)
{
	return load_relaxed(&e->state);
}

/* A table without entries has no place, and nothing is added to that. */
static struct lane_entry *end_of(const struct lane_table *t)
{
	return t->entries ? t->entry + t->entries : t->entry;
}

int lane_table_check(const struct lane_table *t, const char **why)
{
	const struct lane_entry *e;

	*why = "a lane's entry makes no sense";
	for (e = t->entry; e < end_of(t); e++) {
		if (state_of(e) == LANE_ENTRY_FREE)
			continue;
		if (state_of(e) > LANE_ENTRY_CLOSED || !e->id ||
		    e->id > LANE_ID_MAX || e->check != entry_check(e))
			return -EBADMSG;
	}
	return 0;
}

struct lane_entry *lane_table_find(const struct lane_table *t, uint64_t id)
{
	struct lane_entry *e;

	for (e = t->entry; e < end_of(t); e++)
		if (e->id == id && state_of(e) != LANE_ENTRY_FREE)
			return e;
	return NULL;
}

uint64_t lane_table_used(const struct lane_table *t)
{
	const struct lane_entry *e;
	uint64_t n = 0;

	for (e = t->entry; e < end_of(t); e++)
		n += state_of(e) != LANE_ENTRY_FREE;
	return n;
}

unsigned lane_table_count(const struct lane_table *t, uint32_t uid)
{
	const struct lane_entry *e;
	unsigned n = 0;

	for (e = t->entry; e < end_of(t); e++)
		n += state_of(e) == LANE_ENTRY_OPEN && e->uid == uid;
	return n;
}

unsigned lane_table_large(const struct lane_table *t, uint32_t uid,
			  unsigned *own)
{
	const struct lane_entry *e;
	unsigned all = 0;

	*own = 0;
	for (e = t->entry; e < end_of(t); e++) {
		if (state_of(e) != LANE_ENTRY_OPEN || !e->large)
			continue;
		all++;
		*own += e->uid == uid;
	}
	return all;
}

struct lane_entry *lane_table_room(const struct lane_table *t)
{
	struct lane_entry *e, *oldest = NULL;

	for (e = t->entry; e < end_of(t); e++) {
		if (state_of(e) == LANE_ENTRY_FREE)
			return e;
		/* relaxed: written before the state, by this thread */
		if (state_of(e) == LANE_ENTRY_CLOSED &&
		    (!oldest || load_relaxed(&e->closed_ns) <
					load_relaxed(&oldest->closed_ns)))
			oldest = e;
	}
	return oldest;
}

/*
 * An id is never used again: an arena's record may still name a lane that is
 * long closed, and the region may have been lost with all of them.
 */
uint64_t lane_table_new_id(const struct lane_table *t)
{
	uint64_t id;

	do {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = clock_now();
		id &= LANE_ID_MAX;
	} while (!id || lane_table_find(t, id));
	return id;
}

void lane_entry_open(struct lane_entry *e, uint64_t id, uint64_t size,
		     uint64_t large, uint32_t uid, uint32_t pid,
		     uint64_t position)
{
	assert(state_of(e) != LANE_ENTRY_OPEN && id && id <= LANE_ID_MAX);
	/* release: whoever is killed below leaves no entry */
	store_release(&e->state, LANE_ENTRY_FREE);
	e->id = id;
	e->size = size;
	e->large = large;
	e->uid = uid;
	e->pid = pid;
	e->check = entry_check(e);
	store_relaxed(&e->position, position);
	store_relaxed(&e->closed_ns, 0);
	store_relaxed(&e->unkept, 0);
	(void)FAILPOINT("lane.entry");
	/* release: all of it comes first; recovery relies on it */
	store_release(&e->state, LANE_ENTRY_OPEN);
}

void lane_entry_close(struct lane_entry *e)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	store_relaxed(&e->closed_ns, ts.tv_sec * CLOCK_SECOND + ts.tv_nsec);
	/* release: the position comes first; recovery relies on it */
	store_release(&e->state, LANE_ENTRY_CLOSED);
	(void)FAILPOINT("lane.closed");
}

void lane_table_settle(struct lane_table *t, const struct arena_record *rec)
{
	struct lane_entry *e;

	/* A large message is taken when it is in a file, and not before. */
	if (!arena_is_lane(rec) || arena_is_large(rec))
		return;
	e = lane_table_find(t, arena_lane_id(rec));
	/* Another worker may have taken more since. */
	if (e && load_relaxed(&e->position) < rec->end)
		store_relaxed(&e->position, rec->end);
}

/* Its new entry; NULL: there is none, because those there matter more. */
static struct lane_entry *carry_one(struct lane_table *to,
				    const struct lane_entry *e)
{
	struct lane_entry *new = lane_table_room(to);

	if (!new ||
	    (state_of(new) == LANE_ENTRY_CLOSED &&
	     load_relaxed(&new->closed_ns) >= load_relaxed(&e->closed_ns)))
		return NULL;
	lane_entry_open(new, e->id, e->size, e->large, e->uid, e->pid,
			load_relaxed(&e->position));
	store_relaxed(&new->unkept, load_relaxed(&e->unkept));
	return new;
}

void lane_table_carry(struct lane_table *to, const struct lane_table *from)
{
	const struct lane_entry *e;
	struct lane_entry *new;

	for (e = from->entry; e < end_of(from); e++)
		if (state_of(e) == LANE_ENTRY_OPEN)
			(void)carry_one(to, e);
	for (e = from->entry; e < end_of(from); e++) {
		if (state_of(e) != LANE_ENTRY_CLOSED)
			continue;
		new = carry_one(to, e);
		if (!new)
			continue;
		store_relaxed(&new->closed_ns, load_relaxed(&e->closed_ns));
		store_relaxed(&new->state, LANE_ENTRY_CLOSED);
	}
}
