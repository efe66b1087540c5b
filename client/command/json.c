/* SPDX-License-Identifier: MIT */
/* See json.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/command/json.h"

/* How deep values may be nested.  The daemon's answers reach 4. */
#define DEPTH 32

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/*
 * Each skip function takes the first byte of something.  It returns the byte
 * behind it, or NULL if the text is not valid there.
 */

static const char *skip_hex(const char *p)
{
	return strspn(p, "0123456789abcdefABCDEF") >= 4 ? p + 4 : NULL;
}

static const char *skip_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	while (*p != '"') {
		if ((unsigned char)*p < ' ')
			return NULL; /* also at the end of the text */
		if (*p++ != '\\')
			continue;
		if (*p == 'u')
			p = skip_hex(p + 1);
		else if (*p && strchr("\"\\/bfnrt", *p))
			p++;
		else
			return NULL;
		if (!p)
			return NULL;
	}
	return p + 1;
}

static const char *skip_digits(const char *p)
{
	size_t n = strspn(p, "0123456789");

	return n ? p + n : NULL;
}

static const char *skip_number(const char *p)
{
	if (*p == '-')
		p++;
	if (*p == '0')
		p++;
	else
		p = skip_digits(p);
	if (p && *p == '.')
		p = skip_digits(p + 1);
	if (p && (*p == 'e' || *p == 'E')) {
		p++;
		if (*p == '+' || *p == '-')
			p++;
		p = skip_digits(p);
	}
	return p;
}

static const char *skip_value(const char *p, unsigned depth);

/* One member of an object or element of an array. */
static const char *skip_entry(const char *p, bool object, unsigned depth)
{
	if (object) {
		p = skip_string(p);
		if (!p)
			return NULL;
		p = skip_space(p);
		if (*p++ != ':')
			return NULL;
		p = skip_space(p);
	}
	p = skip_value(p, depth);
	return p ? skip_space(p) : NULL;
}

static const char *skip_group(const char *p, unsigned depth)
{
	bool object = *p == '{';
	char end = object ? '}' : ']';

	if (!depth)
		return NULL;
	p = skip_space(p + 1);
	if (*p == end)
		return p + 1;
	for (;;) {
		p = skip_entry(p, object, depth - 1);
		if (!p)
			return NULL;
		if (*p == end)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = skip_space(p + 1);
	}
}

static const char *skip_value(const char *p, unsigned depth)
{
	static const char *const words[] = { "null", "true", "false" };
	size_t i;

	if (*p == '{' || *p == '[')
		return skip_group(p, depth);
	if (*p == '"')
		return skip_string(p);
	for (i = 0; i < 3; i++)
		if (!strncmp(p, words[i], strlen(words[i])))
			return p + strlen(words[i]);
	return skip_number(p);
}

bool json_valid(const char *text)
{
	const char *p = skip_value(skip_space(text), DEPTH);

	return p && !*skip_space(p);
}

/* NULL for `null`. */
static const char *not_null(const char *value)
{
	return *value != 'n' ? value : NULL;
}

/* From a value in valid text to the next one, or to the end of the group. */
static const char *skip_next(const char *p)
{
	p = skip_value(p, DEPTH);
	assert(p);
	p = skip_space(p);
	assert(*p == ',' || *p == '}' || *p == ']');
	return *p == ',' ? skip_space(p + 1) : p;
}

/*
 * A member of an object by the `len` bytes of its name.  The daemon's names
 * have no escapes.
 */
static const char *member(const char *p, const char *name, size_t len)
{
	const char *key;

	if (!p || *p != '{')
		return NULL;
	p = skip_space(p + 1);
	while (*p == '"') {
		key = p + 1;
		p = skip_string(p);
		assert(p);
		p = skip_space(skip_space(p) + 1);
		if (!strncmp(key, name, len) && key[len] == '"')
			return not_null(p);
		p = skip_next(p);
	}
	return NULL;
}

const char *json_at(const char *value, const char *path)
{
	size_t len;

	if (value)
		value = skip_space(value);
	for (; value; path += len + 1) {
		len = strcspn(path, ".");
		value = member(value, path, len);
		if (!path[len])
			break;
	}
	return value;
}

const char *json_item(const char *array, unsigned index)
{
	const char *p = array;

	if (!p || *p != '[')
		return NULL;
	p = skip_space(p + 1);
	while (*p != ']') {
		if (!index--)
			return not_null(p);
		p = skip_next(p);
	}
	return NULL;
}

bool json_is_string(const char *value)
{
	return value && *value == '"';
}

static bool is_number(const char *value)
{
	return value && strchr("-0123456789", *value);
}

bool json_is_true(const char *value)
{
	return value && *value == 't';
}

double json_number(const char *value)
{
	return is_number(value) ? strtod(value, NULL) : 0;
}

uint64_t json_count(const char *value)
{
	return is_number(value) && *value != '-' ? strtoull(value, NULL, 10) :
						   0;
}

/*
 * Encodes a code point as UTF-8 and returns the bytes it takes.  Half a
 * surrogate pair becomes U+FFFD.
 */
static size_t encode(unsigned code, char out[4])
{
	if (code >= 0xd800 && code < 0xe000)
		code = 0xfffd;
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | code >> 12);
	out[1] = (char)(0x80 | (code >> 6 & 0x3f));
	out[2] = (char)(0x80 | (code & 0x3f));
	return 3;
}

/* Decodes one character of a string in valid text, and advances *p. */
static size_t decode(const char **p, char out[4])
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	char hex[5] = "";
	const char *s = *p;
	const char *escape;

	assert((unsigned char)*s >= ' ');
	if (*s != '\\') {
		out[0] = *s;
		*p = s + 1;
		return 1;
	}
	if (s[1] == 'u') {
		memcpy(hex, s + 2, 4);
		*p = s + 6;
		return encode((unsigned)strtoul(hex, NULL, 16), out);
	}
	escape = strchr(from, s[1]);
	out[0] = escape ? to[escape - from] : s[1];
	*p = s + 2;
	return 1;
}

size_t json_string(const char *value, char *out, size_t room)
{
	size_t len = 0, used = 0, n;
	bool full = false;
	char bytes[4];

	if (json_is_string(value))
		for (value++; *value != '"'; len += n) {
			n = decode(&value, bytes);
			full = full || used + n >= room;
			if (full)
				continue;
			memcpy(out + used, bytes, n);
			used += n;
		}
	if (room)
		out[used] = '\0';
	return len;
}
