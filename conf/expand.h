/* SPDX-License-Identifier: MIT */
/*
 * The % words: %H the host's name, %i the instance, %m the machine id, %% a
 * percent sign.  Any thread.
 */
#ifndef BUFWRITER_EXPAND_H
#define BUFWRITER_EXPAND_H

/* Room for what is wrong with a text. */
#define EXPAND_WRONG 256

/*
 * A copy of `text` with its % words replaced, to be freed.  NULL: `wrong` says
 * what is wrong and what is allowed, or is empty without memory.
 */
char *expand_words(const char *text, const char *instance,
		   char wrong[EXPAND_WRONG]);

/* Replaces what a file name cannot hold, in a text from outside. */
void expand_clean(char *text);

#endif
