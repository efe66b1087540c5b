/* SPDX-License-Identifier: MIT */
/*
 * A daemon is killed while it has a temp file, and the next one finds other
 * directories: the temp directory is gone, or the settings name others.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

static const char *place(const char *name)
{
	const char *dir = bed_text("%s/%s", bed.root, name);

	mkdir(dir, 0755);
	return dir;
}

static void send_text(const char *text)
{
	int fd = send_open();

	send_one(fd, text, strlen(text));
	close(fd);
}

/*
 * Sends a message; starts a daemon with this files.path, which dies at the
 * failpoint.
 */
static void die_at(const char *point, const char *dir, const char *message)
{
	int status;

	bed.points = point;
	daemon_spawn("buffer.forced=5ms", bed_text("files.path=%s", dir));
	if (message) {
		REQUIRE(daemon_ready(), "no start");
		send_text(message);
	}
	status = daemon_wait();
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"%s did not kill: %#x", point, status);
	bed.points = NULL;
}

static unsigned times_in(const char *dir, const char *message)
{
	size_t len;
	char *text = files_content(dir, &len), *at = text;
	unsigned n = 0;

	while (at &&
	       (at = memmem(at, len - (at - text), message, strlen(message)))) {
		at += strlen(message);
		n++;
	}
	free(text);
	return n;
}

START_TEST(a_temp_directory_that_vanished_with_its_file_loses_nothing)
{
	const char *dir = place("a");

	die_at("flush.marked=kill", dir, "precious");
	ck_assert_int_eq(unlink(bed_text("%s.tmp/x", dir)), -1);
	ck_assert_int_eq(rename(bed_text("%s.tmp", dir),
				bed_text("%s/gone", bed.root)),
			 0);
	daemon_start(bed_text("files.path=%s", dir));
	daemon_stop(NULL);
	ck_assert_uint_eq(times_in(dir, "precious"), 1);
}
END_TEST

/*
 * Without its directory, a missing temp file proves nothing; the final file
 * does.
 */
START_TEST(a_final_file_proves_that_its_rename_happened)
{
	const char *dir = place("a");

	die_at("flush.renamed=kill", dir, "precious");
	ck_assert_uint_eq(times_in(dir, "precious"), 1);
	/* now, and before there was such a place */
	ck_assert(!rmdir(bed_text("%s.tmp", dir)) ||
		  !rmdir(bed_text("%s/.tmp", dir)));
	daemon_start(bed_text("files.path=%s", dir));
	daemon_stop(NULL);
	ck_assert_uint_eq(times_in(dir, "precious"), 1);
}
END_TEST

/*
 * A shipper has the final file.  The directory of temp files is the daemon's
 * alone, so nobody else has taken the temp file from it.
 */
START_TEST(a_temp_file_gone_from_its_directory_proves_that_it_was_renamed)
{
	const char *dir = place("a");

	die_at("flush.renamed=kill", dir, "precious");
	dir_remove(dir);
	place("a");
	daemon_start(bed_text("files.path=%s", dir));
	daemon_stop(NULL);
	ck_assert_uint_eq(times_in(dir, "precious"), 0);
}
END_TEST

/* What is proven is noted before the recovery waits for the disk. */
START_TEST(a_proof_that_goes_while_the_recovery_waits_doubles_nothing)
{
	const char *dir = place("a"), *path = bed_text("files.path=%s", dir);
	int fd;

	bed_block();
	bed.points = bed_point("flush.renamed", "stall", "@1");
	daemon_start("buffer.workers=1", "buffer.forced=5ms", path);
	fd = send_open();
	send_one(fd, "precious", 8);
	UNTIL(times_in(dir, "precious") == 1);
	send_one(fd, "waits", 5);
	send_drain(fd);
	daemon_kill();
	bed_release();
	bed.points = NULL;
	dir_remove(dir);
	daemon_spawn(path);
	UNTIL(log_count("recovery: stat", dir) == 1);
	dir_remove(bed_text("%s.tmp", dir));
	place("a");
	ck_assert(daemon_ready());
	daemon_stop(NULL);
	ck_assert_uint_eq(times_in(dir, "precious"), 0);
	ck_assert_uint_eq(times_in(dir, "waits"), 1);
	close(fd);
}
END_TEST

