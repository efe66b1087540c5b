/* SPDX-License-Identifier: MIT */
/*
 * The client's JSON reader.
 *
 * The input is the text; a NUL ends it.  A second reader, which is written in
 * another way, goes over the same text:
 *
 * - Both accept it, or both refuse it.
 * - Both find the same members of the outermost object and the same elements
 *   of the outermost array.
 * - A string is decoded to the same bytes whatever room there is.
 * - Nothing is read behind the end of the text.
 */
#include <stdlib.h>
#include <string.h>

#include "client/command/json.h"
#include "tests/fuzz/fuzz.h"

#define DEPTH 32
#define MEMBERS 64

/* --- the second reader --------------------------------------------------- */

struct reader {
	const char *text;
	size_t at, size;
	/* the first values of the outermost group, and their names */
	const char *name[MEMBERS];
	size_t name_len[MEMBERS];
	const char *value[MEMBERS];
	unsigned members;
};

static int peek(const struct reader *r)
{
	return r->at < r->size ? (unsigned char)r->text[r->at] : -1;
}

static bool next_is(struct reader *r, int c)
{
	if (peek(r) != c)
		return false;
	r->at++;
	return true;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static void skip_blank(struct reader *r)
{
	while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\r' ||
	       peek(r) == '\n')
		r->at++;
}

static bool read_hex(struct reader *r)
{
	int i, c;

	for (i = 0; i < 4; i++, r->at++) {
		c = peek(r);
		if (!is_digit(c) && !(c >= 'a' && c <= 'f') &&
		    !(c >= 'A' && c <= 'F'))
			return false;
	}
	return true;
}

static bool read_string(struct reader *r)
{
	int c;

	if (!next_is(r, '"'))
		return false;
	for (;;) {
		c = peek(r);
		r->at++;
		if (c == '"')
			return true;
		if (c < 0x20)
			return false;
		if (c != '\\')
			continue;
		c = peek(r);
		r->at++;
		if (c == 'u' && !read_hex(r))
			return false;
		if (c < 0 || (c != 'u' && !strchr("\"\\/bfnrt", c)))
			return false;
	}
}

static bool read_digits(struct reader *r)
{
	if (!is_digit(peek(r)))
		return false;
	while (is_digit(peek(r)))
		r->at++;
	return true;
}

static bool read_number(struct reader *r)
{
	next_is(r, '-');
	if (!next_is(r, '0') && !read_digits(r))
		return false;
	if (next_is(r, '.') && !read_digits(r))
		return false;
	if (!next_is(r, 'e') && !next_is(r, 'E'))
		return true;
	if (!next_is(r, '+'))
		next_is(r, '-');
	return read_digits(r);
}

static bool read_word(struct reader *r, const char *word)
{
	for (; *word; word++)
		if (!next_is(r, *word))
			return false;
	return true;
}

static bool read_value(struct reader *r, unsigned depth);

static bool read_entry(struct reader *r, bool object, unsigned depth)
{
	bool outermost = depth == 1 && r->members < MEMBERS;
	size_t name = r->at + 1;

	if (object) {
		if (!read_string(r))
			return false;
		if (outermost) {
			r->name[r->members] = r->text + name;
			r->name_len[r->members] = r->at - 1 - name;
		}
		skip_blank(r);
		if (!next_is(r, ':'))
			return false;
		skip_blank(r);
	}
	if (outermost)
		r->value[r->members++] = r->text + r->at;
	return read_value(r, depth);
}

static bool read_group(struct reader *r, unsigned depth)
{
	bool object = peek(r) == '{';
	char end = object ? '}' : ']';

	if (depth == DEPTH)
		return false;
	r->at++;
	skip_blank(r);
	if (next_is(r, end))
		return true;
	do {
		skip_blank(r);
		if (!read_entry(r, object, depth + 1))
			return false;
		skip_blank(r);
	} while (next_is(r, ','));
	return next_is(r, end);
}

