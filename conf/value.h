/* SPDX-License-Identifier: MIT */
/*
 * One value: from text to number and back, by its type.  Knows no setting
 * and no bounds.  Any thread.
 */
#ifndef BUFWRITER_VALUE_H
#define BUFWRITER_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each type means stands at the head of config.def. */
enum value_type {
	VALUE_SIZE,
	VALUE_DURATION,
	VALUE_PATIENCE,
	VALUE_COUNT,
	VALUE_MODE,
	VALUE_PATH,
	VALUE_SOCKET,
	VALUE_SOCKETS,
	VALUE_NAME,
	VALUE_GROUP,
	VALUE_TEXT,
	VALUE_FRAMING,
	VALUE_STRIP,
	VALUE_SYNC,
	VALUE_COMPRESSION,
	VALUE_FULL,
	VALUE_SWITCH,
	VALUE_BY,
	VALUE_LEVEL
};

/* True for the types that are kept as const char *. */
bool value_is_text(enum value_type type);

/* True for the texts that are paths. */
bool value_is_path(enum value_type type);

/*
 * The next path of a VALUE_SOCKETS, copied with a NUL; *at moves behind it.
 * False: there is none.  A path that is too long is cut.
 */
#define VALUE_SOCKET_PATH 108
bool value_next_path(const char **at, char path[VALUE_SOCKET_PATH]);

/* True for the types that are enums, written as words. */
bool value_is_word(enum value_type type);

/*
 * Stores in *number what `text`, already trimmed, stands for: a number in the
 * type's unit, the value of an enum, or the length of a text in bytes.
 * Returns NULL, or what is wrong in words that follow the value:
 * `"5" has no unit`.
 */
const char *value_parse(enum value_type type, const char *text,
			uint64_t *number);

/*
 * Writes a number as value_parse() would read it, in the largest unit that
 * loses nothing.  Not for texts.
 */
void value_format(enum value_type type, uint64_t number, char *out,
		  size_t room);

/* The word for the value of an enum. */
const char *value_word(enum value_type type, unsigned value);

/* Lists the words of an enum, with `last` before the last of them. */
void value_words(enum value_type type, const char *between, const char *last,
		 char *out, size_t room);

#endif
