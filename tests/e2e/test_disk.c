/* SPDX-License-Identifier: MIT */
/*
 * Disks that fail.  The daemon logs it once, with the path and a remedy; it
 * loses nothing, and files everything when the cause is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

static const struct flow flow = { .count = 2000, .min = 1, .max = 500 };

/*
 * Lines about trouble below the files' directory.  Those before the ready
 * line (about /proc's settings, say) name other paths.
 */
static unsigned complaints(void)
{
	return log_count("error:", bed.files) +
	       log_count("warning:", bed.files) -
	       log_count("warning: files.temp:", bed.files);
}

/* The flushes that have failed, of all workers. */
static double failed_flushes(void)
{
	const char *list = json_at(ask("status"), "workers"), *worker;
	double n = 0;
	unsigned i;

	for (i = 0; (worker = json_item(list, i)); i++)
		n += ask_at(worker, "failures");
	return n;
}

/* Fails `point` while there is a block, and counts everything in the end. */
static void fail_and_recover(const char *point, const char *error,
			     const char *sync)
{
	struct sender *s;

	bed_block();
	bed.points = bed_point(point, error, "");
	daemon_start("buffer.workers=1", "buffer.size=16K",
		     "buffer.queue_size=64", "buffer.timeout=never",
		     "buffer.forced=10ms", bed_text("files.sync=%s", sync));
	s = sender_start(&flow);
	UNTIL(complaints() >= 1);
	/* Retries must not repeat the complaint. */
	UNTIL(failed_flushes() >= 3);
	REQUIRE(complaints() == 1, "%s: %u complaints instead of one", point,
		complaints());
	ck_assert_uint_eq(files_count(bed.files), 0);
	bed_release();
	sender_wait(s);
	daemon_stop(NULL);
	tally_require_sender(s);
	ck_assert(dir_empty(bed.temp));
}

static const struct failure {
	const char *point, *error, *sync;
} failures[] = {
	{ "flush.open", "EACCES", "none" },
	{ "flush.open", "ENOENT", "none" },
	{ "flush.open", "EMFILE", "none" },
	{ "flush.write", "ENOSPC", "none" },
	{ "flush.write", "EIO", "none" },
	{ "flush.write", "EDQUOT", "none" },
	{ "flush.mode", "EPERM", "none" },
	{ "flush.sync", "EIO", "data" },
	{ "flush.rename", "ENOSPC", "none" },
	{ "flush.rename", "EROFS", "none" },
};

START_TEST(a_failing_step_is_logged_once_and_made_good)
{
	const struct failure *f = &failures[_i];

	fail_and_recover(f->point, f->error, f->sync);
}
END_TEST

/* A single try fails, or a write is short. */
static const char *const single[] = {
	"flush.write=short",	 "flush.write=ENOSPC@2", "flush.write=EINTR@1",
	"flush.rename=EEXIST@1", "flush.open=EEXIST@1",	 "flush.rename=EIO@3",
};

START_TEST(a_single_failure_or_short_writes_change_nothing)
{
	struct sender *s;

	bed.points = single[_i];
	daemon_start("buffer.workers=2", "buffer.size=8K");
	s = sender_start(&flow);
	sender_wait(s);
	daemon_stop(NULL);
	tally_require_sender(s);
	ck_assert(dir_empty(bed.temp));
}
END_TEST

/* NFS does that when an answer of the server is lost. */
START_TEST(a_rename_that_happened_and_reports_an_error_doubles_nothing)
{
	struct sender *s;

	bed.points = "rename.done=EIO@1;rename.done=ESTALE@2;"
		     "rename.done=ENOENT@3;rename.done=EXDEV@4;"
		     "rename.done=EEXIST@5";
	daemon_start("buffer.workers=1", "buffer.size=1K",
		     "buffer.timeout=never", "buffer.forced=10ms");
	s = sender_start(&flow);
	sender_wait(s);
	daemon_stop(NULL);
	REQUIRE(complaints() == 0, "%u complaints", complaints());
	tally_require_sender(s);
	ck_assert(dir_empty(bed.temp));
}
END_TEST

