/* SPDX-License-Identifier: MIT */
/* Datagrams in, complete files out: every message in exactly one file. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

/*
 * Starts `n` senders with the rule of `flow`, waits for them, stops the
 * daemon, and requires everything in its files exactly once.
 */
static void send_and_count(unsigned n, struct flow flow, enum framing framing)
{
	struct sender *s[8];
	struct totals totals;
	struct tally tally;
	unsigned i;

	for (i = 0; i < n; i++) {
		flow.id = i + 1;
		s[i] = sender_start(&flow);
	}
	tally_open(&tally);
	for (i = 0; i < n; i++) {
		sender_wait(s[i]);
		tally_expect_sender(&tally, s[i]);
	}
	daemon_stop(&totals);
	tally_read(&tally, bed.files, framing);
	tally_require_exact(&tally);
	ck_assert_uint_eq(totals.received, n * flow.count);
	ck_assert_uint_eq(totals.written, totals.received);
	ck_assert_uint_eq(totals.dropped, 0);
	ck_assert_uint_eq(totals.files, tally.files);
	ck_assert_uint_eq(totals.bytes, tally.bytes);
	ck_assert(dir_empty(bed.temp));
	tally_close(&tally);
}

START_TEST(two_senders_of_250000_are_filed_exactly_once)
{
	struct flow flow = { .count = suite_scale(250000),
			     .min = 200,
			     .max = 200 };

	daemon_start();
	send_and_count(2, flow, NEWLINE);
}
END_TEST

START_TEST(eight_senders_of_any_size_and_bytes_survive_length_framing)
{
	struct flow flow = { .count = suite_scale(2000),
			     .min = 1,
			     .max = 64 * 1024,
			     .binary = 1 };

	daemon_start("files.framing=length");
	send_and_count(8, flow, LENGTH);
}
END_TEST

/* Arenas and rings so small that messages meet every edge often. */
static const struct tiny {
	enum framing framing;
	const char *size, *queue, *workers;
	uint32_t max;
} tiny[] = {
	{ NEWLINE, "1", "2", "1", 100 }, { NEWLINE, "4K", "2", "8", 6000 },
	{ NONE, "100", "3", "2", 300 },	 { NONE, "4K", "16", "4", 5000 },
	{ LENGTH, "1", "2", "4", 10 },	 { LENGTH, "64K", "1000", "64", 65536 },
};

START_TEST(tiny_arenas_and_rings_lose_nothing)
{
	const struct tiny *t = &tiny[_i];
	struct flow flow = { .count = suite_scale(5000),
			     .min = 1,
			     .max = t->max,
			     .binary = t->framing == LENGTH };

	daemon_start(bed_text("files.framing=%s", framing_words[t->framing]),
		     bed_text("buffer.size=%s", t->size),
		     bed_text("buffer.queue_size=%s", t->queue),
		     bed_text("buffer.workers=%s", t->workers),
		     "buffer.timeout=never");
	send_and_count(3, flow, t->framing);
}
END_TEST

START_TEST(the_largest_max_message_arrives_whole)
{
	struct flow flow = { .count = suite_scale(200),
			     .min = FLOW_LARGEST,
			     .max = FLOW_LARGEST,
			     .binary = 1 };

	daemon_start("files.framing=length", "socket.max_message=208K");
	send_and_count(2, flow, LENGTH);
}
END_TEST

START_TEST(without_state_region_the_main_job_is_the_same)
{
	struct flow flow = { .count = suite_scale(20000),
			     .min = 1,
			     .max = 2000 };

	daemon_start("state.path=");
	ck_assert_uint_ge(log_count("crash"), 1);
	send_and_count(2, flow, NEWLINE);
}
END_TEST

START_TEST(messages_that_end_in_newline_get_no_second_one)
{
	size_t len;
	char *text;
	int fd;

	daemon_start();
	fd = send_open();
	send_one(fd, "a\n", 2);
	send_one(fd, "b", 1);
	send_one(fd, "\n", 1);
	send_one(fd, "c\n\n", 3);
	daemon_stop(NULL);
	text = files_content(bed.files, &len);
	ck_assert_str_eq(text, "a\nb\n\nc\n\n");
	free(text);
}
END_TEST

START_TEST(sigterm_files_what_is_in_memory_and_in_the_sockets_queue)
{
	struct flow flow = { .id = 1, .min = 1, .max = 3000 };
	struct totals totals;
	struct tally tally;
	struct sender *s[3];
	unsigned round, i;
	uint64_t filed = 0;

	/* The socket outlives the daemon, so no message may be missing. */
	bed_hold_socket();
	for (i = 0; i < 3; i++) {
		flow.id = i;
		s[i] = sender_start(&flow);
	}
	for (round = 0; round < 6; round++) {
		daemon_start("buffer.size=64K", "buffer.forced=0");
		suite_sleep_ms(20 + 10 * round);
		if (round == 5)
			for (i = 0; i < 3; i++)
				sender_finish(s[i]);
		UNTIL(round < 5 || bed_queue_empty());
		daemon_stop(&totals);
		ck_assert_uint_eq(totals.received, totals.written);
		filed += totals.written;
	}
	tally_open(&tally);
	for (i = 0; i < 3; i++)
		tally_expect_sender(&tally, s[i]);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	ck_assert_uint_eq(filed, tally.expected);
	tally_close(&tally);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("main job");
	TCase *t = bed_case(suite, "every message once");

	tcase_add_test(t, two_senders_of_250000_are_filed_exactly_once);
	tcase_add_test(
		t, eight_senders_of_any_size_and_bytes_survive_length_framing);
	tcase_add_loop_test(t, tiny_arenas_and_rings_lose_nothing, 0,
			    sizeof(tiny) / sizeof(tiny[0]));
	tcase_add_test(t, the_largest_max_message_arrives_whole);
	tcase_add_test(t, without_state_region_the_main_job_is_the_same);
	tcase_add_test(t, messages_that_end_in_newline_get_no_second_one);
	tcase_add_test(
		t, sigterm_files_what_is_in_memory_and_in_the_sockets_queue);
	return suite_run(suite, CK_NOFORK);
}
