/* SPDX-License-Identifier: MIT */
/*
 * Reads JSON where it stands, for the daemon's answers.  A value is a pointer
 * to its first byte inside a text that json_valid() has accepted; NULL is a
 * value that is not there, and every function takes it.  Nothing is
 * allocated.
 */
#ifndef BUFWRITER_JSON_H
#define BUFWRITER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if text is one JSON value and nothing else. */
bool json_valid(const char *text);

/*
 * The value at a path such as "messages.received" below an object; NULL if
 * there is none.  A null in the text is NULL too.
 */
const char *json_at(const char *value, const char *path);
/* The element of an array; NULL behind the last. */
const char *json_item(const char *array, unsigned index);

bool json_is_string(const char *value);
/* A number; 0 for anything else. */
double json_number(const char *value);
uint64_t json_count(const char *value);

/*
 * A string into out[room], cut if it is longer; "" for anything else.
 * Returns its length, as if there were room.
 */
size_t json_string(const char *value, char *out, size_t room);

#endif
