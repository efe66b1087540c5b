/* SPDX-License-Identifier: MIT */
/* The command line of bufwriterd.  Main thread, before anything else. */
#ifndef BUFWRITER_ARGUMENTS_H
#define BUFWRITER_ARGUMENTS_H

#include <stddef.h>

struct arguments {
	const char *file;     /* settings, or NULL: none */
	const char **options; /* SECTION.KEY=VALUE each */
	size_t noptions;
	const char *region; /* of --is-clean */
};

enum action {
	ACTION_RUN,
	ACTION_TEST,  /* check and print the settings */
	ACTION_CLEAN, /* is a->region clean? */
	ACTION_DONE,  /* exit: the help or the version is printed */
	ACTION_WRONG, /* exit: the error is printed */
};

/* Prints help, version and errors.  The strings of argv stay in use. */
enum action arguments_parse(struct arguments *a, int argc, char **argv);
/* The settings file without -c; NULL: there is none. */
const char *arguments_default_file(void);
/* Frees the list of options. */
void arguments_free(struct arguments *a);

#endif
