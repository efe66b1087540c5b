/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log: what a line looks like for a person and for systemd, that
 * nothing in a message can forge another line, and the bound on a rate.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "tests/lib/caught.h"
#include "tests/lib/suite.h"

static void plain(void)
{
	unsetenv("JOURNAL_STREAM");
	unsetenv("INVOCATION_ID");
	log_open();
	log_set_level(LEVEL_INFO);
}

/* --- a line -------------------------------------------------------------- */

START_TEST(a_plain_line_has_the_local_time_and_the_level)
{
	static const struct {
		enum config_level level;
		const char *rest;
	} lines[] = {
		{ LEVEL_ERROR, " error: n=7\n" },
		{ LEVEL_WARNING, " warning: n=7\n" },
		{ LEVEL_NOTICE, " notice: n=7\n" },
		{ LEVEL_INFO, " info: n=7\n" },
		{ LEVEL_DEBUG, " debug: n=7\n" },
	};
	const char *text;
	char want[128];
	struct timespec now;
	struct tm tm;
	int ms, back;

	setenv("TZ", "XXX-5:45", 1);
	plain();
	log_set_level(LEVEL_DEBUG);
	caught_begin();
	log_write(lines[_i].level, "n=%d", 7);
	text = caught_end();
	ck_assert_uint_ge(strlen(text), 23);
	ck_assert_str_eq(text + 23, lines[_i].rest);
	ck_assert_int_eq(sscanf(text + 19, ".%3d", &ms), 1);
	/* the time of this zone, of now or a moment ago */
	clock_gettime(CLOCK_REALTIME, &now);
	for (back = 0; back < 60; back++, now.tv_sec--) {
		time_t shifted = now.tv_sec + (5 * 60 + 45) * 60;

		gmtime_r(&shifted, &tm);
		strftime(want, sizeof(want), "%Y-%m-%d %H:%M:%S", &tm);
		if (!strncmp(text, want, 19))
			return;
	}
	ck_abort_msg("%s is not about %s", text, want);
}
END_TEST

START_TEST(less_severe_messages_are_left_out)
{
	const char *text;

	plain();
	ck_assert(log_enabled(LEVEL_INFO));
	ck_assert(!log_enabled(LEVEL_DEBUG));
	log_set_level(LEVEL_WARNING);
	ck_assert(!log_enabled(LEVEL_NOTICE));
	caught_begin();
	log_debug("no");
	log_info("no");
	log_notice("no");
	log_warning("one");
	log_error("two");
	text = caught_end();
	ck_assert_ptr_null(strstr(text, "no"));
	ck_assert_ptr_nonnull(strstr(text, "warning: one\n"));
	ck_assert_ptr_nonnull(strstr(text, "error: two\n"));
}
END_TEST

START_TEST(control_characters_cannot_forge_a_line)
{
	const char *text;

	plain();
	caught_begin();
	log_info("%s", "a\nb\rc\033[2Jd\x7f"
		       "e\tf\x01 \xc3\xa4");
	text = caught_end();
	ck_assert_str_eq(text + 23, " info: a?b?c?[2Jd?e?f? \xc3\xa4\n");
}
END_TEST

START_TEST(a_long_message_is_cut_and_still_one_line)
{
	size_t len = 3 * PIPE_BUF;
	char *long_one = malloc(len + 1);
	const char *text;

	memset(long_one, 'x', len);
	long_one[len] = 0;
	plain();
	caught_begin();
	log_info("%s", long_one);
	log_info("next");
	text = caught_end();
	/* one write(2) up to this size is one piece in a pipe */
	len = strcspn(text, "\n") + 1;
	ck_assert_uint_le(len, PIPE_BUF);
	ck_assert_uint_gt(len, PIPE_BUF - 16);
	ck_assert_int_eq(strncmp(text + len - 5, "x...\n", 5), 0);
	ck_assert_str_eq(text + len + 23, " info: next\n");
	free(long_one);
}
END_TEST

START_TEST(a_message_that_just_fits_is_not_cut)
{
	char fits[PIPE_BUF];
	const char *text;
	size_t head = strlen("2026-01-02 03:04:05.678 info: "), len;

	plain();
	for (len = PIPE_BUF - head - 4; len < PIPE_BUF - head; len++) {
		memset(fits, 'x', len);
		fits[len] = 0;
		caught_begin();
		log_info("%s", fits);
		text = caught_end();
		ck_assert_uint_le(strlen(text), PIPE_BUF);
		if (strlen(text) == head + len + 1)
			ck_assert_ptr_null(strstr(text, "..."));
		else
			ck_assert_ptr_nonnull(strstr(text, "x...\n"));
	}
}
END_TEST