/* files.sync = data promises that a power failure undoes no name. */
START_TEST(a_directory_that_cannot_be_synced_is_tried_until_it_is)
{
	struct sender *s;

	bed_block();
	bed.points = bed_point("flush.names", "EIO", "");
	daemon_start("buffer.workers=1", "buffer.size=16K",
		     "buffer.queue_size=64", "buffer.timeout=never",
		     "buffer.forced=10ms", "files.sync=data");
	s = sender_start(&flow);
	UNTIL(failed_flushes() >= 3);
	REQUIRE(log_count("error: worker 0: fsync", bed.files,
			  "Input/output error") == 1,
		"not one line names the directory");
	ask_expect_text(ask("status"), "health", "failing");
	/* complete, and the only one: the next waits for this */
	ck_assert_uint_eq(files_count(bed.files), 1);
	bed_release();
	sender_wait(s);
	UNTIL(ask_number("gauges.workers_failing") == 0);
	/* when what waits in the kernel's queue has found room in the ring */
	UNTIL(strstr(ask("status"), "\"health\":\"ok\""));
	daemon_stop(NULL);
	tally_require_sender(s);
}
END_TEST

/* fsync(2) says EINVAL where there is no such thing, for ever. */
START_TEST(a_file_system_that_cannot_sync_a_directory_is_named_once)
{
	struct sender *s;

	bed.points = "flush.names=EINVAL";
	daemon_start("buffer.workers=1", "buffer.size=16K",
		     "buffer.timeout=never", "buffer.forced=10ms",
		     "files.sync=data");
	s = sender_start(&flow);
	sender_wait(s);
	daemon_stop(NULL);
	REQUIRE(log_count("warning: files.sync:", bed.files,
			  "cannot sync a directory") == 1,
		"not one line");
	tally_require_sender(s);
}
END_TEST

START_TEST(no_space_is_named_with_a_remedy)
{
	int fd;

	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.forced=10ms");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(complaints() == 1);
	REQUIRE(log_count(strerror(ENOSPC), bed.files) == 1,
		"the complaint does not name the error");
	bed_release();
	UNTIL(files_count(bed.files) == 1);
	daemon_stop(NULL);
}
END_TEST

/* Sends until the daemon complains, then `repair`s, and counts. */
static void break_and_repair(void (*repair)(void))
{
	struct flow endless = { .id = 1, .min = 1, .max = 500, .pause_us = 200 };
	struct sender *s = sender_start(&endless);

	UNTIL(complaints() >= 1);
	UNTIL(failed_flushes() >= 3);
	repair();
	UNTIL(files_count(bed.files) >= 1);
	sender_finish(s);
	daemon_stop(NULL);
	/* Each of two workers complains once at most. */
	ck_assert_uint_le(complaints(), 2);
	tally_require_sender(s);
}

static void make_files(void)
{
	ck_assert_int_eq(mkdir(bed.files, 0777), 0);
	ck_assert_int_eq(chmod(bed.files, 0777), 0);
}

START_TEST(a_removed_directory_is_waited_for)
{
	daemon_start("buffer.workers=2", "buffer.forced=10ms", "buffer.size=8K",
		     "buffer.timeout=never");
	rmdir(bed.temp);
	ck_assert_int_eq(rmdir(bed.files), 0);
	break_and_repair(make_files);
}
END_TEST

static void allow_files(void)
{
	ck_assert_int_eq(chmod(bed.files, 0777), 0);
}

START_TEST(a_permission_that_was_taken_away_is_waited_for)
{
	if (getuid() == 0)
		bed.unprivileged = 1;
	daemon_start("buffer.workers=2", "buffer.forced=10ms", "buffer.size=8K",
		     "buffer.timeout=never");
	ck_assert_int_eq(chmod(bed.files, 0555), 0);
	break_and_repair(allow_files);
}
END_TEST

static char ballast[BED_PATH + 16];

static void remove_ballast(void)
{
	ck_assert_int_eq(unlink(ballast), 0);
}

START_TEST(a_really_full_disk_is_waited_for)
{
	static char block[64 * 1024];
	int fd;

	if (bed_mount(bed.files, "2m")) {
		suite_skip("no mounts here, so no disk of our own to fill");
		return;
	}
	daemon_start("buffer.workers=2", "buffer.forced=10ms", "buffer.size=8K",
		     "buffer.timeout=never");
	snprintf(ballast, sizeof(ballast), "%s/.ballast", bed.files);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	break_and_repair(remove_ballast);
	umount2(bed.files, MNT_DETACH);
}
END_TEST

/* Makes empty files until there is no inode for another; how many. */
static unsigned use_up_inodes(const char *dir)
{
	unsigned n = 0;
	int fd;

	while ((fd = open(bed_text("%s/.small%u", dir, n), O_WRONLY | O_CREAT,
			  0600)) >= 0) {
		close(fd);
		n++;
	}
	ck_assert_int_eq(errno, ENOSPC);
	return n;
}

