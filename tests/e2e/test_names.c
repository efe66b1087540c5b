/* SPDX-License-Identifier: MIT */
/*
 * Names of files are unique (I1): for two daemons that share files.path, and
 * for one daemon in all its lives, whatever the process id and the clock do.
 *
 * The daemons have process id 1, each in a namespace of its own, and a clock
 * that stands.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

/* Two daemons; `bed` is the one that the functions of the bed are for. */
static struct bed other;

static void swap_daemons(void)
{
	struct bed now = bed;

	bed = other;
	other = now;
}

/* The other daemon has paths of its own, except for the files. */
static void open_other(void)
{
	other = bed;
	snprintf(other.sock, sizeof(other.sock), "%.90s/sock2", bed.root);
	snprintf(other.control, sizeof(other.control), "%.90s/control2",
		 bed.root);
	snprintf(other.state, sizeof(other.state), "%.90s/state2", bed.root);
	snprintf(other.log, sizeof(other.log), "%.90s/log2", bed.root);
}

START_TEST(two_daemons_with_one_process_id_share_a_directory)
{
	struct flow flow = { .count = suite_scale(3000), .min = 1, .max = 50 };
	struct sender *s[2];
	struct tally tally;
	unsigned i;

	if (getuid()) {
		suite_skip("a namespace of process ids needs root");
		return;
	}
	bed.is_process_1 = 1;
	bed.points = "flush.clock=EIO;flush.marked=sleep:1";
	open_other();
	tally_open(&tally);
	for (i = 0; i < 2; i++) {
		daemon_start("buffer.workers=2", "buffer.size=100",
			     "buffer.forced=1ms");
		swap_daemons();
	}
	for (i = 0; i < 2; i++) {
		flow.id = i;
		s[i] = sender_start(&flow);
		swap_daemons();
	}
	for (i = 0; i < 2; i++) {
		sender_wait(s[i]);
		tally_expect_sender(&tally, s[i]);
		daemon_stop(NULL);
		swap_daemons();
	}
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
	ck_assert(dir_empty(bed.temp));
}
END_TEST

/* Moves every file to a directory where none may have its name. */
static unsigned ship(const char *to)
{
	DIR *dir = opendir(bed.files);
	const struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		REQUIRE(!file_exists(bed_text("%s/%s", to, e->d_name)),
			"%s comes twice", e->d_name);
		ck_assert_int_eq(rename(bed_text("%s/%s", bed.files, e->d_name),
					bed_text("%s/%s", to, e->d_name)),
				 0);
		n++;
	}
	closedir(dir);
	return n;
}

START_TEST(no_name_of_a_former_life_comes_again)
{
	static const char *const queues[] = { "100", "100", "200", "200" };
	const char *shipped = bed_text("%s/shipped", bed.root);
	unsigned i;
	int fd;

	if (getuid()) {
		suite_skip("a namespace of process ids needs root");
		return;
	}
	ck_assert_int_eq(mkdir(shipped, 0777), 0);
	bed.is_process_1 = 1;
	bed.points = "flush.clock=EIO";
	for (i = 0; i < 4; i++) {
		/* the third makes the region anew, for other settings */
		daemon_start("buffer.workers=1", "buffer.forced=1ms",
			     bed_text("buffer.queue_size=%s", queues[i]));
		fd = send_open();
		send_one(fd, "text", 4);
		UNTIL(files_count(bed.files) == 1);
		close(fd);
		if (i == 1)
			daemon_kill();
		else
			daemon_stop(NULL);
		ck_assert_uint_eq(ship(shipped), 1);
	}
}
END_TEST

/*
 * The complete files hold these messages, in either order, and their names end
 * so.
 */
static void expect_files(const char *suffix, const char *one, const char *two,
			 size_t len)
{
	size_t got;
	char *bytes = files_content(bed.files, &got);
	DIR *dir = opendir(bed.files);
	const struct dirent *e;

	while ((e = readdir(dir)))
		REQUIRE(e->d_name[0] == '.' ||
				!strcmp(strrchr(e->d_name, '.'), suffix),
			"%s does not end in %s", e->d_name, suffix);
	closedir(dir);
	ck_assert_uint_eq(got, len);
	REQUIRE(!memcmp(bytes, one, len) || !memcmp(bytes, two, len),
		"other bytes: %.*s", (int)got, bytes);
	free(bytes);
}

/* Messages in an arena and in the ring, and then other settings. */
START_TEST(what_was_taken_is_named_and_framed_as_it_was_then)
{
	const char *shipped = bed_text("%s/shipped", bed.root);
	int fd;

	ck_assert_int_eq(mkdir(shipped, 0777), 0);
	bed_block();
	bed.points = bed_point("flush.write", "stall", "");
	daemon_start("files.framing=length", "files.suffix=.bin",
		     "buffer.workers=1", "buffer.forced=0", "buffer.size=4");
	fd = send_open();
	send_one(fd, "arena", 5);
	send_one(fd, "ring", 4);
	send_drain(fd);
	close(fd);
	daemon_kill();
	bed.points = NULL;
	daemon_start("files.framing=newline", "files.suffix=.log",
		     "buffer.workers=1", "buffer.size=64K", "buffer.forced=0",
		     bed_text("buffer.queue_size=%u", _i ? 64 : 1024));
	ck_assert_uint_ge(log_count("former settings", ".bin"), 1);
	expect_files(".bin", "\5\0\0\0arena\4\0\0\0ring",
		     "\4\0\0\0ring\5\0\0\0arena", 17);
	ship(shipped);
	fd = send_open();
	send_one(fd, "new", 3);
	send_drain(fd);
	close(fd);
	daemon_stop(NULL);
	expect_files(".log", "new\n", "new\n", 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("names");
	TCase *t = bed_case(suite, "process id 1");

	tcase_add_test(t, two_daemons_with_one_process_id_share_a_directory);
	tcase_add_test(t, no_name_of_a_former_life_comes_again);
	t = bed_case(suite, "other settings");
	tcase_add_loop_test(
		t, what_was_taken_is_named_and_framed_as_it_was_then, 0, 2);
	return suite_run(suite, CK_NOFORK);
}
