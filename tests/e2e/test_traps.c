/* SPDX-License-Identifier: MIT */
/*
 * What another user can lay where the daemon makes or reads a file: a link is
 * not followed, nothing that is there is written to, and no open waits.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

static const char *metrics(void)
{
	return bed_text("%s/m", bed.root);
}

static ino_t written(void)
{
	struct stat st;

	return stat(metrics(), &st) ? 0 : st.st_ino;
}

static void start_metrics(void)
{
	daemon_start(bed_text("control.metrics_file=%s", metrics()),
		     "control.metrics_interval=1s");
	UNTIL(written());
}

/* --- the metrics file ---------------------------------------------------- */

static void lay_link_to_region(const char *at)
{
	ck_assert_int_eq(symlink(bed.state, at), 0);
}

static void lay_other_name_of_region(const char *at)
{
	ck_assert_int_eq(link(bed.state, at), 0);
}

static void lay_pipe(const char *at)
{
	ck_assert_int_eq(mkfifo(at, 0666), 0);
}

static void lay_link_to_nothing(const char *at)
{
	ck_assert_int_eq(symlink(bed_text("%s/made", bed.root), at), 0);
}

static void (*const traps[])(const char *at) = {
	lay_link_to_region,
	lay_other_name_of_region,
	lay_pipe,
	lay_link_to_nothing,
};

START_TEST(the_metrics_file_is_written_over_a_trap)
{
	static const struct flow flow = { .count = 1000, .min = 1, .max = 500 };
	struct sender *s;
	struct tally tally;
	struct stat st;
	ino_t before;

	start_metrics();
	before = written();
	traps[_i](bed_text("%s.new", metrics()));
	UNTIL(written() != before);
	ck_assert_int_eq(lstat(metrics(), &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert(!file_exists(bed_text("%s/made", bed.root)));
	s = sender_start(&flow);
	sender_wait(s);
	daemon_stop(NULL);
	tally_open(&tally);
	tally_expect_sender(&tally, s);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}
END_TEST

static void start_with_fault(const char *action)
{
	bed.points = bed_point("metrics.write", action, "");
	start_metrics();
	ck_assert(strstr(ask("status"), "\"health\":\"ok\""));
	bed_block();
}

START_TEST(a_metrics_file_on_a_hung_disk_degrades_and_holds_up_no_stop)
{
	start_with_fault("stall");
	UNTIL(log_count("warning: control.metrics_file:", metrics(),
			"its disk hangs") == 1);
	ask_expect_text(ask("status"), "health", "degraded");
	ck_assert_ptr_nonnull(strstr(ask("status"), "its disk hangs\""));
	bed_release();
	UNTIL(log_count("notice: control.metrics_file: written again") == 1);
	ask_expect_text(ask("status"), "health", "ok");
	bed_block();
	suite_sleep_ms(1500);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_metrics_file_that_cannot_be_written_degrades)
{
	start_with_fault("ENOSPC");
	UNTIL(strstr(ask("status"), "\"health\":\"degraded\""));
	ck_assert_ptr_nonnull(strstr(ask("status"), "/m cannot be written: No "
						    "space left on device; "));
	bed_release();
	UNTIL(strstr(ask("status"), "\"health\":\"ok\""));
	daemon_stop(NULL);
}
END_TEST

/* --- the settings file --------------------------------------------------- */

START_TEST(a_reload_does_not_wait_for_a_pipe)
{
	bed_write_conf("[files]\nprefix = one_\n");
	daemon_start();
	ck_assert_int_eq(unlink(bed.conf), 0);
	ck_assert_int_eq(mkfifo(bed.conf, 0666), 0);
	daemon_signal(SIGHUP);
	UNTIL(log_count("reload: ", bed.conf, "is a pipe or a device") == 1);
	UNTIL(log_count("reload: the settings stay as they are") == 1);
	ck_assert_ptr_nonnull(strstr(ask("ping"), "pong"));
	ck_assert_ptr_nonnull(strstr(ask("reload"), "is a pipe or a device"));
	ck_assert_uint_eq(log_count("prefix changed"), 0);
	daemon_stop(NULL);
}
END_TEST

/* As `bufwriterd -c <(echo ...)`. */
START_TEST(a_reload_keeps_settings_that_came_from_a_pipe)
{
	static const char text[] = "[files]\nprefix = one_\n";
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], text, strlen(text)),
			 (ssize_t)strlen(text));
	close(fds[1]);
	if (fds[0] == 3)
		fds[0] = dup2(3, 20);
	unlink(bed.conf);
	ck_assert_int_eq(symlink(bed_text("/dev/fd/%d", fds[0]), bed.conf), 0);
	daemon_start("buffer.forced=10ms");
	close(fds[0]);
	daemon_signal(SIGHUP);
	UNTIL(log_count("reload: the settings stay as they are") == 1);
	ck_assert_uint_eq(log_count("reload: files.prefix changed"), 0);
	send_one(send_open(), "x", 1);
	UNTIL(files_count(bed.files) == 1);
	ck_assert_int_eq(system(bed_text("ls %s | grep -q ^one_", bed.files)),
			 0);
	daemon_stop(NULL);
}
END_TEST

/* --- sockets ------------------------------------------------------------- */

/* The directory's owner can put a link in the place of the new socket. */
START_TEST(mode_and_group_are_never_set_through_a_link)
{
	const char *precious = bed_text("%s/precious", bed.root);
	struct stat st;

	file_touch(precious);
	ck_assert_int_eq(chmod(precious, 0600), 0);
	bed_block();
	bed.points = bed_point("socket.owner", "stall", "");
	bed.points_log = bed_text("%s/points", bed.root);
	daemon_spawn("socket.mode=0666", "control.path=");
	UNTIL(file_exists(bed.points_log) &&
	      !system(bed_text("grep -q '^socket.owner' %s", bed.points_log)));
	ck_assert_int_eq(unlink(bed.sock), 0);
	ck_assert_int_eq(symlink(precious, bed.sock), 0);
	bed_release();
	ck_assert_int_eq(WEXITSTATUS(daemon_wait()), 78);
	ck_assert_int_eq(stat(precious, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_uint_eq(log_count("socket.mode: cannot set the mode of"), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("traps");
	TCase *t = bed_case(suite, "traps");

	tcase_add_loop_test(t, the_metrics_file_is_written_over_a_trap, 0,
			    sizeof(traps) / sizeof(traps[0]));
	tcase_add_test(
		t, a_metrics_file_on_a_hung_disk_degrades_and_holds_up_no_stop);
	tcase_add_test(t, a_metrics_file_that_cannot_be_written_degrades);
	tcase_add_test(t, a_reload_does_not_wait_for_a_pipe);
	tcase_add_test(t, a_reload_keeps_settings_that_came_from_a_pipe);
	tcase_add_test(t, mode_and_group_are_never_set_through_a_link);
	return suite_run(suite, CK_NOFORK);
}