START_TEST(errno_is_kept_and_can_be_printed)
{
	const char *text;
	int kept;

	plain();
	caught_begin();
	errno = ENOSPC;
	log_error("write: %m");
	ck_assert_int_eq(errno, ENOSPC);
	text = caught_end();
	ck_assert_str_eq(text + 23, " error: write: No space left on device\n");
	/* no standard error at all */
	kept = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	errno = EIO;
	log_error("nobody");
	ck_assert_int_eq(errno, EIO);
	dup2(kept, STDERR_FILENO);
	close(kept);
}
END_TEST

/* --- systemd ------------------------------------------------------------- */

/* The name of what standard error is now, or of something else. */
static void set_stream(int is_ours)
{
	char stream[64];
	struct stat st;

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino + !is_ours);
	setenv("JOURNAL_STREAM", stream, 1);
}

START_TEST(for_the_journal_a_line_has_a_priority)
{
	const char *text;

	plain();
	caught_begin();
	set_stream(1);
	log_open();
	log_warning("x");
	log_info("y");
	text = caught_end();
	ck_assert_str_eq(text, "<4>x\n<6>y\n");
}
END_TEST

START_TEST(an_inherited_journal_stream_does_not_count)
{
	const char *text;

	plain();
	caught_begin();
	setenv("INVOCATION_ID", "0123", 1);
	set_stream(0);
	log_open();
	log_warning("x");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_open();
	log_warning("x");
	text = caught_end();
	ck_assert_ptr_null(strchr(text, '<'));
}
END_TEST

START_TEST(a_service_without_journal_stream_has_priorities_too)
{
	const char *text;

	plain();
	caught_begin();
	setenv("INVOCATION_ID", "0123", 1);
	log_open();
	log_error("x");
	text = caught_end();
	ck_assert_str_eq(text, "<3>x\n");
}
END_TEST

/* --- threads ------------------------------------------------------------- */

#define THREADS 4
#define LINES 500

static void *write_lines(void *arg)
{
	char word[81];
	int i;

	memset(word, 'a' + (intptr_t)arg, 80);
	word[80] = 0;
	for (i = 0; i < LINES; i++) {
		log_info("%s", word);
		/* the level may change at any time */
		log_set_level(i % 2 ? LEVEL_DEBUG : LEVEL_INFO);
	}
	return NULL;
}

START_TEST(lines_of_several_threads_do_not_mix)
{
	pthread_t threads[THREADS];
	const char *text;
	int lines = 0;
	intptr_t i;

	plain();
	caught_begin();
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines,
						(void *)i),
				 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (text = caught_end(); *text; text += strcspn(text, "\n") + 1) {
		const char *word = text + strlen("2026-01-02 03:04:05.678 "
						 "info: ");

		ck_assert_uint_eq(strspn(word, (char[]){ word[0], 0 }), 80);
		ck_assert_int_eq(word[80], '\n');
		lines++;
	}
	ck_assert_int_eq(lines, THREADS * LINES);
}
END_TEST

/* --- the bound on a rate ------------------------------------------------- */

START_TEST(a_limit_lets_one_through_and_counts_the_rest)
{
	struct log_limit limit = { .every_ns = 100 };
	uint64_t missed = 99, now;

	ck_assert(log_limit(&limit, 0, &missed));
	ck_assert_uint_eq(missed, 0);
	for (now = 1; now < 100; now++)
		ck_assert(!log_limit(&limit, now, &missed));
	ck_assert(log_limit(&limit, 100, &missed));
	ck_assert_uint_eq(missed, 99);
	ck_assert(!log_limit(&limit, 199, &missed));
	ck_assert(log_limit(&limit, 1000, &missed));
	ck_assert_uint_eq(missed, 1);
	/* a pause earns no burst */
	ck_assert(!log_limit(&limit, 1099, &missed));
	ck_assert(log_limit(&limit, 1100, &missed));
	ck_assert_uint_eq(missed, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *line = suite_case(suite, "line", NULL, NULL);
	TCase *rest = suite_case(suite, "systemd, threads, limit", NULL, NULL);

	tcase_add_loop_test(line, a_plain_line_has_the_local_time_and_the_level,
			    0, 5);
	tcase_add_test(line, less_severe_messages_are_left_out);
	tcase_add_test(line, control_characters_cannot_forge_a_line);
	tcase_add_test(line, a_long_message_is_cut_and_still_one_line);
	tcase_add_test(line, a_message_that_just_fits_is_not_cut);
	tcase_add_test(line, errno_is_kept_and_can_be_printed);
	tcase_add_test(rest, for_the_journal_a_line_has_a_priority);
	tcase_add_test(rest, an_inherited_journal_stream_does_not_count);
	tcase_add_test(rest,
		       a_service_without_journal_stream_has_priorities_too);
	tcase_add_test(rest, lines_of_several_threads_do_not_mix);
	tcase_add_test(rest, a_limit_lets_one_through_and_counts_the_rest);
	return suite_run(suite, CK_FORK);
}
