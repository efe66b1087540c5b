/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter send --length --answer`: what a program in another language, which
 * feeds the command through a pipe, learns of its messages.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/receiver.h"
#include "tests/lib/run.h"

#define TEXT(s) s, sizeof(s) - 1
#define LARGE (6 << 20)

/* What the command printed on standard output, in the file `stdout`. */
static const char *answers(void)
{
	static char text[4096];
	char path[160];
	FILE *from;
	size_t n;

	snprintf(path, sizeof(path), "%s/stdout", receiver.dir);
	from = fopen(path, "r");
	ck_assert_ptr_nonnull(from);
	n = fread(text, 1, sizeof(text) - 1, from);
	text[n] = '\0';
	fclose(from);
	return text;
}

START_TEST(what_is_sent_is_done)
{
	receiver_listen();
	run_input(TEXT("\1\0\0\0a\0\0\0\0\1\0\0\0c"));
	run_start_shell("bufwriter send -qla >stdout <input");
	run_wait();
	run_expect_status(0);
	run_expect_count(3);
	ck_assert_str_eq(answers(), "3 done\n");
}
END_TEST

START_TEST(each_dropped_message_has_a_line)
{
	char expected[64 * 16] = "";
	int i;

	run_file("input", TEXT(""));
	for (i = 1; i <= 60; i++)
		sprintf(expected + strlen(expected), "%d no-daemon\n", i);
	strcat(expected, "60 done\n");
	run_start_shell("i=0; while [ $i -lt 60 ]; do printf "
			"'\\1\\0\\0\\0a'; i=$((i + 1)); done | "
			"bufwriter send -qla -t 0 >stdout");
	run_wait();
	run_expect_status(69);
	ck_assert_str_eq(answers(), expected);
}
END_TEST

START_TEST(the_whole_input_is_message_1)
{
	receiver_listen();
	run_input(TEXT("two\nlines\n"));
	run_start_shell("bufwriter send -qwa >stdout <input");
	run_wait();
	run_expect_status(0);
	run_expect_count(1);
	ck_assert_str_eq(answers(), "1 done\n");
}
END_TEST

START_TEST(the_whole_input_is_message_1_if_it_is_dropped)
{
	run_input(TEXT("two\nlines\n"));
	run_start_shell("bufwriter send -qwa -t 0 >stdout <input");
	run_wait();
	run_expect_status(69);
	ck_assert_str_eq(answers(), "1 no-daemon\n1 done\n");
}
END_TEST

/* The bytes of a message that no datagram holds are skipped. */
START_TEST(a_large_message_is_skipped)
{
	static const char next[] = "\4\0\0\0next";
	static char input[LARGE + 64];
	uint32_t len = LARGE;

	receiver_listen();
	memcpy(input, &len, 4);
	memcpy(input + 4 + LARGE, next, sizeof(next) - 1);
	run_input(input, 4 + LARGE + sizeof(next) - 1);
	run_start_shell("bufwriter send -qla >stdout <input");
	run_wait();
	run_expect_status(65);
	run_expect_count(1);
	run_expect_message(0, "next", 4);
	ck_assert_ptr_eq(strstr(answers(), "1 too-large\n"), answers());
	ck_assert_ptr_nonnull(strstr(answers(), "\n2 done\n"));
	run_expect_part("input:1: dropped, 6291456 bytes");
}
END_TEST

static const struct {
	const char *data;
	size_t len;
} cut[] = {
	{ TEXT("\1\0\0\0a\2\0\0\0b") },	   { TEXT("\1\0\0\0a\2") },
	{ TEXT("\1\0\0\0a\1\0\0\0") },	   { TEXT("\1\0\0\0a\0\0\0\x7f") },
	{ TEXT("\1\0\0\0a\0\0\0\x7fxx") },
};

START_TEST(input_that_ends_within_a_message_is_told)
{
	receiver_listen();
	run_input(cut[_i].data, cut[_i].len);
	run_start("-q", "--length");
	run_wait();
	run_expect_status(74);
	run_expect_count(1);
	run_expect_message(0, "a", 1);
	run_expect_part("standard input: Bad message");
}
END_TEST

/* Two reads: the first answer comes before the input ends. */
START_TEST(an_answer_comes_when_the_input_pauses)
{
	receiver_listen();
	run_start_shell("mkfifo answers; { printf '\\1\\0\\0\\0a'; "
			"read -r line <answers; "
			"printf '\\1\\0\\0\\0b'; } | "
			"bufwriter send -qla | { head -n 1 >answers; cat; } "
			">stdout");
	run_wait();
	run_expect_count(2);
	ck_assert_str_eq(answers(), "2 done\n");
}
END_TEST

START_TEST(a_reader_of_answers_that_leaves_stops_nothing)
{
	receiver_listen();
	run_start_shell("i=0; { exec 3>&1; while [ $i -lt 9 ]; do "
			"printf '\\1\\0\\0\\0a'; sleep 0.01; i=$((i + 1)); "
			"done; } | bufwriter send -qla | true");
	run_wait();
	run_expect_count(9);
}
END_TEST

START_TEST(modes_exclude_each_other)
{
	static const char *const pairs[][2] = { { "-l", "-0" },
						{ "-w", "-l" },
						{ "-0", "-w" } };

	run_start(pairs[_i][0], pairs[_i][1]);
	run_wait();
	run_expect_status(64);
	run_expect_part("--null, --length and --whole cannot be combined");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("send_answer");
	TCase *answer = receiver_case(suite, "answer");

	tcase_add_test(answer, what_is_sent_is_done);
	tcase_add_test(answer, each_dropped_message_has_a_line);
	tcase_add_test(answer, the_whole_input_is_message_1);
	tcase_add_test(answer, the_whole_input_is_message_1_if_it_is_dropped);
	tcase_add_test(answer, a_large_message_is_skipped);
	tcase_add_loop_test(answer, input_that_ends_within_a_message_is_told, 0,
			    sizeof(cut) / sizeof(cut[0]));
	tcase_add_test(answer, an_answer_comes_when_the_input_pauses);
	tcase_add_test(answer, a_reader_of_answers_that_leaves_stops_nothing);
	tcase_add_loop_test(answer, modes_exclude_each_other, 0, 3);
	return suite_run(suite, CK_FORK);
}
