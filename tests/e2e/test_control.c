/* SPDX-License-Identifier: MIT */
/*
 * What an operator sees of the daemon while it does its work: status, health,
 * metrics, and what systemd is told.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/random.h"
#include "tests/lib/metrics.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

static double at(const char *status, const char *path)
{
	const char *value = json_at(status, path);

	REQUIRE(value != NULL, "the status has no %s: %s", path, status);
	return json_number(value);
}

static void expect_text(const char *status, const char *path,
			const char *expected)
{
	char text[512];

	json_string(json_at(status, path), text, sizeof(text));
	REQUIRE(strcmp(text, expected) == 0, "%s is '%s', not '%s'", path, text,
		expected);
}

static void require_output(const char *part)
{
	REQUIRE(strstr(command_output, part) != NULL, "no '%s' in: %s", part,
		command_output);
}

/* Workers in this state; the last one of them is `found`. */
static unsigned found;

static unsigned count_workers(const char *status, const char *state)
{
	const char *list = json_at(status, "workers"), *w;
	unsigned i, n = 0;
	char text[32];

	for (i = 0; (w = json_item(list, i)); i++) {
		json_string(json_at(w, "state"), text, sizeof(text));
		if (strcmp(text, state))
			continue;
		found = i;
		n++;
	}
	return n;
}

/* --- status -------------------------------------------------------------- */

START_TEST(the_status_says_who_where_and_what)
{
	const char *s;
	int fd;

	bed_write_conf("[buffer]\nworkers = 3\nforced = 0\n");
	daemon_start();
	fd = send_open();
	send_one(fd, "one", 3);
	send_one(fd, "two two", 7);
	send_drain(fd);
	s = ask("status");
	ck_assert_double_eq(at(s, "schema"), 1);
	ck_assert_double_eq(at(s, "pid"), bed.pid);
	expect_text(s, "instance", "bed");
	expect_text(s, "settings", bed.conf);
	expect_text(s, "socket", bed.sock);
	expect_text(s, "files_path", bed.files);
	expect_text(s, "health", "ok");
	expect_text(s, "listener", "reading");
	ck_assert_double_eq(at(s, "messages.received"), 2);
	ck_assert_double_eq(at(s, "counters.received_bytes"), 10);
	ck_assert_double_eq(at(s, "gauges.workers"), 3);
	ck_assert_double_gt(at(s, "uptime"), 0);
	ck_assert_double_lt(at(s, "uptime"), suite_limit());
	ck_assert_double_gt(at(s, "rates.minute.received"), 0);
	ck_assert_double_ge(at(s, "gauges.ring_high"), 1);
	/* One worker has it all, and says for how long. */
	UNTIL(ask_number("gauges.in_arenas") == 2);
	s = ask("status");
	ck_assert_double_eq(at(s, "gauges.arena_bytes"), 12);
	ck_assert_double_gt(at(s, "gauges.oldest_seconds"), 0);
	ck_assert_uint_eq(count_workers(s, "filling"), 1);
	ck_assert_uint_eq(count_workers(s, "idle"), 2);
	daemon_stop(NULL);
}
END_TEST

/* Nothing but datagrams wakes the daemon here, and then nothing at all. */
START_TEST(what_was_dropped_long_ago_is_not_dropped_now)
{
	static char large[20000];
	const char *s;
	int fd;

	bed_write_conf("[socket]\nmax_message = 1000\n");
	daemon_start();
	fd = send_open();
	send_one(fd, large, sizeof(large));
	send_drain(fd);
	/* the rate of now looks back between one second and two */
	usleep(2100000);
	s = ask("status");
	ck_assert_double_eq(at(s, "messages.dropped"), 1);
	ck_assert_double_eq(at(s, "rates.now.dropped"), 0);
	ck_assert_double_gt(at(s, "rates.minute.dropped"), 0);
	/* Health and the time of the drop speak of it for ten minutes. */
	expect_text(s, "health", "degraded");
	ck_assert_double_gt(at(s, "gauges.last_drop_seconds"),
			    at(s, "started") - 1);
	daemon_stop(NULL);
}
END_TEST

START_TEST(the_command_shows_the_same_for_people)
{
	daemon_start();
	ck_assert_int_eq(command("status"), 0);
	require_output(bed_text("process %d,", (int)bed.pid));
	require_output("nothing is wrong");
	require_output(bed.conf);
	require_output(bed.files);
	ck_assert_int_eq(command("status --json"), 0);
	command_output[strcspn(command_output, "\n")] = 0;
	ck_assert(json_valid(command_output));
	ck_assert_double_eq(at(command_output, "pid"), bed.pid);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_recovery_is_in_the_status)
{
	int fd;

	daemon_start("buffer.forced=0");
	fd = send_open();
	send_one(fd, "one", 3);
	send_drain(fd);
	UNTIL(ask_number("messages.received") == 1);
	daemon_kill();
	daemon_start();
	ck_assert_double_eq(ask_number("recovery.messages"), 1);
	ck_assert_double_eq(ask_number("recovery.files"), 1);
	ck_assert_double_eq(ask_number("recovery.bytes"), 4);
	ck_assert_double_eq(ask_number("messages.received"), 0);
	ck_assert_int_eq(command("status"), 0);
	require_output("the last start found 1 messages");
	daemon_stop(NULL);
}
END_TEST

