/* SPDX-License-Identifier: MIT */
/*
 * The name of a complete file: <prefix><worker>_<daemon>_<nanoseconds><suffix>.
 * Any thread.
 */
#ifndef BUFWRITER_FILE_NAME_H
#define BUFWRITER_FILE_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"

#define FILE_NAME 256 /* NAME_MAX and its NUL */

struct file_name {
	uint64_t worker;
	uint64_t number; /* of the daemon, see region_names */
	uint64_t ns;	 /* since 1970 */
};

/* I1: the settings are bounded so that no name is cut. */
void file_name_make(const struct file_name *n, const struct config *cfg,
		    char name[FILE_NAME]);
/* True if file_name_make() gives this name with these settings. */
bool file_name_read(struct file_name *n, const struct config *cfg,
		    const char *name);

#endif
