/* SPDX-License-Identifier: MIT */
/*
 * Limits of the complete files: the daemon waits for a shipper, or it deletes
 * the oldest files and accounts for each message in them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/files.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

static uint64_t counter(const char *name)
{
	return (uint64_t)ask_number(bed_text("counters.%s", name));
}

/* The keeper deletes a file and then counts it. */
static void keeper_rests(void)
{
	UNTIL(counter("files") - counter("deleted_files") ==
	      files_count(bed.files));
}

/*
 * The files hold the messages that were written and not deleted, each whole
 * and once, and the numbers say so.
 */
static void expect_the_rest(const struct sender *s)
{
	uint64_t deleted, files, bytes;
	struct totals totals;
	struct tally tally;

	keeper_rests();
	deleted = counter("deleted_messages");
	files = counter("files") - counter("deleted_files");
	bytes = counter("file_bytes") - counter("deleted_bytes");
	ck_assert_uint_gt(deleted, 0);
	ck_assert_uint_eq(counter("deleted_uncounted"), 0);
	daemon_stop(&totals);
	tally_open(&tally);
	tally_expect_sender(&tally, s);
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	REQUIRE(!tally.doubled && !tally.torn && !tally.odd, "%s", tally.first);
	ck_assert_uint_eq(totals.written, s->flow.count);
	ck_assert_uint_eq(totals.dropped, 0);
	ck_assert_uint_eq(tally.lost, deleted);
	ck_assert_uint_eq(tally.files, files);
	ck_assert_uint_eq(tally.bytes, bytes);
	tally_close(&tally);
}

static const struct flow flow = { .count = 3000, .min = 100, .max = 500 };

/* Bytes in complete files, some of which may go at any time. */
static uint64_t held(void)
{
	DIR *dir = opendir(bed.files);
	const struct dirent *e;
	uint64_t bytes = 0;
	struct stat st;

	ck_assert_ptr_nonnull(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.' &&
		    !fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			bytes += st.st_size;
	closedir(dir);
	return bytes;
}

START_TEST(the_oldest_files_make_room_for_new_ones)
{
	double since = suite_now();
	struct sender *s;
	unsigned named, rounds;

	daemon_start("buffer.workers=2", "buffer.size=8K", "files.keep=300K",
		     "files.when_full=delete-oldest");
	s = sender_start(&flow);
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	UNTIL(held() <= 300 * 1024);
	ck_assert_int_eq(command("status --check"), 1);
	command_expect("files were deleted");
	expect_the_rest(s);
	/* Ten by name and then their sum, in each minute. */
	rounds = 1 + (unsigned)((suite_now() - since) / 60);
	named = log_count("warning: files.when_full: deleted ",
			  "because files.keep is reached: ", " messages, ");
	REQUIRE(named >= 10 && named <= 10 * rounds, "%u named in %u min",
		named, rounds);
	ck_assert_uint_ge(log_count("files.when_full: deleted ", " more files"),
			  1);
	ck_assert_uint_le(log_count("files.when_full: deleted ", " more files"),
			  rounds);
}
END_TEST

/* Is one of the files about to be deleted, so that who opens it has to wait? */
static bool meets_a_lease(void)
{
	DIR *dir = opendir(bed.files);
	const struct dirent *e;
	bool waits = false;
	int fd;

	ck_assert_ptr_nonnull(dir);
	while (!waits && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), e->d_name,
			    O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		waits = fd < 0 && errno == EWOULDBLOCK;
		if (fd >= 0)
			close(fd);
	}
	closedir(dir);
	return waits;
}

/* The kernel tells the daemon so, by a signal that kills by default. */
START_TEST(a_reader_may_open_a_file_that_is_being_deleted)
{
	struct sender *s;

	bed_block();
	bed.points = bed_point("retain.delete", "stall", "");
	daemon_start("buffer.workers=2", "buffer.size=8K", "files.keep=300K",
		     "files.when_full=delete-oldest");
	s = sender_start(&flow);
	UNTIL(meets_a_lease());
	bed_release();
	sender_wait(s);
	daemon_stop(NULL);
}
END_TEST

