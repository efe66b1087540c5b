/* SPDX-License-Identifier: MIT */
/*
 * A lane ends: its daemon closes it, is killed, comes back or does not.  Each
 * message for which a write returned 0 arrives once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "client/library/lane.h"
#include "tests/lib/lane_stub.h"

/* A broken wait would take longer than the test may. */
#define SOON_MS 60000

static struct bw *start(int timeout_ms)
{
	receiver_listen();
	lane_stub_start();
	return lane_stub_client_with_lane(timeout_ms);
}

/* Numbered messages, and how often each one came. */
#define NUMBERS 100000
static atomic_uchar came[NUMBERS];
static atomic_uint came_sum;
/* A thread holds a place in the lane. */
static atomic_bool is_reserved;

static void count_number(enum road road, const char *data, uint32_t len)
{
	uint32_t n;

	(void)road;
	if (len != sizeof(n))
		abort();
	memcpy(&n, data, sizeof(n));
	if (n >= NUMBERS)
		abort();
	atomic_fetch_add(&came[n], 1);
	atomic_fetch_add(&came_sum, 1);
}

static int write_number(struct bw *bw, uint32_t n)
{
	return bw_write(bw, &n, sizeof(n));
}

static void expect_each_once(uint32_t count)
{
	uint32_t n;

	UNTIL(came_sum >= count);
	for (n = 0; n < count; n++)
		ck_assert_msg(came[n] == 1, "number %u came %u times", n,
			      came[n]);
	ck_assert_uint_eq(came_sum, count);
}

/* A handle whose lane has the first ten numbers, which nobody reads. */
static struct bw *start_with_numbers(uint32_t *n)
{
	struct bw *bw;

	lane_stub.sink = count_number;
	bw = start(SOON_MS);
	lane_stub_stop_taking();
	for (*n = 0; *n < 10; (*n)++)
		ck_assert_int_eq(write_number(bw, *n), 0);
	return bw;
}

/* --- an orderly end -------------------------------------------------------- */

/*
 * The daemon takes some of what is in the lane, and closes it.  Later messages
 * are datagrams, and the rest of the lane is sent first.  _i: how many are
 * taken.
 */
START_TEST(what_a_closing_daemon_leaves_is_sent)
{
	uint32_t n;
	struct bw *bw = start_with_numbers(&n);

	lane_stub_close_lanes(16 * (uint64_t)_i, 0);
	lane_stub.takes = true;
	ck_assert_int_eq(write_number(bw, n++), 0);
	expect_each_once(n);
	ck_assert_uint_eq(lane_stub.messages[LANE], (unsigned)_i);
	bw_close(bw);
	expect_each_once(n);
}
END_TEST

/* The handle is closed instead, and sends the rest as well. */
START_TEST(bw_close_sends_what_a_closing_daemon_leaves)
{
	uint32_t n;
	struct bw *bw = start_with_numbers(&n);

	lane_stub_close_lanes(48, 0);
	bw_close(bw);
	expect_each_once(n);
	ck_assert_uint_eq(lane_stub.messages[LANE], 3);
}
END_TEST

static void *close_later(void *arg)
{
	suite_sleep_ms(100);
	lane_stub_close_lanes(16 * 5, 200);
	return arg;
}

/*
 * Writes go on while the daemon closes again and again: each finds out whether
 * its message was taken.
 */
START_TEST(writes_go_on_while_lanes_close)
{
	pthread_t thread;
	struct bw *bw;
	uint32_t n = 0;
	int i;

	lane_stub.sink = count_number;
	bw = start(SOON_MS);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(
			pthread_create(&thread, NULL, close_later, NULL), 0);
		while (pthread_tryjoin_np(thread, NULL) != 0) {
			ck_assert_int_eq(write_number(bw, n++), 0);
			suite_sleep_ms(1);
		}
		/* The next lane may be asked for a second later. */
		while (lane_stub.opened < (unsigned)i + 2) {
			ck_assert_int_eq(write_number(bw, n++), 0);
			suite_sleep_ms(1);
		}
	}
	bw_close(bw);
	expect_each_once(n);
	ck_assert_uint_gt(lane_stub.messages[LANE], 0);
	ck_assert_uint_gt(lane_stub.messages[DATAGRAM], 0);
}
END_TEST

/* The daemon has taken the message "a" from the lane, and does no more. */
static struct bw *start_and_freeze(struct bw_lane_head **head)
{
	struct bw *bw = start(60000);

