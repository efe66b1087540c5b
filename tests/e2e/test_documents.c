/* SPDX-License-Identifier: MIT */
/*
 * The documents of the tree are in step with it: daemon/README.md names
 * functions and files that exist, links between documents lead somewhere, and
 * no advice makes senders stand still.
 * (test_manual.c has README and the manual pages, test_messages.c the log.)
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <glob.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"

#define MAP "daemon/README.md"
#define DOCUMENTS                                           \
	"{,daemon/,tests/,tests/bench/,.github/,"           \
	"client/{cases,go,languages,node,python,recipes}/," \
	"systemd/centre/{monitoring,stitch}/}*.md"
#define SOURCES "{daemon,conf}/{*.[ch],*/*.[ch]}"

typedef void span_fn(const char *span);

/*
 * Calls fn() for each text between two backquotes, outside of code blocks; a
 * line break in it is a space.
 */
static void for_each_span(const char *page, span_fn *fn)
{
	char *text = source_read(page);
	char *block = text;
	char *rest, *span, *at;
	unsigned n;

	/* Every second part of a text cut at ``` is a code block. */
	while ((at = strstr(block, "\n```"))) {
		char *end = strstr(at + 4, "\n```");

		ck_assert_ptr_nonnull(end);
		memset(at, ' ', (size_t)(end + 4 - at));
		block = end + 4;
	}
	for (at = text; *at; at++)
		if (*at == '\n')
			*at = ' ';
	rest = text;
	for (n = 0; (span = strsep(&rest, "`")); n++)
		if (n % 2)
			fn(span);
	free(text);
}

static bool matches(const char *pattern, const char *text, regmatch_t *m,
		    size_t n)
{
	regex_t regex;
	int err;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE),
			 0);
	err = regexec(&regex, text, n, m, 0);
	regfree(&regex);
	return !err;
}

static const char *part(const char *text, const regmatch_t *m)
{
	return bed_text("%.*s", (int)(m->rm_eo - m->rm_so), text + m->rm_so);
}

/* --- functions ----------------------------------------------------------- */

static unsigned functions;

/* `folder/file.c function()`: that file of the daemon defines it. */
static void check_function(const char *span)
{
	const char *file, *name;
	regmatch_t m[3];
	char *source;

	if (!matches("^([a-z_/]+\\.[ch]) ([a-z_0-9]+)\\(\\)$", span, m, 3))
		return;
	file = bed_text("daemon/%s", part(span, &m[1]));
	name = part(span, &m[2]);
	ck_assert_msg(!access(source_path(file), F_OK),
		      MAP " names %s, which is not there", file);
	source = source_read(file);
	ck_assert_msg(matches(bed_text("^([a-z].*[ *])?%s\\(", name), source,
			      NULL, 0),
		      MAP " names %s(), which is not in %s", name, file);
	free(source);
	functions++;
}

START_TEST(the_map_names_functions_that_their_files_have)
{
	functions = 0;
	for_each_span(MAP, check_function);
	ck_assert_uint_ge(functions, 40);
}
END_TEST

static char *all_sources;

static char *read_all(const char *pattern)
{
	char *out = NULL;
	size_t size, i;
	FILE *to = open_memstream(&out, &size);
	glob_t files;

	ck_assert_ptr_nonnull(to);
	ck_assert_int_eq(glob(source_path(pattern), GLOB_BRACE, NULL, &files),
			 0);
	for (i = 0; i < files.gl_pathc; i++) {
		char *text = source_read(files.gl_pathv[i]);

		fputs(text, to);
		free(text);
	}
	globfree(&files);
	ck_assert_int_eq(fclose(to), 0);
	return out;
}

/* `function()` without a file, and `struct name`: somewhere in the source. */
static void check_name(const char *span)
{
	regmatch_t m[2];

	if (matches("^([a-z_0-9]+)\\(\\)$", span, m, 2))
		ck_assert_msg(matches(bed_text("\\<%s\\(", part(span, &m[1])),
				      all_sources, NULL, 0),
			      MAP " names %s, which is nowhere", span);
	if (matches("^struct [a-z_]+$", span, NULL, 0) &&
	    strcmp(span, "struct mmsghdr"))
		ck_assert_msg(matches(bed_text("^%s \\{", span), all_sources,
				      NULL, 0),
			      MAP " names %s, which is nowhere", span);
}

START_TEST(the_map_names_functions_and_structs_that_exist)
{
	all_sources = read_all(SOURCES);
	for_each_span(MAP, check_name);
	free(all_sources);
}
END_TEST

