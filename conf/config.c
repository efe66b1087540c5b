/* SPDX-License-Identifier: MIT */
/*
 * A struct config from its making to its end: load, print, compare, merge.
 *
 * Everything walks over the table of settings; a new key needs a line in
 * config.def and nothing here.
 */
#include "conf/config.h"

#include "conf/setting.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The texts that are not settings but follow from them. */
static const size_t derived[] = {
	offsetof(struct config, prefix), offsetof(struct config, suffix),
	offsetof(struct config, temp),	 offsetof(struct config, instance),
	offsetof(struct config, file),
};
#define DERIVED (sizeof(derived) / sizeof(derived[0]))

static const char **derived_text(const struct config *cfg, size_t i)
{
	return (const char **)(void *)((char *)cfg + derived[i]);
}

/* --- load ---------------------------------------------------------------- */

void config_problem(struct config_loader *load, unsigned line, const char *name,
		    const char *fmt, ...)
{
	char out[PATH_MAX + 2048];
	size_t used;
	va_list ap;

	if (load->problems++ >= CONFIG_PROBLEMS)
		return;
	if (line == LINE_OPTION)
		used = (size_t)snprintf(out, sizeof(out), "-o: ");
	else if (!load->file)
		used = (size_t)snprintf(out, sizeof(out), "default: ");
	else if (line == LINE_DEFAULT)
		used = (size_t)snprintf(out, sizeof(out), "%.*s: ", PATH_MAX,
					load->file);
	else
		used = (size_t)snprintf(out, sizeof(out), "%.*s:%u: ", PATH_MAX,
					load->file, line);
	if (name)
		used += (size_t)snprintf(out + used, sizeof(out) - used,
					 "%.200s: ", name);
	va_start(ap, fmt);
	vsnprintf(out + used, sizeof(out) - used, fmt, ap);
	va_end(ap);
	for (char *p = out; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	load->report(load->arg, out);
}

static void report_rest(struct config_loader *load)
{
	char out[64];

	if (load->problems <= CONFIG_PROBLEMS)
		return;
	snprintf(out, sizeof(out), "and %u more problems",
		 load->problems - CONFIG_PROBLEMS);
	load->report(load->arg, out);
}

static int set_defaults(struct config *cfg)
{
	char why[512];
	uint64_t number;

	for (int i = 0; i < SETTINGS; i++) {
		const struct setting *set = &config_settings[i];

		/* tests/unit/test_config.c proves that no default fails */
		if (setting_parse(set, set->def, &number, why, sizeof(why)) < 0)
			abort();
		if (!setting_is_text(set))
			setting_set_number(set, cfg, number);
		else if (setting_set_text(set, cfg, set->def) < 0)
			return -ENOMEM;
	}
	return 0;
}

int config_load(const char *file, const char *const *options, size_t noptions,
		config_report_fn *report, void *arg, struct config **out)
{
	struct config_loader load = {
		.cfg = calloc(1, sizeof(struct config)),
		.file = file,
		.report = report,
		.arg = arg,
	};

	*out = NULL;
	if (!load.cfg)
		return -ENOMEM;
	if (set_defaults(load.cfg) < 0) {
		config_free(load.cfg);
		return -ENOMEM;
	}
	if (file)
		config_read_file(&load);
	for (size_t i = 0; i < noptions; i++)
		config_read_option(&load, options[i]);
	config_derive(&load);
	report_rest(&load);
	if (load.nomem || load.problems) {
		config_free(load.cfg);
		return load.nomem ? -ENOMEM : -EINVAL;
	}
	*out = load.cfg;
	return 0;
}

void config_free(struct config *cfg)
{
	if (!cfg)
		return;
	for (int i = 0; i < SETTINGS; i++)
		if (setting_is_text(&config_settings[i]))
			free((void *)*setting_text(&config_settings[i], cfg));
	for (size_t i = 0; i < DERIVED; i++)
		free((void *)*derived_text(cfg, i));
	free(cfg);
}

/* --- print --------------------------------------------------------------- */

void config_print(const struct config *cfg, FILE *to)
{
	const char *section = "";
	char value[SETTING_TEXT];

	for (int i = 0; i < SETTINGS; i++) {
		const struct setting *set = &config_settings[i];

		if (strcmp(section, set->section) != 0)
			fprintf(to, "%s[%s]\n", i ? "\n" : "", set->section);
		section = set->section;
		setting_format(set, cfg, value, sizeof(value));
		fprintf(to, "%s =%s%s\n", set->key, *value ? " " : "", value);
	}
	fprintf(to, "\n# complete files: %s/%s<worker>_<pid>_<nanoseconds>%s\n",
		cfg->files_path, cfg->prefix, cfg->suffix);
	fprintf(to, "# while they are written: in %s\n", cfg->temp);
}

/* --- compare and merge --------------------------------------------------- */

static int differs(const struct setting *set, const struct config *a,
		   const struct config *b)
{
	if (setting_is_text(set))
		return strcmp(*setting_text(set, (struct config *)a),
			      *setting_text(set, (struct config *)b)) != 0;
	return setting_number(set, a) != setting_number(set, b);
}

unsigned config_diff(const struct config *old, const struct config *new,
		     config_report_fn *applied, config_report_fn *restart,
		     void *arg)
{
	unsigned differences = 0;
	char name[64];

	for (int i = 0; i < SETTINGS; i++) {
		const struct setting *set = &config_settings[i];

		if (!differs(set, old, new))
			continue;
		differences++;
		snprintf(name, sizeof(name), "%s.%s", set->section, set->key);
		if (set->reload)
			applied(arg, name);
		else
			restart(arg, name);
	}
	return differences;
}

static int copy_setting(const struct setting *set, struct config *to,
			const struct config *from)
{
	if (setting_is_text(set))
		return setting_set_text(
			set, to, *setting_text(set, (struct config *)from));
	setting_set_number(set, to, setting_number(set, from));
	return 0;
}

struct config *config_merge(const struct config *old, const struct config *new)
{
	struct config *cfg = calloc(1, sizeof(*cfg));

	if (!cfg)
		return NULL;
	for (int i = 0; i < SETTINGS; i++) {
		const struct setting *set = &config_settings[i];

		if (copy_setting(set, cfg, set->reload ? new : old) < 0)
			goto fail;
	}
	for (size_t i = 0; i < DERIVED; i++) {
		const char *text = *derived_text(new, i);
		const char **copy = derived_text(cfg, i);

		/* what follows from keys that need a restart */
		if (derived[i] == offsetof(struct config, temp))
			text = old->temp;
		if (!text)
			continue;
		*copy = strdup(text);
		if (!*copy)
			goto fail;
	}
	return cfg;
fail:
	config_free(cfg);
	return NULL;
}
