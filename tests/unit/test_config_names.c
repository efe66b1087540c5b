/* SPDX-License-Identifier: MIT */
/*
 * No two settings lead to one path, and none leads below another: every name
 * that is made for a setting (tests/lib/derived.c) against every name that is
 * made for another one.
 */
#define _GNU_SOURCE
#include "tests/lib/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/derived.h"

/* Both names are made. */
static bool is_pair(const struct derived *a, const struct derived *b)
{
	return strcmp(a->key, b->key) &&
	       (!a->unless || strcmp(a->unless, b->key)) &&
	       (!b->unless || strcmp(b->unless, a->key));
}

/* A path for this setting whose name of row `d` is `made`; false: none has. */
static bool give(const struct derived *d, const char *made, char path[256])
{
	size_t len = strlen(made), end = strlen(d->made);

	/* The name before `.sock` is not empty. */
	if (len <= end || strcmp(made + len - end, d->made) ||
	    made[len - end - 1] == '/')
		return false;
	snprintf(path, 256, "%.*s%s%s", (int)(len - end), made,
		 d->beside ? "/other" : "", d->given);
	return true;
}

static int load(const struct derived *a, const char *path_a,
		const struct derived *b, const char *path_b,
		struct reports *reports)
{
	char options[2][300];
	const char *list[2] = { options[0], options[1] };
	struct config *cfg;
	int err;

	snprintf(options[0], sizeof(options[0]), "%s=%s", a->key, path_a);
	snprintf(options[1], sizeof(options[1]), "%s=%s", b->key, path_b);
	err = config_load(NULL, list, 2, reports_add, reports, &cfg);
	if (!err)
		config_free(cfg);
	return err;
}

/* One line speaks of both settings. */
static void require_report(const struct derived *a, const char *path_a,
			   const struct derived *b, const char *path_b,
			   const char *word)
{
	struct reports reports = { 0 };
	int err = load(a, path_a, b, path_b, &reports);
	bool told = false;
	unsigned i;

	for (i = 0; i < reports.n; i++)
		told |= strstr(reports.line[i], a->key) &&
			strstr(reports.line[i], b->key) &&
			strstr(reports.line[i], word);
	ck_assert_msg(err == -EINVAL && told, "%s = %s, %s = %s: %d, %s",
		      a->key, path_a, b->key, path_b, err,
		      reports.n ? reports.line[0] : "no report");
	reports_clear(&reports);
}

/* What the name of a row is, for a path that nothing else means. */
static void make(const struct derived *d, char path[256], char made[256])
{
	snprintf(path, 256, "/d/x%s", d->given);
	snprintf(made, 256, "/d%s%s%s", d->beside ? "" : "/x", d->made,
		 d->numbered ? "17" : "");
}

START_TEST(two_settings_with_one_name_are_reported)
{
	const struct derived *a = &derived[_i], *b;
	char path_a[256], path_b[256], made[256];
	unsigned met = 0;

	make(a, path_a, made);
	for (b = derived; b < derived + DERIVED; b++) {
		if (!is_pair(a, b) || !give(b, made, path_b))
			continue;
		require_report(a, path_a, b, path_b, "also");
		met++;
	}
	/* Each name is a possible path of the settings without a derivation. */
	ck_assert_uint_ge(met, 7);
}
END_TEST

static bool is_files(const struct derived *d)
{
	return !strncmp(d->key, "files.", 6);
}

START_TEST(a_path_below_a_name_of_another_setting_is_reported)
{
	const struct derived *a = &derived[_i], *b;
	char path_a[256], path_b[256], made[256], below[300];

	make(a, path_a, made);
	for (b = derived; b < derived + DERIVED; b++) {
		if (!is_pair(a, b) || a->numbered || b->numbered)
			continue;
		/* files.temp may be below files.path: the daemon tells. */
		if (is_files(a) && is_files(b))
			continue;
		snprintf(below, sizeof(below), "%s/deep/y%s", made, b->made);
		if (!give(b, below, path_b))
			continue;
		require_report(a, path_a, b, path_b, "below");
	}
}
END_TEST

/* One path is only the beginning of another's text, or .. leaves it again. */
static const char *const apart[] = { "/d/xx", "/d/x-", "/e/x", "/d/x/../y",
				     "/d/x/./y/../../z" };

START_TEST(paths_that_look_alike_are_not_reported)
{
	const struct derived *a, *b;
	struct reports reports = { 0 };
	char path[256];
	size_t i;

	for (a = derived; a < derived + DERIVED; a++)
		for (b = derived; b < derived + DERIVED; b++)
			for (i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
				if (!strcmp(a->key, b->key) || *a->given ||
				    *b->given)
					continue;
				snprintf(path, sizeof(path), "%s", apart[i]);
				ck_assert_msg(!load(a, "/d/x", b, path,
						    &reports),
					      "%s", reports.line[0]);
			}
}
END_TEST

/* The daemon tells of it, and files what it gets all the same. */
START_TEST(the_two_directories_of_files_may_be_one_below_the_other)
{
	static const struct derived path = { .key = "files.path" };
	static const struct derived temp = { .key = "files.temp" };
	struct reports reports = { 0 };

	ck_assert_int_eq(load(&path, "/d/x", &temp, "/d/x/.tmp", &reports), 0);
	ck_assert_int_eq(load(&path, "/d/x/y", &temp, "/d/x", &reports), 0);
	ck_assert_uint_eq(reports.n, 0);
}
END_TEST

/* The directory has another name by a link. */
START_TEST(a_link_to_a_directory_does_not_hide_what_is_in_it)
{
	static const struct derived files = { .key = "files.path" };
	static const struct derived state = { .key = "state.path" };
	char dir[256], linked[256], path[300];

	snprintf(dir, sizeof(dir), "%s/files", settings_dir);
	snprintf(linked, sizeof(linked), "%s/link", settings_dir);
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	ck_assert_int_eq(symlink("files", linked), 0);
	snprintf(path, sizeof(path), "%s/state", linked);
	require_report(&files, dir, &state, path, "below");
	snprintf(path, sizeof(path), "%s/no/such/state", linked);
	require_report(&files, dir, &state, path, "below");
	snprintf(path, sizeof(path), "%s/state", dir);
	require_report(&files, linked, &state, path, "below");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_names");
	TCase *names = suite_case(suite, "names", settings_open,
				  settings_close);

	tcase_add_loop_test(names, two_settings_with_one_name_are_reported, 0,
			    DERIVED);
	tcase_add_loop_test(names,
			    a_path_below_a_name_of_another_setting_is_reported,
			    0, DERIVED);
	tcase_add_test(names, paths_that_look_alike_are_not_reported);
	tcase_add_test(names,
		       the_two_directories_of_files_may_be_one_below_the_other);
	tcase_add_test(names,
		       a_link_to_a_directory_does_not_hide_what_is_in_it);
	return suite_run(suite, CK_FORK);
}
