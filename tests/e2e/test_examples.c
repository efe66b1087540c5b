/* SPDX-License-Identifier: MIT */
/*
 * What README, manual pages and header show is run as somebody would copy it,
 * and does what it says: exactly its messages are in the files.  Only default
 * paths are replaced by the test's own.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"
#include "tests/lib/tally.h"

#define README "README.md"
#define DAEMON_PAGE "daemon/bufwriterd.8"
#define CONTROL_PAGE "daemon/bufwriter-control.7"
#define COMMAND_PAGE "client/bufwriter.1"
#define LIBRARY_PAGE "client/library/libbufwriter.3"
#define HEADER "client/library/bufwriter.h"

static const struct row {
	const char *page, *lang;
	const char *mark; /* what is in this example and in no other */
	enum { SENDS, SHOWS, OWN_DAEMON, COMPILES, IS_MAKE } how;
	/* Lines of all files. */
	const char *files;
} rows[] = {
	{ README, "console", "user 17", SHOWS, "user 17 logged in\n" },
	{ README, "sh", "make demo\n", IS_MAKE, "" },
	{ README, "sh", "make demo-edge\n", IS_MAKE, "" },
	{ README, "sh", "make check", IS_MAKE, "" },
	{ README, "sh", "make install", IS_MAKE, "" },
	{ README, "c", "hello from C", SENDS, "hello from C\n" },
	{ README, "sh", "hello from the shell", SENDS,
	  "hello from the shell\none line\nanother line\nhello from socat\n" },
	{ README, "sh", "bufwriter status", SENDS, "" },
	{ README, "python", "hello from Python", SENDS, "hello from Python\n" },
	{ README, "perl", "hello from Perl", SENDS, "hello from Perl\n" },
	{ README, "go", "hello from Go", SENDS, "hello from Go\n" },
	{ DAEMON_PAGE, "sh", "mkdir", OWN_DAEMON,
	  "to a daemon of one's own\n" },
	{ DAEMON_PAGE, "sh", "bufwriterd -t", SENDS, "" },
	{ CONTROL_PAGE, "sh", "echo status", SENDS, "" },
	{ CONTROL_PAGE, "sh", "AF_UNIX", SENDS, "" },
	{ COMMAND_PAGE, "sh", "session_id=17", SENDS,
	  "session_id=17 open\nsession_id=17 close\n" },
	{ COMMAND_PAGE, "sh", "printf", SENDS, "one\ntwo\n" },
	{ COMMAND_PAGE, "sh", "access.log", SENDS, "GET /\nGET /a\noops\n" },
	{ COMMAND_PAGE, "sh", "--whole", SENDS, "{\n  \"id\": 1\n}\n" },
	{ COMMAND_PAGE, "sh", "-print0", SENDS, "./event.json\n" },
	{ COMMAND_PAGE, "sh", "logger", SENDS, "job 17 done\n" },
	{ LIBRARY_PAGE, "c", "the answer is 42", SENDS, "the answer is 42\n" },
	{ LIBRARY_PAGE, "sh", "pkg-config", COMPILES, "the answer is 42\n" },
	{ HEADER, "c", "the answer is 42", SENDS, "the answer is 42\n" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* What some lines of a shell example may lack; each such line sends one. */
static const char *const optional[] = { "socat" };

static struct examples all;

static void find_all(void)
{
	bed_open();
	examples_fenced(&all, README);
	examples_manual(&all, DAEMON_PAGE);
	examples_manual(&all, CONTROL_PAGE);
	examples_manual(&all, COMMAND_PAGE);
	examples_manual(&all, LIBRARY_PAGE);
	examples_header(&all, HEADER);
}

static void forget_all(void)
{
	examples_free(&all);
	bed_close();
}

static int is_row(const struct row *row, const struct example *e)
{
	return !strcmp(row->page, e->page) && !strcmp(row->lang, e->lang) &&
	       strstr(e->text, row->mark);
}

static const struct example *example_of(const struct row *row)
{
	unsigned i;

	for (i = 0; i < all.n; i++)
		if (is_row(row, &all.list[i]))
			return &all.list[i];
	ck_abort_msg("%s has no example in %s with \"%s\" any more", row->page,
		     row->lang, row->mark);
	return NULL;
}

START_TEST(each_example_is_in_the_table_once)
{
	unsigned i;
	unsigned j;
	unsigned found;

	for (i = 0; i < all.n; i++) {
		for (found = 0, j = 0; j < ROWS; j++)
			found += is_row(&rows[j], &all.list[i]);
		ck_assert_msg(found == 1,
			      "%s:%d: %u rows of this test's table fit the "
			      "example that ends here",
			      all.list[i].page, all.list[i].line, found);
	}
	ck_assert_uint_eq(all.n, ROWS);
}
END_TEST

/* --- the place it runs in ------------------------------------------------ */

static const char *dir(void)
{
	return bed_text("%s/home", bed.root);
}

static const char *build(void)
{
	static char path[4096];
	const char *given = getenv("BW_BUILD");

	ck_assert_ptr_nonnull(realpath(given ? given : "build", path));
	return path;
}

static const char *sanitize(void)
{
	const char *san = getenv("BW_SAN");

	return san && *san ? bed_text("-fsanitize=%s", san) : "";
}

/* Files and programs that the examples speak of. */
static void furnish(void)
{
	const char *home = dir();

	ck_assert_int_eq(mkdir(home, 0755), 0);
	ck_assert_int_eq(mkdir(bed_text("%s/bin", home), 0755), 0);
	script_write(bed_text("%s/access.log", home), "GET /\nGET /a\n", 0644);
	script_write(bed_text("%s/error.log", home), "oops\n", 0644);
	script_write(bed_text("%s/event.json", home), "{\n  \"id\": 1\n}\n",
		     0644);
	script_write(bed_text("%s/bin/some-program", home),
		     "#!/bin/sh\necho one line\necho another line\n", 0755);
	script_write(bed_text("%s/bin/logger", home),
		     "#!/bin/sh\necho logger was run\nexit 1\n", 0755);
}

/* The example with the test's paths in place of the default ones, and a
 * process number that is known. */
static char *localize(const char *text)
{
	const char *paths[][2] = {
		{ "/run/bufwriter.sock", bed.sock },
		{ "/run/bufwriter/control.sock", bed.control },
		{ "/run/bufwriter/state", bed.state },
		{ "/var/log/bufwriter", bed.files },
		{ "/etc/bufwriter/bufwriter.ini",
		  source_path("conf/bufwriter.ini") },
		{ "/tmp/bw", bed_text("%s/own", bed.root) },
		{ "/dev/shm/bw.state", bed_text("%s/state", bed.root) },
		{ "$$", "17" },
	};
	char *out = strdup(text);
	unsigned i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char *next = text_replace(out, paths[i][0], paths[i][1]);

		free(out);
		out = next;
	}
	return out;
}

/* What is put before a shell command, so that it finds our programs. */
static const char *environment(void)
{
	return bed_text(
		"set -e; cd %s; export HOME=$PWD "
		"PATH=$PWD/bin:%s:$PATH BUFWRITER_SOCKET=%s BUFWRITER_CONTROL=%s "
		"LD_LIBRARY_PATH=%s GOCACHE=%s/tests/gocache "
		"GO111MODULE=off CGO_ENABLED=0;\n",
		dir(), build(), bed.sock, bed.control, build(), build());
}

/* --- one language each --------------------------------------------------- */

static const char *in_shell(const char *text)
{
	script_write(bed_text("%s/example.sh", dir()), text, 0644);
	return "sh -e ./example.sh";
}

/* A terminal: lines with the prompt `$ ` are commands, the others their output.
 * Returns those of one kind; the caller frees. */
static char *lines_of(const char *terminal, bool commands)
{
	char *out = calloc(1, strlen(terminal) + 1);
	const char *end;

	for (; *terminal; terminal = end) {
		end = strchrnul(terminal, '\n');
		end += *end == '\n';
		if (commands == !strncmp(terminal, "$ ", 2))
			strncat(out, terminal + (commands ? 2 : 0),
				(size_t)(end - terminal) - (commands ? 2 : 0));
	}
	return out;
}

/* Times, process ids and the like differ: every number is a 0. */
static void hide_numbers(char *text)
{
	char *to = text;

	while (*text) {
		size_t digits = strspn(text, "0123456789");

		*to++ = digits ? '0' : *text;
		text += digits ? digits : 1;
	}
	*to = '\0';
}

/* As pkg-config would say it for an installed library. */
static const char *in_c(const char *text)
{
	const char *cc = getenv("CC");
	const char *whole = text;

	if (!strstr(text, "int main("))
		whole = bed_text("#include <bufwriter.h>\n"
				 "int main(void)\n{\n{\n%s}\n\treturn 0;\n}\n",
				 text);
	script_write(bed_text("%s/example.c", dir()), whole, 0644);
	return bed_text("%s -Wall -Wextra -Werror %s -I%s example.c "
			"%s/libbufwriter.a -pthread -o example && ./example",
			cc && *cc ? cc : "cc", sanitize(),
			source_path("client/library"), build());
}

static const char *in_go(const char *text)
{
	script_write(bed_text("%s/example.go", dir()),
		     bed_text("package main\nimport \"net\"\n%s"
			      "func main() {\n%s}\n",
			      strstr(text, "os.") ? "import \"os\"\n"
						    "import \"time\"\n" :
						    "",
			      text),
		     0644);
	return "go run example.go";
}

static const char *in_other(const char *text, const char *program)
{
	script_write(bed_text("%s/example", dir()), text, 0644);
	return bed_text("%s ./example", program);
}

/* The command that runs it, or NULL after a word about what is missing. */
static const char *command_for(const struct row *row, const char *text)
{
	static const char *const programs[][2] = { { "python", "python3" },
						   { "perl", "perl" },
						   { "go", "go" } };
	unsigned i;

	if (!strcmp(row->lang, "sh"))
		return in_shell(text);
	if (!strcmp(row->lang, "c"))
		return in_c(text);
	for (i = 0; strcmp(programs[i][0], row->lang); i++)
		ck_assert_uint_lt(i, 2);
	if (!script_has(programs[i][1])) {
		suite_skip(bed_text("%s is not installed", programs[i][1]));
		return NULL;
	}
	/* The first run compiles much, none of it ours. */
	if (!strcmp(row->lang, "go") && *sanitize()) {
		suite_skip("Go is tried without sanitizers");
		return NULL;
	}
	return strcmp(row->lang, "go") ? in_other(text, programs[i][1]) :
					 in_go(text);
}

/* --- what became of it --------------------------------------------------- */

/* Takes the lines out that need a program which is not here. */
static char *without(const char *text, const char *program)
{
	char *out = calloc(1, strlen(text) + 1);
	const char *end;

	for (; *text; text = end) {
		end = strchrnul(text, '\n');
		end += *end == '\n';
		if (!memmem(text, (size_t)(end - text), program,
			    strlen(program)))
			strncat(out, text, (size_t)(end - text));
	}
	return out;
}

/* The text without lines that need what is not installed. */
static char *possible(char *text)
{
	unsigned i;

	for (i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		char *less;

		if (!strstr(text, optional[i]) || script_has(optional[i]))
			continue;
		suite_skip(bed_text("%s is not installed", optional[i]));
		less = without(text, optional[i]);
		free(text);
		text = less;
	}
	return text;
}

static void require_files(const char *where, const struct row *row)
{
	size_t len;
	char *content = files_content(where, &len);
	char *found = text_sorted(content);
	char *files = possible(strdup(row->files));
	char *expected = text_sorted(files);

	if (strcmp(found, expected))
		script_dump(dir());
	ck_assert_str_eq(found, expected);
	free(content);
	free(found);
	free(files);
	free(expected);
}

static void require_run(const char *command)
{
	int status = script_run(dir(),
				bed_text("%s%s", environment(), command));

	if (status)
		script_dump(dir());
	ck_assert_msg(status == 0, "exit status %d of: %s", status, command);
}

static void run_sending(const struct row *row)
{
	char *text = possible(localize(example_of(row)->text));
	const char *command = command_for(row, text);

	free(text);
	if (!command)
		return;
	daemon_start();
	require_run(command);
	daemon_stop(NULL);
	require_files(bed.files, row);
}

static void run_showing(const struct row *row)
{
	char *text = localize(example_of(row)->text);
	char *commands = lines_of(text, true);
	char *expected = lines_of(text, false);
	char *shown;

	daemon_start();
	require_run(bed_text("exec 2>&1; %s", in_shell(commands)));
	daemon_stop(NULL);
	shown = source_read(bed_text("%s/output", dir()));
	hide_numbers(expected);
	hide_numbers(shown);
	ck_assert_str_eq(shown, expected);
	require_files(bed.files, row);
	free(shown);
	free(expected);
	free(commands);
	free(text);
}

/* The line that compiles the program above it, as it is printed. */
static void run_compiling(const struct row *row)
{
	const struct example *e = example_of(row);
	char *pc;
	const char *const values[][2] = {
		{ "@PREFIX@", build() },
		{ "@LIBDIR@", build() },
		{ "@INCLUDEDIR@", source_path("client/library") },
		{ "@VERSION@", "0" },
	};

	if (!script_has("pkg-config")) {
		suite_skip("pkg-config is not installed");
		return;
	}
	pc = source_fill("client/library/bufwriter.pc.in", values, 4);
	script_write(bed_text("%s/bufwriter.pc", dir()), pc, 0644);
	free(pc);
	ck_assert_str_eq(e[-1].lang, "c");
	script_write(bed_text("%s/example.c", dir()), e[-1].text, 0644);
	daemon_start();
	require_run(
		bed_text("export PKG_CONFIG_PATH=.; cc() { %s %s \"$@\"; }; "
			 "%s./a.out",
			 "command cc", sanitize(), e->text));
	daemon_stop(NULL);
	require_files(bed.files, row);
}

/* A daemon that the example starts with paths of its own. */
static void run_daemon(const struct row *row)
{
	char *text = localize(example_of(row)->text);
	/* In place of the shell, so that a signal ends both. */
	char *exec = text_replace(text, "\nbufwriterd ", "\nexec bufwriterd ");
	const char *own = bed_text("%s/own", bed.root);
	const char *output = bed_text("%s/output", dir());
	const char *command = in_shell(exec);
	int pid = script_start(dir(),
			       bed_text("%sexec %s", environment(), command));

	UNTIL(system(bed_text("grep -q ready: %s", output)) == 0);
	ck_assert_int_eq(
		system(bed_text("%s/bufwriter send -q -s %s/sock \"to a daemon "
				"of one's own\"",
				build(), own)),
		0);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(script_wait(pid), 0);
	require_files(bed_text("%s/files", own), row);
	free(text);
	free(exec);
}

START_TEST(an_example_does_what_it_says)
{
	const struct row *row = &rows[_i];

	furnish();
	switch (row->how) {
	case SENDS:
		run_sending(row);
		break;
	case SHOWS:
		run_showing(row);
		break;
	case OWN_DAEMON:
		run_daemon(row);
		break;
	case COMPILES:
		run_compiling(row);
		break;
	case IS_MAKE:
		break; /* see test_manual.c */
	}
}
END_TEST

/*
 * What a program does after the sample: it sends while there is no daemon, and
 * again when there is another one with a socket made anew.
 */
static const struct {
	const char *mark, *rest, *files;
} lasting[] = {
	{ "hello from Python",
	  "import os, time\n"
	  "def wait(name):\n"
	  "    while not os.path.exists(name): time.sleep(0.01)\n"
	  "wait('gone')\n"
	  "for _ in range(3):\n"
	  "    try:\n"
	  "        log(b'lost')\n"
	  "        raise SystemExit('sent without a daemon')\n"
	  "    except OSError: pass\n"
	  "open('tried', 'w').close()\n"
	  "wait('back')\n"
	  "log(b'again')\n"
	  "log(b'and again')\n",
	  "hello from Python\nagain\nand again\n" },
	{ "hello from Perl",
	  "sub nap { select(undef, undef, undef, 0.01) until -e $_[0]; }\n"
	  "nap('gone');\n"
	  "for (1 .. 3) { die 'sent without a daemon' if note('lost'); }\n"
	  "open(my $f, '>', 'tried'); close($f);\n"
	  "nap('back');\n"
	  "note('again') or die $!;\n"
	  "note('and again') or die $!;\n",
	  "hello from Perl\nagain\nand again\n" },
	{ "hello from Go",
	  "wait := func(name string) {\n"
	  "	for _, err := os.Stat(name); err != nil; {\n"
	  "		time.Sleep(10 * time.Millisecond)\n"
	  "		_, err = os.Stat(name)\n"
	  "	}\n"
	  "}\n"
	  "wait(\"gone\")\n"
	  "for i := 0; i < 3; i++ {\n"
	  "	if log(\"lost\") == nil { panic(\"sent without a daemon\") }\n"
	  "}\n"
	  "os.Create(\"tried\")\n"
	  "wait(\"back\")\n"
	  "if err := log(\"again\"); err != nil { panic(err) }\n"
	  "if err := log(\"and again\"); err != nil { panic(err) }\n",
	  "hello from Go\nagain\nand again\n" },
};

START_TEST(a_sample_connects_again)
{
	struct row row = { .files = lasting[_i].files };
	const char *command;
	char *text;
	int pid;
	unsigned i;

	for (i = 0; !strstr(rows[i].mark, lasting[_i].mark);)
		ck_assert_uint_lt(++i, ROWS);
	furnish();
	text = localize(
		bed_text("%s%s", example_of(&rows[i])->text, lasting[_i].rest));
	command = command_for(&rows[i], text);
	free(text);
	if (!command)
		return;
	daemon_start("buffer.forced=10ms");
	pid = script_start(dir(), bed_text("%s%s", environment(), command));
	UNTIL(files_count(bed.files) == 1);
	daemon_stop(NULL);
	script_write(bed_text("%s/gone", dir()), "", 0644);
	UNTIL(access(bed_text("%s/tried", dir()), F_OK) == 0);
	daemon_start();
	script_write(bed_text("%s/back", dir()), "", 0644);
	if (script_wait(pid)) {
		script_dump(dir());
		ck_abort_msg("the sample did not connect again");
	}
	daemon_stop(NULL);
	require_files(bed.files, &row);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("examples");
	TCase *run = tcase_create("run");

	tcase_add_checked_fixture(run, find_all, forget_all);
	tcase_set_timeout(run, 600);
	tcase_add_test(run, each_example_is_in_the_table_once);
	tcase_add_loop_test(run, an_example_does_what_it_says, 0, ROWS);
	tcase_add_loop_test(run, a_sample_connects_again, 0,
			    sizeof(lasting) / sizeof(lasting[0]));
	suite_add_tcase(suite, run);
	return suite_run(suite, CK_NOFORK);
}
