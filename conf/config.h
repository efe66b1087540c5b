/* SPDX-License-Identifier: MIT */
/*
 * Settings: an ini file and -o options become one struct that never changes.
 *
 * A struct config is constant from the moment config_load() returns it, so
 * any thread may read it.  A reload makes a new one.
 */
#ifndef BUFWRITER_CONFIG_H
#define BUFWRITER_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_NEVER UINT64_MAX

enum config_framing { FRAMING_NEWLINE, FRAMING_NONE, FRAMING_LENGTH };
enum config_sync { SYNC_NONE, SYNC_DATA };
/* syslog's numbers, sd-daemon(3) */
enum config_level {
	LEVEL_ERROR = 3,
	LEVEL_WARNING = 4,
	LEVEL_NOTICE = 5,
	LEVEL_INFO = 6,
	LEVEL_DEBUG = 7
};

#define CONFIG_C_SIZE uint64_t
#define CONFIG_C_DURATION uint64_t
#define CONFIG_C_PATIENCE uint64_t
#define CONFIG_C_COUNT uint64_t
#define CONFIG_C_MODE uint64_t
#define CONFIG_C_PATH const char *
#define CONFIG_C_SOCKET const char *
#define CONFIG_C_NAME const char *
#define CONFIG_C_GROUP const char *
#define CONFIG_C_FRAMING enum config_framing
#define CONFIG_C_SYNC enum config_sync
#define CONFIG_C_LEVEL enum config_level

/* The name of a member ends in its unit, where it has one. */
#define CONFIG_MEMBER_SIZE(name) name##_bytes
#define CONFIG_MEMBER_DURATION(name) name##_ns
#define CONFIG_MEMBER_PATIENCE(name) name##_ns
#define CONFIG_MEMBER_COUNT(name) name
#define CONFIG_MEMBER_MODE(name) name
#define CONFIG_MEMBER_PATH(name) name
#define CONFIG_MEMBER_SOCKET(name) name
#define CONFIG_MEMBER_NAME(name) name
#define CONFIG_MEMBER_GROUP(name) name
#define CONFIG_MEMBER_FRAMING(name) name
#define CONFIG_MEMBER_SYNC(name) name
#define CONFIG_MEMBER_LEVEL(name) name

struct config {
#define CONFIG(section, key, type, def, min, max, reload, doc) \
	CONFIG_C_##type CONFIG_MEMBER_##type(section##_##key);
#include "conf/config.def"
#undef CONFIG
	/* files_prefix and files_suffix with their % words replaced */
	const char *prefix;
	const char *suffix;
	/* files_temp, or <files_path>/.tmp when that is empty */
	const char *temp;
	/* base name of the file without .ini, "bufwriter" without a file */
	const char *instance;
	/* the file these settings came from, or NULL */
	const char *file;
};

/* One report for each problem or difference found; line ends in no newline. */
typedef void config_report_fn(void *arg, const char *line);

/*
 * Reads FILE (NULL: defaults only) and then noptions texts of the form
 * SECTION.KEY=VALUE, which win over the file.  Every problem is reported as
 * one line `FILE:LINE: section.key: what is wrong, what is allowed`
 * (`-o:` in place of FILE:LINE for an option).
 * Returns 0 and a new struct in *out, which the caller frees with
 * config_free(), or -EINVAL after at least one report, or -ENOMEM.
 * Any thread.
 */
int config_load(const char *file, const char *const *options, size_t noptions,
		config_report_fn *report, void *arg, struct config **out);

void config_free(struct config *cfg);

/* Writes the settings as a settings file that would produce them. */
void config_print(const struct config *cfg, FILE *to);

/*
 * Compares two settings.  Each key that differs is reported by its name,
 * `section.key`, to `applied` if a reload applies it and to `restart` if it
 * needs a restart.  Returns the number of differences.
 */
unsigned config_diff(const struct config *old, const struct config *new,
		     config_report_fn *applied, config_report_fn *restart,
		     void *arg);

/*
 * A copy of `old` in which every reloadable key has the value of `new`: what
 * the daemon runs with after a reload.  NULL without memory.
 */
struct config *config_merge(const struct config *old, const struct config *new);

const char *config_framing_word(enum config_framing framing);
const char *config_sync_word(enum config_sync sync);
const char *config_level_word(enum config_level level);

#endif
