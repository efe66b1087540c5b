/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter ship` with commands that the test plays: a centre is a directory.
 * (test_ship_rsync.c has the real rsync.)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"
#include "tests/lib/ship.h"
#include "tests/lib/terminal.h"

/* Moves each file, and notes what it got. */
#define MOVE                                                      \
	"cat >$ROOT/list.new && mv $ROOT/list.new $ROOT/list && " \
	"tr '\\0' '\\n' <$ROOT/list >>$ROOT/all && "              \
	"xargs -0 mv -t $ROOT/to -- <$ROOT/list"

/* The file $ROOT/all, without newlines' ends. */
static char *all(void)
{
	return file_read(bed_text("%s/all", bed.root), NULL);
}

/* --- what is shipped ----------------------------------------------------- */

START_TEST(the_oldest_go_first_in_batches_of_the_limits)
{
	char *names, *line, *rest;
	unsigned runs, n = 0;

	ship_files(0, 25);
	ship_command(MOVE);
	ck_assert_int_eq(ship_once("ship.batch_files=10"), 0);
	ck_assert_uint_eq(files_count(ship.to), 25);
	ck_assert_uint_eq(files_count(bed.files), 0);
	names = rest = all();
	while ((line = strsep(&rest, "\n")) && *line)
		ck_assert_str_eq(line, ship_name(n++));
	ck_assert_uint_eq(n, 25);
	free(names);
	runs = (unsigned)ship_number("runs_total", "passed");
	ck_assert_uint_eq(runs, 3);
	ck_assert_uint_eq(ship_number("files_total", NULL), 25);
	ck_assert_uint_eq(ship_number("backlog_files", NULL), 0);
}
END_TEST

START_TEST(what_is_no_file_of_the_daemon_is_left_and_named_once)
{
	const char *dir = bed_text("%s/0_1_1795597042000000000.log", bed.files);

	ship_files(0, 3);
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	ck_assert_int_eq(
		symlink("/etc/passwd",
			bed_text("%s/0_1_1795597042000000001.log", bed.files)),
		0);
	file_write(bed_text("%s/access.log", bed.files), "x", 1);
	file_write(bed_text("%s/.0_1_1795597042000000002.log", bed.files), "x",
		   1);
	ship_command(MOVE);
	ship_start("ship.interval=100ms");
	UNTIL(files_count(ship.to) == 3);
	ship_files(3, 5);
	UNTIL(files_count(ship.to) == 5);
	ck_assert_int_eq(ship_stop(), 0);
	ck_assert_uint_eq(ship_said("a directory; the shipper leaves it"), 1);
	ck_assert_uint_eq(ship_said("a symbolic link; the shipper"), 1);
	ck_assert_uint_eq(ship_said("access.log: the daemon makes no such"), 1);
	ck_assert_uint_eq(files_count(bed.files), 3);
	ck_assert(file_exists(
		bed_text("%s/.0_1_1795597042000000002.log", bed.files)));
}
END_TEST

/* The order by name may be wrong, and nothing is lost. */
START_TEST(files_of_a_clock_that_was_wrong_by_years_are_shipped)
{
	static const char *const odd[] = {
		"0_77_1000000000.log",		 /* 1970 */
		"1_77_4102444800000000000.log",	 /* 2100 */
		"2_77_18446744073709551615.log", /* 2554 */
	};
	char *names;
	unsigned i;

	ship_files(0, 3);
	for (i = 0; i < 3; i++)
		file_write(bed_text("%s/%s", bed.files, odd[i]), "x\n", 2);
	ship_command(MOVE);
	ck_assert_int_eq(ship_once("ship.batch_files=2"), 0);
	ck_assert_uint_eq(files_count(ship.to), 6);
	ck_assert_uint_eq(files_count(bed.files), 0);
	names = all();
	ck_assert_ptr_eq(strstr(names, odd[0]), names);
	ck_assert_ptr_nonnull(
		strstr(names, bed_text("\n%s\n%s\n", odd[1], odd[2])));
	free(names);
}
END_TEST

/* Its memory does not grow with the backlog. */
#define MOST_KB (32L << 10)

START_TEST(a_backlog_of_100000_files_goes_oldest_first)
{
	const unsigned files = (unsigned)suite_scale(100000);
	struct rusage used;
	char *names, *line, *rest;
	unsigned n = 0;

	ship_files(0, files);
	ship_command(MOVE);
	ck_assert_int_eq(ship_once("ship.batch_files=5000"), 0);
	ck_assert_uint_eq(files_count(bed.files), 0);
	names = rest = all();
	while ((line = strsep(&rest, "\n")) && *line)
		ck_assert_str_eq(line, ship_name(n++));
	ck_assert_uint_eq(n, files);
	free(names);
	ck_assert_uint_eq(ship_number("files_total", NULL), files);
	/* the largest of all processes so far, among them this shipper */
	ck_assert_int_eq(getrusage(RUSAGE_CHILDREN, &used), 0);
	if (!suite_sanitized())
		ck_assert_int_lt(used.ru_maxrss, MOST_KB);
}
END_TEST

START_TEST(a_dry_run_changes_nothing)
{
	ship_files(0, 20);
	ship_command(MOVE);
	ck_assert_int_eq(ship_run("--dry-run", NULL), 0);
	ck_assert_uint_eq(files_count(bed.files), 20);
	ck_assert_uint_eq(files_count(ship.to), 0);
	ck_assert_uint_eq(ship_said("backlog: 20 files, 120 B"), 1);
	ck_assert_uint_eq(ship_said("first run: 20 files"), 1);
	ck_assert_uint_eq(ship_said(ship_name(0)), 1);
	ck_assert_uint_eq(ship_said("and 10 more"), 1);
	ck_assert(!file_exists(bed_text("%s/ship.prom", bed.root)));
}
END_TEST

/* --- commands that fail --------------------------------------------------- */

START_TEST(a_command_that_is_not_there_is_told_in_one_line)
{
	ship_files(0, 3);
	ship.command = "/nowhere/program %H";
	ck_assert_int_eq(ship_once(), 69);
	ck_assert_uint_eq(ship_said("cannot start /nowhere/program: No such "
				    "file or directory; install it, or check "
				    "ship.command"),
			  1);
	ck_assert_uint_eq(files_count(bed.files), 3);
	ck_assert_uint_eq(ship_number("runs_total", "not_started"), 1);
}
END_TEST

START_TEST(a_centre_that_is_away_is_told_once_until_it_is_back)
{
	char *names, *line, *rest;
	unsigned n = 0;

	ship_files(0, 30);
	ship_command("[ -e $ROOT/back ] || { cat >/dev/null; "
		     "echo the centre sleeps >&2; exit 75; }; " MOVE);
	ship_start("ship.batch_files=100");
	UNTIL(ship_said("status 75: the centre sleeps; ") == 1);
	ship_files(30, 1000);
	UNTIL(ship_number("runs_total", "failed") >= 2);
	ck_assert_uint_eq(ship_number("failing", NULL), 1);
	file_touch(bed_text("%s/back", bed.root));
	UNTIL(files_count(ship.to) == 1000);
	names = rest = all();
	while ((line = strsep(&rest, "\n")) && *line)
		ck_assert_str_eq(line, ship_name(n++));
	ck_assert_uint_eq(n, 1000);
	free(names);
	UNTIL(ship_said("ships again, after") == 1);
	ck_assert_int_eq(ship_stop(), 0);
	ck_assert_uint_eq(ship_said("the centre sleeps"), 1);
	/* a service that has ended has no numbers */
	ck_assert(!file_exists(bed_text("%s/ship.prom", bed.root)));
}
END_TEST

START_TEST(one_file_that_stops_each_run_does_not_stop_the_others)
{
	ship_files(0, 20);
	/* a run with this file moves nothing */
	ship_command(bed_text("cat >$ROOT/l && if grep -q %s $ROOT/l; then "
			      "echo bad >&2; exit 1; fi; "
			      "xargs -0 mv -t $ROOT/to -- <$ROOT/l",
			      ship_name(3)));
	ck_assert_int_eq(ship_once("ship.batch_files=8"), 65);
	ck_assert_uint_eq(files_count(ship.to), 19);
	ck_assert_uint_eq(files_count(bed.files), 1);
	ck_assert_uint_eq(ship_said(bed_text("%s: does not pass in a run of "
					     "its own",
					     ship_name(3))),
			  1);
	ck_assert_uint_eq(ship_number("aside_files", NULL), 1);
}
END_TEST

START_TEST(a_command_that_moves_nothing_is_ended_with_its_children)
{
	ship_files(0, 3);
	/* they ignore the first signal, and talk all the time */
	ship_command(
		"trap '' TERM; (trap '' TERM; echo $$ >$ROOT/p; mv $ROOT/p $ROOT/pid; "
		"while :; do echo garbage; sleep 0.1; done) & "
		"cat >/dev/null; sleep 1000");
	ship_start("ship.stall=1s");
	UNTIL(ship_said("sh moved nothing for 1 s and was ended: garbage") ==
	      1);
	ck_assert_int_eq(ship_stop(), 0);
	ck_assert_int_eq(ship_group_left(), 0);
	ck_assert_uint_eq(files_count(bed.files), 3);
}
END_TEST

START_TEST(a_command_that_works_is_not_ended)
{
	ship_files(0, 4);
	/* slower than the limit, but each file in time */
	ship_command("cat >$ROOT/l; for f in $(tr '\\0' ' ' <$ROOT/l); do "
		     "sleep 2; mv $f $ROOT/to/; done");
	ck_assert_int_eq(ship_once("ship.stall=6s"), 0);
	ck_assert_uint_eq(files_count(ship.to), 4);
	ck_assert_uint_eq(ship_number("runs_total", "passed"), 1);
}
END_TEST

START_TEST(a_command_that_leaves_its_files_is_told)
{
	ship_files(0, 1);
	ship_command("cat >/dev/null");
	ck_assert_int_eq(ship_once(), 75);
	ck_assert_uint_eq(ship_said("ended with success and left 1 of 1 files; "
				    "does the command remove"),
			  1);
}
END_TEST

/* --- the end ------------------------------------------------------------- */

START_TEST(a_signal_ends_the_command_and_the_shipper)
{
	ship_files(0, 3);
	ship_command(
		"echo $$ >$ROOT/p; mv $ROOT/p $ROOT/pid; cat >/dev/null; sleep 1000");
	ship_start(NULL);
	UNTIL(file_exists(bed_text("%s/pid", bed.root)));
	ck_assert_int_eq(ship_stop(), 0);
	ck_assert_int_eq(ship_group_left(), 0);
	ck_assert_uint_eq(files_count(bed.files), 3);
}
END_TEST

START_TEST(a_second_shipper_waits_for_the_first)
{
	struct ship first;

	ship_files(0, 3);
	ship_command(
		"echo $$ >$ROOT/p; mv $ROOT/p $ROOT/pid; cat >/dev/null; sleep 1000");
	ship_start(NULL);
	UNTIL(file_exists(bed_text("%s/pid", bed.root)));
	first = ship;
	ship_command(MOVE);
	ck_assert_int_eq(ship_once(), 75);
	ck_assert_uint_eq(ship_said("another shipper works on this"), 1);
	ship_start(NULL);
	UNTIL(ship_said("waiting for its end") == 1);
	/* the command of a shipper that was killed still has the files */
	ck_assert_int_eq(kill(first.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(first.pid, NULL, 0), first.pid);
	ck_assert_uint_eq(files_count(bed.files), 3);
	ship_kill_group();
	UNTIL(files_count(ship.to) == 3);
	ck_assert_int_eq(ship_stop(), 0);
}
END_TEST

/*
 * A child that is not the shipper yet has the test's own handlers.  Such a
 * signal has ended the shell that ran this suite.
 */
START_TEST(a_signal_to_a_child_of_the_test_is_for_nobody_else)
{
	pid_t leader = fork(), child;
	int status;

	if (!leader) {
		setpgid(0, 0);
		child = fork();
		if (!child)
			for (;;)
				pause();
		kill(child, SIGTERM);
		if (waitpid(child, &status, 0) != child)
			_exit(1);
		_exit(!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM);
	}
	ck_assert_int_eq(waitpid(leader, &status, 0), leader);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* --- the backlog --------------------------------------------------------- */

#define ANSWER 262144

/* Runs a command of the daemon; what it printed, to be freed. */
static char *ask(const char *command)
{
	const char *build = getenv("BW_BUILD");
	char *text;
	FILE *from = popen(bed_text("%s/bufwriter %s --socket %s",
				    build ? build : "build", command,
				    bed.control),
			   "r");

	ck_assert_ptr_nonnull(from);
	text = calloc(1, ANSWER);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_gt(fread(text, 1, ANSWER - 1, from), 0);
	ck_assert_int_eq(pclose(from), 0);
	return text;
}

static void require(const char *command, const char *part)
{
	char *text = ask(command);

	REQUIRE(strstr(text, part), "%s: no \"%s\" in %.2000s", command, part,
		text);
	free(text);
}

START_TEST(the_status_shows_what_waits_with_and_without_a_shipper)
{
	daemon_start();
	require("status", "\nbacklog    no complete file waits");
	require("status", "\nshipper    none works here");
	ship_files(0, 7);
	require("status", "\nbacklog    7 files, 42 B; the oldest is ");
	require("status --json", ",\"backlog\":{\"files\":7,\"bytes\":42,");
	require("metrics", "\nbufwriter_backlog_files{stream=\"bed\"} 7\n");
	require("metrics --openmetrics",
		"\nbufwriter_backlog_bytes{stream=\"bed\"} 42\n");

	ship_command("cat >/dev/null; echo the centre sleeps >&2; exit 75");
	ship_start();
	UNTIL(ship_number("failing", NULL) == 1);
	require("status", "\nshipper    0 files shipped, no success yet\n");
	require("status", "\n           failing: sh ended with status 75: the "
			  "centre sleeps; ");
	ck_assert_int_eq(ship_stop(), 0);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_terminal_shows_the_progress)
{
	static struct terminal t;

	ship_files(0, 3);
	ship_command("cat >$ROOT/l; mv 0_* $ROOT/to; "
		     "until [ -e $ROOT/go ]; do sleep 0.1; done; "
		     "xargs -0 sh -c 'for f; do [ ! -e $f ] || mv $f $ROOT/to; "
		     "done' - <$ROOT/l");
	terminal_start(&t, 80,
		       bed_text("bufwriter ship --once -ofiles.path=%s "
				"-ocontrol.path=%s '-oship.command=%s'",
				bed.files, bed.control, ship.command));
	UNTIL(terminal_find(&t, "1 files shipped, 6 B, "));
	UNTIL(terminal_find(&t, "B/s; 2 files wait, 12 B"));
	file_touch(bed_text("%s/go", bed.root));
	ck_assert_int_eq(terminal_end(&t), 0);
	ck_assert_uint_eq(files_count(ship.to), 3);
}
END_TEST

/* --- settings ------------------------------------------------------------ */

START_TEST(without_a_destination_or_a_host_it_does_not_start)
{
	ship.command = "";
	ck_assert_int_eq(ship_once(), 78);
	ck_assert_uint_eq(ship_said("ship.destination is not set; set it"), 1);
	ck_assert_int_eq(ship_once("ship.destination=centre:/in"), 78);
	ck_assert_uint_eq(ship_said("files of two hosts could have one name"),
			  1);
	ck_assert_int_eq(ship_once("ship.destination=centre:/in/"), 78);
	ck_assert_uint_eq(ship_said("(such as centre:/in/%H/)"), 1);
	ck_assert_int_eq(ship_once("ship.destination=centre:/in/%Q/"), 78);
	ck_assert_uint_eq(ship_said("ship.destination: \"%Q\" is unknown"), 1);
	ck_assert_int_eq(ship_once("ship.stall=fast"), 78);
	ck_assert_uint_eq(ship_said("-o: ship.stall: \"fast\" is not a dur"),
			  1);
	ck_assert_int_eq(
		ship_once("files.path=/nowhere", "ship.destination=c:/%H"), 66);
	ck_assert_int_eq(ship_run("--wrong", NULL), 64);
	ck_assert_int_eq(ship_run("word", NULL), 64);
}
END_TEST

/* --- documents ----------------------------------------------------------- */

/* The settings that README and the manual show, with paths of the bed. */
START_TEST(the_destination_of_the_documents_is_accepted)
{
	static const char *const pages[] = { "README.md",
					     "client/bufwriter-ship.1" };
	char *text = source_read(pages[_i]);
	char *at = strstr(text, "\n[ship]\ndestination = ");

	ck_assert_ptr_nonnull(at);
	at = strchr(strstr(at, "destination"), '=') + 2;
	at[strcspn(at, "\n")] = '\0';
	ck_assert_int_eq(
		ship_run("--dry-run", bed_text("ship.destination=%s", at)), 0);
	ck_assert_uint_eq(ship_said("--compare-dest=/done/"), 1);
	free(text);
}
END_TEST

START_TEST(the_examples_of_the_manual_work)
{
	static const char prompt[] = ".Dl $ bufwriter ship ",
			  from[] = "/srv/centre";
	char *text = source_read("client/bufwriter-ship.1"), *rest = text,
	     *line;
	const char *build = getenv("BW_BUILD");
	unsigned examples = 0;

	if (!script_has("rsync")) {
		suite_skip("rsync is not installed");
		free(text);
		return;
	}
	ck_assert_int_eq(mkdir(bed_text("%s/in", ship.to), 0755), 0);
	bed_write_conf(bed_text("[files]\npath = %s\n[control]\npath = %s\n"
				"[ship]\ndestination = %s/in/%%H\n",
				bed.files, bed.control, ship.to));
	while ((line = strsep(&rest, "\n"))) {
		char *at = strstr(line, from);

		if (strncmp(line, prompt, strlen(prompt)))
			continue;
		line += strlen(prompt);
		ship_files(examples * 10, examples * 10 + 5);
		if (at)
			line = (char *)bed_text("%.*s%s%s", (int)(at - line),
						line, ship.to,
						at + strlen(from));
		ck_assert_msg(!script_run(bed.root,
					  bed_text("%s/bufwriter ship -c %s %s",
						   build && *build == '/' ?
							   build :
							   source_path("build"),
						   bed.conf, line)),
			      "%s", line);
		examples++;
	}
	ck_assert_uint_eq(examples, 3);
	/* the dry run left its files to the next example */
	ck_assert_uint_eq(files_count(bed.files), 0);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ship");
	TCase *tc = suite_case(suite, "ship", ship_open, ship_close);

	tcase_add_test(tc, the_oldest_go_first_in_batches_of_the_limits);
	tcase_add_test(tc,
		       what_is_no_file_of_the_daemon_is_left_and_named_once);
	tcase_add_test(tc,
		       files_of_a_clock_that_was_wrong_by_years_are_shipped);
	tcase_add_test(tc, a_backlog_of_100000_files_goes_oldest_first);
	tcase_add_test(tc, a_dry_run_changes_nothing);
	tcase_add_test(tc, a_command_that_is_not_there_is_told_in_one_line);
	tcase_add_test(tc, a_centre_that_is_away_is_told_once_until_it_is_back);
	tcase_add_test(tc,
		       one_file_that_stops_each_run_does_not_stop_the_others);
	tcase_add_test(tc,
		       a_command_that_moves_nothing_is_ended_with_its_children);
	tcase_add_test(tc, a_command_that_works_is_not_ended);
	tcase_add_test(tc, a_command_that_leaves_its_files_is_told);
	tcase_add_test(tc, a_signal_ends_the_command_and_the_shipper);
	tcase_add_test(tc, a_second_shipper_waits_for_the_first);
	tcase_add_test(tc, a_signal_to_a_child_of_the_test_is_for_nobody_else);
	tcase_add_test(tc,
		       the_status_shows_what_waits_with_and_without_a_shipper);
	tcase_add_test(tc, a_terminal_shows_the_progress);
	tcase_add_test(tc, without_a_destination_or_a_host_it_does_not_start);
	tcase_add_loop_test(tc, the_destination_of_the_documents_is_accepted, 0,
			    2);
	tcase_add_test(tc, the_examples_of_the_manual_work);
	return suite_run(suite, CK_NOFORK);
}
