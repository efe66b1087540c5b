/* SPDX-License-Identifier: MIT */
/* See sender_units.h. */
#include "daemon/intake/sender_units.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void sender_sums_add(struct sender_sums *to, const struct sender_sums *from)
{
	to->messages += from->messages;
	to->bytes += from->bytes;
	to->dropped += from->dropped;
}

void sender_sums_take(struct sender_sums *from, const struct sender_sums *what)
{
	assert(what->messages <= from->messages);
	assert(what->bytes <= from->bytes && what->dropped <= from->dropped);
	from->messages -= what->messages;
	from->bytes -= what->bytes;
	from->dropped -= what->dropped;
}

void sender_units_open(struct sender_units *u)
{
	static const char *const names[SENDER_UNIT_FIRST] = {
		[SENDER_UNIT_UNKNOWN] = "unknown",
		[SENDER_UNIT_NONE] = "none",
		[SENDER_UNIT_OTHER] = "other",
	};
	unsigned i;

	memset(u, 0, sizeof(*u));
	for (i = 0; i < SENDER_UNIT_FIRST; i++)
		snprintf(u->at[i].name, SENDER_UNIT_NAME, "%s", names[i]);
}

/* Its place is free from now on. */
static void retire(struct sender_units *u, struct sender_unit *unit)
{
	sender_sums_add(&u->at[SENDER_UNIT_OTHER].sums, &unit->sums);
	memset(unit, 0, sizeof(*unit));
}

/* The unit of this name, or else a place for it that is free, or NULL. */
static struct sender_unit *find(struct sender_units *u, const char *name)
{
	struct sender_unit *unit, *free = NULL, *oldest = NULL;
	unsigned i;

	for (i = SENDER_UNIT_FIRST; i < SENDER_UNITS; i++) {
		unit = &u->at[i];
		if (!unit->name[0]) {
			free = free ? free : unit;
			continue;
		}
		if (!strncmp(unit->name, name, SENDER_UNIT_NAME - 1))
			return unit;
		if (!unit->senders &&
		    (!oldest || unit->last_ns < oldest->last_ns))
			oldest = unit;
	}
	if (free || !oldest)
		return free;
	retire(u, oldest);
	return oldest;
}

void sender_units_join_at(struct sender_units *u, unsigned unit)
{
	u->at[unit].senders++;
}

unsigned sender_units_join(struct sender_units *u, const char *name,
			   const struct sender_limit *limit, uint64_t now_ns)
{
	struct sender_unit *unit;

	if (!name || !*name) {
		sender_units_join_at(u, SENDER_UNIT_NONE);
		return SENDER_UNIT_NONE;
	}
	unit = find(u, name);
	if (!unit)
		unit = &u->at[SENDER_UNIT_OTHER];
	if (!unit->name[0]) {
		snprintf(unit->name, SENDER_UNIT_NAME, "%s", name);
		unit->last_ns = now_ns;
		sender_bucket_open(&unit->bucket, limit, now_ns);
	}
	unit->senders++;
	return (unsigned)(unit - u->at);
}

void sender_units_leave(struct sender_units *u, unsigned unit)
{
	assert(u->at[unit].senders > 0);
	u->at[unit].senders--;
}

void sender_units_add(struct sender_units *u, unsigned unit,
		      const struct sender_sums *sums, uint64_t now_ns)
{
	if (!sums->messages)
		return;
	sender_sums_add(&u->at[unit].sums, sums);
	u->at[unit].last_ns = now_ns;
}
