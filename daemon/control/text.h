/* SPDX-License-Identifier: MIT */
/*
 * Text that is put together in memory of a fixed size.  A piece that does
 * not fit is left out whole, and the text remembers that it was cut.
 * Owned by one thread.
 */
#ifndef BUFWRITER_TEXT_H
#define BUFWRITER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *data; /* always ends in a NUL */
	size_t room;
	size_t len;
	bool cut;
};

/* `data` has room bytes, at least 1, and stays the caller's. */
void text_open(struct text *t, char *data, size_t room);
void text_clear(struct text *t);
void text_add(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * A JSON string with its quotes.  Bytes that are no UTF-8 become U+FFFD.
 * NULL becomes null.
 */
void text_json(struct text *t, const char *string);
/* Nanoseconds as seconds, exactly. */
void text_seconds(struct text *t, unsigned long long ns);

#endif
