/* SPDX-License-Identifier: MIT */
/* The command line of bufwriterd.  Main thread, before anything else. */
#ifndef BUFWRITER_ARGUMENTS_H
#define BUFWRITER_ARGUMENTS_H

#include <stddef.h>

struct arguments {
	const char *file;     /* settings, or NULL: none */
	const char **options; /* SECTION.KEY=VALUE, see arguments_free() */
	size_t noptions;
};

enum action {
	ACTION_RUN,
	ACTION_TEST,  /* check and print the settings */
	ACTION_DONE,  /* what was asked was printed */
	ACTION_WRONG, /* what is wrong was said */
};

enum action arguments_parse(struct arguments *a, int argc, char **argv);
/* The settings file that is read when none is named; NULL: there is none. */
const char *arguments_default_file(void);
void arguments_free(struct arguments *a);

#endif
