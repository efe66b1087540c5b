/* SPDX-License-Identifier: MIT */
/* See file_name.h. */
#include "daemon/filing/file_name.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void file_name_make(const struct file_name *n, const struct config *cfg,
		    char name[FILE_NAME])
{
	int len = snprintf(name, FILE_NAME,
			   "%s%" PRIu64 "_%" PRIu64 "_%" PRIu64 "%s",
			   cfg->prefix, n->worker, n->number, n->ns,
			   cfg->suffix);

	assert(len > 0 && len < FILE_NAME);
}

/* A number as printf(3) writes it; *at is behind it then. */
static bool read_number(const char **at, uint64_t *number)
{
	const char *from = *at;

	if (!isdigit((unsigned char)*from) ||
	    (*from == '0' && isdigit((unsigned char)from[1])))
		return false;
	for (*number = 0; isdigit((unsigned char)**at); ++*at)
		if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
		    __builtin_add_overflow(*number, (uint64_t)(**at - '0'),
					   number))
			return false;
	return true;
}

bool file_name_read(struct file_name *n, const struct config *cfg,
		    const char *name)
{
	size_t prefix = strlen(cfg->prefix);
	const char *at = name + prefix;

	return !strncmp(name, cfg->prefix, prefix) &&
	       read_number(&at, &n->worker) && *at++ == '_' &&
	       read_number(&at, &n->number) && *at++ == '_' &&
	       read_number(&at, &n->ns) && !strcmp(at, cfg->suffix);
}
