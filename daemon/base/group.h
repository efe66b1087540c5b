/* SPDX-License-Identifier: MIT */
/* Groups of the system.  Before other threads look one up. */
#ifndef BUFWRITER_GROUP_H
#define BUFWRITER_GROUP_H

#include <sys/types.h>

/* Group by name or number: 0 and *gid, or -ENOENT. */
int group_find(const char *name, gid_t *gid);

#endif
