/* SPDX-License-Identifier: MIT */
/*
 * A bounded set of file names.  Any one thread at a time.
 */
#ifndef BUFWRITER_SHIP_NAMES_H
#define BUFWRITER_SHIP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names {
	char **slot; /* a hash table; NULL before the first name */
	size_t slots;
	size_t n;
	size_t max;
};

/* An empty set of at most `max` names. */
void names_init(struct names *names, size_t max);
void names_free(struct names *names);

bool names_has(const struct names *names, const char *name);
/*
 * Adds a copy of the name.  True if it is new; false if it was there, or if
 * the set is full or there is no memory.
 */
bool names_add(struct names *names, const char *name);

#endif
