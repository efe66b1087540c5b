/* SPDX-License-Identifier: MIT */
/*
 * The table of settings, made from config.def, and what it allows.
 *
 * The bounds in the table are texts.  They are parsed like values each time
 * one is checked, so a wrong bound fails an assert at the first start.
 */
#include "conf/setting.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct setting setting_table[SETTINGS] = {
#define CONFIG(section_, key_, type_, ...)                              \
	{ .section = #section_,                                         \
	  .key = #key_,                                                 \
	  .name = #section_ "." #key_,                                  \
	  .type = VALUE_##type_,                                        \
	  .offset = offsetof(struct config,                             \
			     CONFIG_MEMBER_##type_(section_##_##key_)), \
	  __VA_ARGS__ },
#include "conf/config.def"
#undef CONFIG
};

/* --- finding ------------------------------------------------------------- */

const struct setting *setting_find(const char *section, const char *key)
{
	const struct setting *set;

	for (set = setting_table; set < setting_table + SETTINGS; set++)
		if (!strcmp(set->section, section) && !strcmp(set->key, key))
			return set;
	return NULL;
}

bool setting_has_section(const char *section)
{
	const struct setting *set;

	for (set = setting_table; set < setting_table + SETTINGS; set++)
		if (!strcmp(set->section, section))
			return true;
	return false;
}

bool setting_begins_section(const struct setting *set)
{
	return set == setting_table || strcmp(set->section, set[-1].section);
}

/* --- what is allowed ----------------------------------------------------- */

static uint64_t parse_bound(enum value_type type, const char *text)
{
	uint64_t bound;
	const char *wrong = value_parse(type, text, &bound);

	assert(!wrong);
	return bound;
}

/* Returns NULL or what is wrong.  For a text, `number` is its length. */
static const char *check_range(const struct setting *set, uint64_t number)
{
	uint64_t min, max;

	if (value_is_text(set->type)) {
		if (!number && !set->may_be_empty)
			return "is empty";
		max = parse_bound(VALUE_COUNT, set->max_text);
		return number > max ? "is too long" : NULL;
	}
	if (value_is_word(set->type))
		return NULL;
	if (set->type == VALUE_PATIENCE && number == CONFIG_NEVER)
		return NULL;
	min = parse_bound(set->type, set->min_text);
	max = parse_bound(set->type, set->max_text);
	assert(min <= max);
	return number < min || number > max ? "is out of range" : NULL;
}

static void print_allowed(const struct setting *set, char *out, size_t room)
{
	const char *min = set->min_text;
	const char *max = set->max_text;
	const char *empty = set->may_be_empty ? ", or nothing" : "";

	switch (set->type) {
	case VALUE_SIZE:
		snprintf(out, room,
			 "%s to %s, a whole number of bytes or with K, M or G",
			 min, max);
		break;
	case VALUE_DURATION:
	case VALUE_PATIENCE:
		snprintf(out, room,
			 "%s to %s, a whole number with us, ms, s, m or h%s",
			 min, max,
			 set->type == VALUE_PATIENCE ? ", or never" : "");
		break;
	case VALUE_COUNT:
		snprintf(out, room, "a whole number from %s to %s", min, max);
		break;
	case VALUE_MODE:
		snprintf(out, room, "octal digits from %s to %s, such as 0640",
			 min, max);
		break;
	case VALUE_PATH:
		snprintf(out, room, "an absolute path of at most %s bytes%s",
			 max, empty);
		break;
	case VALUE_SOCKET:
		snprintf(out, room,
			 "an absolute path of at most %s bytes, the limit of "
			 "a socket address%s",
			 max, empty);
		break;
	case VALUE_SOCKETS:
		snprintf(out, room,
			 "up to %d absolute paths of at most 107 bytes each, "
			 "with blanks between them%s",
			 CONFIG_ALSO_MOST, empty);
		break;
	case VALUE_NAME:
		snprintf(out, room,
			 "a part of a file name, of at most %s bytes, without "
			 "'/'",
			 max);
		break;
	case VALUE_TEXT:
		snprintf(out, room, "a text of at most %s bytes%s", max, empty);
		break;
	case VALUE_GROUP:
		snprintf(out, room, "the name or number of a group%s", empty);
		break;
	default:
		value_words(set->type, ", ", " or ", out, room);
		break;
	}
}

int setting_parse(const struct setting *set, const char *text, uint64_t *number,
		  char *why)
{
	char allowed[SETTING_ALLOWED];
	const char *wrong = value_parse(set->type, text, number);

	if (!wrong)
		wrong = check_range(set, *number);
	if (!wrong)
		return 0;
	print_allowed(set, allowed, sizeof(allowed));
	snprintf(why, SETTING_WRONG, "\"%.60s%s\" %s; allowed: %s", text,
		 strlen(text) > 60 ? "..." : "", wrong, allowed);
	return -EINVAL;
}

/* --- the members of struct config ---------------------------------------- */

/* Numbers are uint64_t, words are enums. */
_Static_assert(sizeof(enum config_framing) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_strip) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_sync) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_full) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_switch) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_by) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_compression) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_level) == sizeof(unsigned), "enum");

uint64_t setting_number(const struct setting *set, const struct config *cfg)
{
	const char *member = (const char *)cfg + set->offset;
	uint64_t number;
	unsigned word;

	assert(!value_is_text(set->type));
	if (value_is_word(set->type)) {
		memcpy(&word, member, sizeof(word));
		return word;
	}
	memcpy(&number, member, sizeof(number));
	return number;
}

void setting_set_number(const struct setting *set, struct config *cfg,
			uint64_t number)
{
	char *member = (char *)cfg + set->offset;
	unsigned word = (unsigned)number;

	assert(!value_is_text(set->type));
	if (value_is_word(set->type))
		memcpy(member, &word, sizeof(word));
	else
		memcpy(member, &number, sizeof(number));
}

static const char **text_member(const struct setting *set,
				const struct config *cfg)
{
	assert(value_is_text(set->type));
	return (const char **)(void *)((char *)cfg + set->offset);
}

const char *setting_text(const struct setting *set, const struct config *cfg)
{
	return *text_member(set, cfg);
}

int setting_set_text(const struct setting *set, struct config *cfg,
		     const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	setting_clear(set, cfg);
	*text_member(set, cfg) = copy;
	return 0;
}

void setting_clear(const struct setting *set, struct config *cfg)
{
	if (!value_is_text(set->type))
		return;
	free((void *)*text_member(set, cfg));
	*text_member(set, cfg) = NULL;
}

void setting_format(const struct setting *set, const struct config *cfg,
		    char *out, size_t room)
{
	if (value_is_text(set->type))
		snprintf(out, room, "%s", setting_text(set, cfg));
	else
		value_format(set->type, setting_number(set, cfg), out, room);
}