START_TEST(without_a_limit_nothing_is_deleted)
{
	struct sender *s;

	daemon_start("buffer.workers=2", "buffer.size=8K",
		     "files.when_full=delete-oldest");
	s = sender_start(&flow);
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_uint_eq(counter("deleted_files"), 0);
	daemon_stop(NULL);
	tally_require_sender(s);
}
END_TEST

/* Waits at the limit, and goes on when a shipper has taken files. */
START_TEST(a_worker_waits_for_a_shipper_at_the_limit)
{
	const char *shipped = bed_text("%s/shipped", bed.root);
	char to[BED_PATH];
	struct sender *s;
	struct tally tally;

	ck_assert_int_eq(mkdir(shipped, 0777), 0);
	snprintf(to, sizeof(to), "%s", shipped);
	daemon_start("buffer.workers=1", "buffer.size=8K", "files.keep=300K",
		     "buffer.queue_size=64");
	s = sender_start(&flow);
	UNTIL(log_count("error: worker 0: files.keep ", bed.files,
			"Disk quota exceeded; let a shipper take files away"));
	ck_assert_int_eq(command("status --check"), 2);
	command_expect("let a shipper take files away");
	ck_assert_uint_le(held(), 300 * 1024);
	ck_assert_uint_gt(held(), 200 * 1024);
	shipper_start(to);
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_uint_eq(counter("deleted_files"), 0);
	daemon_stop(NULL);
	shipper_finish();
	tally_open(&tally);
	tally_expect_sender(&tally, s);
	tally_read(&tally, to, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}
END_TEST

/* Another limit is enough for a worker that waits. */
START_TEST(a_reload_lets_a_waiting_worker_go_on)
{
	struct sender *s;

	bed_write_conf("[files]\nkeep = 300K\n");
	daemon_start("buffer.workers=1", "buffer.size=8K");
	s = sender_start(&flow);
	UNTIL(log_count("error: worker 0: files.keep "));
	bed_write_conf("[files]\nkeep = 0\n");
	ck_assert_int_eq(command("reload"), 0);
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	daemon_stop(NULL);
	tally_require_sender(s);
}
END_TEST

/* A disk of our own. */
static bool mount_disk(const char *size)
{
	if (!bed_mount(bed.files, size))
		return true;
	suite_skip("no mounts here, so no disk of our own to fill");
	return false;
}

static uint64_t free_bytes(void)
{
	struct statvfs fs;

	ck_assert_int_eq(statvfs(bed.files, &fs), 0);
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

START_TEST(so_many_bytes_remain_free)
{
	struct sender *s;

	if (!mount_disk("1m"))
		return;
	daemon_start("buffer.workers=2", "buffer.size=8K",
		     "files.keep_free=768K", "files.when_full=delete-oldest");
	s = sender_start(&flow);
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	UNTIL(free_bytes() >= 768 << 10);
	expect_the_rest(s);
	umount2(bed.files, MNT_DETACH);
}
END_TEST

START_TEST(a_worker_waits_where_too_little_would_remain_free)
{
	struct sender *s;

	if (!mount_disk("1m"))
		return;
	daemon_start("buffer.workers=1", "buffer.size=8K",
		     "files.keep_free=512K", "buffer.queue_size=64");
	s = sender_start(&flow);
	UNTIL(log_count("error: worker 0: files.keep_free ", bed.files));
	ck_assert_uint_ge(free_bytes(), 512 << 10);
	ck_assert_int_eq(
		mount("bwtest", bed.files, "tmpfs", MS_REMOUNT, "size=4m"), 0);
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	daemon_stop(NULL);
	tally_require_sender(s);
	umount2(bed.files, MNT_DETACH);
}
END_TEST

START_TEST(a_full_disk_is_made_room_on)
{
	struct sender *s;

	if (!mount_disk("256k"))
		return;
	daemon_start("buffer.workers=2", "buffer.size=8K",
		     "files.when_full=delete-oldest");
	s = sender_start(&flow);
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_uint_ge(log_count("because the disk is full: "), 1);
	expect_the_rest(s);
	umount2(bed.files, MNT_DETACH);
}
END_TEST

/* The region holds messages, and the disk is full of complete files. */
START_TEST(a_recovery_makes_room_on_a_full_disk)
{
	char name[BED_PATH + 64];
	static char data[64 << 10];
	unsigned i = 0;
	int fd;

	if (!mount_disk("600k"))
		return;
	daemon_start("buffer.workers=1", "buffer.forced=0");
	fd = send_open();
	send_one(fd, "kept", 4);
	send_drain(fd);
	close(fd);
	daemon_kill();
	memset(data, '\n', sizeof(data));
	do {
		snprintf(name, sizeof(name), "%s/0_1_%u.log", bed.files, ++i);
		fd = open(name, O_WRONLY | O_CREAT, 0400);
		if (fd < 0)
			break;
	} while (write(fd, data, sizeof(data)) > 0 && !close(fd));
	daemon_start("buffer.workers=1", "files.when_full=delete-oldest");
	ck_assert_uint_eq(log_count("recovered: messages=1"), 1);
	ck_assert_uint_eq(log_count("recovery: files.when_full: the disk is "
				    "full; deleted the oldest files: files=1"),
			  1);
	ck_assert_uint_eq(counter("deleted_files"), 1);
	ck_assert(!file_exists(bed_text("%s/0_1_1.log", bed.files)));
	ck_assert(file_exists(bed_text("%s/0_1_2.log", bed.files)));
	daemon_stop(NULL);
	umount2(bed.files, MNT_DETACH);
}
END_TEST

/* A complete file of so many bytes, older than those with a larger number. */
static void make_complete(unsigned i, size_t bytes)
{
	static char data[256 << 10];

	ck_assert_uint_le(bytes, sizeof(data));
	memset(data, '\n', bytes);
	file_write(bed_text("%s/0_1_%u.log", bed.files, i), data, bytes);
}

static bool is_complete(unsigned i)
{
	return file_exists(bed_text("%s/0_1_%u.log", bed.files, i));
}

/* Leaves one message of so many bytes in the region. */
static void leave_message(size_t bytes)
{
	static char text[60000];
	int fd;

	ck_assert_uint_le(bytes, sizeof(text));
	memset(text, 'x', bytes);
	daemon_start("buffer.workers=1", "buffer.forced=0");
	fd = send_open();
	send_one(fd, text, bytes);
	send_drain(fd);
	close(fd);
	daemon_kill();
}

START_TEST(a_recovery_waits_for_a_shipper_at_the_limit)
{
	leave_message(10000);
	make_complete(1, 250 << 10);
	make_complete(2, 45 << 10);
	daemon_spawn("buffer.workers=1", "buffer.size=8K", "files.keep=300K");
	UNTIL(log_count("error: recovery: files.keep ", bed.files,
			"Disk quota exceeded; let a shipper take files away"));
	ck_assert_int_eq(command("status --check"), 2);
	command_expect("let a shipper take files away");
	ck_assert_uint_eq(files_count(bed.files), 2);
	ck_assert_int_eq(unlink(bed_text("%s/0_1_1.log", bed.files)), 0);
	REQUIRE(daemon_ready(), "the daemon did not start");
	ck_assert_uint_eq(log_count("recovered: messages=1"), 1);
	ck_assert(is_complete(2));
	ck_assert_uint_eq(files_count(bed.files), 2);
	daemon_stop(NULL);
}
END_TEST

/* And no more files than it needs; the keeper goes on when there is one. */
START_TEST(a_recovery_holds_the_limit_by_deleting_the_oldest)
{
	leave_message(10000);
	make_complete(1, 250 << 10);
	make_complete(2, 45 << 10);
	bed.points = bed_point("recover.done", "stall", "");
	bed_block();
	daemon_spawn("buffer.workers=1", "buffer.size=8K", "files.keep=300K",
		     "files.when_full=delete-oldest");
	UNTIL(log_count("recovery: files.when_full: files.keep is reached; "
			"deleted the oldest files: files=1 messages=256000 "
			"bytes=256000"));
	UNTIL(files_count(bed.files) == 2);
	ck_assert(is_complete(2));
	bed_release();
	REQUIRE(daemon_ready(), "the daemon did not start");
	ck_assert_uint_eq(counter("deleted_files"), 1);
	ck_assert_uint_eq(counter("deleted_bytes"), 256000);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_recovery_leaves_as_much_free_as_is_wanted)
{
	if (!mount_disk("1m"))
		return;
	leave_message(10000);
	make_complete(1, 200 << 10);
	make_complete(2, 200 << 10);
	daemon_start("buffer.workers=1", "buffer.size=8K",
		     "files.keep_free=700K", "files.when_full=delete-oldest");
	ck_assert_uint_eq(log_count("recovery: files.when_full: "
				    "files.keep_free is reached; deleted the "
				    "oldest files: files=1 "),
			  1);
	ck_assert(!is_complete(1));
	ck_assert(is_complete(2));
	ck_assert_uint_eq(log_count("recovered: messages=1"), 1);
	daemon_stop(NULL);
	umount2(bed.files, MNT_DETACH);
}
END_TEST

/*
 * The keeper knows 250K of files, which a shipper has taken since.  A message
 * that has no room beside these is filed: the keeper looks again.
 */
START_TEST(a_message_larger_than_buffer_size_does_not_wait_for_ever)
{
	static char text[60000];
	int fd;

	make_complete(1, 250 << 10);
	daemon_start("buffer.workers=1", "buffer.size=8K", "files.keep=300K");
	fd = send_open();
	send_one(fd, "small", 5);
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_int_eq(unlink(bed_text("%s/0_1_1.log", bed.files)), 0);
	memset(text, 'x', sizeof(text));
	send_one(fd, text, sizeof(text));
	UNTIL(files_count(bed.files) == 2);
	close(fd);
	daemon_stop(NULL);
}
END_TEST

/* SIGKILL before, at and after a deletion: no message comes twice. */
START_TEST(a_kill_of_a_daemon_that_deletes_doubles_nothing)
{
	struct sender *s;
	struct tally tally;

	bed_hold_socket();
	bed.points = "retain.delete=kill@5";
	daemon_spawn("buffer.workers=2", "buffer.size=8K", "files.keep=300K",
		     "files.when_full=delete-oldest");
	s = sender_start(&flow);
	UNTIL(!daemon_alive());
	daemon_reap();
	bed.points = NULL;
	daemon_start("buffer.workers=2", "buffer.size=8K", "files.keep=300K",
		     "files.when_full=delete-oldest");
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	UNTIL(held() <= 300 * 1024);
	daemon_stop(NULL);
	tally_open(&tally);
	tally_expect_sender(&tally, s);
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	REQUIRE(!tally.doubled && !tally.torn && !tally.odd, "%s", tally.first);
	ck_assert(dir_empty(bed.temp));
	tally_close(&tally);
}
END_TEST

/* The messages in deleted files, as the log names them or sums them up. */
static uint64_t deleted_in_log(void)
{
	static char line[8192];
	FILE *log = fopen(bed.log, "r");
	uint64_t sum = 0, n;
	const char *at;

	while (fgets(line, sizeof(line), log)) {
		at = strstr(line, "files.when_full: deleted ");
		at = at ? strrchr(at, ':') : NULL;
		if (at && sscanf(at, ": %" SCNu64 " messages", &n) == 1)
			sum += n;
	}
	fclose(log);
	return sum;
}

/* I7: also if a worker hangs at the disk, and the process ends without it. */
START_TEST(a_stop_that_gives_up_tells_of_every_deleted_file)
{
	static const struct flow small = { .count = 60,
					   .min = 900,
					   .max = 900 };
	struct sender *s;
	uint64_t deleted;
	int fd;

	bed.points = bed_text("flush.write=stall:%s", bed.block);
	daemon_start("buffer.size=1", "socket.max_message=1000",
		     "files.keep=8K", "files.when_full=delete-oldest",
		     "buffer.stop_timeout=100ms", "buffer.workers=1");
	s = sender_start(&small);
	sender_wait(s);
	ck_assert_int_eq(command("flush"), 0);
	UNTIL(held() <= 8 * 1024);
	keeper_rests();
	deleted = counter("deleted_messages");
	ck_assert_uint_gt(deleted, 20);
	bed_block();
	fd = send_open();
	send_one(fd, "hangs", 5);
	UNTIL(ask_number("messages.received") == 61);
	daemon_signal(SIGTERM);
	ck_assert_int_eq(WEXITSTATUS(daemon_wait()), 75);
	ck_assert_uint_eq(deleted_in_log(), deleted);
	close(fd);
}
END_TEST

/* The same of what was dropped. */
START_TEST(a_stop_that_gives_up_tells_of_every_drop)
{
	static char large[3000];
	struct too_large told;
	unsigned i;
	int fd;

	bed.points = bed_text("flush.write=stall:%s", bed.block);
	bed_block();
	/* The process ends without joining its workers: none has ended. */
	daemon_start("buffer.size=1", "socket.max_message=1000",
		     "buffer.stop_timeout=100ms", "buffer.workers=1");
	fd = send_open();
	send_one(fd, "hangs", 5);
	for (i = 0; i < 5; i++) {
		send_one(fd, large, 2000 + i);
		UNTIL(ask_number("dropped.too_large") == i + 1);
	}
	daemon_signal(SIGTERM);
	ck_assert_int_eq(WEXITSTATUS(daemon_wait()), 75);
	log_too_large(&told);
	ck_assert_uint_eq(told.count, 5);
	ck_assert_uint_eq(told.bytes, 5 * 2000 + 10);
	close(fd);
}
END_TEST

START_TEST(a_limit_below_one_file_is_refused)
{
	daemon_spawn("files.keep=1M");
	ck_assert_int_eq(WEXITSTATUS(daemon_wait()), 78);
	ck_assert_uint_eq(log_count("-o: files.keep: 1048576 bytes are less "
				    "than one file can have with buffer.size "
				    "and socket.max_message; allowed: 0, or "
				    "1114116 and more"),
			  1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keeper");
	TCase *t = bed_case(suite, "limits");

	tcase_add_test(t, the_oldest_files_make_room_for_new_ones);
	tcase_add_test(t, a_reader_may_open_a_file_that_is_being_deleted);
	tcase_add_test(t, without_a_limit_nothing_is_deleted);
	tcase_add_test(t, a_worker_waits_for_a_shipper_at_the_limit);
	tcase_add_test(t, a_reload_lets_a_waiting_worker_go_on);
	tcase_add_test(
		t, a_message_larger_than_buffer_size_does_not_wait_for_ever);
	tcase_add_test(t, a_recovery_waits_for_a_shipper_at_the_limit);
	tcase_add_test(t, a_recovery_holds_the_limit_by_deleting_the_oldest);
	tcase_add_test(t, a_kill_of_a_daemon_that_deletes_doubles_nothing);
	tcase_add_test(t, a_stop_that_gives_up_tells_of_every_deleted_file);
	tcase_add_test(t, a_stop_that_gives_up_tells_of_every_drop);
	tcase_add_test(t, a_limit_below_one_file_is_refused);
	t = bed_case(suite, "disk");
	tcase_add_test(t, so_many_bytes_remain_free);
	tcase_add_test(t, a_worker_waits_where_too_little_would_remain_free);
	tcase_add_test(t, a_full_disk_is_made_room_on);
	tcase_add_test(t, a_recovery_makes_room_on_a_full_disk);
	tcase_add_test(t, a_recovery_leaves_as_much_free_as_is_wanted);
	return suite_run(suite, CK_NOFORK);
}
