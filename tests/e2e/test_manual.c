/* SPDX-License-Identifier: MIT */
/*
 * The documents agree with the source: README with the Makefile, the manuals
 * with options, settings, counters and exit statuses.  (test_messages.c checks
 * the log lines.)
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <glob.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/setting.h"
#include "tests/lib/bed.h"
#include "tests/lib/examples.h"

#define README "README.md"
#define DAEMON_PAGE "daemon/bufwriterd.8"
#define CONTROL_PAGE "daemon/bufwriter-control.7"
#define TROUBLE_PAGE "daemon/bufwriter-troubleshooting.7"
#define COMMAND_PAGE "client/bufwriter.1"
#define SHIP_PAGE "client/bufwriter-ship.1"

/* --- README and Makefile ------------------------------------------------- */

static int is_target(const char *makefile, const char *name, size_t len)
{
	const char *line = makefile;

	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ':' &&
		    line[len + 1] != '=')
			return 1;
	}
	return 0;
}

/* `make NAME`, also for two of them: `make A && make B`. */
START_TEST(make_has_each_target_that_readme_names)
{
	char *makefile = source_read("Makefile");
	char *install = source_read("systemd/install.mk");
	char *readme = source_read(README);
	const char *at = readme;
	unsigned named = 0;
	size_t len;

	while ((at = strstr(at, "make "))) {
		char before = at == readme ? '\n' : at[-1];

		at += strlen("make ");
		len = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
		/* in code, and not `install make && ...` */
		if (!strchr("`\n ", before) || !len || at[len] == '=' ||
		    (before == ' ' && strncmp(at - 8, "&& ", 3) &&
		     strncmp(at - 8, "or: ", 3)))
			continue;
		ck_assert_msg(is_target(makefile, at, len) ||
				      is_target(install, at, len),
			      "README names `make %.*s`, Makefile has no such "
			      "target",
			      (int)len, at);
		named++;
	}
	ck_assert_uint_ge(named, 5);
	free(makefile);
	free(install);
	free(readme);
}
END_TEST

START_TEST(the_commands_install_what_they_need)
{
	char *readme = source_read(README);

	ck_assert_ptr_nonnull(strstr(
		readme, "\napt-get update && apt-get install -y make && make "
			"demo\n"));
	ck_assert_ptr_nonnull(strstr(
		readme, "\napt-get update && apt-get install -y make && make "
			"check\n"));
	ck_assert_ptr_nonnull(strstr(
		readme, "\napt-get update && apt-get install -y make rsync && "
			"make demo-edge\n"));
	free(readme);
}
END_TEST

/*
 * A text in backquotes with a slash inside and none in front is a file of ours.
 */
START_TEST(files_that_readme_names_are_there)
{
	char *readme = source_read(README);
	char *rest = readme;
	char *word;
	int code = 0;

	while ((word = strsep(&rest, "`"))) {
		if (code++ % 2 == 0 || strpbrk(word, "\n %*(=<"))
			continue;
		if (!strchr(word, '/') || word[0] == '/')
			continue;
		ck_assert_msg(access(source_path(word), F_OK) == 0,
			      "README names `%s`, which is not there", word);
	}
	free(readme);
}
END_TEST

/* The table of README gives the defaults of the settings. */
START_TEST(readme_has_the_defaults)
{
	char *readme = source_read(README);
	const struct setting *set = setting_table;
	unsigned found = 0;
	int i;

	for (i = 0; i < SETTINGS; i++, set++) {
		const char *at = strstr(readme,
					bed_text("\n| `[%s] %s` | `",
						 set->section, set->key));

		if (!at)
			continue;
		at = strstr(at, "` | `") + strlen("` | `");
		ck_assert_msg(!strncmp(at, set->default_text,
				       strlen(set->default_text)) &&
				      at[strlen(set->default_text)] == '`',
			      "README: %s.%s is %s by default", set->section,
			      set->key, set->default_text);
		found++;
	}
	ck_assert_uint_ge(found, 8);
	free(readme);
}
END_TEST

/* The sentence of README about a reload names what it applies, and no more. */
START_TEST(readme_has_what_a_reload_applies)
{
	char *readme = source_read(README);
	char *sentence = strstr(readme,
				"\n`systemctl reload bufwriter` applies");
	const struct setting *set = setting_table;
	int i;

	ck_assert_ptr_nonnull(sentence);
	*strstr(sentence, "log names") = '\0';
	for (i = 0; i < SETTINGS; i++, set++)
		ck_assert_msg(set->reload ==
				      !!strstr(sentence,
					       bed_text("`%s`", set->key)),
			      "README: does a reload apply %s.%s?",
			      set->section, set->key);
	free(readme);
}
END_TEST

