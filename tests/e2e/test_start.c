/* SPDX-License-Identifier: MIT */
/*
 * A start that the disk holds up: no sender waits longer than the timeout, the
 * status says what the start waits for, and nothing is lost.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

/* More than fits into the kernel's queue. */
static const struct flow before = { .id = 1,
				    .count = 300,
				    .min = 100,
				    .max = 100 };
static const struct flow meanwhile = { .id = 2,
				       .count = 3000,
				       .min = 100,
				       .max = 100 };

/* A daemon that was killed with all messages in memory. */
static struct sender *leave_in_memory(void)
{
	struct sender *s;

	bed_hold_socket();
	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.forced=10ms");
	s = sender_start(&before);
	sender_wait(s);
	UNTIL(bed_queue_empty() && log_count("No space left") >= 1);
	daemon_kill();
	return s;
}

static void start_on_a_full_disk(const char *stop_timeout)
{
	daemon_spawn("buffer.timeout=50ms", "buffer.forced=10ms",
		     bed_text("buffer.stop_timeout=%s", stop_timeout));
	UNTIL(log_count("recovery", "No space left") == 1);
}

static const char *health(void)
{
	static char why[400];
	const char *status = ask("status");

	json_string(json_at(status, "why"), why, sizeof(why));
	return why;
}

START_TEST(senders_wait_no_longer_than_the_timeout_while_it_recovers)
{
	struct sender *first = leave_in_memory(), *second;
	struct totals totals;
	struct tally tally;

	tally_open(&tally);
	tally_expect_sender(&tally, first);
	start_on_a_full_disk("30s");
	/* it would block for ever while nobody reads */
	second = sender_start(&meanwhile);
	sender_wait(second);
	UNTIL(ask_number("messages.dropped") > 0);
	ck_assert_uint_eq(log_count("ready"), 0);
	REQUIRE(log_count("the recovery takes longer") == 1,
		"the drops are not in the log");
	bed_release();
	UNTIL(log_count("ready"));
	UNTIL(bed_queue_empty());
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, meanwhile.count);
	ck_assert_uint_eq(totals.received, totals.written + totals.dropped);
	ck_assert_uint_gt(totals.dropped, 0);
	tally_expect_sender(&tally, second);
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	REQUIRE(!tally.doubled && !tally.torn,
		"%" PRIu64 " doubled, %" PRIu64 " torn; %s", tally.doubled,
		tally.torn, tally.first);
	/* All messages of the first sender are there. */
	ck_assert_uint_eq(tally.lost, totals.dropped);
	tally_close(&tally);
}
END_TEST

START_TEST(status_says_what_a_recovery_waits_for)
{
	leave_in_memory();
	start_on_a_full_disk("100ms");
	UNTIL(strstr(health(), "the recovery waits for the disk: No space "
			       "left on device; free space"));
	ck_assert_int_eq(command("status --check"), 2);
	/* A command that needs the workers waits, or is refused. */
	ck_assert_ptr_nonnull(strstr(ask("flush 1"), "\"timeout\""));
	ck_assert_ptr_nonnull(strstr(ask("reload"), "\"starting\""));
	ck_assert_ptr_nonnull(strstr(ask("metrics"), "bufwriter_dropping"));
	bed_release();
	UNTIL(log_count("ready"));
	UNTIL(ask_number("counters.written") >= 0);
	daemon_stop(NULL);
}
END_TEST

/* What is in the queue of systemd's socket stays there for the next start. */
START_TEST(a_stop_during_a_recovery_leaves_everything_for_the_next_start)
{
	struct sender *first = leave_in_memory();
	int status;

	start_on_a_full_disk("100ms");
	daemon_signal(SIGTERM);
	status = daemon_wait();
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 75,
		"wait status %#x", status);
	REQUIRE(log_count("recovery was not complete", "next start") == 1,
		"the log does not say where the data is");
	ck_assert_uint_eq(files_count(bed.files), 0);
	bed_release();
	daemon_start();
	daemon_stop(NULL);
	tally_require_sender(first);
}
END_TEST

