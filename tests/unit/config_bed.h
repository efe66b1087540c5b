/* SPDX-License-Identifier: MIT */
/*
 * What the tests of settings share: loading a text, and what was reported.
 * Each test has a directory of its own with one settings file in it.
 */
#ifndef BUFWRITER_TESTS_CONFIG_BED_H
#define BUFWRITER_TESTS_CONFIG_BED_H

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/config.h"
#include "conf/setting.h"

#define BED_REPORTS 256

struct reports {
	unsigned n;
	char *line[BED_REPORTS];
};

static char bed_dir[256];
static char bed_file[300]; /* <dir>/test.ini */

static void bed_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(bed_dir, sizeof(bed_dir), "%s/bw-config-XXXXXX",
		 tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(bed_dir));
	snprintf(bed_file, sizeof(bed_file), "%s/test.ini", bed_dir);
}

static void bed_teardown(void)
{
	unlink(bed_file);
	rmdir(bed_dir);
}

static inline void reports_add(void *arg, const char *line)
{
	struct reports *reports = arg;

	ck_assert_uint_lt(reports->n, BED_REPORTS);
	reports->line[reports->n++] = strdup(line);
}

static inline void reports_clear(struct reports *reports)
{
	while (reports->n)
		free(reports->line[--reports->n]);
}

static inline int reports_have(const struct reports *reports, const char *part)
{
	unsigned i;

	for (i = 0; i < reports->n; i++)
		if (strstr(reports->line[i], part))
			return 1;
	return 0;
}

static inline void bed_write(const char *text, size_t len)
{
	FILE *to;

	/* a new file: some file systems flush one that was cut to nothing */
	unlink(bed_file);
	to = fopen(bed_file, "w");
	ck_assert_ptr_nonnull(to);
	ck_assert_uint_eq(fwrite(text, 1, len, to), len);
	ck_assert_int_eq(fclose(to), 0);
}

/* Loads a file that holds `text`. */
static inline int bed_load(const char *text, size_t len,
			   struct reports *reports, struct config **out)
{
	bed_write(text, len);
	return config_load(bed_file, NULL, 0, reports_add, reports, out);
}

/* Loads what has to be right. */
static inline struct config *bed_good(const char *text)
{
	struct reports reports = { 0 };
	struct config *cfg;
	int err = bed_load(text, strlen(text), &reports, &cfg);

	ck_assert_msg(err == 0, "%s", reports.n ? reports.line[0] : "?");
	ck_assert_uint_eq(reports.n, 0);
	return cfg;
}

/* Loads no file and one option. */
static inline int bed_option(const char *option, struct reports *reports,
			     struct config **out)
{
	return config_load(NULL, &option, 1, reports_add, reports, out);
}

static inline char *bed_print(const struct config *cfg)
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(to);
	config_print(cfg, to);
	ck_assert_int_eq(fclose(to), 0);
	return text;
}

static inline int bed_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
