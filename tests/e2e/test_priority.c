/* SPDX-License-Identifier: MIT */
/*
 * The nice values of the daemon's threads: that of the receiving thread is
 * lower by socket.priority_boost as far as the daemon may lower it, and the
 * other threads keep theirs.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

static int nice_of(int thread)
{
	return getpriority(PRIO_PROCESS, (id_t)thread);
}

/* The thread that deletes old files is behind all others, always. */
static int is_keeper(int thread)
{
	char name[32] = "";
	FILE *f = fopen(bed_text("/proc/%d/task/%d/comm", (int)bed.pid, thread),
			"r");

	ck_assert(f);
	ck_assert(fgets(name, sizeof(name), f));
	fclose(f);
	return !strcmp(name, "keeper\n");
}

/* Those of all threads but the first are `n`. */
static void others_have(int n)
{
	DIR *dir = opendir(bed_text("/proc/%d/task", (int)bed.pid));
	unsigned threads = 0;
	struct dirent *e;

	ck_assert(dir);
	while ((e = readdir(dir))) {
		int thread = atoi(e->d_name);

		if (!thread || thread == bed.pid || is_keeper(thread))
			continue;
		ck_assert_int_eq(nice_of(thread), n);
		threads++;
	}
	closedir(dir);
	/* the workers, and threads of a sanitizer */
	ck_assert_uint_ge(threads, 4);
}

static int own_nice(void)
{
	return nice_of(0);
}

static int may(int (*what)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(!what());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static int lower_nice(void)
{
	return !setpriority(PRIO_PROCESS, 0, -5);
}

static int raise_limit(void)
{
	struct rlimit limit = { 22, 22 };

	return !setrlimit(RLIMIT_NICE, &limit);
}

START_TEST(only_the_receiving_thread_has_the_boost)
{
	if (own_nice() < -5 || !may(lower_nice)) {
		suite_skip("needs a nice value of -5");
		return;
	}
	daemon_start(bed_text("control.metrics_file=%s/m.prom", bed.root));
	ck_assert_int_eq(nice_of(bed.pid), -5);
	others_have(own_nice());
	REQUIRE(!log_count("nice value"), "it says that it could not");
	daemon_stop(NULL);
}
END_TEST

/* A high value stays as well. */
START_TEST(a_boost_of_0_does_not_change_the_nice_value)
{
	if (own_nice() < 5)
		bed.nice = 5;
	daemon_start("socket.priority_boost=0");
	ck_assert_int_eq(nice_of(bed.pid), bed.nice);
	others_have(bed.nice);
	REQUIRE(!log_count("nice value"), "it says that it could not");
	daemon_stop(NULL);
}
END_TEST

/* The limit that the unit sets. */
START_TEST(a_nice_value_that_is_low_enough_does_not_change)
{
	if (getuid() || !may(lower_nice)) {
		suite_skip("needs root, and a nice value of -5");
		return;
	}
	bed.nice = -5;
	bed.unprivileged = 1;
	daemon_start();
	ck_assert_int_eq(nice_of(bed.pid), -5);
	others_have(-5);
	REQUIRE(!log_count("nice value"), "it says that it could not");
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_limited_boost_goes_to_the_limit_and_is_logged)
{
	if (getuid() || own_nice() < -2 || !may(raise_limit)) {
		suite_skip("needs root that may raise limits");
		return;
	}
	bed.nice_limit = 22;
	bed.unprivileged = 1;
	daemon_start();
	ck_assert_int_eq(nice_of(bed.pid), -2);
	others_have(own_nice());
	REQUIRE(log_count("is -2, not -5", "RLIMIT_NICE") == 1,
		"not one line says so");
	daemon_stop(NULL);
}
END_TEST

/* Without the right to it, only a line in the log is different. */
START_TEST(a_daemon_without_permission_works_without_the_boost)
{
	struct flow flow = { .count = suite_scale(5000),
			     .min = 100,
			     .max = 100 };
	struct sender *sender;
	struct tally tally;

	if (own_nice() < 0) {
		suite_skip("has a low nice value already");
		return;
	}
	bed.nice_limit = 0;
	if (getuid() == 0)
		bed.unprivileged = 1;
	daemon_start();
	ck_assert_int_eq(nice_of(bed.pid), own_nice());
	others_have(own_nice());
	REQUIRE(log_count("nice value", "Permission denied") == 1,
		"not one line says so");
	sender = sender_start(&flow);
	sender_wait(sender);
	daemon_stop(NULL);
	tally_open(&tally);
	tally_expect_sender(&tally, sender);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("priority");
	TCase *t = bed_case(suite, "priority");

	tcase_add_test(t, only_the_receiving_thread_has_the_boost);
	tcase_add_test(t, a_boost_of_0_does_not_change_the_nice_value);
	tcase_add_test(t, a_nice_value_that_is_low_enough_does_not_change);
	tcase_add_test(t, a_limited_boost_goes_to_the_limit_and_is_logged);
	tcase_add_test(t, a_daemon_without_permission_works_without_the_boost);
	return suite_run(suite, CK_NOFORK);
}
