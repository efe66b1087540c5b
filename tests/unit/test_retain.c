/* SPDX-License-Identifier: MIT */
/*
 * Which files are deleted, in which order, and what is never touched.
 */
#include "daemon/filing/retain.h"

#include <stdio.h>
#include <sys/time.h>

#include "tests/lib/core.h"

static struct config *cfg;
static struct retain retain;

static void begin(const char *option)
{
	core_mkdir("files");
	cfg = CORE_SETTINGS("files.prefix=a-", "files.when_full=delete-oldest",
			    option);
	ck_assert_int_eq(retain_open(&retain, cfg), 0);
}

static void end(void)
{
	retain_close(&retain);
	config_free(cfg);
}

static const char *in_files(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cfg->files_path, name);
	return path;
}

static void make(const char *name, const char *text)
{
	file_write(in_files(name), text, strlen(text));
}

/* --- names --------------------------------------------------------------- */

static const struct {
	const char *name;
	bool ours;
} names[] = {
	{ "a-0_1_2.log", true },
	{ "a-63_2147483647_9223372036854775807.log", true },
	{ "a-0_1_2.log.zst", false },
	{ "a-0_1_2", false },
	{ "0_1_2.log", false },
	{ "b-0_1_2.log", false },
	{ ".a-0_1_2.log", false },
	{ "a-0_1.log", false },
	{ "a-0_1_2_3.log", false },
	{ "a-00_1_2.log", false },
	{ "a-0_01_2.log", false },
	{ "a-0_1_02.log", false },
	{ "a-+0_1_2.log", false },
	{ "a- 0_1_2.log", false },
	{ "a-0__2.log", false },
	{ "a-0_1_99999999999999999999.log", false },
	{ "a-0_1_2.log ", false },
	{ "a-.log", false },
	{ "a-x_y_z.log", false },
};
#define NAMES (sizeof(names) / sizeof(names[0]))

START_TEST(a_name_is_read_as_it_is_made_and_no_other_is)
{
	char again[FILE_NAME];
	struct file_name n;

	begin("log.level=info");
	ck_assert_msg(file_name_read(&n, cfg, names[_i].name) == names[_i].ours,
		      "%s", names[_i].name);
	if (names[_i].ours) {
		file_name_make(&n, cfg, again);
		ck_assert_str_eq(again, names[_i].name);
	}
	end();
}
END_TEST

/* --- what is deleted ----------------------------------------------------- */

static void expect_next(const char *name)
{
	struct retain_file gone;

	ck_assert_int_eq(retain_delete_some(&retain, &gone), 1);
	ck_assert_str_eq(gone.name, name);
	ck_assert(!file_exists(in_files(name)));
}

static void expect_none(void)
{
	struct retain_file gone;

	ck_assert_int_eq(retain_delete_some(&retain, &gone), 0);
}

static void set_age(const char *name, time_t seconds)
{
	struct timeval times[2] = { { seconds, 0 }, { seconds, 0 } };

	ck_assert_int_eq(utimes(in_files(name), times), 0);
}

START_TEST(the_oldest_by_its_name_goes_first)
{
	uint64_t bytes;

	begin("log.level=info");
	make("a-0_1_1000.log", "oldest\n");
	make("a-0_1_999999.log", "newest\n");
	make("a-3_7_20000.log", "middle\n");
	/* the clock that dates files has stepped */
	set_age("a-0_1_1000.log", 2000000000);
	set_age("a-0_1_999999.log", 1000);
	ck_assert_int_eq(retain_scan(&retain, &bytes), 0);
	ck_assert_uint_eq(bytes, 21);
	expect_next("a-0_1_1000.log");
	expect_next("a-3_7_20000.log");
	/* one that came after the scan */
	make("a-0_1_5.log", "late\n");
	expect_next("a-0_1_999999.log");
	expect_next("a-0_1_5.log");
	expect_none();
	end();
}
END_TEST

START_TEST(nothing_else_is_touched)
{
	static const char *const others[] = { "a-0_1_2.log.zst", "notes.log",
					      ".a-0_1_3.log", "a-0_1_x.log",
					      "b-0_1_2.log" };
	uint64_t bytes;
	unsigned i;

	begin("log.level=info");
	for (i = 0; i < 5; i++)
		make(others[i], "x\n");
	ck_assert_int_eq(mkdir(in_files("a-0_1_10.log"), 0700), 0);
	file_write(core_path("target"), "x\n", 2);
	ck_assert_int_eq(symlink(core_path("target"), in_files("a-0_1_11.log")),
			 0);
	ck_assert_int_eq(link(core_path("target"), in_files("a-0_1_12.log")),
			 0);
	ck_assert_int_eq(mkfifo(in_files("a-0_1_13.log"), 0600), 0);
	if (!getuid()) {
		make("a-0_1_14.log", "x\n");
		ck_assert_int_eq(chown(in_files("a-0_1_14.log"), 65534, 65534),
				 0);
	}
	ck_assert_int_eq(retain_scan(&retain, &bytes), 0);
	ck_assert_uint_eq(bytes, 0);
	expect_none();
	for (i = 0; i < 5; i++)
		ck_assert(file_exists(in_files(others[i])));
	for (i = 10; i < (getuid() ? 14 : 15); i++) {
		char name[64];

		snprintf(name, sizeof(name), "a-0_1_%u.log", i);
		ck_assert(file_exists(in_files(name)));
	}
	end();
}
END_TEST

