/* SPDX-License-Identifier: MIT */
/*
 * One value: from text to number and back, and what a setting allows.
 *
 * Everything here goes by the type in the table; nothing knows a key.  A
 * parser returns NULL, or what is wrong in words that follow the value, so
 * that a message reads `"5" has no unit; allowed: 0 to 24h, ...`.
 */
#include "conf/setting.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct setting config_settings[SETTINGS] = {
#define CONFIG(section, key, type, def, min, max, reload, doc) \
	{ #section,                                            \
	  #key,                                                \
	  def,                                                 \
	  TYPE_##type,                                         \
	  reload,                                              \
	  min,                                                 \
	  max,                                                 \
	  offsetof(struct config, CONFIG_MEMBER_##type(section##_##key)) },
#include "conf/config.def"
#undef CONFIG
};

struct unit {
	const char *name;
	uint64_t value;
};

/* from small to large, ended by a NULL */
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
static const struct word sync_words[] = {
	{ "none", SYNC_NONE },
	{ "data", SYNC_DATA },
	{ NULL, 0 },
};
static const struct word level_words[] = {
	{ "error", LEVEL_ERROR },   { "warning", LEVEL_WARNING },
	{ "notice", LEVEL_NOTICE }, { "info", LEVEL_INFO },
	{ "debug", LEVEL_DEBUG },   { NULL, 0 },
};

static const struct unit *units_of(enum setting_type type)
{
	switch (type) {
	case TYPE_SIZE:
		return size_units;
	case TYPE_DURATION:
	case TYPE_PATIENCE:
		return time_units;
	default:
		return no_units;
	}
}

static const struct word *words_of(enum setting_type type)
{
	switch (type) {
	case TYPE_FRAMING:
		return framing_words;
	case TYPE_SYNC:
		return sync_words;
	case TYPE_LEVEL:
		return level_words;
	default:
		return NULL;
	}
}

int setting_is_text(const struct setting *set)
{
	switch (set->type) {
	case TYPE_PATH:
	case TYPE_SOCKET:
	case TYPE_NAME:
	case TYPE_GROUP:
		return 1;
	default:
		return 0;
	}
}

/* --- numbers ------------------------------------------------------------- */

/* A number past 2^64 becomes UINT64_MAX, which no range allows. */
static uint64_t digits(const char **text, unsigned base)
{
	uint64_t n = 0;

	for (; **text >= '0' && **text < (char)('0' + base); ++*text) {
		uint64_t digit = (uint64_t)(**text - '0');

		if (__builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, digit, &n)) {
			while (isdigit((unsigned char)**text))
				++*text;
			return UINT64_MAX;
		}
	}
	return n;
}

static const char *parse_units(const struct setting *set, const char *text,
			       uint64_t *number)
{
	static const char *const bad[] = {
		[TYPE_SIZE] = "is not a size",
		[TYPE_DURATION] = "is not a duration",
		[TYPE_PATIENCE] = "is not a duration",
		[TYPE_COUNT] = "is not a number",
	};
	const struct unit *unit;
	const char *rest = text;
	uint64_t n = digits(&rest, 10);

	if (rest == text)
		return bad[set->type];
	for (unit = units_of(set->type); unit->name; unit++)
		if (strcmp(rest, unit->name) == 0)
			break;
	if (!unit->name && *rest)
		return bad[set->type];
	if (!unit->name && n)
		return "has no unit";
	if (unit->name && __builtin_mul_overflow(n, unit->value, &n))
		n = UINT64_MAX;
	*number = n;
	return n < set->min || n > set->max ? "is out of range" : NULL;
}

static const char *parse_mode(const struct setting *set, const char *text,
			      uint64_t *number)
{
	const char *rest = text;

	*number = digits(&rest, 8);
	if (rest == text || *rest)
		return "is not an octal permission";
	return *number < set->min || *number > set->max ? "is out of range" :
							  NULL;
}

static const char *parse_word(const struct setting *set, const char *text,
			      uint64_t *number)
{
	const struct word *word;

	for (word = words_of(set->type); word->name; word++) {
		if (strcmp(word->name, text) == 0) {
			*number = word->value;
			return NULL;
		}
	}
	return "is unknown";
}

/* --- texts --------------------------------------------------------------- */

/*
 * What no text may hold: what would come back different, or not at all, from
 * a settings file, and what shows that somebody expected another syntax.
 */
static const char *parse_any_text(const char *text)
{
	const unsigned char *p;

	for (p = (const unsigned char *)text; *p; p++) {
		if (iscntrl(*p))
			return "contains a control character";
		if (*p == ' ' && p[1] == '#')
			return "contains ' #', and a comment behind a value "
			       "begins with ' ;'";
		if (*p == ' ' && p[1] == ';')
			return "contains ' ;', which begins a comment";
	}
	if (*text == '"' || *text == '\'')
		return "begins with a quote, and quotes are not removed";
	if (*text == ';' || *text == '#')
		return "begins like a comment";
	return NULL;
}

static const char *parse_text(const struct setting *set, const char *text)
{
	const char *wrong = parse_any_text(text);
	size_t len = strlen(text);

	if (wrong)
		return wrong;
	if (len < set->min)
		return "is empty";
	if (len > set->max)
		return "is too long";
	if (set->type == TYPE_NAME && strchr(text, '/'))
		return "contains '/'";
	if (set->type == TYPE_PATH || set->type == TYPE_SOCKET)
		if (len && *text != '/')
			return "is not an absolute path";
	return NULL;
}

