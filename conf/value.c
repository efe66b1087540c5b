/* SPDX-License-Identifier: MIT */
/*
 * Parses and prints sizes, durations, counts, modes, words and texts.
 */
#include "conf/value.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "conf/config_struct.h"

struct unit {
	const char *name;
	uint64_t value;
};

/* From small to large; the end is a NULL. */
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "", 1 },
	{ "K", 1024 },
	{ "M", 1024 * 1024 },
	{ "G", 1024 * 1024 * 1024 },
	{ NULL, 0 },
};
static const struct unit time_units[] = {
	{ "us", 1000 },
	{ "ms", 1000 * 1000 },
	{ "s", 1000 * 1000 * 1000 },
	{ "m", 60 * UINT64_C(1000000000) },
	{ "h", 3600 * UINT64_C(1000000000) },
	{ NULL, 0 },
};

struct word {
	const char *name;
	unsigned value;
};

static const struct word framing_words[] = {
	{ "newline", FRAMING_NEWLINE },
	{ "none", FRAMING_NONE },
	{ "length", FRAMING_LENGTH },
	{ NULL, 0 },
};
static const struct word strip_words[] = {
	{ "none", STRIP_NONE },
	{ "syslog", STRIP_SYSLOG },
	{ "tag", STRIP_TAG },
	{ NULL, 0 },
};
static const struct word sync_words[] = {
	{ "none", SYNC_NONE },
	{ "data", SYNC_DATA },
	{ NULL, 0 },
};
static const struct word compression_words[] = {
	{ "none", COMPRESSION_NONE },
	{ "zstd", COMPRESSION_ZSTD },
	{ NULL, 0 },
};
static const struct word full_words[] = {
	{ "wait", FULL_WAIT },
	{ "delete-oldest", FULL_DELETE_OLDEST },
	{ NULL, 0 },
};
static const struct word switch_words[] = {
	{ "no", SWITCH_NO },
	{ "yes", SWITCH_YES },
	{ NULL, 0 },
};
static const struct word by_words[] = {
	{ "uid", BY_UID },
	{ "unit", BY_UNIT },
	{ NULL, 0 },
};
static const struct word level_words[] = {
	{ "error", LEVEL_ERROR },   { "warning", LEVEL_WARNING },
	{ "notice", LEVEL_NOTICE }, { "info", LEVEL_INFO },
	{ "debug", LEVEL_DEBUG },   { NULL, 0 },
};

/* --- types --------------------------------------------------------------- */

static const struct unit *units_of(enum value_type type)
{
	switch (type) {
	case VALUE_SIZE:
		return size_units;
	case VALUE_DURATION:
	case VALUE_PATIENCE:
		return time_units;
	default:
		return no_units;
	}
}

static const struct word *words_of(enum value_type type)
{
	switch (type) {
	case VALUE_FRAMING:
		return framing_words;
	case VALUE_STRIP:
		return strip_words;
	case VALUE_SYNC:
		return sync_words;
	case VALUE_COMPRESSION:
		return compression_words;
	case VALUE_FULL:
		return full_words;
	case VALUE_SWITCH:
		return switch_words;
	case VALUE_BY:
		return by_words;
	case VALUE_LEVEL:
		return level_words;
	default:
		return NULL;
	}
}

bool value_is_path(enum value_type type)
{
	return type == VALUE_PATH || type == VALUE_SOCKET;
}

bool value_is_text(enum value_type type)
{
	return value_is_path(type) || type == VALUE_SOCKETS ||
	       type == VALUE_NAME || type == VALUE_GROUP || type == VALUE_TEXT;
}

bool value_is_word(enum value_type type)
{
	return words_of(type) != NULL;
}

/* --- from text ----------------------------------------------------------- */

/* A number past 2^64 becomes UINT64_MAX, which no range allows. */
static uint64_t digits(const char **text, unsigned base)
{
	uint64_t n = 0;
	unsigned digit;

	for (; isdigit((unsigned char)**text); ++*text) {
		digit = (unsigned)(**text - '0');
		if (digit >= base)
			break;
		if (n != UINT64_MAX && (__builtin_mul_overflow(n, base, &n) ||
					__builtin_add_overflow(n, digit, &n)))
			n = UINT64_MAX;
	}
	return n;
}

static const char *parse_units(enum value_type type, const char *text,
			       uint64_t *number)
{
	static const char *const bad[] = {
		[VALUE_SIZE] = "is not a size",
		[VALUE_DURATION] = "is not a duration",
		[VALUE_PATIENCE] = "is not a duration",
		[VALUE_COUNT] = "is not a number",
	};
	const struct unit *unit;
	const char *rest = text;

	*number = digits(&rest, 10);
	if (rest == text)
		return bad[type];
	for (unit = units_of(type); unit->name; unit++)
		if (!strcmp(rest, unit->name))
			break;
	if (unit->name) {
		if (__builtin_mul_overflow(*number, unit->value, number))
			*number = UINT64_MAX;
		return NULL;
	}
	if (*rest)
		return bad[type];
	return *number ? "has no unit" : NULL;
}

