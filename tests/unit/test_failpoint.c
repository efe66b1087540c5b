/* SPDX-License-Identifier: MIT */
/*
 * Failpoints: each action does what its rule says, on the passage that the
 * rule names, in one thread or several.  A rule that cannot be parsed is an
 * error.  Without BW_FAILPOINTS a point is a constant.
 *
 * A process reads the rules once, so each case is a process of its own.
 */
#undef BW_FAILPOINTS
#include "daemon/base/failpoint.h"

/* Only a constant may stand here. */
_Static_assert(FAILPOINT("any.name") == 0, "a point costs nothing");
_Static_assert(FAILPOINT_SHORT == 1, "and is known by its name");

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/files.h"
#include "tests/lib/suite.h"

/* as the header declares it with BW_FAILPOINTS */
int failpoint_hit(const char *name);

static char dir[DIR_PATH];
static char file[256]; /* <dir>/f */
static char log_file[256];

static void setup(void)
{
	dir_make(dir);
	snprintf(file, sizeof(file), "%s/f", dir);
	snprintf(log_file, sizeof(log_file), "%s/log", dir);
	unsetenv("BW_FAILPOINTS");
	unsetenv("BW_FAILPOINTS_LOG");
}

static void teardown(void)
{
	dir_remove(dir);
}

/* Runs body in a process with these rules; its wait status. */
static int run(const char *points, int (*body)(void))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		if (points)
			setenv("BW_FAILPOINTS", points, 1);
		_exit(body());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* --- results ------------------------------------------------------------- */

/* What passing a.b, a.b, c.d and a.b gives in turn. */
static const struct {
	const char *points;
	int results[4];
} results[] = {
	{ NULL, { 0 } },
	{ "", { 0 } },
	{ ";;", { 0 } },
	{ "x=EIO", { 0 } },
	{ "a.b=ENOSPC", { -ENOSPC, -ENOSPC, 0, -ENOSPC } },
	{ "a.b=EIO@1", { -EIO, 0, 0, 0 } },
	{ "a.b=EIO@2", { 0, -EIO, 0, 0 } },
	{ "a.b=EIO@4", { 0 } },
	{ "a*=EIO", { -EIO, -EIO, 0, -EIO } },
	{ "a.b*=EIO", { -EIO, -EIO, 0, -EIO } },
	{ "a.=EIO", { 0 } },
	{ "a.bc=EIO", { 0 } },
	{ "*=EIO@3", { 0, 0, -EIO, 0 } },
	{ "a.b=short",
	  { FAILPOINT_SHORT, FAILPOINT_SHORT, 0, FAILPOINT_SHORT } },
	{ "a.b=EIO@1;a.b=ENOSPC@2;c.d=EACCES", { -EIO, -ENOSPC, -EACCES, 0 } },
	/* the first of two that apply at once */
	{ "a.b=EIO@1;a*=short", { -EIO, FAILPOINT_SHORT, 0, FAILPOINT_SHORT } },
	{ "a.b=sleep:1", { 0 } },
	{ "a.b=sleep:0;a.b=EIO@3", { 0, 0, 0, -EIO } },
	{ "a.b=ENOSPC:/dev/null/none", { 0 } },
	{ "a.b=ENOSPC:/", { -ENOSPC, -ENOSPC, 0, -ENOSPC } },
	{ "a.b=ENOSPC:/@2", { 0, -ENOSPC, 0, 0 } },
	{ "a.b=stall:/dev/null/none", { 0 } },
};

static int results_index;

static int pass_four(void)
{
	static const char *const names[] = { "a.b", "a.b", "c.d", "a.b" };
	int i;

	for (i = 0; i < 4; i++) {
		errno = E2BIG;
		if (failpoint_hit(names[i]) !=
		    results[results_index].results[i])
			return 1 + i;
		if (errno != E2BIG)
			return 10;
	}
	return 0;
}

START_TEST(a_point_fails_as_its_rules_say)
{
	results_index = _i;
	ck_assert_int_eq(run(results[_i].points, pass_four), 0);
}
END_TEST

static const char *const nonsense[] = {
	"a.b",	       "=EIO",	       "a.b=",	    "a.b=ENOTHING", "a.b=eio",
	"a.b=kill:x",  "a.b=short:x",  "a.b=stall", "a.b=stall:",   "a.b=sleep",
	"a.b=sleep:x", "a.b=sleep:-1", "a.b=EIO@0", "a.b=EIO@x",    "a.b=EIO:",
	"a.b=EIO;b",   "1;2",
};

static int pass_other(void)
{
	close(STDERR_FILENO);
	failpoint_hit("other");
	return 0;
}

START_TEST(a_rule_that_cannot_be_parsed_ends_the_process)
{
	int status = run(nonsense[_i], pass_other);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 64);
}
END_TEST

START_TEST(too_many_rules_end_the_process)
{
	char points[4096] = "";
	int i;

	for (i = 0; i < 33; i++)
		strcat(points, "a=EIO;");
	ck_assert_int_eq(WEXITSTATUS(run(points, pass_other)), 64);
	/* one less is all right */
	points[strlen(points) - strlen("a=EIO;")] = 0;
	ck_assert_int_eq(run(points, pass_other), 0);
}
END_TEST