/* --- any type ------------------------------------------------------------ */

static const char *parse(const struct setting *set, const char *text,
			 uint64_t *number)
{
	if (setting_is_text(set))
		return parse_text(set, text);
	if (words_of(set->type))
		return parse_word(set, text, number);
	if (set->type == TYPE_MODE)
		return parse_mode(set, text, number);
	if (set->type == TYPE_PATIENCE && strcmp(text, "never") == 0) {
		*number = CONFIG_NEVER;
		return NULL;
	}
	return parse_units(set, text, number);
}

/* In the largest unit that loses nothing. */
static void format_units(enum setting_type type, uint64_t n, char *out,
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

static void allowed_words(const struct setting *set, char *out, size_t room)
{
	const struct word *word = words_of(set->type);
	size_t used = 0;

	for (; word->name && used < room; word++) {
		const char *before = !used ? "" : word[1].name ? ", " : " or ";

		used += (size_t)snprintf(out + used, room - used, "%s%s",
					 before, word->name);
	}
}

static void allowed(const struct setting *set, char *out, size_t room)
{
	char min[32];
	char max[32];
	const char *none = set->min ? "" : ", or nothing";

	format_units(set->type, set->min, min, sizeof(min));
	format_units(set->type, set->max, max, sizeof(max));
	switch (set->type) {
	case TYPE_SIZE:
		snprintf(out, room,
			 "%s to %s, a whole number of bytes or with K, M or G",
			 min, max);
		break;
	case TYPE_DURATION:
	case TYPE_PATIENCE:
		snprintf(out, room,
			 "%s to %s, a whole number with us, ms, s, m or h%s",
			 min, max,
			 set->type == TYPE_PATIENCE ? ", or never" : "");
		break;
	case TYPE_COUNT:
		snprintf(out, room, "a whole number from %s to %s", min, max);
		break;
	case TYPE_MODE:
		snprintf(out, room,
			 "octal digits from %04o to %04o, such as 0640",
			 (unsigned)set->min, (unsigned)set->max);
		break;
	case TYPE_PATH:
		snprintf(out, room, "an absolute path of at most %s bytes%s",
			 max, none);
		break;
	case TYPE_SOCKET:
		snprintf(out, room,
			 "an absolute path of at most %s bytes, as a socket "
			 "address holds no more%s",
			 max, none);
		break;
	case TYPE_NAME:
		snprintf(out, room,
			 "a part of a file name, of at most %s bytes, without "
			 "'/'",
			 max);
		break;
	case TYPE_GROUP:
		snprintf(out, room, "a group's name or number%s", none);
		break;
	default:
		allowed_words(set, out, room);
		break;
	}
}

int setting_parse(const struct setting *set, const char *text, uint64_t *number,
		  char *why, size_t room)
{
	char may[256];
	const char *wrong;

	*number = 0;
	wrong = parse(set, text, number);
	if (!wrong)
		return 0;
	allowed(set, may, sizeof(may));
	snprintf(why, room, "\"%.60s%s\" %s; allowed: %s", text,
		 strlen(text) > 60 ? "..." : "", wrong, may);
	return -EINVAL;
}

static const char *word_name(const struct word *word, unsigned value)
{
	for (; word->name; word++)
		if (word->value == value)
			return word->name;
	return "?";
}

void setting_format(const struct setting *set, const struct config *cfg,
		    char *out, size_t room)
{
	uint64_t n;

	if (setting_is_text(set)) {
		snprintf(out, room, "%s",
			 *setting_text(set, (struct config *)cfg));
		return;
	}
	n = setting_number(set, cfg);
	if (words_of(set->type))
		snprintf(out, room, "%s",
			 word_name(words_of(set->type), (unsigned)n));
	else if (set->type == TYPE_MODE)
		snprintf(out, room, "%04o", (unsigned)n);
	else if (set->type == TYPE_PATIENCE && n == CONFIG_NEVER)
		snprintf(out, room, "never");
	else
		format_units(set->type, n, out, room);
}

/* --- the struct's members ------------------------------------------------ */

/* Numbers are uint64_t, words are enums. */
_Static_assert(sizeof(enum config_framing) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_sync) == sizeof(unsigned), "enum");
_Static_assert(sizeof(enum config_level) == sizeof(unsigned), "enum");

uint64_t setting_number(const struct setting *set, const struct config *cfg)
{
	const char *member = (const char *)cfg + set->offset;
	uint64_t n;
	unsigned word;

	if (words_of(set->type)) {
		memcpy(&word, member, sizeof(word));
		return word;
	}
	memcpy(&n, member, sizeof(n));
	return n;
}

void setting_set_number(const struct setting *set, struct config *cfg,
			uint64_t number)
{
	char *member = (char *)cfg + set->offset;
	unsigned word = (unsigned)number;

	if (words_of(set->type))
		memcpy(member, &word, sizeof(word));
	else
		memcpy(member, &number, sizeof(number));
}

const char **setting_text(const struct setting *set, struct config *cfg)
{
	return (const char **)(void *)((char *)cfg + set->offset);
}

int setting_set_text(const struct setting *set, struct config *cfg,
		     const char *text)
{
	const char **member = setting_text(set, cfg);
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free((void *)*member);
	*member = copy;
	return 0;
}

char *setting_trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

const char *config_framing_word(enum config_framing framing)
{
	return word_name(framing_words, framing);
}

const char *config_sync_word(enum config_sync sync)
{
	return word_name(sync_words, sync);
}

const char *config_level_word(enum config_level level)
{
	return word_name(level_words, level);
}
