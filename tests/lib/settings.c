/* SPDX-License-Identifier: MIT */
/* See settings.h. */
#include "tests/lib/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char settings_dir[DIR_PATH];
char settings_file[DIR_PATH + 16];

void reports_add(void *arg, const char *line)
{
	struct reports *reports = arg;

	ck_assert_uint_lt(reports->n, REPORTS_MAX);
	reports->line[reports->n++] = strdup(line);
}

void reports_clear(struct reports *reports)
{
	while (reports->n)
		free(reports->line[--reports->n]);
}

bool reports_have(const struct reports *reports, const char *part)
{
	unsigned i;

	for (i = 0; i < reports->n; i++)
		if (strstr(reports->line[i], part))
			return true;
	return false;
}

void settings_open(void)
{
	dir_make(settings_dir);
	snprintf(settings_file, sizeof(settings_file), "%s/test.ini",
		 settings_dir);
}

void settings_close(void)
{
	dir_remove(settings_dir);
}

void settings_write(const char *text, size_t len)
{
	/* Some file systems flush a file that was cut to nothing. */
	unlink(settings_file);
	file_write(settings_file, text, len);
}

int settings_load(const char *text, size_t len, struct reports *reports,
		  struct config **out)
{
	settings_write(text, len);
	return config_load(settings_file, NULL, 0, reports_add, reports, out);
}

struct config *settings_good(const char *text)
{
	struct reports reports = { 0 };
	struct config *cfg;
	int err = settings_load(text, strlen(text), &reports, &cfg);

	ck_assert_msg(err == 0, "%s", reports.n ? reports.line[0] : "?");
	ck_assert_uint_eq(reports.n, 0);
	return cfg;
}

int settings_option(const char *option, struct reports *reports,
		    struct config **out)
{
	return config_load(NULL, &option, 1, reports_add, reports, out);
}

char *settings_print(const struct config *cfg)
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(to);
	config_print(cfg, to);
	ck_assert_int_eq(fclose(to), 0);
	return text;
}
