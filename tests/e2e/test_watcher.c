/* SPDX-License-Identifier: MIT */
/* A program that watches the directory sees complete files only. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

#define WATCHED                                                             \
	(IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_TO | \
	 IN_MOVED_FROM | IN_DELETE)
#define MAX_SEEN 20000

/* Size of each file at the moment it appeared, by the order of events. */
static struct seen {
	char name[80];
	off_t size;
	ino_t ino;
} seen[MAX_SEEN];
static unsigned nseen;

static void appeared(const char *name)
{
	struct seen *s = &seen[nseen++];
	struct stat st;

	ck_assert_uint_le(nseen, MAX_SEEN);
	snprintf(s->name, sizeof(s->name), "%.79s", name);
	ck_assert_int_eq(stat(bed_text("%s/%s", bed.files, name), &st), 0);
	ck_assert_msg((st.st_mode & 07777) == 0400, "%s appears with mode %o",
		      name, (unsigned)st.st_mode);
	s->size = st.st_size;
	s->ino = st.st_ino;
}

/* Handles what has happened; waits for up to `wait_ms` for something. */
static void watch(int fd, int wait_ms)
{
	static char buf[64 * 1024]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	const struct inotify_event *e;
	ssize_t n, i;

	if (poll(&poller, 1, wait_ms) <= 0)
		return;
	n = read(fd, buf, sizeof(buf));
	for (i = 0; i < n; i += (ssize_t)(sizeof(*e) + e->len)) {
		e = (const struct inotify_event *)(buf + i);
		ck_assert_msg(!(e->mask & IN_Q_OVERFLOW), "events lost");
		if (!e->len || e->name[0] == '.')
			continue;
		REQUIRE(e->mask == IN_MOVED_TO,
			"%s: event %#x, it may only be moved to its place",
			e->name, e->mask);
		appeared(e->name);
	}
}

/* Loads the daemon while watching; everything has to be there afterwards. */
static void load_and_watch(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct flow flow = { .count = suite_scale(20000),
			     .min = 1,
			     .max = 5000 };
	struct sender *s[2];
	struct tally tally;
	unsigned i;

	ck_assert_int_ge(fd, 0);
	nseen = 0;
	ck_assert_int_ge(inotify_add_watch(fd, bed.files, WATCHED), 0);
	for (i = 0; i < 2; i++) {
		flow.id = i;
		s[i] = sender_start(&flow);
	}
	while (sender_running(s[0]) || sender_running(s[1]))
		watch(fd, 20);
	tally_open(&tally);
	for (i = 0; i < 2; i++) {
		sender_wait(s[i]);
		tally_expect_sender(&tally, s[i]);
	}
	daemon_stop(NULL);
	watch(fd, 0);
	close(fd);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	/* No file changed after it appeared. */
	ck_assert_uint_eq(nseen, tally.files);
	for (i = 0; i < nseen; i++) {
		struct stat st;

		ck_assert_int_eq(
			stat(bed_text("%s/%s", bed.files, seen[i].name), &st),
			0);
		ck_assert_int_eq(st.st_size, seen[i].size);
		ck_assert_int_eq(st.st_ino, seen[i].ino);
	}
	tally_close(&tally);
}

START_TEST(a_watcher_sees_only_complete_files)
{
	daemon_start("buffer.size=32K", "buffer.workers=4",
		     "buffer.forced=10ms");
	load_and_watch();
	ck_assert(dir_empty(bed.temp));
}
END_TEST

START_TEST(a_watcher_sees_only_complete_files_with_sync)
{
	daemon_start("buffer.size=256K", "buffer.workers=2", "files.sync=data");
	load_and_watch();
}
END_TEST

/* A directory on another file system than bed.files, or NULL. */
static const char *other_file_system(void)
{
	static char dirs[3][64] = { "/tmp/bwtemp-XXXXXX",
				    "/var/tmp/bwtemp-XXXXXX",
				    "/dev/shm/bwtemp-XXXXXX" };
	struct stat here, there;
	unsigned i;

	ck_assert_int_eq(stat(bed.files, &here), 0);
	for (i = 0; i < 3; i++) {
		if (!mkdtemp(dirs[i]))
			continue;
		if (!stat(dirs[i], &there) && there.st_dev != here.st_dev)
			return dirs[i];
		rmdir(dirs[i]);
	}
	return NULL;
}

START_TEST(temp_on_another_file_system_is_logged_and_replaced)
{
	const char *temp = other_file_system();

	if (!temp) {
		suite_skip("there is only one file system to write to");
		return;
	}
	daemon_start("buffer.size=32K", bed_text("files.temp=%s", temp));
	REQUIRE(log_count("warning", temp) == 1, "no warning names %s", temp);
	load_and_watch();
	ck_assert(dir_empty(temp));
	rmdir(temp);
}
END_TEST

START_TEST(a_watcher_that_takes_files_away_gets_everything)
{
	const char *shipped = bed_text("%s/shipped", bed.root);
	struct flow flow = { .count = suite_scale(30000),
			     .min = 1,
			     .max = 2000 };
	struct sender *s[2];
	struct tally tally;
	unsigned i;

	ck_assert_int_eq(mkdir(shipped, 0777), 0);
	daemon_start("buffer.size=16K");
	shipper_start(shipped);
	tally_open(&tally);
	for (i = 0; i < 2; i++) {
		flow.id = i;
		s[i] = sender_start(&flow);
	}
	for (i = 0; i < 2; i++) {
		sender_wait(s[i]);
		tally_expect_sender(&tally, s[i]);
	}
	daemon_stop(NULL);
	shipper_finish();
	ck_assert_uint_eq(files_count(bed.files), 0);
	tally_read(&tally, shipped, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watcher");
	TCase *t = bed_case(suite, "complete files");

	tcase_add_test(t, a_watcher_sees_only_complete_files);
	tcase_add_test(t, a_watcher_sees_only_complete_files_with_sync);
	tcase_add_test(t, temp_on_another_file_system_is_logged_and_replaced);
	tcase_add_test(t, a_watcher_that_takes_files_away_gets_everything);
	return suite_run(suite, CK_NOFORK);
}
