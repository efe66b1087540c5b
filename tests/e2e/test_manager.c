/* SPDX-License-Identifier: MIT */
/* What the daemon tells systemd, when, and how often. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

static int manager;

static void open_manager(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	bed.notify = bed_text("%s/notify", bed.root);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", bed.notify);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
}

#define TOLD 4096

/* Takes the next message; 0 if there is none. */
static int take_told(char text[TOLD])
{
	ssize_t n = recv(manager, text, TOLD - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = 0;
	return n >= 0;
}

/* The next message has this part. */
static void expect_told(const char *part)
{
	char text[TOLD];

	do {
		UNTIL(take_told(text));
	} while (strcmp(text, "crowd") == 0);
	REQUIRE(strstr(text, part) != NULL, "told '%s' instead of '%s'", text,
		part);
}

START_TEST(systemd_is_told_what_changes_and_nothing_else)
{
	char byte;
	int fd, i;

	open_manager();
	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.workers=1", "buffer.size=1K",
		     "buffer.queue_size=16", "buffer.timeout=never",
		     "buffer.forced=0", "buffer.stop_timeout=5m");
	expect_told("READY=1\nSTATUS=Listening.");
	fd = send_open();
	/* More than the arena holds, and less than arena and ring together. */
	for (i = 0; i < 30; i++)
		send_one(fd, "a message of forty bytes, or nearly so..", 40);
	expect_told("STATUS=Failing: workers cannot write files: ");
	for (i = 0; i < 20; i++)
		ask("status");
	bed_release();
	expect_told("STATUS=Listening.");
	ck_assert_int_eq(command("reload"), 0);
	expect_told("RELOADING=1");
	expect_told("READY=1");
	ck_assert_int_lt(recv(manager, &byte, 1, MSG_DONTWAIT), 0);
	daemon_signal(SIGTERM);
	expect_told("STOPPING=1\nSTATUS=Writing what is in memory to files.\n"
		    "EXTEND_TIMEOUT_USEC=330000000");
	daemon_wait();
	close(manager);
}
END_TEST

/* True if the next message is exactly this. */
static int is_told(const char *message)
{
	char text[TOLD];

	return take_told(text) && strcmp(text, message) == 0;
}

/* The number of drops that systemd was told last, or 0. */
static unsigned long told_drops;

static int is_told_of(unsigned long drops)
{
	char text[TOLD];
	const char *at;

	while (take_told(text)) {
		ck_assert_ptr_null(strstr(text, "nothing is lost"));
		at = strstr(text, "are kept; ");
		at = at ? at : strstr(text, "is kept; ");
		if (at && strncmp(text, "STATUS=Failing: ", 16) == 0)
			told_drops = strtoul(strchr(at, ';') + 1, NULL, 10);
	}
	return told_drops == drops;
}

/* The next start cannot file what a kill left, and drops what comes. */
START_TEST(drops_are_named_while_a_recovery_waits_for_the_disk)
{
	char text[TOLD];
	bool told = false;
	int fd, i;

	bed_hold_socket();
	open_manager();
	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.timeout=1ms", "buffer.forced=10ms");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(log_count("No space left") == 1);
	daemon_kill();
	while (take_told(text))
		;
	daemon_spawn("buffer.timeout=1ms", "buffer.forced=10ms");
	UNTIL(log_count("recovery: ") == 1);
	for (i = 0; i < 50; i++)
		send_one(fd, "two", 3);
	send_drain(fd);
	UNTIL((told |= take_told(text) &&
		       strstr(text, "Recovery waits for the disk: ") &&
		       strstr(text, "50 datagrams were dropped since the "
				    "start: ring_full 50")));
	bed_release();
	ck_assert(daemon_ready());
	daemon_stop(NULL);
	close(fd);
	close(manager);
}
END_TEST

/* I7: with a full disk and drops, nobody says that nothing is lost. */
START_TEST(drops_are_named_wherever_a_full_disk_is)
{
	const char *drops;
	unsigned long n;
	int fd, i;

	open_manager();
	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.workers=1", "buffer.size=1K",
		     "buffer.queue_size=16", "buffer.timeout=1ms");
	fd = send_open();
	/* more than the arena holds */
	for (i = 0; i < 60; i++)
		send_one(fd, "a message of forty bytes, or nearly so..", 40);
	UNTIL(ask_number("gauges.workers_failing") == 1);
	for (i = 0; i < 500; i++)
		send_one(fd, "a message of forty bytes, or nearly so..", 40);
	send_drain(fd);
	n = (unsigned long)ask_number("messages.dropped");
	ck_assert_uint_gt(n, 0);
	drops = bed_text("%lu datagrams were dropped since the start: "
			 "ring_full %lu",
			 n, n);
	command("status --check");
	command_expect(drops);
	command("status");
	command_expect(drops);
	command("status --json");
	command_expect(drops);
	ck_assert_int_ne(command("flush --timeout 100ms"), 0);
	command_expect(drops);
	ck_assert_ptr_null(strstr(command_output, "nothing is lost"));
	UNTIL(is_told_of(n));
	bed_release();
	daemon_stop(NULL);
	close(manager);
}
END_TEST

