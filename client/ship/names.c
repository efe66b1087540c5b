/* SPDX-License-Identifier: MIT */
/* See names.h. */
#include "client/ship/names.h"

#include <stdlib.h>
#include <string.h>

void names_init(struct names *names, size_t max)
{
	*names = (struct names){ .max = max };
}

void names_free(struct names *names)
{
	size_t i;

	for (i = 0; i < names->slots; i++)
		free(names->slot[i]);
	free(names->slot);
	names_init(names, names->max);
}

/* FNV-1a. */
static size_t hash(const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
	return h ^ h >> 32;
}

/* The slot of the name, or the empty one in which it would be. */
static char **find(const struct names *names, const char *name)
{
	size_t i = hash(name) & (names->slots - 1);

	while (names->slot[i] && strcmp(names->slot[i], name))
		i = (i + 1) & (names->slots - 1);
	return &names->slot[i];
}

bool names_has(const struct names *names, const char *name)
{
	return names->n && *find(names, name);
}

/* At most half of the slots are in use. */
static bool grow(struct names *names)
{
	struct names more = *names;
	size_t i;

	more.slots = names->slots ? 2 * names->slots : 64;
	more.slot = calloc(more.slots, sizeof(*more.slot));
	if (!more.slot)
		return false;
	for (i = 0; i < names->slots; i++)
		if (names->slot[i])
			*find(&more, names->slot[i]) = names->slot[i];
	free(names->slot);
	*names = more;
	return true;
}

bool names_add(struct names *names, const char *name)
{
	char **slot;

	if (names->n == names->max ||
	    (2 * names->n >= names->slots && !grow(names)))
		return false;
	slot = find(names, name);
	if (*slot)
		return false;
	*slot = strdup(name);
	names->n += *slot != NULL;
	return *slot;
}
