/* SPDX-License-Identifier: MIT */
/*
 * A text composed in memory of a fixed size.  A piece that does not fit is
 * left out whole, and `cut` says so.  Owned by one thread.
 */
#ifndef BUFWRITER_TEXT_H
#define BUFWRITER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *data;  /* always ends in a NUL */
	size_t room; /* bytes, with that of the NUL */
	size_t len;  /* bytes, without it */
	bool cut;    /* a piece was left out */
};

/* `data` has `room` bytes, at least 1, and stays the caller's. */
void text_open(struct text *t, char *data, size_t room);
void text_clear(struct text *t);
void text_add(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Adds a JSON string with its quotes; NULL becomes null.  Each byte that is not
 * UTF-8 becomes U+FFFD.
 */
void text_json(struct text *t, const char *string);
/* Adds nanoseconds as seconds, exactly. */
void text_seconds(struct text *t, uint64_t ns);

#endif