/* At a moment that nobody chose. */
static void require_sum(double *received)
{
	const char *s = ask("status");
	uint64_t all = json_count(json_at(s, "messages.received"));
	uint64_t sum = json_count(json_at(s, "messages.written")) +
		       json_count(json_at(s, "messages.in_arenas")) +
		       json_count(json_at(s, "messages.in_ring")) +
		       json_count(json_at(s, "messages.dropped"));
	uint64_t reasons = json_count(json_at(s, "dropped.too_large")) +
			   json_count(json_at(s, "dropped.ring_full"));

	REQUIRE(all == sum, "%s", s);
	REQUIRE(reasons == json_count(json_at(s, "messages.dropped")), "%s", s);
	REQUIRE((double)all >= *received, "received went back: %s", s);
	REQUIRE(at(s, "messages.in_ring") <= at(s, "gauges.ring_slots"), "%s",
		s);
	*received = (double)all;
}

static const char *const pressures[] = {
	/* everything flows; or the disk is slow, and much is dropped */
	NULL,
	"flush.write=sleep:30",
};

START_TEST(every_message_is_in_one_place_at_every_moment)
{
	static const struct flow flows[2] = {
		{ .id = 1, .min = 1, .max = 3000 },
		{ .id = 2, .min = 1, .max = 100 },
	};
	struct sender *senders[2];
	struct totals totals;
	double received = 0, start;
	unsigned asked = 0, i;

	bed.points = pressures[_i];
	daemon_start("buffer.size=16K", "buffer.queue_size=64",
		     "buffer.forced=20ms", "buffer.timeout=0",
		     "socket.max_message=2K");
	for (i = 0; i < 2; i++)
		senders[i] = sender_start(&flows[i]);
	random_seed = getpid();
	start = suite_now();
	for (; suite_now() < start + 2 || asked <= 20; asked++) {
		require_sum(&received);
		ck_assert_double_lt(suite_now() - start, suite_limit());
		usleep((useconds_t)(random_below(3000)));
	}
	for (i = 0; i < 2; i++)
		sender_finish(senders[i]);
	require_sum(&received);
	daemon_stop(&totals);
	ck_assert_double_ge((double)totals.received, received);
	ck_assert_uint_eq(totals.received, totals.written + totals.dropped);
	ck_assert_uint_eq(totals.received,
			  senders[0]->flow.count + senders[1]->flow.count);
	/* It was what it was meant to be. */
	ck_assert_uint_gt(totals.too_large, 0);
	if (_i)
		ck_assert_uint_gt(totals.ring_full, 0);
}
END_TEST

START_TEST(what_fails_is_in_the_status_and_the_check)
{
	const char *s, *w;
	int fd;

	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.workers=2", "buffer.forced=10ms");
	ck_assert_int_eq(command("status --check"), 0);
	require_output("ok: ");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(ask_number("gauges.workers_failing") == 1);
	ck_assert_int_eq(command("status --check"), 2);
	require_output("failing: 1 of 2 workers");
	require_output(strerror(ENOSPC));
	require_output("free space");
	ck_assert_int_eq(command("status"), 0);
	require_output("retrying");
	s = ask("status");
	ck_assert_uint_eq(count_workers(s, "retrying"), 1);
	w = json_item(json_at(s, "workers"), found);
	ck_assert_double_eq(at(w, "error.errno"), ENOSPC);
	ck_assert_double_gt(at(w, "failures"), 0);
	bed_release();
	UNTIL(ask_number("gauges.workers_failing") == 0);
	ck_assert_int_eq(command("status --check"), 0);
	/* The time on the disk is in the histogram, with its pauses. */
	ck_assert_double_gt(ask_number("histograms.flush_seconds.sum"), 0.05);
	daemon_stop(NULL);
	ck_assert_int_eq(command("status --check"), 2);
	require_output("no daemon answers");
}
END_TEST

START_TEST(drops_degrade_the_check)
{
	char large[2000] = "";
	int fd;

	daemon_start("socket.max_message=1K");
	fd = send_open();
	send_one(fd, large, sizeof(large));
	send_drain(fd);
	UNTIL(ask_number("messages.dropped") == 1);
	ck_assert_int_eq(command("status --check"), 1);
	require_output("degraded: 1 datagram was dropped");
	require_output("too_large 1");
	daemon_stop(NULL);
}
END_TEST

/* --- metrics ------------------------------------------------------------- */

static void require_metrics(const char *text, int openmetrics)
{
	const char *wrong = metrics_check(text, openmetrics);

	REQUIRE(!wrong, "%s", wrong);
}

