/* SPDX-License-Identifier: MIT */
/*
 * A disk that takes nothing: senders wait, then the daemon drops messages and
 * counts each of them.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

/*
 * Two workers of 4 KiB, 64 slots and the kernel's queue hold some hundred
 * messages of 100 bytes: less than senders have.
 */
#define MESSAGES 5000
static const struct flow flow = { .count = MESSAGES, .min = 100, .max = 100 };

#define MOST_SENDERS 16
static struct sender *senders[MOST_SENDERS];
static unsigned nsenders = 2;

static void start_stuck(const char *timeout)
{
	struct flow f = flow;

	bed_block();
	bed.points = bed_point("flush.write", "stall", "");
	daemon_start("buffer.workers=2", "buffer.size=4K",
		     "buffer.queue_size=64", "buffer.forced=20ms",
		     bed_text("buffer.timeout=%s", timeout));
	f.id = 1;
	senders[0] = sender_start(&f);
	f.id = 2;
	senders[1] = sender_start(&f);
}

/*
 * After the end, the missing messages are those that were counted as dropped.
 */
static void count_all(uint64_t *dropped)
{
	struct totals totals;
	struct tally tally;
	unsigned i;

	daemon_stop(&totals);
	tally_open(&tally);
	for (i = 0; i < nsenders; i++)
		tally_expect_sender(&tally, senders[i]);
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	REQUIRE(!tally.doubled && !tally.torn && !tally.odd,
		"%" PRIu64 " doubled, %" PRIu64 " torn, %" PRIu64 " odd; %s",
		tally.doubled, tally.torn, tally.odd, tally.first);
	ck_assert_uint_eq(totals.received, tally.expected);
	ck_assert_uint_eq(totals.received, totals.written + totals.dropped);
	ck_assert_uint_eq(totals.dropped, totals.ring_full);
	ck_assert_uint_eq(tally.lost, totals.dropped);
	*dropped = totals.dropped;
	tally_close(&tally);
}

static uint64_t sent(void)
{
	return sender_sent(senders[0]) + sender_sent(senders[1]);
}

/* Waits until the senders are blocked. */
static void until_senders_wait(void)
{
	uint64_t before;

	do {
		before = sent();
		suite_sleep_ms(300);
	} while (sent() != before);
	ck_assert(sender_running(senders[0]));
	ck_assert(sender_running(senders[1]));
	ck_assert_uint_lt(sent(), 2 * MESSAGES);
}

static void finish_senders(void)
{
	sender_wait(senders[0]);
	sender_wait(senders[1]);
}

START_TEST(all_workers_stuck_senders_wait_then_drops_are_counted)
{
	double since = suite_now();
	uint64_t dropped;

	start_stuck("1s");
	/* The senders finish although the disk takes nothing. */
	finish_senders();
	ck_assert_double_ge(suite_now() - since, 1.0);
	REQUIRE(log_count("warning", "drop") >= 1, "drops are not logged");
	ck_assert_uint_le(log_count("drop"), 10);
	bed_release();
	count_all(&dropped);
	ck_assert_uint_gt(dropped, 0);
}
END_TEST

START_TEST(timeout_never_drops_nothing)
{
	uint64_t dropped;

	start_stuck("never");
	until_senders_wait();
	bed_release();
	finish_senders();
	count_all(&dropped);
	ck_assert_uint_eq(dropped, 0);
}
END_TEST

START_TEST(timeout_0_drops_at_once)
{
	uint64_t dropped;

	start_stuck("0");
	finish_senders();
	bed_release();
	count_all(&dropped);
	ck_assert_uint_gt(dropped, 0);
}
END_TEST

START_TEST(a_short_stall_within_the_timeout_drops_nothing)
{
	uint64_t dropped;

	start_stuck("1h");
	until_senders_wait();
	bed_release();
	finish_senders();
	count_all(&dropped);
	ck_assert_uint_eq(dropped, 0);
}
END_TEST

/* 1 once a message that was sent after the stall is in a file. */
static int marker_filed(int fd)
{
	size_t len;
	char *text;
	int found;

	send_one(fd, "marker", 6);
	suite_sleep_ms(50);
	text = files_content(bed.files, &len);
	found = memmem(text, len, "marker", 6) != NULL;
	free(text);
	return found;
}

/* Datagrams dropped up to now, with all that was sent in files. */
static double dropped(void)
{
	ask("flush");
	return ask_number("messages.dropped");
}

/*
 * On a busy machine the workers may stand still for longer than the timeout
 * of 50 ms, so one of the senders has to lose nothing.
 */