	ck_assert_int_eq(bw_write(bw, "a", 1), 0);
	lane_stub_expect(LANE, "a", 1);
	lane_stub_freeze();
	*head = lane_stub_head();
	return bw;
}

/* A daemon that was killed after it sealed the lane goes on with it. */
START_TEST(a_lane_may_be_opened_again)
{
	struct bw_lane_head *head;
	struct bw *bw = start_and_freeze(&head);

	atomic_fetch_or(&head->written, BW_LANE_SEALED);
	/* The first one meets the seal; the second one knows of it. */
	ck_assert_int_eq(bw_write(bw, "b", 1), 0);
	ck_assert_int_eq(bw_write(bw, "c", 1), 0);
	ck_assert_uint_eq(head->written, 16 | BW_LANE_SEALED);
	atomic_fetch_and(&head->written, ~BW_LANE_SEALED);
	lane_stub_thaw();
	ck_assert_int_eq(bw_write(bw, "d", 1), 0);
	ck_assert_uint_eq(head->written, 32);
	bw_close(bw);
	UNTIL(lane_stub_count() == 4);
	ck_assert_uint_eq(lane_stub.messages[DATAGRAM], 2);
}
END_TEST

/*
 * The daemon takes the message, seals the lane and closes it before the writer
 * looks again: the message was not refused.
 */
START_TEST(a_message_that_was_taken_before_the_look_is_not_sent_again)
{
	struct bw_lane_head *head;
	struct bw *bw = start_and_freeze(&head);

	/* What the daemon does between the exchange and the look. */
	atomic_store(&head->read, 32);
	atomic_store(&head->final, 32);
	atomic_store(&head->attended, BW_LANE_CLOSED);
	ck_assert_int_eq(bw_write(bw, "b", 1), 0);
	ck_assert_uint_eq(head->written, 32);
	ck_assert_int_eq(bw_write(bw, "c", 1), 0);
	lane_stub_thaw();
	bw_close(bw);
	UNTIL(lane_stub_count() == 3);
	ck_assert_uint_eq(lane_stub.messages[DATAGRAM], 1);
}
END_TEST

/* No daemon is left: the last message is refused, the others are kept. */
START_TEST(an_end_without_a_successor_is_an_error)
{
	struct bw *bw;

	bw = start(1000);
	lane_stub_stop_taking();
	ck_assert_int_eq(bw_write(bw, "kept", 4), 0);
	lane_stub_close_lanes(0, 0);
	lane_stub_freeze();
	receiver_vanish();
	lane_stub_thaw();
	ck_assert_int_eq(bw_write(bw, "refused", 7), BW_NO_DAEMON);
	ck_assert_int_eq(bw_write(bw, "refused", 7), BW_NO_DAEMON);
	lane_stub_freeze();
	receiver_listen();
	lane_stub_thaw();
	ck_assert_int_eq(bw_write(bw, "sent", 4), 0);
	UNTIL(lane_stub_count() == 2);
	bw_close(bw);
	UNTIL(lane_stub_count() == 2);
	ck_assert_uint_eq(lane_stub.messages[DATAGRAM], 2);
}
END_TEST

/* --- a kill ---------------------------------------------------------------- */

/*
 * The daemon is killed with messages in the lane, of which it has taken some.
 * The next one knows how far.  With odd _i the next one knows nothing, and the
 * lane's own position counts.  _i / 2: does a write find out, or bw_close()?
 */
START_TEST(a_killed_daemon_is_asked_for_by_its_successor)
{
	struct bw *bw;
	uint32_t n;

	lane_stub.sink = count_number;
	bw = start(SOON_MS);
	for (n = 0; n < 10; n++)
		ck_assert_int_eq(write_number(bw, n), 0);
	UNTIL(came_sum == 10);
	UNTIL(lane_stub_head()->read == 160);
	lane_stub_stop_taking();
	for (; n < 20; n++)
		ck_assert_int_eq(write_number(bw, n), 0);
	lane_stub_die();
	if (_i % 2)
		lane_stub_forget();
	lane_stub.takes = true;
	lane_stub_start();
	if (_i / 2 == 0) {
		/* Its promise lasts for a tenth of a second. */
		suite_sleep_ms(200);
		ck_assert_int_eq(write_number(bw, n++), 0);
		ck_assert_int_eq(write_number(bw, n++), 0);
		while (came_sum < n) {
			ck_assert_int_eq(write_number(bw, n++), 0);
			suite_sleep_ms(1);
		}
	}
	bw_close(bw);
	expect_each_once(n);
	ck_assert_uint_eq(lane_stub.asked, 1);
}
END_TEST

