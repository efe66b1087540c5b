/* SPDX-License-Identifier: MIT */
/*
 * Reports names that the table of settings does not have, with the name that
 * the user may have meant.  `line` is as in problem.h.
 */
#ifndef BUFWRITER_CONFIG_UNKNOWN_H
#define BUFWRITER_CONFIG_UNKNOWN_H

#include "conf/problem.h"

/* Longer names are cut in messages. */
#define CONFIG_NAME_SHOWN 60

void config_unknown_section(struct problems *problems, unsigned line,
			    const char *section);

/* The section is one of the table. */
void config_unknown_key(struct problems *problems, unsigned line,
			const char *section, const char *key);

#endif