START_TEST(metrics_are_what_their_readers_take)
{
	int fd;

	daemon_start("buffer.forced=1ms");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(files_count(bed.files) == 1);
	ck_assert_int_eq(command("metrics"), 0);
	require_metrics(command_output, 0);
	ck_assert_double_eq(
		metrics_value(command_output,
			      "bufwriter_received_total{stream=\"bed\"}"),
		1);
	ck_assert_double_eq(
		metrics_value(command_output,
			      "bufwriter_file_size_bytes_sum{stream=\"bed\"}"),
		4);
	ck_assert_int_eq(command("metrics --openmetrics"), 0);
	require_metrics(command_output, 1);
	if (system("command -v promtool >/dev/null 2>&1") == 0)
		ck_assert_int_eq(command("metrics | promtool check metrics"),
				 0);
	else
		suite_skip("promtool is not installed");
	daemon_stop(NULL);
}
END_TEST

static char *read_whole(const char *path)
{
	static char text[256 * 1024];
	FILE *f = fopen(path, "r");

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	return text;
}

START_TEST(the_metrics_file_is_complete_each_time)
{
	const char *path = bed_text("%s/bw.prom", bed.root);
	static const char sample[] = "bufwriter_received_total{stream="
				     "\"bed\"}";
	struct stat st;
	int fd;

	daemon_start(bed_text("control.metrics_file=%s", path),
		     "control.metrics_interval=1s");
	UNTIL(access(path, F_OK) == 0);
	require_metrics(read_whole(path), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(metrics_value(read_whole(path), sample) == 1);
	/* A file system that refuses is said once, and the daemon goes on. */
	ck_assert_int_eq(mkdir(bed_text("%s.new", path), 0755), 0);
	UNTIL(log_count("warning: control.metrics_file") == 1);
	send_one(fd, "two", 3);
	UNTIL(ask_number("messages.received") == 2);
	ck_assert_int_eq(rmdir(bed_text("%s.new", path)), 0);
	UNTIL(metrics_value(read_whole(path), sample) == 2);
	daemon_stop(NULL);
	ck_assert_int_ne(access(bed_text("%s.new", path), F_OK), 0);
	/* nobody is to read for ever what was true once */
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* --- the service manager ------------------------------------------------- */

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

/* The message that is there; 0: none is. */
static int take_told(char text[TOLD])
{
	ssize_t n = recv(manager, text, TOLD - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = 0;
	return n >= 0;
}

/* The next message has this in it. */
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
	/* More than the arena takes, and less than arena and ring. */
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

/* Whether the message that is there is this one. */
static int is_told(const char *message)
{
	char text[TOLD];

	return take_told(text) && strcmp(text, message) == 0;
}

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
	/* Until it stays so: the worker takes some before it stalls. */
	UNTIL((send_one(fd, "a message of forty bytes, or nearly so..", 40),
	       ask_number("messages.dropped") > 0 &&
		       command("status --check") == 2));
	require_output("being dropped");
	expect_told("STATUS=Dropping datagrams: ");
	bed_release();
	UNTIL(command("status --check") == 1);
	UNTIL(is_told("STATUS=Listening."));
	daemon_stop(NULL);
	close(manager);
}
END_TEST

/* Each file that is complete ends the dropping for a moment. */
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
	while (suite_now() < start + 2.5) {
		if (!take_told(text)) {
			suite_sleep_ms(1);
			continue;
		}
		listening = strstr(text, "STATUS=Listening.") != NULL;
		told++;
	}
	sender_finish(sender);
	ck_assert_uint_ge(told, 1);
	ck_assert_double_le(told, suite_now() - start + 1);
	/* nothing more comes if that was it */
	UNTIL(listening || is_told("STATUS=Listening."));
	daemon_stop(NULL);
	close(manager);
}
END_TEST

/* Else it would end a daemon that is ready. */
START_TEST(ready_is_told_when_there_is_room)
{
	open_manager();
	send_fill(bed.notify, "crowd");
	daemon_start();
	/* The line before it was in the log, so that it was tried. */
	suite_sleep_ms(100);
	expect_told("READY=1\nSTATUS=Listening.");
	daemon_stop(NULL);
	close(manager);
}
END_TEST

START_TEST(a_status_that_found_no_room_is_told_later)
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
	/* The loop was at its other events since. */
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
	Suite *suite = suite_create("control");
	TCase *t = bed_case(suite, "status");

	tcase_add_test(t, the_status_says_who_where_and_what);
	tcase_add_test(t, what_was_dropped_long_ago_is_not_dropped_now);
	tcase_add_test(t, the_command_shows_the_same_for_people);
	tcase_add_test(t, a_recovery_is_in_the_status);
	tcase_add_loop_test(t, every_message_is_in_one_place_at_every_moment, 0,
			    2);
	tcase_add_test(t, what_fails_is_in_the_status_and_the_check);
	tcase_add_test(t, drops_degrade_the_check);
	tcase_add_test(t, metrics_are_what_their_readers_take);
	tcase_add_test(t, the_metrics_file_is_complete_each_time);
	tcase_add_test(t, systemd_is_told_what_changes_and_nothing_else);
	tcase_add_test(t, systemd_is_told_that_messages_are_dropped);
	tcase_add_test(t, systemd_is_told_once_a_second_at_most);
	tcase_add_test(t, ready_is_told_when_there_is_room);
	tcase_add_test(t, a_status_that_found_no_room_is_told_later);
	return suite_run(suite, CK_NOFORK);
}
