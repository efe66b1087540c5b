/* SPDX-License-Identifier: MIT */
/*
 * A terminal as a screen of lines, with plain ANSI sequences: the alternate
 * screen, no cursor, keys as they are typed.  The terminal is given back by
 * screen_close(), also when the program ends by a signal that can be caught.
 */
#ifndef BUFWRITER_SCREEN_H
#define BUFWRITER_SCREEN_H

#include <stdbool.h>

/* Key of screen_wait(): none, the time is over; the terminal has changed. */
#define SCREEN_NOTHING 0
#define SCREEN_CHANGED 1
/* The program is to end. */
#define SCREEN_END 2

struct screen;

/*
 * NULL, or a sentence that says why there can be no screen: standard input or
 * output is no terminal, or one that does not know these sequences.
 */
const char *screen_refusal(void);
/* Takes the terminal.  NULL: it can not be set up. */
struct screen *screen_open(void);
/* Gives it back.  0, or the signal that asked for the end. */
int screen_close(struct screen *s);

/* A frame: begin, lines from the top, end.  What is too long is cut. */
void screen_begin(struct screen *s);
void screen_line(struct screen *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The next line, in reverse. */
void screen_title(struct screen *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void screen_end(struct screen *s);

/* Waits for a key, as its character, or one of the above; ms at most. */
int screen_wait(struct screen *s, int ms);

#endif
