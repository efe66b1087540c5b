/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter cat`: what the daemon files comes out message by message, and
 * nothing comes out of a file that is not whole.
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

/* What the last command wrote, and how it ended. */
static struct {
	char *out, *err;
	size_t len;
	int status;
} ran;

/* Runs `bufwriter cat ARGUMENTS` in the bed's directory. */
static void run_to(const char *output, const char *arguments)
{
	const char *build = getenv("BW_BUILD");
	char top[256];
	int status;

	ck_assert_ptr_nonnull(getcwd(top, sizeof(top)));
	if (!build)
		build = "build";
	status = system(
		bed_text("cd '%s' && '%s%s%s/bufwriter' cat %s >%s 2>err.txt",
			 bed.root, build[0] == '/' ? "" : top,
			 build[0] == '/' ? "" : "/", build, arguments, output));
	ck_assert(WIFEXITED(status));
	ran.status = WEXITSTATUS(status);
	free(ran.err);
	ran.err = file_read(bed_text("%s/err.txt", bed.root), NULL);
}

static void run(const char *arguments)
{
	run_to("out.txt", arguments);
	free(ran.out);
	ran.out = file_read(bed_text("%s/out.txt", bed.root), &ran.len);
}

static void expect(int status, const char *out, size_t len, const char *err)
{
	ck_assert_msg(ran.status == status, "status %d: %s", ran.status,
		      ran.err);
	ck_assert_msg(ran.len == len && !memcmp(ran.out, out, len),
		      "%zu bytes: %.*s", ran.len, (int)ran.len, ran.out);
	if (!*err)
		ck_assert_str_eq(ran.err, "");
	ck_assert_msg(strstr(ran.err, err) != NULL, "%s", ran.err);
}

#define BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *file; /* what it is called */
	const char *data;
	size_t len;
	const char *options;
	int status;
	const char *out;
	size_t out_len;
	const char *err;
} cases[] = {
	/* lines */
	{ "a.log", BYTES("one\n\ntwo\n"), "", 0, BYTES("one\n\ntwo\n"), "" },
	{ "a.log", BYTES("one\n\ntwo\n"), "-0", 0, BYTES("one\0\0two\0"), "" },
	{ "a.log", BYTES("one\n\n"), "-l", 0, BYTES("\3\0\0\0one\0\0\0\0"),
	  "" },
	{ "a.log", BYTES("one\ntw"), "", 65, "", 0,
	  "a.log is not whole, or of another framing: its last line has no "
	  "end\n" },
	{ "a.log", "", 0, "", 65, "", 0,
	  "a.log is empty, which no complete file is\n" },
	/* lengths: an empty message, one that ends in a newline, one not */
	{ "a.bin", BYTES("\0\0\0\0\2\0\0\0a\n\1\0\0\0b"), "", 0,
	  BYTES("a\nb\n"), "" },
	{ "a.bin", BYTES("\0\0\0\0\2\0\0\0a\n\1\0\0\0b"), "--null", 0,
	  BYTES("\0a\n\0b\0"), "" },
	{ "a.bin", BYTES("\2\0\0\0a\n\1\0\0\0b"), "--length", 0,
	  BYTES("\2\0\0\0a\n\1\0\0\0b"), "" },
	{ "a.bin", BYTES("\2\0\0\0a\n\1\0\0\0"), "--framing=length", 65, "", 0,
	  "a.bin is not whole: it ends within a message and its length\n" },
	{ "a.bin", BYTES("\2\0\0\0a\n\1\0"), "-f length", 65, "", 0,
	  "is not whole" },
	/* it reads as lengths, and the user knows better */
	{ "a.log", BYTES("\2\0\0\0a\n"), "-f newline", 0, BYTES("\2\0\0\0a\n"),
	  "" },
	{ "a.raw", BYTES("any\0thing"), "-f none", 0, BYTES("any\0thing"), "" },
	/* not what the name says, or not complete */
	{ "a.zst", BYTES("plain text\n"), "", 65, "", 0,
	  "a.zst is not compressed by zstd, although its name ends in "
	  ".zst\n" },
	{ ".0_1_2.log", BYTES("a\n"), "", 65, "", 0,
	  ".0_1_2.log is not complete: the daemon gives a dot to files that "
	  "it still writes\n" },
	/* wrong command lines */
	{ "a.log", BYTES("a\n"), "-0 -l", 64, "", 0,
	  "--null and --length cannot be combined" },
	{ "a.log", BYTES("a\n"), "-f none -0", 64, "", 0,
	  "does not say where a message ends" },
	{ "a.log", BYTES("a\n"), "-f lines", 64, "", 0,
	  "framing 'lines' is unknown; allowed: newline, length or none" },
	{ "a.log", BYTES("a\n"), "-x", 64, "", 0, "option '-x' is unknown" },
	{ "a.log", BYTES("a\n"), "no/such/file", 66, BYTES("a\n"),
	  "cannot read no/such/file: No such file or directory\n" },
	{ "a.log", BYTES("a\n"), "/", 66, BYTES("a\n"),
	  "cannot read /: it is not a regular file\n" },
	{ "a.log", BYTES("a\n"), "fifo", 66, BYTES("a\n"),
	  "cannot read fifo: it is not a regular file\n" },
};

START_TEST(each_file_is_written_whole_or_refused_in_one_line)
{
	const char *path = bed_text("%s/%s", bed.root, cases[_i].file);

	/* compressed ones need libzstd to be looked at */
	if (!file_can_unpack() && strstr(cases[_i].file, ".zst"))
		return;
	mkfifo(bed_text("%s/fifo", bed.root), 0600);
	file_write(path, cases[_i].data, cases[_i].len);
	run(bed_text("%s %s", cases[_i].options, cases[_i].file));
	expect(cases[_i].status, cases[_i].out, cases[_i].out_len,
	       cases[_i].err);
	ck_assert(!*ran.err ||
		  strchr(ran.err, '\n') == ran.err + strlen(ran.err) - 1);
}
END_TEST

/* Two files of messages that have newlines inside. */
static void file_some(const char *compression)
{
	int fd;

	daemon_start("files.framing=length", "buffer.workers=1",
		     "buffer.forced=0",
		     bed_text("files.compression=%s", compression));
	fd = send_open();
	send_one(fd, "one\n1", 5);
	send_drain(fd);
	daemon_signal(SIGUSR1);
	UNTIL(files_count(bed.files) == 1);
	send_one(fd, "two", 3);
	send_drain(fd);
	close(fd);
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 2);
}

START_TEST(what_the_daemon_filed_comes_out)
{
	if (_i && !file_can_unpack()) {
		suite_skip("built without libzstd");
		return;
	}
	file_some(_i ? "zstd" : "none");
	run(bed_text("-0 %s/*", bed.files));
	expect(0, BYTES("one\n1\0two\0"), "");
	run(bed_text("%s/*", bed.files));
	expect(0, BYTES("one\n1\ntwo\n"), "");
	/* put together, it is still whole */
	ck_assert_int_eq(system(bed_text("cat %s/* >%s/all%s", bed.files,
					 bed.root, _i ? ".zst" : "")),
			 0);
	run(bed_text("-l all%s", _i ? ".zst" : ""));
	expect(0, BYTES("\5\0\0\0one\n1\3\0\0\0two"), "");
}
END_TEST

/* Cut anywhere, or with one byte changed: nothing comes out. */
START_TEST(nothing_comes_out_of_a_damaged_frame)
{
	char *data;
	size_t len, at;

	if (!file_can_unpack()) {
		suite_skip("built without libzstd");
		return;
	}
	file_some("zstd");
	ck_assert_int_eq(
		system(bed_text("cat %s/* >%s/all", bed.files, bed.root)), 0);
	data = file_read(bed_text("%s/all", bed.root), &len);
	/* the first frame alone is whole */
	for (at = 1; at < len; at++) {
		file_write(bed_text("%s/a.zst", bed.root), data, at);
		run("-0 a.zst");
		if (ran.status)
			expect(65, "", 0, "a.zst");
		else
			expect(0, BYTES("one\n1\0"), "");
	}
	for (at = 0; at < len; at++) {
		data[at] ^= 1;
		file_write(bed_text("%s/a.zst", bed.root), data, len);
		run("-0 a.zst");
		data[at] ^= 1;
		if (ran.status)
			expect(65, "", 0, "a.zst");
		else
			expect(0, BYTES("one\n1\0two\0"), "");
	}
	free(data);
}
END_TEST

START_TEST(an_output_that_takes_nothing_is_one_line_and_74)
{
	file_write(bed_text("%s/a.log", bed.root), BYTES("one\n"));
	run_to("/dev/full", "a.log a.log");
	ck_assert_int_eq(ran.status, 74);
	ck_assert_str_eq(ran.err, "bufwriter cat: cannot write the output: "
				  "No space left on device\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cat");
	TCase *t = bed_case(suite, "files");

	tcase_add_loop_test(t,
			    each_file_is_written_whole_or_refused_in_one_line,
			    0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(t, what_the_daemon_filed_comes_out, 0, 2);
	tcase_add_test(t, nothing_comes_out_of_a_damaged_frame);
	tcase_add_test(t, an_output_that_takes_nothing_is_one_line_and_74);
	return suite_run(suite, CK_NOFORK);
}