START_TEST(a_disk_without_an_inode_is_told_from_a_full_one)
{
	unsigned n;
	int fd;

	if (bed_mount(bed.files, "2m,nr_inodes=50")) {
		suite_skip("no mounts here, so no disk of our own to fill");
		return;
	}
	daemon_start("buffer.workers=1", "buffer.forced=10ms");
	n = use_up_inodes(bed.files);
	fd = send_open();
	send_one(fd, "waits", 5);
	UNTIL(log_count("No space left on device; free inodes, which are used "
			"up (df -i)"));
	ck_assert_uint_eq(log_count("free space"), 0);
	ck_assert_int_eq(command("status --check"), 2);
	command_expect("free inodes, which are used up (df -i)");
	ck_assert_int_eq(command("status"), 0);
	command_expect("free inodes, which are used up (df -i)");
	ck_assert_ptr_nonnull(
		strstr(ask("status"), "\"remedy\":\"free inodes"));
	while (n--)
		unlink(bed_text("%s/.small%u", bed.files, n));
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_uint_eq(files_count(bed.files), 1);
	close(fd);
	daemon_stop(NULL);
	umount2(bed.files, MNT_DETACH);
}
END_TEST

START_TEST(a_disk_that_stays_broken_leaves_the_data_for_the_next_start)
{
	struct sender *s;
	int status;

	bed_hold_socket();
	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.workers=2", "buffer.size=8K",
		     "buffer.queue_size=4096", "buffer.timeout=never",
		     "buffer.stop_timeout=200ms");
	s = sender_start(&flow);
	sender_wait(s);
	UNTIL(complaints() >= 1);
	daemon_signal(SIGTERM);
	status = daemon_wait();
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) != 0,
		"wait status %#x", status);
	REQUIRE(log_count("state region") == 1,
		"the log does not say where the data is");
	ck_assert_uint_eq(files_count(bed.files), 0);
	bed_release();
	daemon_start();
	UNTIL(bed_queue_empty());
	daemon_stop(NULL);
	tally_require_sender(s);
}
END_TEST

START_TEST(a_stop_counts_no_datagram_that_was_dropped_as_left)
{
	static const struct flow mixed = { .count = 200,
					   .min = 1,
					   .max = 2000 };
	struct totals totals;
	struct sender *s;
	int status;

	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.workers=1", "buffer.size=100",
		     "buffer.queue_size=512", "socket.max_message=1000",
		     "buffer.stop_timeout=100ms");
	s = sender_start(&mixed);
	sender_wait(s);
	UNTIL(log_count("No space left") == 1);
	daemon_signal(SIGTERM);
	status = daemon_wait();
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 75);
	ck_assert_int_eq(daemon_totals(&totals), 0);
	ck_assert_uint_gt(totals.too_large, 0);
	REQUIRE(log_count(bed_text(" %d messages could not be filed",
				   (int)(totals.received - totals.written -
					 totals.dropped))) == 1,
		"received=%d, dropped=%d", (int)totals.received,
		(int)totals.dropped);
	bed_release();
	daemon_start();
	REQUIRE(log_count(bed_text("recovered: messages=%d ",
				   (int)(totals.received - totals.dropped))),
		"other messages were left");
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("disk");
	TCase *t = bed_case(suite, "injected");

	tcase_add_loop_test(t, a_failing_step_is_logged_once_and_made_good, 0,
			    sizeof(failures) / sizeof(failures[0]));
	tcase_add_loop_test(t, a_single_failure_or_short_writes_change_nothing,
			    0, sizeof(single) / sizeof(single[0]));
	tcase_add_test(
		t, a_rename_that_happened_and_reports_an_error_doubles_nothing);
	tcase_add_test(t,
		       a_directory_that_cannot_be_synced_is_tried_until_it_is);
	tcase_add_test(
		t, a_file_system_that_cannot_sync_a_directory_is_named_once);
	tcase_add_test(t, no_space_is_named_with_a_remedy);
	t = bed_case(suite, "real");
	tcase_add_test(t, a_removed_directory_is_waited_for);
	tcase_add_test(t, a_permission_that_was_taken_away_is_waited_for);
	tcase_add_test(t, a_really_full_disk_is_waited_for);
	tcase_add_test(t, a_disk_without_an_inode_is_told_from_a_full_one);
	tcase_add_test(
		t, a_disk_that_stays_broken_leaves_the_data_for_the_next_start);
	tcase_add_test(t, a_stop_counts_no_datagram_that_was_dropped_as_left);
	return suite_run(suite, CK_NOFORK);
}
