/* SPDX-License-Identifier: MIT */
/*
 * What the tests of settings share: loading a text, and what was reported.
 * Each test has a directory of its own with one settings file in it.
 */
#ifndef BUFWRITER_TEST_SETTINGS_H
#define BUFWRITER_TEST_SETTINGS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/config.h"
#include "conf/setting.h"
#include "tests/lib/files.h"
#include "tests/lib/suite.h"

#define REPORTS_MAX 256

struct reports {
	unsigned n;
	char *line[REPORTS_MAX];
};

/* For config_load(), with a struct reports as its argument. */
void reports_add(void *arg, const char *line);
void reports_clear(struct reports *reports);
/* True if one of the lines has this part. */
bool reports_have(const struct reports *reports, const char *part);

extern char settings_dir[DIR_PATH];
extern char settings_file[DIR_PATH + 16]; /* <dir>/test.ini */

/* Checked fixtures: a new directory; the directory is removed. */
void settings_open(void);
void settings_close(void);

/* Replaces the settings file. */
void settings_write(const char *text, size_t len);
/* Loads a file that holds `text`; 0 or -errno. */
int settings_load(const char *text, size_t len, struct reports *reports,
		  struct config **out);
/* Loads a text that is right. */
struct config *settings_good(const char *text);
/* Loads no file and one option; 0 or -errno. */
int settings_option(const char *option, struct reports *reports,
		    struct config **out);
/* The settings as `bufwriterd -t` prints them; the caller frees. */
char *settings_print(const struct config *cfg);

#endif