/* --- names --------------------------------------------------------------- */

static int is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* True if `word` is in the text, and not as a part of a longer name. */
static int has_word(const char *text, const char *word)
{
	const char *at = text;
	size_t len = strlen(word);

	while ((at = strstr(at, word))) {
		if ((at == text || !is_name(at[-1])) && !is_name(at[len]))
			return 1;
		at++;
	}
	return 0;
}

static void require_word(const char *page, const char *text, const char *word)
{
	ck_assert_msg(has_word(text, word), "%s says nothing about %s", page,
		      word);
}

/* The page uses the words of the metrics. */
static void require_counter(const char *page, const char *name, const char *doc)
{
	require_word(CONTROL_PAGE, page, name);
	ck_assert_msg(strstr(page, doc) != NULL, "%s says not of %s: %s",
		      CONTROL_PAGE, name, doc);
}

START_TEST(the_manual_has_every_counter)
{
	char *page = manual_words(CONTROL_PAGE);

#define NAMED(name, doc) require_counter(page, #name, doc);
#define LISTENER NAMED
#define DROPPED NAMED
#define CONTROL NAMED
#define KEEPER NAMED
#define LOG NAMED
#define RECORD NAMED
#define WORKER NAMED
#define HISTOGRAM NAMED
#define GAUGE NAMED
#include "daemon/base/stats.def"
#undef NAMED
	free(page);
}
END_TEST

START_TEST(the_manual_has_every_member_of_the_status)
{
	char *page = manual_words(CONTROL_PAGE);
	const char *build = getenv("BW_BUILD");
	static char status[65536];
	char *at = status;
	unsigned found = 0;
	FILE *from;

	daemon_start();
	from = popen(bed_text("%s/bufwriter status --json --socket %s",
			      build ? build : "build", bed.control),
		     "r");
	ck_assert_ptr_nonnull(from);
	ck_assert_uint_gt(fread(status, 1, sizeof(status) - 1, from), 0);
	ck_assert_int_eq(pclose(from), 0);
	daemon_stop(NULL);
	while ((at = strstr(at, "\":"))) {
		char *name = at;

		*at++ = '\0';
		while (name > status && is_name(name[-1]))
			name--;
		require_word(CONTROL_PAGE, page, name);
		found++;
	}
	ck_assert_uint_ge(found, 60);
	free(page);
}
END_TEST

START_TEST(the_manual_has_every_setting)
{
	const char *page = "man/bufwriter.ini.5";
	const char *dir = getenv("BW_BUILD");
	char *text = manual_words(
		dir && dir[0] == '/' ?
			bed_text("%s/%s", dir, page) :
			source_path(
				bed_text("%s/%s", dir ? dir : "build", page)));
	int i;

	for (i = 0; i < SETTINGS; i++)
		require_word(page, text, setting_table[i].key);
	free(text);
}
END_TEST

/*
 * `buffer.size` in prose: such a setting exists, or the reader looks in vain.
 * Names of files and functions may look the same, and one example is wrong.
 */
static void require_settings(const char *name, const char *text)
{
	regex_t names;
	regmatch_t m[3];
	int i;

	ck_assert_int_eq(
		regcomp(&names,
			"(socket|buffer|lanes|senders|files|state|control|ship|"
			"log)\\.([a-z_]+)",
			REG_EXTENDED),
		0);
	for (; !regexec(&names, text, 3, m, 0); text += m[0].rm_eo) {
		const char *key = text + m[2].rm_so;
		int len = (int)(m[2].rm_eo - m[2].rm_so);
		char before = m[0].rm_so ? text[m[0].rm_so - 1] : ' ';

		const char *after = key + len;

		if (is_name(before) || strchr("/.-", before) ||
		    !strncmp(key, "sock", (size_t)len) ||
		    !strncmp(key, "lock", (size_t)len) ||
		    !strncmp(key, "prom", (size_t)len) || *after == '(' ||
		    !strncmp(after, ": unknown key", 13))
			continue;
		for (i = 0; i < SETTINGS; i++)
			if (strlen(setting_table[i].key) == (size_t)len &&
			    !strncmp(key, setting_table[i].key, (size_t)len) &&
			    !strncmp(text + m[1].rm_so,
				     setting_table[i].section,
				     strlen(setting_table[i].section)))
				break;
		ck_assert_msg(i < SETTINGS, "%s: there is no setting %.*s",
			      name, (int)(m[0].rm_eo - m[0].rm_so),
			      text + m[0].rm_so);
	}
	regfree(&names);
}

