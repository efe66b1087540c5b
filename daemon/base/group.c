/* SPDX-License-Identifier: MIT */
/* See group.h. */
#include "daemon/base/group.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <stdlib.h>

int group_find(const char *name, gid_t *gid)
{
	struct group *g = getgrnam(name);
	unsigned long n;
	char *end;

	if (g) {
		*gid = g->gr_gid;
		return 0;
	}
	if (!isdigit((unsigned char)*name))
		return -ENOENT;
	n = strtoul(name, &end, 10);
	if (*end || n >= (gid_t)-1)
		return -ENOENT;
	*gid = n;
	return 0;
}
