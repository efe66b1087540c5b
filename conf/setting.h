/* SPDX-License-Identifier: MIT */
/*
 * The table of settings as data: what each line of config.def says, and how
 * the value in a struct config is read, checked, printed and replaced.  Only
 * conf/ and its tests include this.  Any thread.
 */
#ifndef BUFWRITER_SETTING_H
#define BUFWRITER_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/config_struct.h"
#include "conf/value.h"

/* One line of config.def. */
struct setting {
	const char *section;
	const char *key;
	const char *name; /* section.key */
	enum value_type type;
	size_t offset; /* of the member in struct config */
	const char *default_text;
	const char *min_text; /* numbers only */
	const char *max_text; /* for a text: its length in bytes */
	bool may_be_empty;    /* texts only */
	bool reload;	      /* a reload applies it */
	bool ship; /* `bufwriter ship` uses it, the daemon does not */
	const char *doc;
};

enum {
#define CONFIG(section, key, ...) SETTING_##section##_##key,
#include "conf/config.def"
#undef CONFIG
	SETTINGS
};

extern const struct setting setting_table[SETTINGS];

/* Room for any value as text. */
#define SETTING_TEXT 4096

/* Room for what setting_allowed() writes, and for what is wrong as well. */
#define SETTING_ALLOWED 256
#define SETTING_WRONG 512

/* NULL if there is none. */
const struct setting *setting_find(const char *section, const char *key);
bool setting_has_section(const char *section);

/* True for the first setting of its section. */
bool setting_begins_section(const struct setting *set);

/*
 * Checks `text`, already trimmed, and stores what value_parse() makes of it
 * in *number.  Returns 0, or -EINVAL with what is wrong and what is allowed
 * in `why`, which has room for SETTING_WRONG bytes.
 */
int setting_parse(const struct setting *set, const char *text, uint64_t *number,
		  char *why);

/* Prints the value in cfg as setting_parse() would read it. */
void setting_format(const struct setting *set, const struct config *cfg,
		    char *out, size_t room);

/* The value in cfg, for a setting that is a number or a word. */
uint64_t setting_number(const struct setting *set, const struct config *cfg);
void setting_set_number(const struct setting *set, struct config *cfg,
			uint64_t number);

/* The value in cfg, for a setting that is a text. */
const char *setting_text(const struct setting *set, const struct config *cfg);

/* Copies `text` and frees the old one.  0, or -ENOMEM. */
int setting_set_text(const struct setting *set, struct config *cfg,
		     const char *text);

/* Frees the text in cfg, if the setting is one. */
void setting_clear(const struct setting *set, struct config *cfg);

#endif
