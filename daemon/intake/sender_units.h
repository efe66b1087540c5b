/* SPDX-License-Identifier: MIT */
/*
 * What the processes of each systemd unit have sent: the sums of senders.h, in a
 * table of a fixed size.
 *
 * A sum only rises as long as its unit is in the table.  When the table is full,
 * the unit that nobody of the known senders belongs to, and that sent longest
 * ago, gives way to a new one, and its sums go to `other`.  If there is none,
 * the new one counts as `other` itself.  So the sums over all units are what
 * was sent, always.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_SENDER_UNITS_H
#define BUFWRITER_SENDER_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/intake/sender_rate.h"

/* Room for a name with its NUL; a longer one is cut. */
#define SENDER_UNIT_NAME 128
#define SENDER_UNITS 64

/*
 * The first ones are no names of units, because those end in .service, .scope
 * and so on.
 */
enum {
	SENDER_UNIT_UNKNOWN, /* it ended too early, or cannot be seen */
	SENDER_UNIT_NONE,    /* the process is in no unit */
	SENDER_UNIT_OTHER,   /* of all that found no place */
	SENDER_UNIT_FIRST
};

struct sender_sums {
	uint64_t messages; /* received from it */
	uint64_t bytes;	   /* of these */
	uint64_t dropped;  /* of these, for whatever reason */
};

void sender_sums_add(struct sender_sums *to, const struct sender_sums *from);
void sender_sums_take(struct sender_sums *from, const struct sender_sums *what);

struct sender_unit {
	char name[SENDER_UNIT_NAME]; /* empty: this place is free */
	struct sender_sums sums;
	unsigned senders;	     /* that belong to it */
	uint64_t last_ns;	     /* when one of them counted last */
	struct sender_bucket bucket; /* with senders.by = unit */
};

struct sender_units {
	struct sender_unit at[SENDER_UNITS];
};

void sender_units_open(struct sender_units *u);
/*
 * The unit of this name for one more sender; NULL or "": of none.  One that is
 * not there yet gets a full bucket.
 */
unsigned sender_units_join(struct sender_units *u, const char *name,
			   const struct sender_limit *limit, uint64_t now_ns);
/* The same of one of the enum above. */
void sender_units_join_at(struct sender_units *u, unsigned unit);
/* The sender does not belong to it any more. */
void sender_units_leave(struct sender_units *u, unsigned unit);
/* A sender of the unit sent so much. */
void sender_units_add(struct sender_units *u, unsigned unit,
		      const struct sender_sums *sums, uint64_t now_ns);

/* Is there a unit at this place, or sums? */
static inline bool sender_units_has(const struct sender_units *u, unsigned unit)
{
	return u->at[unit].name[0] && u->at[unit].sums.messages;
}

#endif