static bool read_value(struct reader *r, unsigned depth)
{
	switch (peek(r)) {
	case '{':
	case '[':
		return read_group(r, depth);
	case '"':
		return read_string(r);
	case 'n':
		return read_word(r, "null");
	case 't':
		return read_word(r, "true");
	case 'f':
		return read_word(r, "false");
	default:
		return read_number(r);
	}
}

static bool is_valid(struct reader *r)
{
	skip_blank(r);
	if (!read_value(r, 0))
		return false;
	skip_blank(r);
	return r->at == r->size;
}

/* --- what must hold ------------------------------------------------------ */

static void check_string(const char *value)
{
	size_t len = json_string(value, NULL, 0), room, cut;
	char *all = malloc(len + 1), *part;

	FUZZ_CHECK(all, "out of memory");
	FUZZ_CHECK(json_string(value, all, len + 1) == len,
		   "a string has two lengths");
	FUZZ_CHECK(all[len] == '\0', "a string has no end");
	for (room = 1; room <= len && room < 9; room++) {
		part = malloc(room);
		FUZZ_CHECK(part, "out of memory");
		FUZZ_CHECK(json_string(value, part, room) == len,
			   "a cut string has another length");
		/* a character is not cut; the rest of the room is not used */
		cut = strnlen(all, len) < room ? strnlen(all, len) : room - 1;
		FUZZ_CHECK(memchr(part, '\0', room) && strlen(part) <= cut &&
				   !strncmp(part, all, strlen(part)),
			   "a cut string is not its beginning");
		free(part);
	}
	free(all);
}

static void check_value(const char *value)
{
	double number = json_number(value);
	uint64_t count = json_count(value);

	if (json_is_string(value))
		check_string(value);
	if (!value || !strchr("-0123456789", *value))
		FUZZ_CHECK(number == 0 && count == 0, "no number is %g",
			   number);
}

static void check_member(const struct reader *r, unsigned i)
{
	const char *found, *expected = r->value[i];
	struct fuzz_input in = { (const uint8_t *)r->name[i], r->name_len[i] };
	char *name = fuzz_text(&in, in.left);
	unsigned first;

	/* such a name is none that json_at() is asked for */
	if (strpbrk(name, ".\\")) {
		free(name);
		return;
	}
	for (first = 0; first < i; first++)
		if (r->name_len[first] == r->name_len[i] &&
		    !memcmp(r->name[first], r->name[i], r->name_len[i]))
			break;
	expected = *r->value[first] == 'n' ? NULL : r->value[first];
	found = json_at(r->text, name);
	FUZZ_CHECK(found == expected, "another value is found for %s", name);
	check_value(found);
	free(name);
}

static void check_element(const struct reader *r, const char *array, unsigned i)
{
	const char *found = json_item(array, i);

	FUZZ_CHECK(found == (*r->value[i] == 'n' ? NULL : r->value[i]),
		   "another element is found at %u", i);
	check_value(found);
}

static void check_valid(const struct reader *r)
{
	static const char *const paths[] = {
		"error",
		"code",
		"messages.received",
		"a.b.c.d",
		"rates.now.files",
		"histograms.flush_seconds.le",
		"workers.",
		".",
		"",
	};
	const char *first = r->text + strspn(r->text, " \t\r\n");
	unsigned i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		check_value(json_at(r->text, paths[i]));
	for (i = 0; i < r->members; i++) {
		if (*first == '{')
			check_member(r, i);
		else
			check_element(r, first, i);
	}
	if (r->members < MEMBERS)
		FUZZ_CHECK(!json_item(first, r->members),
			   "there is an element behind the last");
	check_value(first);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, strnlen((const char *)data, size) };
	char *text = fuzz_text(&in, in.left);
	struct reader r = { .text = text, .size = strlen(text) };
	bool valid = json_valid(text);

	FUZZ_CHECK(valid == is_valid(&r), "valid: %d", valid);
	if (valid)
		check_valid(&r);
	free(text);
	return 0;
}
