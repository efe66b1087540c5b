/* SPDX-License-Identifier: MIT */
/* When the daemon makes a file, and what it does not file. */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

/* Long enough to see most files that should not be made. */
#define NOTHING_MS 300

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All files' contents, sorted, with '|' in between. */
static const char *contents(void)
{
	static char out[4096];
	char *texts[64];
	unsigned n = 0;
	unsigned i;
	DIR *dir = opendir(bed.files);
	const struct dirent *e;

	while ((e = readdir(dir)) && n < 64) {
		FILE *f;
		size_t len;

		if (e->d_name[0] == '.')
			continue;
		f = fopen(bed_text("%s/%s", bed.files, e->d_name), "r");
		ck_assert_ptr_nonnull(f);
		texts[n] = calloc(1, 8192);
		len = fread(texts[n++], 1, 8191, f);
		ck_assert_uint_gt(len, 0);
		fclose(f);
	}
	closedir(dir);
	qsort(texts, n, sizeof(texts[0]), compare);
	for (i = 0, out[0] = '\0'; i < n; i++) {
		strncat(out, i ? "|" : "", sizeof(out) - strlen(out) - 1);
		strncat(out, texts[i], sizeof(out) - strlen(out) - 1);
		free(texts[i]);
	}
	return out;
}

/* Messages, a size, and the files before and after the end. */
static const struct filing {
	const char *size;
	const char *messages[6];
	const char *before, *after;
} filings[] = {
	{ "5", { "aaaa", "bbbbb", "cccc" }, "aaaa|bbbbb", "aaaa|bbbbb|cccc" },
	{ "1", { "a", "b" }, "a", "a|b" },
	{ "1", { "a", "bb", "c" }, "abb", "abb|c" },
	{ "8", { "aaaa", "bbbb" }, "", "aaaabbbb" },
	{ "8", { "aaaa", "bbbb", "c" }, "aaaabbbb", "aaaabbbb|c" },
	{ "4", { "aaaaaaaaaa" }, "aaaaaaaaaa", "aaaaaaaaaa" },
	{ "4",
	  { "aaa", "bbbbbbbbbb", "cc" },
	  "aaabbbbbbbbbb",
	  "aaabbbbbbbbbb|cc" },
};

START_TEST(size_says_which_messages_share_a_file)
{
	const struct filing *f = &filings[_i];
	unsigned wanted = f->before[0] ? 1 : 0;
	const char *p;
	unsigned i;
	int fd;

	for (p = f->before; *p; p++)
		wanted += *p == '|';
	daemon_start("files.framing=none", "buffer.workers=1",
		     "buffer.forced=0", bed_text("buffer.size=%s", f->size));
	fd = send_open();
	for (i = 0; i < 6 && f->messages[i]; i++)
		send_one(fd, f->messages[i], strlen(f->messages[i]));
	UNTIL(files_count(bed.files) >= wanted);
	send_drain(fd);
	suite_sleep_ms(NOTHING_MS / 5);
	ck_assert_str_eq(contents(), f->before);
	daemon_stop(NULL);
	ck_assert_str_eq(contents(), f->after);
}
END_TEST

START_TEST(forced_0_files_nothing_before_the_stop)
{
	int fd;

	daemon_start("buffer.forced=0");
	fd = send_open();
	send_one(fd, "one", 3);
	send_drain(fd);
	suite_sleep_ms(NOTHING_MS);
	ck_assert_uint_eq(files_count(bed.files), 0);
	daemon_stop(NULL);
	ck_assert_str_eq(contents(), "one\n");
}
END_TEST

START_TEST(forced_files_a_message_after_its_age_and_not_before)
{
	static const unsigned ages_ms[] = { 50, 400 };
	unsigned age = ages_ms[_i];
	double since;
	int fd;

	daemon_start(bed_text("buffer.forced=%ums", age));
	fd = send_open();
	since = suite_now();
	send_one(fd, "one", 3);
	UNTIL(files_count(bed.files) == 1);
	ck_assert_double_ge(suite_now() - since, age / 1000.0);
	/* The next message has an age of its own. */
	since = suite_now();
	send_one(fd, "two", 3);
	UNTIL(files_count(bed.files) == 2);
	ck_assert_double_ge(suite_now() - since, age / 1000.0);
	ck_assert_str_eq(contents(), "one\n|two\n");
	daemon_stop(NULL);
}
END_TEST

/* The files that were made, and how many there would be with one worker. */
static unsigned trickle(int fd, unsigned *most)
{
	double since = suite_now();
	unsigned before = files_count(bed.files), i;

	for (i = 0; i < 300; i++) {
		send_one(fd, "trickle", 7);
		suite_sleep_ms(10);
	}
	*most = (unsigned)((suite_now() - since) / 0.5) + 3;
	return files_count(bed.files) - before;
}

/*
 * On a busy machine a worker may stand still where it is about to park, and
 * another one takes what comes.  So one trickle of several has to be as said;
 * with workers that take turns none is.
 */