/*
 * Another daemon is there before a write can have noticed it.  A flush asks that
 * one, and so it looks first whether the lane's daemon lives.
 */
START_TEST(a_flush_notices_that_the_daemon_is_another_one)
{
	uint32_t n;
	struct bw *bw = start_with_numbers(&n);

	lane_stub_die();
	lane_stub.takes = true;
	lane_stub_start();
	ck_assert_int_eq(bw_flush(bw), 0);
	expect_each_once(n);
	bw_close(bw);
	expect_each_once(n);
}
END_TEST

static void *give_back_after_a_flush(void *arg)
{
	struct bw *bw = arg;
	void *place;

	ck_assert_int_eq(bw_reserve(bw, 4, &place), 0);
	atomic_store(&is_reserved, true);
	UNTIL(lane_stub.flushes > 0);
	ck_assert_int_eq(bw_commit(bw, place, BW_DISCARD), 0);
	return NULL;
}

/* Another thread has the lane when the flush looks at it. */
START_TEST(a_flush_notices_it_although_a_thread_has_the_lane)
{
	pthread_t thread;
	uint32_t n;
	struct bw *bw = start_with_numbers(&n);

	ck_assert_int_eq(
		pthread_create(&thread, NULL, give_back_after_a_flush, bw), 0);
	UNTIL(atomic_load(&is_reserved));
	lane_stub_die();
	lane_stub.takes = true;
	lane_stub_start();
	ck_assert_int_eq(bw_flush(bw), 0);
	expect_each_once(n);
	pthread_join(thread, NULL);
	bw_close(bw);
	expect_each_once(n);
}
END_TEST

/* A write that rings finds out at once that nobody is there. */
START_TEST(a_daemon_killed_asleep_is_noticed)
{
	struct bw *bw;
	uint32_t n = 0;

	lane_stub.sink = count_number;
	lane_stub.attends = false;
	bw = start(SOON_MS);
	ck_assert_int_eq(write_number(bw, n++), 0);
	UNTIL(came_sum == 1);
	UNTIL(lane_stub_head()->read == 16);
	lane_stub_die();
	/* This one is in the lane before the ring fails. */
	ck_assert_int_eq(write_number(bw, n++), 0);
	/* These are datagrams; the kernel's queue is the next daemon's. */
	ck_assert_int_eq(write_number(bw, n++), 0);
	UNTIL(came_sum == 2);
	ck_assert_uint_eq(lane_stub.messages[DATAGRAM], 1);
	lane_stub_start();
	do {
		ck_assert_int_eq(write_number(bw, n++), 0);
		suite_sleep_ms(1);
	} while (lane_stub.asked == 0);
	bw_close(bw);
	expect_each_once(n);
}
END_TEST

/* It is killed again before it answers, has no time, and then has. */
START_TEST(the_question_is_asked_until_it_is_answered)
{
	struct bw *bw;
	uint32_t n = 0;

	lane_stub.sink = count_number;
	bw = start(SOON_MS);
	lane_stub_stop_taking();
	ck_assert_int_eq(write_number(bw, n++), 0);
	ck_assert_int_eq(write_number(bw, n++), 0);
	lane_stub_die();
	suite_sleep_ms(200);
	lane_stub.answers = false;
	lane_stub_start();
	ck_assert_int_eq(write_number(bw, n++), 0);
	while (lane_stub_connections() == 0) {
		ck_assert_int_eq(write_number(bw, n++), 0);
		suite_sleep_ms(1);
	}
	lane_stub_die();
	lane_stub.refuses_ask = EBUSY;
	lane_stub.answers = true;
	lane_stub_start();
	while (lane_stub.asked < 2) {
		ck_assert_int_eq(write_number(bw, n++), 0);
		suite_sleep_ms(1);
	}
	ck_assert_uint_lt(came_sum, n);
	lane_stub.refuses_ask = 0;
	bw_close(bw);
	expect_each_once(n);
}
END_TEST