START_TEST(settings_that_prose_names_exist)
{
	static const char *const pages[] = { README,
					     DAEMON_PAGE,
					     CONTROL_PAGE,
					     TROUBLE_PAGE,
					     COMMAND_PAGE,
					     SHIP_PAGE,
					     "client/library/libbufwriter.3",
					     "conf/bufwriter.ini.5.in",
					     "daemon/bufwriter-lanes.7",
					     "daemon/README.md",
					     "client/bufwriter-recipes.7",
					     "client/nats/bufwriter-nats.1",
					     "systemd/centre/bufwriter-centre.8",
					     ".github/SECURITY.md",
					     ".github/COMPARISON.md" };
	char *text = source_read(pages[_i]);

	require_settings(pages[_i], text);
	free(text);
}
END_TEST

/* --- options and exit statuses ------------------------------------------- */

/* Each `--name` that a program's help prints is an option of the page. */
static void require_options(const char *command, const char *page)
{
	char *text = manual_words(page);
	const char *build = getenv("BW_BUILD");
	FILE *help = popen(bed_text("%s/%s --help", build ? build : "build",
				    command),
			   "r");
	unsigned options = 0;
	char line[256];
	char *at;

	ck_assert_ptr_nonnull(help);
	while (fgets(line, sizeof(line), help)) {
		at = strstr(line, " --");
		if (line[0] != ' ' || !at)
			continue;
		at[1 + strcspn(at + 1, " =[\n")] = '\0';
		ck_assert_msg(has_word(text, at + 1),
			      "%s says nothing about %s", page, at + 1);
		options++;
	}
	ck_assert_int_eq(pclose(help), 0);
	ck_assert_uint_ge(options, 2);
	free(text);
}

START_TEST(the_manual_has_every_option)
{
	static const char *const commands[] = {
		"",	   " send", " status", " metrics", " flush",
		" reload", " top",  " doctor", " report",  " cat"
	};
	unsigned i;

	require_options("bufwriterd", DAEMON_PAGE);
	require_options("bufwriter ship", SHIP_PAGE);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		require_options(bed_text("bufwriter%s", commands[i]),
				COMMAND_PAGE);
}
END_TEST

/* Each shell completes the command, and each option that its help prints. */
static void require_completions(const char *command)
{
	static const char *const shells[] = { "_bufwriter", "bufwriter.bash",
					      "bufwriter.fish" };
	const char *build = getenv("BW_BUILD");
	char line[256];
	unsigned i;

	for (i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		const char *name = bed_text("client/completions/%s", shells[i]);
		FILE *help = popen(bed_text("%s/bufwriter %s --help",
					    build ? build : "build", command),
				   "r");
		char *text = source_read(name);
		char *at;

		require_word(name, text, command);
		ck_assert_ptr_nonnull(help);
		while (fgets(line, sizeof(line), help)) {
			at = strstr(line, " --");
			if (line[0] != ' ' || !at)
				continue;
			at += strlen(" --");
			at[strcspn(at, " =[\n")] = '\0';
			require_word(name, text, at);
		}
		ck_assert_int_eq(pclose(help), 0);
		free(text);
	}
}

START_TEST(the_completions_have_every_command_and_option)
{
	const char *build = getenv("BW_BUILD");
	FILE *help = popen(
		bed_text("%s/bufwriter --help", build ? build : "build"), "r");
	char line[256], command[32];
	unsigned commands = 0;

	ck_assert_ptr_nonnull(help);
	while (fgets(line, sizeof(line), help) && strcmp(line, "Commands:\n"))
		;
	while (fgets(line, sizeof(line), help) &&
	       sscanf(line, "  %31s", command) == 1) {
		require_completions(command);
		commands++;
	}
	while (fgets(line, sizeof(line), help))
		;
	ck_assert_int_eq(pclose(help), 0);
	ck_assert_uint_ge(commands, 10);
}
END_TEST

static int exit_status(const char *name, size_t len)
{
	static const struct {
		const char *name;
		int status;
	} known[] = {
		{ "EX_OK", EX_OK },
		{ "EX_USAGE", EX_USAGE },
		{ "EX_DATAERR", EX_DATAERR },
		{ "EX_NOINPUT", EX_NOINPUT },
		{ "EX_UNAVAILABLE", EX_UNAVAILABLE },
		{ "EX_SOFTWARE", EX_SOFTWARE },
		{ "EX_OSERR", EX_OSERR },
		{ "EX_CANTCREAT", EX_CANTCREAT },
		{ "EX_IOERR", EX_IOERR },
		{ "EX_TEMPFAIL", EX_TEMPFAIL },
		{ "EX_PROTOCOL", EX_PROTOCOL },
		{ "EX_NOPERM", EX_NOPERM },
		{ "EX_CONFIG", EX_CONFIG },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == len &&
		    !strncmp(known[i].name, name, len))
			return known[i].status;
	ck_abort_msg("teach this test what %.*s is", (int)len, name);
	return -1;
}