START_TEST(after_drops_the_daemon_takes_everything_again)
{
	struct flow more = { .id = 3, .count = 2000, .min = 1, .max = 90 };
	struct sender *s;
	struct tally tally;
	double before, after, since;
	int fd;

	start_stuck("50ms");
	finish_senders();
	bed_release();
	fd = send_open();
	UNTIL(marker_filed(fd));
	before = dropped();
	ck_assert_double_gt(before, 0);
	since = suite_now();
	for (;;) {
		s = sender_start(&more);
		sender_wait(s);
		after = dropped();
		if (after == before)
			break;
		suite_heed_limit(since, "a sender that loses nothing", __FILE__,
				 __LINE__);
		before = after;
		more.id++;
	}
	daemon_stop(NULL);
	tally_open(&tally);
	tally_expect_sender(&tally, s);
	/*
	 * The tally counts messages of the other senders, which it does not
	 * know, as torn.
	 */
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	ck_assert_uint_eq(tally.lost, 0);
	ck_assert_uint_eq(tally.doubled, 0);
	tally_close(&tally);
}
END_TEST

/*
 * A disk that takes one small file each 80 ms: a slot comes free all the time,
 * always within the timeout, and 16 senders keep the kernel's queue full.  A
 * sender may wait there for 100 ms, and not for its turn among all others.
 */
START_TEST(a_slow_disk_does_not_renew_the_patience)
{
	struct flow f = { .count = 300, .min = 100, .max = 100 };
	uint64_t dropped;
	unsigned i;

	bed.points = "flush.write=sleep:80";
	daemon_start("buffer.workers=1", "buffer.size=4K",
		     "buffer.queue_size=64", "buffer.timeout=100ms");
	nsenders = MOST_SENDERS;
	for (i = 0; i < nsenders; i++) {
		f.id = i + 1;
		senders[i] = sender_start(&f);
	}
	for (i = 0; i < nsenders; i++)
		sender_wait(senders[i]);
	count_all(&dropped);
	ck_assert_uint_gt(dropped, 0);
}
END_TEST

START_TEST(one_of_four_workers_stuck_delays_nobody)
{
	/* Each sender fills the ring a hundred times. */
	struct flow f = { .count = 64 * 100, .min = 1, .max = 1000 };
	struct totals totals;
	struct tally tally;
	unsigned i;

	bed_block();
	bed.points = bed_point("flush.write", "stall", "@1");
	daemon_start("buffer.workers=4", "buffer.size=4K",
		     "buffer.queue_size=64", "buffer.timeout=never");
	tally_open(&tally);
	for (i = 0; i < 2; i++) {
		f.id = i;
		senders[i] = sender_start(&f);
	}
	/* With timeout = never they can only end if the ring is emptied. */
	for (i = 0; i < 2; i++) {
		sender_wait(senders[i]);
		tally_expect_sender(&tally, senders[i]);
	}
	bed_release();
	daemon_stop(&totals);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	ck_assert_uint_eq(totals.dropped, 0);
	tally_close(&tally);
}
END_TEST

START_TEST(a_lone_message_is_taken_by_a_worker_that_is_not_stuck)
{
	static const char first[] = "first", second[] = "second";
	size_t len;
	char *text;
	int fd;

	bed_block();
	bed.points = bed_point("flush.write", "stall", "@1");
	bed.points_log = bed_text("%s/points", bed.root);
	daemon_start("buffer.workers=2", "buffer.forced=20ms");
	fd = send_open();
	send_one(fd, first, 5);
	UNTIL(access(bed.points_log, F_OK) == 0 &&
	      system(bed_text("grep -q '^flush.write' %s", bed.points_log)) ==
		      0);
	send_one(fd, second, 6);
	UNTIL(files_count(bed.files) == 1);
	text = files_content(bed.files, &len);
	ck_assert_str_eq(text, "second\n");
	free(text);
	bed_release();
	UNTIL(files_count(bed.files) == 2);
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pressure");
	TCase *t = bed_case(suite, "all stuck");

	tcase_add_test(t,
		       all_workers_stuck_senders_wait_then_drops_are_counted);
	tcase_add_test(t, timeout_never_drops_nothing);
	tcase_add_test(t, timeout_0_drops_at_once);
	tcase_add_test(t, a_short_stall_within_the_timeout_drops_nothing);
	tcase_add_test(t, after_drops_the_daemon_takes_everything_again);
	tcase_add_test(t, a_slow_disk_does_not_renew_the_patience);
	t = bed_case(suite, "one stuck");
	tcase_add_test(t, one_of_four_workers_stuck_delays_nobody);
	tcase_add_test(t,
		       a_lone_message_is_taken_by_a_worker_that_is_not_stuck);
	return suite_run(suite, CK_NOFORK);
}
