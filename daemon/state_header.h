/* SPDX-License-Identifier: MIT */
/*
 * What a region says about itself: made, checked, and the directories that
 * its renames go to.  For state.c, and for nobody else.  Main thread.
 */
#ifndef BUFWRITER_STATE_HEADER_H
#define BUFWRITER_STATE_HEADER_H

#include "state.h"

/* Formats the text and returns err. */
int state_failed(struct state_error *error, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The header of an empty region for these settings. */
void state_describe(struct state_header *h, const struct config *cfg);
/*
 * Is this header, of a file of this many bytes, one that state_describe()
 * could have made?  0, or -EBADMSG with a text.
 */
int state_check_header(const struct state_header *h, size_t bytes,
		       struct state_error *error);
/* Is it of this boot, or of an orderly end?  0, or -EBADMSG with a text. */
int state_check_boot(struct state_header *h, struct state_error *error);

#endif