/* What a source has that the page must say, and how many of these there are. */
typedef unsigned require_fn(const char *text, const char *file,
			    const char *manual, const char *page);

/* Holds these sources against the page; they have `least` places or more. */
static void require_of_sources(const char *sources, const char *page,
			       require_fn *require, unsigned least)
{
	char *manual = source_read(page);
	unsigned found = 0;
	glob_t files;
	size_t i;

	ck_assert_int_eq(glob(source_path(sources), GLOB_BRACE, NULL, &files),
			 0);
	for (i = 0; i < files.gl_pathc; i++) {
		char *text = source_read(files.gl_pathv[i]);

		found += require(text, files.gl_pathv[i], manual, page);
		free(text);
	}
	ck_assert_uint_ge(found, least);
	globfree(&files);
	free(manual);
}

/* Every EX_ is a `.It N` of the page. */
static unsigned require_status(const char *at, const char *file,
			       const char *manual, const char *page)
{
	const char *text = at;
	unsigned found = 0;

	while ((at = strstr(at, "EX_"))) {
		size_t len = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
		int status;

		if (at > text && is_name(at[-1])) {
			at += len;
			continue;
		}
		status = exit_status(at, len);
		ck_assert_msg(strstr(manual, bed_text("\n.It %d\n", status)) !=
				      NULL,
			      "%s says nothing about exit status %d, %.*s in "
			      "%s",
			      page, status, (int)len, at, file);
		at += len;
		found++;
	}
	return found;
}

static void require_statuses(const char *sources, const char *page)
{
	require_of_sources(sources, page, require_status, 4);
}

START_TEST(the_manual_has_every_exit_status)
{
	require_statuses("daemon/{*.c,*/*.c}", DAEMON_PAGE);
	require_statuses("client/command/*.c", COMMAND_PAGE);
	require_statuses("client/ship/*.c", SHIP_PAGE);
}
END_TEST

/* Each getenv() is an `.It Ev` of the page. */
static unsigned require_variable(const char *at, const char *file,
				 const char *manual, const char *page)
{
	unsigned found = 0;

	while ((at = strstr(at, "getenv(\""))) {
		const char *name = at += strlen("getenv(\"");
		const char *line = manual;
		int len = (int)strcspn(name, "\"");

		/* failpoints are not in what is installed */
		if (!strncmp(name, "BW_", 3))
			continue;
		while ((line = strstr(line, "\n.It Ev "))) {
			const char *end = strchr(++line, '\n');
			const char *word = bed_text("%.*s", (int)(end - line),
						    line);

			if (has_word(word, bed_text("%.*s", len, name)))
				break;
		}
		ck_assert_msg(line != NULL,
			      "%s says nothing about the variable %.*s, which "
			      "%s reads",
			      page, len, name, file);
		found++;
	}
	return found;
}

static void require_variables(const char *sources, const char *page)
{
	require_of_sources(sources, page, require_variable, 1);
}

START_TEST(the_manual_has_every_variable)
{
	require_variables("daemon/{*.c,*/*.c}", DAEMON_PAGE);
	require_variables("client/command/*.c", COMMAND_PAGE);
	require_variables("client/ship/*.c", SHIP_PAGE);
	require_variables("client/library/*.c",
			  "client/library/libbufwriter.3");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manual");
	TCase *readme = tcase_create("README");
	TCase *manual = tcase_create("manual");

	tcase_add_test(readme, make_has_each_target_that_readme_names);
	tcase_add_test(readme, the_commands_install_what_they_need);
	tcase_add_test(readme, files_that_readme_names_are_there);
	tcase_add_test(readme, readme_has_the_defaults);
	tcase_add_test(readme, readme_has_what_a_reload_applies);
	suite_add_tcase(suite, readme);

	tcase_add_test(manual, the_manual_has_every_counter);
	tcase_add_test(manual, the_manual_has_every_setting);
	tcase_add_loop_test(manual, settings_that_prose_names_exist, 0, 15);
	tcase_add_test(manual, the_manual_has_every_option);
	tcase_add_test(manual, the_completions_have_every_command_and_option);
	tcase_add_test(manual, the_manual_has_every_exit_status);
	tcase_add_test(manual, the_manual_has_every_variable);
	suite_add_tcase(suite, manual);
	tcase_add_test(bed_case(suite, "status"),
		       the_manual_has_every_member_of_the_status);
	return suite_run(suite, CK_NOFORK);
}