/* --- kill, stall, sleep -------------------------------------------------- */

static int pass_until_killed(void)
{
	failpoint_hit("a.b");
	failpoint_hit("c.d");
	file_touch(file);
	failpoint_hit("a.b");
	unlink(file);
	return 0;
}

START_TEST(kill_ends_the_process_at_that_passage)
{
	int status = run("a.b=kill@2", pass_until_killed);

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	ck_assert_int_eq(access(file, F_OK), 0);
}
END_TEST

static int pass_one(void)
{
	return failpoint_hit("a.b") != 0;
}

START_TEST(stall_waits_while_the_file_exists)
{
	char points[300];
	struct timespec pause = { 0, 50 * 1000000 };
	int status;
	pid_t pid;

	file_touch(file);
	snprintf(points, sizeof(points), "a.b=stall:%s", file);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		setenv("BW_FAILPOINTS", points, 1);
		_exit(pass_one());
	}
	nanosleep(&pause, NULL);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	unlink(file);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static int fails_while_the_file_exists(void)
{
	file_touch(file);
	if (failpoint_hit("a.b") != -ENOSPC)
		return 1;
	unlink(file);
	if (failpoint_hit("a.b") != 0)
		return 2;
	file_touch(file);
	return failpoint_hit("a.b") == -ENOSPC ? 0 : 3;
}

START_TEST(an_error_with_a_file_comes_and_goes_with_it)
{
	char points[300];

	snprintf(points, sizeof(points), "a.b=ENOSPC:%s", file);
	ck_assert_int_eq(run(points, fails_while_the_file_exists), 0);
}
END_TEST

START_TEST(sleep_goes_on_after_its_time)
{
	struct timespec a;
	struct timespec b;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &a);
	ck_assert_int_eq(run("a.b=sleep:30", pass_one), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	ck_assert_int_ge(ms, 29);
}
END_TEST

/* --- threads ------------------------------------------------------------- */

#define THREADS 4
#define PASSES 5000

static _Atomic int failures;

static void *pass_many(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < PASSES; i++)
		if (failpoint_hit(i % 2 ? "a.b" : "c.d"))
			atomic_fetch_add_explicit(&failures, 1,
						  memory_order_relaxed);
	return NULL;
}

static int pass_in_threads(void)
{
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, pass_many, NULL))
			return 99;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return atomic_load_explicit(&failures, memory_order_relaxed);
}

START_TEST(the_nth_passage_is_one_of_all_threads)
{
	int status = run("a.b=EIO@777;c.d=EIO@10000;*=EIO@20000;a.b=EIO@10001",
			 pass_in_threads);

	ck_assert(WIFEXITED(status));
	/* 20,000 passages, a half of each; the last one may be two at once */
	ck_assert_int_ge(WEXITSTATUS(status), 2);
	ck_assert_int_le(WEXITSTATUS(status), 3);
}
END_TEST

/* --- the log ------------------------------------------------------------- */

static int pass_for_log(void)
{
	/* the same name from another place in the program */
	char again[] = "c.d";

	atomic_store_explicit(&failures, 0, memory_order_relaxed);
	if (pass_in_threads())
		return 1;
	failpoint_hit(again);
	failpoint_hit("e.f");
	return 2;
}

START_TEST(each_name_is_logged_once_and_before_it_is_killed)
{
	char text[256] = "";
	FILE *from;
	int status;

	setenv("BW_FAILPOINTS_LOG", log_file, 1);
	status = run("e.f=kill", pass_for_log);
	ck_assert(WIFSIGNALED(status));
	from = fopen(log_file, "r");
	ck_assert_ptr_nonnull(from);
	ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, from), 0);
	fclose(from);
	ck_assert_msg(!strcmp(text, "a.b\nc.d\ne.f\n") ||
			      !strcmp(text, "c.d\na.b\ne.f\n"),
		      "%s", text);
	/* a second process adds to it */
	ck_assert_int_eq(run(NULL, pass_other), 0);
	from = fopen(log_file, "r");
	ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, from), 0);
	fclose(from);
	ck_assert_str_eq(text + strlen("a.b\nc.d\ne.f\n"), "other\n");
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("point");
	TCase *tests = suite_case(suite, "points", setup, teardown);

	tcase_add_loop_test(tests, a_point_fails_as_its_rules_say, 0,
			    COUNT(results));
	tcase_add_loop_test(tests,
			    a_rule_that_cannot_be_parsed_ends_the_process, 0,
			    COUNT(nonsense));
	tcase_add_test(tests, too_many_rules_end_the_process);
	tcase_add_test(tests, kill_ends_the_process_at_that_passage);
	tcase_add_test(tests, stall_waits_while_the_file_exists);
	tcase_add_test(tests, an_error_with_a_file_comes_and_goes_with_it);
	tcase_add_test(tests, sleep_goes_on_after_its_time);
	tcase_add_test(tests, the_nth_passage_is_one_of_all_threads);
	tcase_add_test(tests, each_name_is_logged_once_and_before_it_is_killed);
	return suite_run(suite, CK_FORK);
}