/* `I4` in a comment is a heading of the list. */
START_TEST(the_source_refers_to_invariants_of_the_map)
{
	char *map = source_read(MAP);
	char *sources = read_all(SOURCES);
	const char *at = sources;
	regmatch_t m[2];

	for (; matches("\\<(I[0-9]+)\\>", at, m, 2); at += m[1].rm_eo)
		ck_assert_msg(strstr(map, bed_text("\n**%s \xe2\x80\x94",
						   part(at, &m[1]))) != NULL,
			      "the source refers to %s, which " MAP
			      " does not have",
			      part(at, &m[1]));
	free(map);
	free(sources);
}
END_TEST

/* And each invariant has a place in the source that refers to it. */
START_TEST(the_source_refers_to_each_invariant)
{
	char *map = source_read(MAP);
	char *sources = read_all(SOURCES);
	const char *at = map;
	unsigned found = 0;
	regmatch_t m[2];

	for (; matches("^\\*\\*(I[0-9]+) ", at, m, 2);
	     at += m[1].rm_eo, found++)
		ck_assert_msg(matches(bed_text("\\<%s\\>", part(at, &m[1])),
				      sources, NULL, 0),
			      "no comment of the source says %s",
			      part(at, &m[1]));
	ck_assert_uint_ge(found, 7);
	free(map);
	free(sources);
}
END_TEST

/* --- files and links ----------------------------------------------------- */

/* A span that looks like a path is one, from the top or from daemon/; one that
 * looks like a suite is one. */
static void check_path(const char *span)
{
	if (matches("^test_[a-z_]+$", span, NULL, 0))
		ck_assert_msg(
			!access(source_path(bed_text("tests/unit/%s.c", span)),
				F_OK) ||
				!access(source_path(bed_text("tests/e2e/%s.c",
							     span)),
					F_OK),
			MAP " names the suite %s, which is not there", span);
	if (!matches("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]*)*$", span, NULL, 0) ||
	    !matches("/|\\.(c|h|def|pml|[78]|ini|md)$", span, NULL, 0) ||
	    strstr(span, "NAME"))
		return;
	ck_assert_msg(!access(source_path(span), F_OK) ||
			      !access(source_path(bed_text("daemon/%s", span)),
				      F_OK),
		      MAP " names %s, which is not there", span);
}

START_TEST(the_map_names_files_and_suites_that_exist)
{
	for_each_span(MAP, check_path);
}
END_TEST

/* The anchor that a heading gets: `## Start, stop` is #start-stop. */
static const char *anchor_of(const char *heading)
{
	static char anchor[256];
	size_t n = 0;

	for (; *heading && *heading != '\n'; heading++) {
		ck_assert_uint_lt(n + 1, sizeof(anchor));
		if (*heading == ' ')
			anchor[n++] = '-';
		else if (isalnum((unsigned char)*heading) ||
			 strchr("-_", *heading))
			anchor[n++] = (char)tolower((unsigned char)*heading);
	}
	anchor[n] = '\0';
	return anchor;
}

static bool has_heading(const char *text, const char *anchor)
{
	const char *at;

	for (at = text; (at = strstr(at, "\n#")); at++) {
		const char *heading = at + 1 + strspn(at + 1, "#");

		if (*heading == ' ' && !strcmp(anchor_of(heading + 1), anchor))
			return true;
	}
	return false;
}

static void check_link(const char *page, const char *target)
{
	const char *slash = strrchr(page, '/');
	const char *file = page;
	size_t len = strcspn(target, "#");
	char *text;

	if (!strncmp(target, "http", 4))
		return;
	if (len)
		file = bed_text("%.*s/%.*s", slash ? (int)(slash - page) : 1,
				slash ? page : ".", (int)len, target);
	ck_assert_msg(!access(source_path(file), F_OK),
		      "%s links to %s, which is not there", page, target);
	if (!target[len])
		return;
	text = source_read(file);
	ck_assert_msg(has_heading(text, target + len + 1),
		      "%s links to %s, but %s has no such heading", page,
		      target, file);
	free(text);
}

START_TEST(links_between_documents_lead_somewhere)
{
	size_t top = strlen(source_path(""));
	unsigned links = 0;
	regmatch_t m[2];
	glob_t files;
	size_t i;

	ck_assert_int_eq(glob(source_path(DOCUMENTS), GLOB_BRACE, NULL, &files),
			 0);
	ck_assert_uint_ge(files.gl_pathc, 7);
	for (i = 0; i < files.gl_pathc; i++) {
		const char *page = files.gl_pathv[i] + top;
		char *text = source_read(page);
		const char *at = text;

		for (; matches("\\]\\(([^) ]+)\\)", at, m, 2);
		     at += m[1].rm_eo, links++)
			check_link(page, part(at, &m[1]));
		free(text);
	}
	ck_assert_uint_ge(links, 15);
	globfree(&files);
}
END_TEST

/* --- targets of make, folders of the tests -------------------------------- */

static char *makefiles;