START_TEST(systemd_is_told_that_messages_are_dropped)
{
	int fd;

	open_manager();
	bed_block();
	bed.points = bed_point("flush.write", "stall", "");
	daemon_start("buffer.workers=1", "buffer.size=1K",
		     "buffer.queue_size=16", "buffer.timeout=1ms");
	expect_told("READY=1\nSTATUS=Listening.");
	fd = send_open();
	/*
	 * The worker takes some messages before it stalls, so send until it
	 * stays so.
	 */
	UNTIL((send_one(fd, "a message of forty bytes, or nearly so..", 40),
	       ask_number("messages.dropped") > 0 &&
		       command("status --check") == 2));
	command_expect("being dropped");
	expect_told("STATUS=Dropping datagrams: ");
	bed_release();
	UNTIL(command("status --check") == 1);
	UNTIL(is_told("STATUS=Listening."));
	daemon_stop(NULL);
	close(manager);
}
END_TEST

/* Each complete file ends the dropping for a moment. */
START_TEST(systemd_is_told_once_a_second_at_most)
{
	static const struct flow flow = { .id = 1, .min = 40, .max = 400 };
	struct sender *sender;
	unsigned told = 0;
	int listening = 0;
	char text[TOLD];
	double start;

	open_manager();
	bed.points = "flush.write=sleep:5";
	daemon_start("buffer.workers=1", "buffer.size=1K",
		     "buffer.queue_size=16", "buffer.timeout=0");
	expect_told("READY=1\nSTATUS=Listening.");
	start = suite_now();
	sender = sender_start(&flow);
	while (suite_now() < start + 2.5 || told == 0) {
		suite_heed_limit(start, "a status", __FILE__, __LINE__);
		if (!take_told(text)) {
			suite_sleep_ms(1);
			continue;
		}
		listening = strstr(text, "STATUS=Listening.") != NULL;
		told++;
	}
	sender_finish(sender);
	ck_assert_double_le(told, suite_now() - start + 1);
	/* No message follows if that was the last one. */
	UNTIL(listening || is_told("STATUS=Listening."));
	daemon_stop(NULL);
	close(manager);
}
END_TEST

/* systemd would end a daemon that never says that it is ready. */
START_TEST(systemd_is_told_ready_when_its_queue_has_room)
{
	open_manager();
	send_fill(bed.notify, "crowd");
	daemon_start();
	/*
	 * The daemon has logged that it is ready, so it tries to tell systemd
	 * now.
	 */
	suite_sleep_ms(100);
	expect_told("READY=1\nSTATUS=Listening.");
	daemon_stop(NULL);
	close(manager);
}
END_TEST

START_TEST(systemd_is_told_a_status_later_if_its_queue_was_full)
{
	int fd;

	open_manager();
	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.workers=1", "buffer.forced=10ms");
	expect_told("READY=1\nSTATUS=Listening.");
	send_fill(bed.notify, "crowd");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(ask_number("gauges.workers_failing") == 1);
	/* Each answer shows that the loop has served its other handles. */
	ask("status");
	ask("status");
	expect_told("STATUS=Failing: workers cannot write files: ");
	bed_release();
	expect_told("STATUS=Listening.");
	daemon_stop(NULL);
	close(manager);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("manager");
	TCase *t = bed_case(suite, "notifications");

	tcase_add_test(t, systemd_is_told_what_changes_and_nothing_else);
	tcase_add_test(t, systemd_is_told_that_messages_are_dropped);
	tcase_add_test(t, drops_are_named_while_a_recovery_waits_for_the_disk);
	tcase_add_test(t, drops_are_named_wherever_a_full_disk_is);
	tcase_add_test(t, systemd_is_told_once_a_second_at_most);
	tcase_add_test(t, systemd_is_told_ready_when_its_queue_has_room);
	tcase_add_test(t, systemd_is_told_a_status_later_if_its_queue_was_full);
	return suite_run(suite, CK_NOFORK);
}