/* It became another's between the scan and the deletion. */
START_TEST(a_file_that_changed_since_the_scan_is_looked_at_again)
{
	uint64_t bytes;

	begin("log.level=info");
	make("a-0_1_1.log", "x\n");
	make("a-0_1_2.log", "x\n");
	make("a-0_1_3.log", "x\n");
	ck_assert_int_eq(retain_scan(&retain, &bytes), 0);
	unlink(in_files("a-0_1_1.log"));
	unlink(in_files("a-0_1_2.log"));
	file_write(core_path("target"), "x\n", 2);
	ck_assert_int_eq(symlink(core_path("target"), in_files("a-0_1_2.log")),
			 0);
	expect_next("a-0_1_3.log");
	ck_assert(file_exists(in_files("a-0_1_2.log")));
	ck_assert(file_exists(core_path("target")));
	end();
}
END_TEST

START_TEST(a_file_that_is_being_read_stays_until_it_is_closed)
{
	struct retain_file gone;
	int fd;

	begin("log.level=info");
	make("a-0_1_1.log", "x\n");
	make("a-0_1_2.log", "x\n");
	fd = open(in_files("a-0_1_1.log"), O_RDONLY);
	ck_assert_int_ge(fd, 0);
	expect_next("a-0_1_2.log");
	ck_assert_int_eq(retain_delete_some(&retain, &gone), 0);
	ck_assert(file_exists(in_files("a-0_1_1.log")));
	close(fd);
	expect_next("a-0_1_1.log");
	end();
}
END_TEST

START_TEST(a_file_says_how_many_messages_it_has)
{
	struct retain_file gone;
	int fd;

	begin(_i ? "files.framing=none" : "files.framing=newline");
	make("a-0_1_1.log", "one message\nof three lines\n\n");
	make("a-0_1_2.log", "two\nlines\n");
	fd = open(in_files("a-0_1_1.log"), O_WRONLY);
	retain_note(fd, 1);
	close(fd);
	ck_assert_int_eq(retain_delete_some(&retain, &gone), 1);
	if (!gone.counted) {
		suite_skip("no attributes of files here");
		end();
		return;
	}
	ck_assert_uint_eq(gone.messages, 1);
	ck_assert_uint_eq(gone.bytes, 28);
	ck_assert_int_eq(retain_delete_some(&retain, &gone), 1);
	ck_assert(!gone.counted);
	ck_assert_uint_eq(gone.messages, _i ? 0 : 2);
	end();
}
END_TEST

/* More than one scan remembers: in order all the same. */
START_TEST(a_backlog_of_any_length_goes_oldest_first)
{
	unsigned n = 2 * RETAIN_MOST + 1000, i;
	char name[64];
	uint64_t bytes;

	begin("log.level=info");
	/* made in another order than that of their names */
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "a-0_1_%u.log",
			 1 + (i * 7919) % n);
		make(name, "x");
	}
	ck_assert_int_eq(retain_scan(&retain, &bytes), 0);
	ck_assert_uint_eq(bytes, n);
	for (i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "a-0_1_%u.log", i);
		expect_next(name);
	}
	expect_none();
	end();
}
END_TEST

START_TEST(a_directory_that_is_gone_is_an_error)
{
	struct retain_file gone;
	uint64_t bytes;

	begin("log.level=info");
	ck_assert_int_eq(rmdir(cfg->files_path), 0);
	ck_assert_int_eq(retain_scan(&retain, &bytes), -ENOENT);
	ck_assert_int_eq(retain_delete_some(&retain, &gone), -ENOENT);
	ck_assert_uint_eq(retain_free(cfg), UINT64_MAX);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("retain");
	TCase *tc = core_case(suite, "files");

	tcase_add_loop_test(tc, a_name_is_read_as_it_is_made_and_no_other_is, 0,
			    NAMES);
	tcase_add_test(tc, the_oldest_by_its_name_goes_first);
	tcase_add_test(tc, nothing_else_is_touched);
	tcase_add_test(tc,
		       a_file_that_changed_since_the_scan_is_looked_at_again);
	tcase_add_test(tc, a_file_that_is_being_read_stays_until_it_is_closed);
	tcase_add_loop_test(tc, a_file_says_how_many_messages_it_has, 0, 2);
	tcase_add_test(tc, a_backlog_of_any_length_goes_oldest_first);
	tcase_add_test(tc, a_directory_that_is_gone_is_an_error);
	return suite_run(suite, CK_FORK);
}
