/* SPDX-License-Identifier: MIT */
/*
 * What an operator sees of the daemon while it does its work: status, health
 * and metrics.
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
#include "tests/lib/threads.h"

/* Counts the workers in this state; `found` is the last of them. */
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
	ck_assert_double_eq(ask_at(s, "schema"), 1);
	ck_assert_double_eq(ask_at(s, "pid"), bed.pid);
	ask_expect_text(s, "instance", "bed");
	ask_expect_text(s, "settings", bed.conf);
	ask_expect_text(s, "socket", bed.sock);
	ask_expect_text(s, "files_path", bed.files);
	ask_expect_text(s, "health", "ok");
	ask_expect_text(s, "listener", "reading");
	ck_assert_double_eq(ask_at(s, "messages.received"), 2);
	ck_assert_double_eq(ask_at(s, "counters.received_bytes"), 10);
	ck_assert_double_eq(ask_at(s, "gauges.workers"), 3);
	ck_assert_double_gt(ask_at(s, "uptime"), 0);
	ck_assert_double_lt(ask_at(s, "uptime"), suite_limit());
	ck_assert_double_gt(ask_at(s, "rates.minute.received"), 0);
	ck_assert_double_ge(ask_at(s, "gauges.ring_high"), 1);
	/* One worker has both messages, and the status says for how long. */
	UNTIL(ask_number("gauges.in_arenas") == 2);
	s = ask("status");
	ck_assert_double_eq(ask_at(s, "gauges.arena_bytes"), 12);
	ck_assert_double_gt(ask_at(s, "gauges.oldest_seconds"), 0);
	ck_assert_uint_eq(count_workers(s, "filling"), 1);
	ck_assert_uint_eq(count_workers(s, "idle"), 2);
	daemon_stop(NULL);
}
END_TEST

/* Only datagrams wake this daemon, and after them nothing does. */
START_TEST(drops_of_two_seconds_ago_are_not_in_the_rate_of_now)
{
	static char large[20000];
	const char *s;
	int fd;

	bed_write_conf("[socket]\nmax_message = 1000\n");
	daemon_start();
	fd = send_open();
	send_one(fd, large, sizeof(large));
	send_drain(fd);
	/* It has counted the drop, too. */
	UNTIL(threads_sleep((int)bed.pid, ""));
	/* The rate of now is that of the last one to two seconds. */
	usleep(2100000);
	s = ask("status");
	ck_assert_double_eq(ask_at(s, "messages.dropped"), 1);
	ck_assert_double_eq(ask_at(s, "rates.now.dropped"), 0);
	ck_assert_double_gt(ask_at(s, "rates.minute.dropped"), 0);
	/* Health and the time of the drop speak of it for ten minutes. */
	ask_expect_text(s, "health", "degraded");
	ck_assert_double_gt(ask_at(s, "gauges.last_drop_seconds"),
			    ask_at(s, "started") - 1);
	daemon_stop(NULL);
}
END_TEST

START_TEST(the_status_command_shows_the_same_for_people)
{
	daemon_start();
	ck_assert_int_eq(command("status"), 0);
	command_expect(bed_text("process %d,", (int)bed.pid));
	command_expect("nothing is wrong");
	command_expect(bed.conf);
	command_expect(bed.files);
	ck_assert_int_eq(command("status --json"), 0);
	command_output[strcspn(command_output, "\n")] = 0;
	ck_assert(json_valid(command_output));
	ck_assert_double_eq(ask_at(command_output, "pid"), bed.pid);
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
	command_expect("the last start found 1 messages");
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
	REQUIRE(ask_at(s, "messages.in_ring") <= ask_at(s, "gauges.ring_slots"),
		"%s", s);
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
	/* Until the case has done what it is meant to do. */
	for (; asked < suite_scale(300) || asked <= 20 ||
	       ask_number("dropped.too_large") == 0 ||
	       (_i && ask_number("dropped.ring_full") == 0);
	     asked++) {
		require_sum(&received);
		suite_heed_limit(start, "drops", __FILE__, __LINE__);
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
	ck_assert_uint_gt(totals.too_large, 0);
	if (_i)
		ck_assert_uint_gt(totals.ring_full, 0);
}
END_TEST

START_TEST(a_failing_worker_is_in_the_status_and_the_check)
{
	const char *s, *w;
	int fd;

	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.workers=2", "buffer.forced=10ms");
	ck_assert_int_eq(command("status --check"), 0);
	command_expect("ok: ");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(ask_number("gauges.workers_failing") == 1);
	ck_assert_int_eq(command("status --check"), 2);
	command_expect("failing: 1 of 2 workers");
	command_expect(strerror(ENOSPC));
	command_expect("free space");
	ck_assert_int_eq(command("status"), 0);
	command_expect("retrying");
	s = ask("status");
	ck_assert_uint_eq(count_workers(s, "retrying"), 1);
	w = json_item(json_at(s, "workers"), found);
	ck_assert_double_eq(ask_at(w, "error.errno"), ENOSPC);
	ck_assert_double_gt(ask_at(w, "failures"), 0);
	bed_release();
	UNTIL(ask_number("gauges.workers_failing") == 0);
	ck_assert_int_eq(command("status --check"), 0);
	/* The histogram includes the pauses between the tries. */
	ck_assert_double_gt(ask_number("histograms.flush_seconds.sum"), 0.05);
	daemon_stop(NULL);
	ck_assert_int_eq(command("status --check"), 2);
	command_expect("no daemon answers");
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
	command_expect("degraded: 1 datagram was dropped");
	command_expect("too_large 1");
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
	/* A file system that refuses is logged once, and the daemon goes on. */
	ck_assert_int_eq(mkdir(bed_text("%s.new", path), 0755), 0);
	UNTIL(log_count("warning: control.metrics_file") == 1);
	send_one(fd, "two", 3);
	UNTIL(ask_number("messages.received") == 2);
	ck_assert_int_eq(rmdir(bed_text("%s.new", path)), 0);
	UNTIL(metrics_value(read_whole(path), sample) == 2);
	daemon_stop(NULL);
	ck_assert_int_ne(access(bed_text("%s.new", path), F_OK), 0);
	/* The file is removed, so that nobody reads old numbers for ever. */
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *t = bed_case(suite, "status");

	tcase_add_test(t, the_status_says_who_where_and_what);
	tcase_add_test(t, drops_of_two_seconds_ago_are_not_in_the_rate_of_now);
	tcase_add_test(t, the_status_command_shows_the_same_for_people);
	tcase_add_test(t, a_recovery_is_in_the_status);
	tcase_add_loop_test(t, every_message_is_in_one_place_at_every_moment, 0,
			    2);
	tcase_add_test(t, a_failing_worker_is_in_the_status_and_the_check);
	tcase_add_test(t, drops_degrade_the_check);
	tcase_add_test(t, metrics_are_what_their_readers_take);
	tcase_add_test(t, the_metrics_file_is_complete_each_time);
	return suite_run(suite, CK_NOFORK);
}