START_TEST(a_trickle_makes_one_file_an_interval_and_not_one_a_worker)
{
	double since = suite_now();
	unsigned files, most;
	int fd;

	daemon_start("buffer.workers=4", "buffer.forced=500ms");
	fd = send_open();
	/* Four workers that take turns would make four times as many. */
	while ((files = trickle(fd, &most)) > most)
		suite_heed_limit(since, "one file an interval", __FILE__,
				 __LINE__);
	ck_assert_uint_ge(files, 2);
	daemon_stop(NULL);
}
END_TEST

START_TEST(empty_datagrams_are_counted_and_have_no_bytes)
{
	struct totals totals;
	unsigned i;
	int fd;

	daemon_start(bed_text("files.framing=%s", framing_words[_i]));
	fd = send_open();
	for (i = 0; i < 3; i++)
		send_one(fd, "", 0);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, 3);
	ck_assert_uint_eq(totals.written, 3);
	ck_assert_uint_eq(totals.dropped, 0);
	ck_assert_uint_eq(totals.bytes, 0);
	ck_assert_uint_eq(files_count(bed.files), 0);
}
END_TEST

START_TEST(an_empty_datagram_is_a_zero_length_with_length_framing)
{
	struct totals totals;
	size_t len;
	char *data;
	int fd;

	daemon_start("files.framing=length", "buffer.workers=1");
	fd = send_open();
	send_one(fd, "", 0);
	send_one(fd, "x", 1);
	send_one(fd, "", 0);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, 3);
	ck_assert_uint_eq(totals.written, 3);
	data = files_content(bed.files, &len);
	ck_assert_uint_eq(len, 13);
	ck_assert_mem_eq(data, "\0\0\0\0\1\0\0\0x\0\0\0\0", 13);
	free(data);
}
END_TEST

START_TEST(a_too_large_datagram_is_dropped_whole_counted_and_logged_seldom)
{
	static char large[3000];
	struct totals totals;
	struct too_large told;
	size_t len;
	char *data;
	unsigned i;
	int fd;

	memset(large, 'x', sizeof(large));
	daemon_start("socket.max_message=1000", "files.framing=none");
	fd = send_open();
	for (i = 0; i < 500; i++)
		send_one(fd, large, 1001 + i);
	send_one(fd, large, 1000);
	send_one(fd, "end", 3);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, 502);
	ck_assert_uint_eq(totals.written, 2);
	ck_assert_uint_eq(totals.dropped, 500);
	ck_assert_uint_eq(totals.too_large, 500);
	data = files_content(bed.files, &len);
	ck_assert_uint_eq(len, 1003);
	free(data);
	/* few lines, and they speak of all 500 */
	ck_assert_uint_ge(log_count("larger than socket.max_message"), 1);
	ck_assert_uint_le(log_count("larger than socket.max_message"), 2);
	log_too_large(&told);
	ck_assert_uint_eq(told.count, 500);
	ck_assert_uint_eq(told.bytes, 500 * (1001 + 1500) / 2);
	ck_assert_uint_eq(told.largest, 1500);
}
END_TEST

START_TEST(prefix_suffix_and_permission_are_as_set)
{
	const struct dirent *e;
	char host[256] = "";
	DIR *dir;
	int fd;
	unsigned n = 0;

	gethostname(host, sizeof(host) - 1);
	daemon_start("files.prefix=%H-%i-", "files.suffix=.events",
		     "files.permission=0640");
	fd = send_open();
	send_one(fd, "one", 3);
	daemon_stop(NULL);
	dir = opendir(bed.files);
	while ((e = readdir(dir))) {
		struct stat st;
		const char *start = bed_text("%s-bed-", host);

		if (e->d_name[0] == '.')
			continue;
		n++;
		ck_assert_msg(!strncmp(e->d_name, start, strlen(start)),
			      "name %s", e->d_name);
		ck_assert_ptr_nonnull(strstr(e->d_name, ".events"));
		ck_assert_int_eq(fstatat(dirfd(dir), e->d_name, &st, 0), 0);
		ck_assert_int_eq(st.st_mode & 07777, 0640);
	}
	closedir(dir);
	ck_assert_uint_eq(n, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("filing");
	TCase *t = bed_case(suite, "when and what");

	tcase_add_loop_test(t, size_says_which_messages_share_a_file, 0,
			    sizeof(filings) / sizeof(filings[0]));
	tcase_add_test(t, forced_0_files_nothing_before_the_stop);
	tcase_add_loop_test(
		t, forced_files_a_message_after_its_age_and_not_before, 0, 2);
	tcase_add_test(
		t, a_trickle_makes_one_file_an_interval_and_not_one_a_worker);
	tcase_add_loop_test(t, empty_datagrams_are_counted_and_have_no_bytes, 0,
			    2);
	tcase_add_test(t,
		       an_empty_datagram_is_a_zero_length_with_length_framing);
	tcase_add_test(
		t,
		a_too_large_datagram_is_dropped_whole_counted_and_logged_seldom);
	tcase_add_test(t, prefix_suffix_and_permission_are_as_set);
	return suite_run(suite, CK_NOFORK);
}
