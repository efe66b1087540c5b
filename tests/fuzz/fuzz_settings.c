/* SPDX-License-Identifier: MIT */
/*
 * The settings: a file and options of the command line.
 *
 * The input is the file, up to a line `---`, and then one option a line.
 *
 * - Settings are loaded, or refused with at least one problem.  A problem is
 *   one line, without control characters, that begins with its place.
 * - What config_print() prints loads again, to the same settings.
 * - A reload to these settings applies the keys that it can, and no others.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "tests/fuzz/fuzz.h"

#define OPTIONS 64

static char file[PATH_MAX];
static struct config *defaults;

static void on_problem(void *arg, const char *line)
{
	unsigned *problems = arg;

	++*problems;
	FUZZ_CHECK(fuzz_is_line(line), "a problem is no line: %s", line);
	FUZZ_CHECK(strlen(line) < PATH_MAX + 2048, "a problem is too long");
	FUZZ_CHECK(!strncmp(line, file, strlen(file)) ||
			   !strncmp(line, "-o: ", 4) ||
			   !strncmp(line, "default: ", 9) ||
			   !strncmp(line, "and ", 4),
		   "a problem has no place: %s", line);
}

static void on_second_problem(void *arg, const char *line)
{
	(void)arg;
	fuzz_fail(__FILE__, __LINE__, "printed settings are refused: %s", line);
}

static void on_difference(void *arg, const char *key)
{
	(void)arg;
	fuzz_fail(__FILE__, __LINE__, "%s has another value", key);
}

static void ignore(void *arg, const char *key)
{
	(void)arg;
	(void)key;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int err;

	(void)argc;
	(void)argv;
	snprintf(file, sizeof(file), "%s/fuzz.ini", fuzz_dir());
	err = config_load(NULL, NULL, 0, on_second_problem, NULL, &defaults);
	FUZZ_CHECK(!err, "no defaults: %d", err);
	return 0;
}

static char *print(const struct config *cfg, size_t *size)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, size);

	FUZZ_CHECK(to, "out of memory");
	config_print(cfg, to);
	FUZZ_CHECK(!fclose(to), "out of memory");
	return text;
}

static void check_print(const struct config *cfg)
{
	struct config *again;
	size_t size, size_again;
	char *text = print(cfg, &size), *text_again;
	int err;

	FUZZ_CHECK(strlen(text) == size, "a NUL is printed");
	fuzz_write(file, text, size);
	err = config_load(file, NULL, 0, on_second_problem, NULL, &again);
	FUZZ_CHECK(!err, "printed settings do not load: %d", err);
	config_diff(cfg, again, on_difference, on_difference, NULL);
	text_again = print(again, &size_again);
	FUZZ_CHECK(!strcmp(text, text_again), "printed differently:\n%s\n%s",
		   text, text_again);
	free(text_again);
	free(text);
	config_free(again);
}

static void check_reload(const struct config *new)
{
	struct config *merged = config_merge(defaults, new);

	FUZZ_CHECK(merged, "out of memory");
	config_diff(merged, new, on_difference, ignore, NULL);
	config_diff(defaults, merged, ignore, on_difference, NULL);
	config_free(merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size }, text, option;
	const char *options[OPTIONS];
	struct config *cfg;
	unsigned problems = 0;
	size_t n = 0;
	int err;

	text = fuzz_until_line(&in, "---");
	fuzz_write(file, text.data, text.left);
	while (in.left && n < OPTIONS) {
		const uint8_t *end = memchr(in.data, '\n', in.left);
		size_t len = end ? (size_t)(end - in.data) : in.left;

		option = (struct fuzz_input){ in.data, len };
		options[n++] = fuzz_text(&option, len);
		len += end != NULL;
		in.data += len;
		in.left -= len;
	}
	err = config_load(file, options, n, on_problem, &problems, &cfg);
	FUZZ_CHECK(err == 0 || err == -EINVAL, "error %d", err);
	FUZZ_CHECK(!err == !problems, "error %d with %u problems", err,
		   problems);
	FUZZ_CHECK(!err == !!cfg, "error %d with settings", err);
	if (cfg) {
		check_print(cfg);
		check_reload(cfg);
		config_free(cfg);
	}
	while (n)
		free((void *)options[--n]);
	return 0;
}
