/* SPDX-License-Identifier: MIT */
/*
 * Reads JSON in place, for the daemon's answers; see RFC 8259.
 *
 * A value is a pointer to its first byte, inside a text that json_valid() has
 * accepted, and is valid as long as the text is.  NULL is a value that does
 * not exist; every function accepts it.  Nothing is allocated.  Any thread.
 */
#ifndef BUFWRITER_JSON_H
#define BUFWRITER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if text is one JSON value and nothing else. */
bool json_valid(const char *text);

/*
 * The value at a path such as "messages.received" below an object.  NULL if it
 * does not exist or is `null`.
 */
const char *json_at(const char *value, const char *path);
/* An element of an array, from 0.  NULL behind the last, or if it is `null`. */
const char *json_item(const char *array, unsigned index);

bool json_is_string(const char *value);
/* The value of a number; 0 for anything else. */
double json_number(const char *value);
/* The same for whole numbers, exactly; 0 also for a negative number. */
uint64_t json_count(const char *value);
/* Is it `true`?  No value is not. */
bool json_is_true(const char *value);

/*
 * Copies a string to out[room], decoded to UTF-8, and ends it with a NUL; if
 * it does not fit, only its beginning.  Anything but a string gives "".
 * Returns the length of the whole string in bytes.  room may be 0.
 */
size_t json_string(const char *value, char *out, size_t room);

#endif
