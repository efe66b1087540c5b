/* SPDX-License-Identifier: MIT */
/*
 * A terminal as a screen of lines, with plain ANSI sequences (ECMA-48, and
 * xterm's private modes 25 and 1049): the alternate screen, no cursor, keys as
 * they are typed.
 *
 * Single-threaded.  There is one screen a process, and its memory is static.
 * A signal that can be caught does not kill the program while the screen is
 * open: screen_wait() returns SCREEN_END, so that screen_close() can restore
 * the terminal.
 */
#ifndef BUFWRITER_SCREEN_H
#define BUFWRITER_SCREEN_H

#include <stdbool.h>

/* What screen_wait() returns if it is not a key: */
#define SCREEN_NOTHING 0 /* the time is over */
#define SCREEN_CHANGED 1 /* the terminal changed; draw a new frame */
#define SCREEN_END 2	 /* the program must end */

struct screen;

/*
 * NULL if there can be a screen.  Otherwise a sentence with the reason:
 * standard input or output is not a terminal, or one without these sequences.
 */
const char *screen_refusal(void);
/* Sets the terminal up.  NULL: that failed. */
struct screen *screen_open(void);
/* Restores the terminal.  Returns 0, or the signal that ends the program. */
int screen_close(struct screen *s);

/*
 * A frame: screen_begin(), lines from the top, screen_end().  Lines that are
 * too long are cut; lines below the last row are left out.
 */
void screen_begin(struct screen *s);
void screen_line(struct screen *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, in reverse video. */
void screen_title(struct screen *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void screen_end(struct screen *s);

/*
 * Waits at most timeout_ms for a key.  Returns its character, or one of the
 * values above.
 */
int screen_wait(struct screen *s, int timeout_ms);

#endif
