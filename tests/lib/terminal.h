/* SPDX-License-Identifier: MIT */
/*
 * A terminal with a shell in it that has job control, for what `bufwriter`
 * does on a screen.  What is left running gets a SIGHUP with the test
 * program's end, or from terminal_end().
 */
#ifndef BUFWRITER_TEST_TERMINAL_H
#define BUFWRITER_TEST_TERMINAL_H

#include <stddef.h>
#include <sys/types.h>

struct terminal {
	int fd; /* the side of the user */
	pid_t pid;
	size_t len;
	char seen[512 * 1024];
};

/*
 * Runs this as a shell's script in a terminal of so many columns and 40
 * lines.  `bufwriter` is the one under test there, with the bed's sockets.
 */
void terminal_start(struct terminal *t, int columns, const char *script);
void terminal_type(struct terminal *t, const char *keys);
/*
 * The place of this text in what was written since the start, read now; NULL:
 * it did not come yet.
 */
const char *terminal_find(struct terminal *t, const char *text);
/* 1 if the terminal is set up for lines, 0 if it is for keys. */
int terminal_cooked(const struct terminal *t);
/* Waits for the shell's end; its exit status. */
int terminal_end(struct terminal *t);

#endif
