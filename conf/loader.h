/* SPDX-License-Identifier: MIT */
/*
 * What loading collects until there is a struct config to hand out.  One
 * thread.
 */
#ifndef BUFWRITER_LOADER_H
#define BUFWRITER_LOADER_H

#include <stdbool.h>

#include "conf/problem.h"
#include "conf/setting.h"

struct loader {
	struct config *cfg;
	struct problems problems;
	bool again; /* the daemon runs: no waiting, no pipe */
	bool out_of_memory;
	/* where each key was given: a line, or one of problem.h's places */
	unsigned line[SETTINGS];
};

/*
 * Sets one value, given at `line`, and reports what is wrong with it.  A file
 * may give a key once; an option may repeat one, and the last one wins.
 */
void loader_set(struct loader *load, const struct setting *set, unsigned line,
		const char *value);

/* Sets all values to their defaults; load->out_of_memory says if it failed. */
void loader_set_defaults(struct loader *load);

/* The line that gave the setting its value, or PROBLEM_NO_LINE. */
unsigned loader_line(const struct loader *load, const struct setting *set);

/* Reports what is wrong with a setting, where it was given. */
void loader_problem(struct loader *load, const struct setting *set,
		    const char *text);

#endif