/* The disk works again within buffer.stop_timeout. */
START_TEST(a_stop_during_a_recovery_waits_for_the_disk)
{
	struct sender *first = leave_in_memory();

	start_on_a_full_disk("1h");
	daemon_signal(SIGTERM);
	UNTIL(log_count("stopping"));
	bed_release();
	daemon_stop(NULL);
	ck_assert_uint_eq(log_count("ready"), 0);
	tally_require_sender(first);
}
END_TEST

static char elsewhere[BED_PATH + 16];

/* As a disk that is not mounted yet: no final file proves anything now. */
START_TEST(a_recovery_waits_for_a_directory_that_is_missing)
{
	struct sender *first = leave_in_memory();

	snprintf(elsewhere, sizeof(elsewhere), "%s.away", bed.files);
	ck_assert_int_eq(rename(bed.files, elsewhere), 0);
	bed_release();
	daemon_spawn("buffer.timeout=50ms");
	UNTIL(log_count("recovery", "No such file", "create the directory") ==
	      1);
	UNTIL(strstr(health(), "the recovery waits for the disk"));
	ck_assert_int_eq(rename(elsewhere, bed.files), 0);
	UNTIL(log_count("ready"));
	daemon_stop(NULL);
	tally_require_sender(first);
}
END_TEST

/* Without a message to file it is a mistake in the settings, said at once. */
START_TEST(a_missing_directory_without_a_message_is_an_error)
{
	int status;

	daemon_start();
	daemon_kill();
	ck_assert_int_eq(rename(bed.files, bed_text("%s.away", bed.files)), 0);
	daemon_spawn();
	status = daemon_wait();
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 78,
		"wait status %#x", status);
	ck_assert_uint_eq(log_count("files.path", "create the directory"), 1);
}
END_TEST

/*
 * A start that is shorter than the listener waits drops nothing of what the
 * kernel had queued before it.  A busy machine starts slowly now and then, so
 * one start of many has to be quick enough.
 */
START_TEST(a_start_that_fails_counts_what_it_dropped)
{
	struct totals totals = { 0 };
	struct sender *s;
	int status;

	leave_in_memory();
	bed.points = bed_point("recover.done", "stall", "");
	daemon_spawn("buffer.timeout=50ms");
	s = sender_start(&meanwhile);
	sender_wait(s);
	UNTIL(bed_queue_empty());
	ck_assert_int_eq(rename(bed.files, bed_text("%s.moved", bed.files)), 0);
	bed_release();
	status = daemon_wait();
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 78,
		"wait status %#x", status);
	REQUIRE(!daemon_totals(&totals), "the drops are not in the log");
	ck_assert_uint_eq(totals.ring_full, meanwhile.count);
	ck_assert_uint_eq(totals.received, meanwhile.count);
}
END_TEST

START_TEST(a_start_without_a_recovery_drops_nothing_that_was_queued)
{
	struct totals totals = { 0 };
	unsigned i, start;
	int fd;

	bed_hold_socket();
	fd = send_open();
	for (start = 0; start < 100 && totals.written != 5; start++) {
		for (i = 0; i < 5; i++)
			send_one(fd, "!", 1);
		daemon_start("buffer.timeout=0");
		UNTIL(bed_queue_empty());
		daemon_stop(&totals);
		ck_assert_uint_eq(totals.received, 5);
		ck_assert_uint_eq(totals.written + totals.dropped, 5);
	}
	if (!suite_sanitized())
		ck_assert_uint_eq(totals.written, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("start");
	TCase *t = bed_case(suite, "start");

	tcase_add_test(
		t, senders_wait_no_longer_than_the_timeout_while_it_recovers);
	tcase_add_test(t, status_says_what_a_recovery_waits_for);
	tcase_add_test(
		t,
		a_stop_during_a_recovery_leaves_everything_for_the_next_start);
	tcase_add_test(t, a_start_that_fails_counts_what_it_dropped);
	tcase_add_test(t, a_stop_during_a_recovery_waits_for_the_disk);
	tcase_add_test(t, a_recovery_waits_for_a_directory_that_is_missing);
	tcase_add_test(t, a_missing_directory_without_a_message_is_an_error);
	tcase_add_test(
		t, a_start_without_a_recovery_drops_nothing_that_was_queued);
	return suite_run(suite, CK_NOFORK);
}
