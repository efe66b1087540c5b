/* SPDX-License-Identifier: MIT */
/*
 * A struct config from its making to its end: load, print, compare, merge.
 *
 * Everything walks over the table of settings; a new key needs a line in
 * config.def and nothing here.
 */
#include "conf/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config_derive.h"
#include "conf/config_read.h"
#include "conf/loader.h"
#include "conf/setting.h"

/* --- load ---------------------------------------------------------------- */

static int load_settings(const char *file, bool again,
			 const char *const *options, size_t noptions,
			 config_report_fn *report, void *arg,
			 struct config **out)
{
	struct loader load = {
		.cfg = calloc(1, sizeof(struct config)),
		.problems = { .file = file, .report = report, .arg = arg },
		.again = again,
	};
	size_t i;

	*out = NULL;
	if (!load.cfg)
		return -ENOMEM;
	loader_set_defaults(&load);
	if (load.out_of_memory)
		goto fail;
	if (file)
		config_read_file(&load);
	for (i = 0; i < noptions; i++)
		config_read_option(&load, options[i]);
	config_derive(&load);
	problem_end(&load.problems);
	if (load.out_of_memory || load.problems.count)
		goto fail;
	*out = load.cfg;
	return 0;
fail:
	config_free(load.cfg);
	return load.out_of_memory ? -ENOMEM : -EINVAL;
}

int config_load(const char *file, const char *const *options, size_t noptions,
		config_report_fn *report, void *arg, struct config **out)
{
	return load_settings(file, false, options, noptions, report, arg, out);
}

int config_load_again(const char *file, const char *const *options,
		      size_t noptions, config_report_fn *report, void *arg,
		      struct config **out)
{
	return load_settings(file, true, options, noptions, report, arg, out);
}

void config_free(struct config *cfg)
{
	const struct setting *set;

	if (!cfg)
		return;
	for (set = setting_table; set < setting_table + SETTINGS; set++)
		setting_clear(set, cfg);
	config_derive_clear(cfg);
	free(cfg);
}

/* --- print --------------------------------------------------------------- */

void config_print(const struct config *cfg, FILE *to)
{
	const struct setting *set;
	char value[SETTING_TEXT];

	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		if (setting_begins_section(set))
			fprintf(to, "%s[%s]\n",
				set == setting_table ? "" : "\n", set->section);
		setting_format(set, cfg, value, sizeof(value));
		fprintf(to, "%s =%s%s\n", set->key, *value ? " " : "", value);
	}
	fprintf(to,
		"\n# complete files: %s/%s<worker>_<daemon>_<nanoseconds>%s\n",
		cfg->files_path, cfg->prefix, cfg->suffix);
	fprintf(to, "# while they are written: in %s\n", cfg->temp);
}

/* --- compare and merge --------------------------------------------------- */

static bool differs(const struct setting *set, const struct config *a,
		    const struct config *b)
{
	if (value_is_text(set->type))
		return strcmp(setting_text(set, a), setting_text(set, b));
	return setting_number(set, a) != setting_number(set, b);
}

unsigned config_diff(const struct config *old, const struct config *new,
		     config_report_fn *applied, config_report_fn *restart,
		     void *arg)
{
	const struct setting *set;
	unsigned differences = 0;

	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		if (set->ship || !differs(set, old, new))
			continue;
		differences++;
		if (set->reload)
			applied(arg, set->name);
		else
			restart(arg, set->name);
	}
	return differences;
}

static int copy_setting(const struct setting *set, struct config *to,
			const struct config *from)
{
	if (value_is_text(set->type))
		return setting_set_text(set, to, setting_text(set, from));
	setting_set_number(set, to, setting_number(set, from));
	return 0;
}

struct config *config_merge(const struct config *old, const struct config *new)
{
	struct config *cfg = calloc(1, sizeof(*cfg));
	const struct setting *set;

	if (!cfg)
		return NULL;
	for (set = setting_table; set < setting_table + SETTINGS; set++)
		if (copy_setting(set, cfg,
				 set->reload || set->ship ? new : old) < 0)
			goto fail;
	if (config_derive_merge(cfg, old, new) < 0)
		goto fail;
	return cfg;
fail:
	config_free(cfg);
	return NULL;
}

/* --- words --------------------------------------------------------------- */

const char *config_framing_word(enum config_framing framing)
{
	return value_word(VALUE_FRAMING, framing);
}

const char *config_sync_word(enum config_sync sync)
{
	return value_word(VALUE_SYNC, sync);
}

const char *config_level_word(enum config_level level)
{
	return value_word(VALUE_LEVEL, level);
}