/* The next daemon is one without lanes: the lane's own position counts. */
START_TEST(a_successor_without_lanes_gets_the_rest)
{
	char link[160];
	struct bw *bw;
	uint32_t n;

	lane_stub.sink = count_number;
	bw = start(SOON_MS);
	ck_assert_int_eq(write_number(bw, 0), 0);
	UNTIL(came_sum == 1);
	UNTIL(lane_stub_head()->read == 16);
	lane_stub_stop_taking();
	for (n = 1; n < 5; n++)
		ck_assert_int_eq(write_number(bw, n), 0);
	lane_stub_die();
	snprintf(link, sizeof(link), "%s.limits", receiver.path);
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(symlink("max_message=65536", link), 0);
	bw_close(bw);
	expect_each_once(n);
}
END_TEST

/* Nobody comes: bw_close() waits for its timeout and no longer. */
START_TEST(bw_close_waits_for_a_bounded_time)
{
	struct bw *bw;
	int64_t begin;

	bw = start(200);
	lane_stub_stop_taking();
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	if (_i == 0)
		lane_stub_die();
	begin = receiver_now_ms();
	bw_close(bw);
	ck_assert_int_ge(receiver_now_ms() - begin, 200);
}
END_TEST

/* A daemon that is there has taken everything when bw_close() returns. */
START_TEST(bw_close_waits_until_the_lane_is_read)
{
	struct bw *bw;
	int i;

	lane_stub.slow_us = 1000;
	lane_stub.attends = _i == 0;
	bw = start(SOON_MS);
	for (i = 0; i < 50; i++)
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	bw_close(bw);
	ck_assert_uint_eq(lane_stub.messages[LANE], 50);
}
END_TEST

/* It was killed, and had taken everything: nobody has to be asked. */
START_TEST(a_lane_that_was_read_needs_no_successor)
{
	struct bw_lane_head *head;
	struct bw *bw;

	lane_stub.attends = false;
	bw = start(BW_FOREVER);
	head = lane_stub_head();
	ck_assert_int_eq(bw_write(bw, "taken", 5), 0);
	UNTIL(lane_stub_count() == 1);
	UNTIL(head->read == head->written);
	lane_stub_die();
	lane_stub_freeze();
	receiver_vanish();
	lane_stub_thaw();
	bw_close(bw);
	ck_assert_uint_eq(lane_stub.messages[LANE], 1);
}
END_TEST

/* Killed 50 times, while the client writes; the next one knows how far. */
START_TEST(many_kills_lose_nothing)
{
	struct bw *bw;
	uint32_t n = 0, i;
	int life;

	lane_stub.sink = count_number;
	lane_stub.attends = _i == 0;
	bw = start(SOON_MS);
	for (life = 0; life < 50; life++) {
		for (i = 0; i < 300; i++)
			ck_assert_int_eq(write_number(bw, n++), 0);
		lane_stub_die();
		for (i = 0; i < 20; i++)
			ck_assert_int_eq(write_number(bw, n++), 0);
		lane_stub_start();
		if (life % 4 == 0)
			suite_sleep_ms(120);
	}
	bw_close(bw);
	expect_each_once(n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_lanes_end");
	TCase *tc = lane_stub_case(suite, "end");

	tcase_add_loop_test(tc, what_a_closing_daemon_leaves_is_sent, 0, 11);
	tcase_add_test(tc, bw_close_sends_what_a_closing_daemon_leaves);
	tcase_add_test(tc, writes_go_on_while_lanes_close);
	tcase_add_test(tc, a_lane_may_be_opened_again);
	tcase_add_test(
		tc, a_message_that_was_taken_before_the_look_is_not_sent_again);
	tcase_add_test(tc, an_end_without_a_successor_is_an_error);
	tcase_add_loop_test(tc, a_killed_daemon_is_asked_for_by_its_successor,
			    0, 4);
	tcase_add_test(tc, a_flush_notices_that_the_daemon_is_another_one);
	tcase_add_test(tc, a_flush_notices_it_although_a_thread_has_the_lane);
	tcase_add_test(tc, a_daemon_killed_asleep_is_noticed);
	tcase_add_test(tc, the_question_is_asked_until_it_is_answered);
	tcase_add_test(tc, a_successor_without_lanes_gets_the_rest);
	tcase_add_loop_test(tc, bw_close_waits_for_a_bounded_time, 0, 2);
	tcase_add_loop_test(tc, bw_close_waits_until_the_lane_is_read, 0, 2);
	tcase_add_test(tc, a_lane_that_was_read_needs_no_successor);
	tcase_add_loop_test(tc, many_kills_lose_nothing, 0, 2);
	return suite_run(suite, CK_FORK);
}