/* Earlier versions had unfinished files in .tmp inside files.path. */
START_TEST(an_upgrade_finishes_what_is_in_the_former_place)
{
	const char *dir = place("a"), *former = bed_text("%s/.tmp", dir);
	const char *path = bed_text("files.path=%s", dir);

	bed.points = "flush.marked=kill";
	daemon_start("buffer.forced=5ms", path,
		     bed_text("files.temp=%s", former));
	send_text("precious");
	daemon_wait();
	ck_assert(!dir_empty(former));
	bed.points = NULL;
	daemon_start(path);
	REQUIRE(log_count("recovered: messages=1 ") == 1, "not recovered");
	ck_assert(!file_exists(former));
	daemon_stop(NULL);
	ck_assert_uint_eq(times_in(dir, "precious"), 1);
	ck_assert(dir_empty(bed_text("%s.tmp", dir)));
}
END_TEST

/* Killed with a temp file, and then the region is told to forget it. */
START_TEST(what_a_former_life_left_is_removed_and_nothing_else)
{
	const char *dir = place("a"), *temp = place("t"), *name;
	const char *path = bed_text("files.path=%s", dir);
	const char *option = bed_text("files.temp=%s", temp);
	static const char *const others[] = {
		"notes.log",
		"1_2_3.log",
		"0_77_1700000000000000001.log",
		"x_0_1700000000000000001",
	};
	size_t i;
	FILE *pipe;
	char left[256];

	ck_assert_int_eq(chmod(temp, 0700), 0);
	bed.points = "flush.marked=kill";
	daemon_start("buffer.forced=5ms", path, option);
	send_text("precious");
	daemon_wait();
	bed.points = NULL;
	pipe = popen(bed_text("ls %s", temp), "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%255s", left), 1);
	pclose(pipe);
	/* the temp file of another worker that nobody knows any more */
	name = bed_text("%s/9%s", temp, left + 1);
	file_touch(name);
	for (i = 0; i < 4; i++)
		file_touch(bed_text("%s/%s", temp, others[i]));
	daemon_start(path, option);
	REQUIRE(log_count("removed 1 unfinished files", temp) == 1,
		"it does not say what it removed");
	daemon_stop(NULL);
	ck_assert(!file_exists(name));
	for (i = 0; i < 4; i++)
		ck_assert(file_exists(bed_text("%s/%s", temp, others[i])));
	ck_assert_uint_eq(times_in(dir, "precious"), 1);
	/* from before the boot, when no region knows it */
	ck_assert_int_eq(
		system(bed_text("touch -d 2001-01-01 %s/0_77_*", temp)), 0);
	daemon_start(path, option);
	daemon_stop(NULL);
	ck_assert(!file_exists(bed_text("%s/%s", temp, others[2])));
	ck_assert(file_exists(bed_text("%s/%s", temp, others[0])));
}
END_TEST

START_TEST(directories_that_change_from_start_to_start_lose_nothing)
{
	static const char *const second[] = {
		"flush.begin=kill",	"flush.write=kill",
		"flush.marked=kill",	"flush.renamed=kill",
		"recover.settled=kill", "region.dirs=kill",
		"recover.arena=kill",	"recover.removed=kill",
	};
	static const char *const first[] = { "flush.begin=kill",
					     "flush.marked=kill",
					     "flush.renamed=kill",
					     "commit.after=kill" };
	const char *a, *b, *c;
	unsigned i, j;

	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		for (j = 0; j < sizeof(second) / sizeof(second[0]); j++) {
			bed_close();
			bed_open();
			a = place("a");
			b = place("b");
			c = place("c");
			die_at(first[i], a, "precious");
			bed.points = second[j];
			/* Some deaths leave fewer steps to take. */
			daemon_spawn(bed_text("files.path=%s", b),
				     "buffer.size=64K");
			if (daemon_ready())
				daemon_stop(NULL);
			else
				daemon_wait();
			bed.points = NULL;
			daemon_start(bed_text("files.path=%s", c));
			daemon_stop(NULL);
			ck_assert_msg(times_in(a, "precious") +
						      times_in(b, "precious") +
						      times_in(c, "precious") ==
					      1,
				      "%s, then %s: not once", first[i],
				      second[j]);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash, places");
	TCase *t = bed_case(suite, "places");

	tcase_add_test(
		t, a_temp_directory_that_vanished_with_its_file_loses_nothing);
	tcase_add_test(t, a_final_file_proves_that_its_rename_happened);
	tcase_add_test(
		t,
		a_temp_file_gone_from_its_directory_proves_that_it_was_renamed);
	tcase_add_test(
		t, a_proof_that_goes_while_the_recovery_waits_doubles_nothing);
	tcase_add_test(t, what_a_former_life_left_is_removed_and_nothing_else);
	tcase_add_test(t, an_upgrade_finishes_what_is_in_the_former_place);
	tcase_add_test(
		t, directories_that_change_from_start_to_start_lose_nothing);
	return suite_run(suite, CK_NOFORK);
}
