/* SPDX-License-Identifier: MIT */
/*
 * The inside of conf/: the table of settings as data, and the functions that
 * read, write and move one value, whatever its type.  Nobody outside conf/
 * includes this.  Any thread.
 */
#ifndef BUFWRITER_SETTING_H
#define BUFWRITER_SETTING_H

#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"

enum setting_type {
	TYPE_SIZE,
	TYPE_DURATION,
	TYPE_PATIENCE,
	TYPE_COUNT,
	TYPE_MODE,
	TYPE_PATH,
	TYPE_SOCKET,
	TYPE_NAME,
	TYPE_GROUP,
	TYPE_FRAMING,
	TYPE_SYNC,
	TYPE_LEVEL
};

/* One line of config.def. */
struct setting {
	const char *section;
	const char *key;
	const char *def;
	enum setting_type type;
	int reload;
	uint64_t min;
	uint64_t max;
	size_t offset; /* of the member in struct config */
};

enum {
#define CONFIG(section, key, ...) SETTING_##section##_##key,
#include "conf/config.def"
#undef CONFIG
	SETTINGS
};

extern const struct setting config_settings[SETTINGS];

/* Room for any value as text, and for any text that says what is wrong. */
#define SETTING_TEXT 4096

/* True for the types that are kept as const char *. */
int setting_is_text(const struct setting *set);

/*
 * Checks `text`, already trimmed, and stores the number it stands for in
 * *number (0 if the setting is a text).  0, or -EINVAL with what is wrong and
 * what is allowed in `why`.
 */
int setting_parse(const struct setting *set, const char *text, uint64_t *number,
		  char *why, size_t room);

/* The value in cfg, as setting_parse() would read it. */
void setting_format(const struct setting *set, const struct config *cfg,
		    char *out, size_t room);

uint64_t setting_number(const struct setting *set, const struct config *cfg);
void setting_set_number(const struct setting *set, struct config *cfg,
			uint64_t number);

/* The member of a setting that is a text. */
const char **setting_text(const struct setting *set, struct config *cfg);

/* 0, or -ENOMEM; the old text is freed. */
int setting_set_text(const struct setting *set, struct config *cfg,
		     const char *text);

/* Trims white space at both ends, in place. */
char *setting_trim(char *text);

/* What reading collects until there is a struct config to hand out. */
struct config_loader {
	struct config *cfg;
	const char *file; /* NULL: none */
	config_report_fn *report;
	void *arg;
	unsigned problems;
	int nomem;
	/* where each key was given: LINE_DEFAULT, LINE_OPTION or its line */
	unsigned line[SETTINGS];
};

#define LINE_DEFAULT 0u
#define LINE_OPTION ((unsigned)-1)

/*
 * Reports a problem at `line`; `name` is what it is about, or NULL.  After
 * CONFIG_PROBLEMS of them the rest is only counted.
 */
#define CONFIG_PROBLEMS 100
void config_problem(struct config_loader *load, unsigned line, const char *name,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Reads load->file, and one option; problems are reported. */
void config_read_file(struct config_loader *load);
void config_read_option(struct config_loader *load, const char *option);

/*
 * What follows from the values together: prefix, suffix, temp and instance,
 * and what two keys must not say at once.  Problems are reported.
 */
void config_derive(struct config_loader *load);

#endif