static const char *parse_mode(const char *text, uint64_t *number)
{
	const char *rest = text;

	*number = digits(&rest, 8);
	return rest == text || *rest ? "is not an octal permission" : NULL;
}

static const char *parse_word(enum value_type type, const char *text,
			      uint64_t *number)
{
	const struct word *word;

	for (word = words_of(type); word->name; word++) {
		if (!strcmp(word->name, text)) {
			*number = word->value;
			return NULL;
		}
	}
	return "is unknown";
}

/*
 * Refuses what would come back different from a settings file, or not at all,
 * and what shows that the user expected another syntax.
 */
static const char *check_any_text(const char *text)
{
	const char *p;

	for (p = text; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return "contains a control character";
		if (*p == ' ' && p[1] == '#')
			return "contains ' #', but a comment after a value "
			       "begins with ' ;'";
		if (*p == ' ' && p[1] == ';')
			return "contains ' ;', which begins a comment";
	}
	if (*text == '"' || *text == '\'')
		return "begins with a quote, but a quote is not removed";
	if (*text == ';' || *text == '#')
		return "begins like a comment";
	return NULL;
}

bool value_next_path(const char **at, char path[VALUE_SOCKET_PATH])
{
	size_t len;

	*at += strspn(*at, " \t");
	len = strcspn(*at, " \t");
	snprintf(path, VALUE_SOCKET_PATH, "%.*s", (int)len, *at);
	*at += len;
	return len > 0;
}

static const char *check_paths(const char *text)
{
	const char *at = text, *before;
	char path[VALUE_SOCKET_PATH];
	unsigned n = 0;

	for (before = at; value_next_path(&at, path); before = at) {
		before += strspn(before, " \t");
		if (path[0] != '/')
			return "has a path that is not absolute";
		if (at - before >= VALUE_SOCKET_PATH)
			return "has a path of more than 107 bytes";
		if (++n > CONFIG_ALSO_MOST)
			return "has more than 15 paths";
	}
	return NULL;
}

static const char *parse_text(enum value_type type, const char *text,
			      uint64_t *number)
{
	const char *wrong = check_any_text(text);

	*number = strlen(text);
	if (wrong)
		return wrong;
	if (type == VALUE_NAME && strchr(text, '/'))
		return "contains '/'";
	if (type == VALUE_SOCKETS)
		return check_paths(text);
	if (value_is_path(type) && *text && *text != '/')
		return "is not an absolute path";
	return NULL;
}

const char *value_parse(enum value_type type, const char *text,
			uint64_t *number)
{
	*number = 0;
	if (value_is_text(type))
		return parse_text(type, text, number);
	if (value_is_word(type))
		return parse_word(type, text, number);
	if (type == VALUE_MODE)
		return parse_mode(text, number);
	if (type == VALUE_PATIENCE && !strcmp(text, "never")) {
		*number = CONFIG_NEVER;
		return NULL;
	}
	return parse_units(type, text, number);
}

/* --- to text ------------------------------------------------------------- */

static void format_units(enum value_type type, uint64_t n, char *out,
			 size_t room)
{
	const struct unit *unit = units_of(type);
	const struct unit *best = unit;

	for (; unit->name; unit++)
		if (n % unit->value == 0)
			best = unit;
	if (n == 0)
		snprintf(out, room, "0");
	else
		snprintf(out, room, "%llu%s",
			 (unsigned long long)(n / best->value), best->name);
}

void value_format(enum value_type type, uint64_t number, char *out, size_t room)
{
	assert(!value_is_text(type));
	if (value_is_word(type))
		snprintf(out, room, "%s", value_word(type, (unsigned)number));
	else if (type == VALUE_MODE)
		snprintf(out, room, "%04o", (unsigned)number);
	else if (type == VALUE_PATIENCE && number == CONFIG_NEVER)
		snprintf(out, room, "never");
	else
		format_units(type, number, out, room);
}

const char *value_word(enum value_type type, unsigned value)
{
	const struct word *word = words_of(type);

	assert(word);
	while (word->name && word->value != value)
		word++;
	assert(word->name);
	return word->name;
}

void value_words(enum value_type type, const char *between, const char *last,
		 char *out, size_t room)
{
	const struct word *word = words_of(type);
	const char *before = "";
	size_t used = 0;

	for (; word->name; word++) {
		used += (size_t)snprintf(out + used, room - used, "%s%s",
					 before, word->name);
		assert(used < room);
		before = word[1].name && word[2].name ? between : last;
	}
}