/* `make NAME` in backquotes, at the begin of a line of code, or after `&&`. */
static unsigned check_targets(const char *page)
{
	char *text = source_read(page);
	const char *at = text;
	unsigned named = 0;
	regmatch_t m[4];

	for (; matches("(^ *|`|&& )make ([A-Z]+=[^ ]+ )*([a-z-]+)", at, m, 4);
	     at += m[0].rm_eo) {
		const char *name = part(at, &m[3]);

		/* `make && ...`, or a word of a sentence that begins so */
		if (m[1].rm_eo - m[1].rm_so < 4 && at[m[1].rm_so] != '`' &&
		    strchr(".,", at[m[0].rm_eo]))
			continue;
		ck_assert_msg(
			matches(bed_text("^(.* )?%s( .*)?:([^=]|$)", name),
				makefiles, NULL, 0),
			"%s names `make %s`, and there is no such target", page,
			name);
		named++;
	}
	free(text);
	return named;
}

START_TEST(targets_of_make_that_documents_name_exist)
{
	size_t top = strlen(source_path(""));
	unsigned named = 0;
	glob_t files;
	size_t i;

	makefiles = read_all("{Makefile,systemd/install.mk,client/nats/nats.mk,"
			     "tests/*/*.mk}");
	ck_assert_int_eq(glob(source_path(DOCUMENTS), GLOB_BRACE, NULL, &files),
			 0);
	for (i = 0; i < files.gl_pathc; i++)
		named += check_targets(files.gl_pathv[i] + top);
	ck_assert_uint_ge(named, 40);
	globfree(&files);
	free(makefiles);
}
END_TEST

/* A row of its table has each folder and each script. */
START_TEST(the_page_of_the_tests_has_each_folder)
{
	size_t top = strlen(source_path("tests/"));
	char *page = source_read("tests/README.md");
	glob_t files;
	size_t i;

	ck_assert_int_eq(glob(source_path("tests/{*/,*.sh}"), GLOB_BRACE, NULL,
			      &files),
			 0);
	ck_assert_uint_ge(files.gl_pathc, 10);
	for (i = 0; i < files.gl_pathc; i++) {
		const char *name = files.gl_pathv[i] + top;

		ck_assert_msg(matches(bed_text("^\\| .*`%s`.* \\|", name), page,
				      NULL, 0),
			      "tests/README.md says nothing about %s", name);
	}
	globfree(&files);
	free(page);
}
END_TEST

/* --- advice -------------------------------------------------------------- */

#define RESTART "systemctl restart bufwriter"
#define CHECKED "bufwriterd -t && " RESTART

/*
 * A start with a mistake in the settings fails, and blocking senders stand
 * still meanwhile: where people look, a restart comes behind a check.
 */
START_TEST(a_restart_that_a_document_advises_comes_behind_a_check)
{
	static const char *const pages[] = {
		"README.md",
		"conf/bufwriter.ini",
		"conf/bufwriter.ini.5.in",
		"daemon/bufwriter-troubleshooting.7",
		"daemon/bufwriterd.8",
	};
	unsigned checked = 0;
	const char *at;
	char *text;
	size_t i;

	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		text = source_read(pages[i]);
		ck_assert_msg(i == 4 || strstr(text, CHECKED) != NULL,
			      "%s does not say '" CHECKED "'", pages[i]);
		for (at = text; (at = strstr(at, RESTART));
		     at += strlen(RESTART)) {
			size_t check = strlen(CHECKED) - strlen(RESTART);
			const char *end = at + strlen(RESTART);
			const char *from = at - check;

			/* of the socket, or of the shipper */
			if (*end == '-' || !strncmp(end, ".socket", 7))
				continue;
			ck_assert_msg((size_t)(at - text) >= check &&
					      !strncmp(from, CHECKED,
						       strlen(CHECKED)),
				      "%s says '%.60s' without a check",
				      pages[i], at);
			checked++;
		}
		free(text);
	}
	ck_assert_uint_ge(checked, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("documents");
	TCase *tcase = tcase_create("documents");

	tcase_add_test(tcase, the_map_names_functions_that_their_files_have);
	tcase_add_test(tcase, the_map_names_functions_and_structs_that_exist);
	tcase_add_test(tcase, the_source_refers_to_invariants_of_the_map);
	tcase_add_test(tcase, the_source_refers_to_each_invariant);
	tcase_add_test(tcase, the_map_names_files_and_suites_that_exist);
	tcase_add_test(tcase, links_between_documents_lead_somewhere);
	tcase_add_test(tcase, targets_of_make_that_documents_name_exist);
	tcase_add_test(tcase, the_page_of_the_tests_has_each_folder);
	tcase_add_test(tcase,
		       a_restart_that_a_document_advises_comes_behind_a_check);
	suite_add_tcase(suite, tcase);
	return suite_run(suite, CK_NOFORK);
}
