/* SPDX-License-Identifier: MIT */
/*
 * Lanes through a raw client of the format: what a client writes is in files
 * once, whatever the client does and whoever is killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/lane_client.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"
#include "tests/lib/store.h"
#include "tests/lib/tally.h"

static struct tally tally;

/* Message n of a client; its length is 1 to 300 bytes. */
static uint32_t text_of(char *to, unsigned client, uint64_t n)
{
	int len = sprintf(to, "client %u message %" PRIu64 " ", client, n);
	uint32_t all = (uint32_t)len + (uint32_t)(n * 7919 % 270);

	memset(to + len, 'a' + (int)(n % 26), all - (uint32_t)len);
	return all;
}

static void write_one(struct lane_client *c, unsigned client, uint64_t n)
{
	char text[512];
	uint32_t len = text_of(text, client, n);

	REQUIRE(lane_write(c, text, len), "the lane is closed");
	tally_expect(&tally, text, len);
}

static void require_all(void)
{
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	REQUIRE(dir_empty(bed.temp), "temp files are left behind");
	tally_close(&tally);
}

/* The status names this process, which has written so many messages. */
static void require_shown(uint64_t messages)
{
	const char *lanes = json_at(ask("status"), "lanes"), *row;

	row = json_item(json_at(lanes, "busiest"), 0);
	ck_assert_double_eq(json_number(json_at(lanes, "processes")), 1);
	ck_assert_double_eq(json_number(json_at(row, "pid")), getpid());
	ck_assert_double_eq(json_number(json_at(row, "uid")), getuid());
	ck_assert_double_eq(json_number(json_at(row, "messages")),
			    (double)messages);
	ck_assert_int_eq(command("status"), 0);
	command_expect("lanes      1 of 64 open, by 1 process\n");
	command_expect(" test_lanes ");
}

START_TEST(what_is_written_into_a_lane_is_in_files_once)
{
	struct lane_client c;
	struct totals totals;
	uint64_t n, most = suite_scale(200000);

	tally_open(&tally);
	daemon_start();
	ck_assert_int_eq(lane_open(&c), 0);
	for (n = 0; n < most; n++)
		write_one(&c, 0, n);
	UNTIL(lane_get(&c, AT_READ) == c.written);
	ck_assert_double_eq(ask_number("gauges.lanes_open"), 1);
	require_shown(most);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, most);
	ck_assert_uint_eq(totals.written, most);
	ck_assert_uint_eq(lane_get(&c, AT_ATTENDED), CLOSED);
	ck_assert_uint_eq(lane_get(&c, AT_FINAL), c.written);
	lane_end(&c);
	require_all();
}
END_TEST

/* Each message comes alone, so each finds the lane asleep. */
START_TEST(a_message_in_a_sleeping_lane_is_found)
{
	struct lane_client c;
	uint64_t n, rings = 0;

	tally_open(&tally);
	daemon_start();
	ck_assert_int_eq(lane_open(&c), 0);
	for (n = 0; n < suite_scale(100); n++) {
		write_one(&c, 0, n);
		UNTIL(lane_get(&c, AT_READ) == c.written);
		if (n % 2)
			UNTIL(lane_get(&c, AT_ATTENDED) == ASLEEP);
		rings = c.rings;
	}
	ck_assert_uint_gt(rings, 1);
	lane_end(&c);
	daemon_stop(NULL);
	require_all();
}
END_TEST

START_TEST(a_client_that_is_killed_loses_nothing_it_had_published)
{
	struct lane_client c;
	char text[512];
	uint32_t len;
	pid_t pid;
	uint64_t n;

	tally_open(&tally);
	daemon_start();
	for (n = 0; n < suite_scale(50); n++) {
		pid = fork();
		if (!pid) {
			if (lane_open(&c))
				_exit(1);
			len = text_of(text, 1, n);
			lane_publish(&c, text, len);
			/* The doorbell comes too late for most. */
			if (n % 2)
				lane_ring(&c);
			kill(getpid(), SIGKILL);
		}
		waitpid(pid, NULL, 0);
		len = text_of(text, 1, n);
		tally_expect(&tally, text, len);
	}
	UNTIL(ask_number("gauges.lanes_open") == 0);
	ck_assert_double_eq(ask_number("counters.lanes_opened"), n);
	ck_assert_double_eq(ask_number("counters.lanes_closed"), n);
	daemon_stop(NULL);
	require_all();
}
END_TEST

/* Several clients, each a process; counts what their lanes took. */
static void run_clients(unsigned clients, uint64_t most, unsigned kills)
{
	pid_t pid[16];
	unsigned i;
	uint64_t n;
	char text[512];

	for (i = 0; i < clients; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		{
			struct lane_client c;

			if (lane_open(&c))
				_exit(1);
			for (n = 0; n < most; n++)
				if (!lane_write(&c, text, text_of(text, i, n)))
					_exit(2);
			while (lane_get(&c, AT_READ) != c.written)
				usleep(1000);
			_exit(0);
		}
	}
	/* A kill before the answer leaves a client without a lane. */
	UNTIL(ask_number("counters.lanes_opened") == clients);
	for (i = 0; i < kills; i++) {
		usleep(1000 + random_below(20000));
		daemon_kill();
		daemon_spawn();
		if (i % 3)
			REQUIRE(daemon_ready(), "no start after a kill");
	}
	REQUIRE(daemon_ready(), "no start");
	for (i = 0; i < clients; i++) {
		int status;

		ck_assert_int_eq(waitpid(pid[i], &status, 0), pid[i]);
		REQUIRE(WIFEXITED(status) && !WEXITSTATUS(status),
			"client %u: %#x", i, status);
		for (n = 0; n < most; n++)
			tally_expect(&tally, text, text_of(text, i, n));
	}
}

START_TEST(clients_at_the_same_time_lose_nothing)
{
	tally_open(&tally);
	daemon_start("buffer.size=64K");
	run_clients(4, suite_scale(100000), 0);
	daemon_stop(NULL);
	require_all();
}
END_TEST

START_TEST(with_a_store_clients_notice_no_kill_of_the_daemon)
{
	tally_open(&tally);
	bed_hold_socket();
	bed_hold_lanes();
	store_open();
	daemon_start();
	run_clients(3, suite_scale(300000), (unsigned)suite_scale(40));
	daemon_stop(NULL);
	require_all();
	UNTIL(store_count() == 0);
}
END_TEST

static void publish_text(struct lane_client *c, uint64_t n)
{
	char text[512];
	uint32_t len = text_of(text, 0, n);

	ck_assert(lane_publish(c, text, len));
	tally_expect(&tally, text, len);
}

/*
 * What is published before the lane is sealed is the daemon's, also if the
 * client dies at once; what comes later is refused at once.
 */
START_TEST(a_sealed_lane_takes_what_was_published_before)
{
	struct lane_client c;

	tally_open(&tally);
	bed.points = bed_text("lane.sealed=stall:%s", bed.block);
	daemon_start("buffer.workers=1");
	ck_assert_int_eq(lane_open(&c), 0);
	UNTIL(lane_get(&c, AT_ATTENDED) == ASLEEP);
	bed_block();
	/* No ring: the daemon does not look before it ends the lane. */
	publish_text(&c, 0);
	daemon_signal(SIGTERM);
	UNTIL(lane_is_sealed(&c));
	ck_assert(!lane_publish(&c, "refused", 7));
	lane_end(&c);
	bed_release();
	ck_assert_int_eq(daemon_wait(), 0);
	require_all();
}
END_TEST

/* Without a store the client asks, and sends the rest. */
START_TEST(without_a_store_the_daemon_says_how_far_it_was)
{
	struct lane_client c, again;
	struct lane_reply reply;
	char text[512];
	uint64_t n, position;

	tally_open(&tally);
	daemon_start();
	ck_assert_int_eq(lane_open(&c), 0);
	for (n = 0; n < 1000; n++)
		write_one(&c, 0, n);
	UNTIL(lane_get(&c, AT_READ) == c.written);
	position = c.written;
	daemon_kill();
	lane_publish(&c, text, text_of(text, 0, n));
	daemon_start();
	ck_assert_int_eq(lane_connect(&again), 0);
	lane_request(&again, 2, c.id);
	reply = lane_reply(&again, NULL);
	ck_assert_int_eq(reply.status, 0);
	ck_assert_uint_eq(reply.value1, c.id);
	ck_assert_uint_eq(reply.value2, position);
	lane_end(&again);
	ck_assert_int_eq(lane_connect(&again), 0);
	lane_request(&again, 2, c.id ^ 1);
	ck_assert_int_eq(lane_reply(&again, NULL).status, -ENOENT);
	lane_end(&again);
	lane_end(&c);
	daemon_stop(NULL);
	require_all();
}
END_TEST

#define MANY 6

/* What a client had written before the kill, and what it publishes after it. */
static void write_around_a_kill(struct lane_client c[MANY])
{
	char text[512];
	unsigned i, n;
	uint32_t len;

	for (i = 0; i < MANY; i++) {
		ck_assert_int_eq(lane_open(&c[i]), 0);
		for (n = 0; n < 200; n++)
			write_one(&c[i], i, n);
		UNTIL(lane_get(&c[i], AT_READ) == c[i].written);
	}
	daemon_kill();
	for (i = 0; i < MANY; i++) {
		len = text_of(text, i, n);
		lane_publish(&c[i], text, len);
		tally_expect(&tally, text, len);
	}
}

/*
 * Settings with room for fewer lanes than there are.  What is in them is filed,
 * also of a client that has died meanwhile.  The others learn that their lanes
 * have ended.
 */
START_TEST(fewer_lanes_than_before_are_read_to_their_ends)
{
	const char *count = bed_text("lanes.count=%d", _i);
	struct lane_client c[MANY];
	unsigned i;

	tally_open(&tally);
	bed_hold_socket();
	bed_hold_lanes();
	store_open();
	daemon_start("lanes.count=8");
	write_around_a_kill(c);
	for (i = 0; i < MANY / 2; i++)
		lane_end(&c[i]);
	/* the second one finds a region of the first */
	daemon_start(count);
	daemon_kill();
	daemon_start(count);
	for (; i < MANY - (unsigned)_i; i++)
		UNTIL(lane_get(&c[i], AT_ATTENDED) == CLOSED);
	for (i = MANY / 2; i < MANY - (unsigned)_i; i++) {
		ck_assert_uint_eq(lane_get(&c[i], AT_FINAL), c[i].written);
		lane_end(&c[i]);
	}
	UNTIL(ask_number("gauges.lanes_open") <= _i);
	for (; i < MANY; i++)
		lane_end(&c[i]);
	UNTIL(store_count() == 0);
	daemon_stop(NULL);
	require_all();
}
END_TEST

/* Without a store each client asks how far its lane was taken. */
START_TEST(fewer_lanes_than_before_are_still_known)
{
	struct lane_client c[MANY], again;
	struct lane_reply reply;
	unsigned i;

	tally_open(&tally);
	daemon_start("lanes.count=8");
	write_around_a_kill(c);
	daemon_start("lanes.count=1", "buffer.queue_size=100");
	for (i = 0; i < MANY; i++) {
		ck_assert_int_eq(lane_connect(&again), 0);
		lane_request(&again, 2, c[i].id);
		reply = lane_reply(&again, NULL);
		ck_assert_int_eq(reply.status, 0);
		/* all but the last message */
		ck_assert_uint_lt(reply.value2, c[i].written);
		ck_assert_uint_ge(reply.value2 + 512, c[i].written);
		lane_end(&again);
		lane_end(&c[i]);
	}
	daemon_stop(NULL);
	tally_close(&tally);
}
END_TEST

/* The client lives, and systemd has lost its connection, or its memory. */
START_TEST(half_a_lane_in_the_store_is_read_to_its_end_or_closed)
{
	struct lane_client c, again;
	struct lane_reply reply;
	uint64_t n;

	tally_open(&tally);
	bed_hold_socket();
	bed_hold_lanes();
	store_open();
	daemon_start();
	ck_assert_int_eq(lane_open(&c), 0);
	for (n = 0; n < 1000; n++)
		write_one(&c, 0, n);
	UNTIL(lane_get(&c, AT_READ) == c.written);
	daemon_kill();
	if (_i == 0) {
		write_one(&c, 0, n);
		store_lose("-c");
	} else {
		lane_publish(&c, "not taken", 9);
		store_clear();
	}
	daemon_start();
	ck_assert_int_eq(lane_connect(&again), 0);
	lane_request(&again, 2, c.id);
	reply = lane_reply(&again, NULL);
	ck_assert_int_eq(reply.status, 0);
	ck_assert_uint_eq(reply.value2, c.written - (_i ? 24 : 0));
	if (_i == 0)
		ck_assert_uint_eq(lane_get(&c, AT_ATTENDED), CLOSED);
	lane_end(&again);
	lane_end(&c);
	daemon_stop(NULL);
	require_all();
}
END_TEST

START_TEST(a_flush_covers_what_is_in_lanes)
{
	struct lane_client c;
	struct lane_reply reply;
	uint64_t n;

	tally_open(&tally);
	daemon_start("buffer.forced=0");
	ck_assert_int_eq(lane_open(&c), 0);
	for (n = 0; n < 50; n++) {
		write_one(&c, 0, n);
		lane_request(&c, 3, n);
		reply = lane_reply(&c, NULL);
		ck_assert_int_eq(reply.status, 0);
		ck_assert_uint_eq(reply.value1, n);
		ck_assert_uint_eq(reply.value2, 0);
		ck_assert_double_eq(ask_number("messages.written"), n + 1);
	}
	lane_end(&c);
	daemon_stop(NULL);
	require_all();
}
END_TEST

/* -- large messages ------------------------------------------------------ */

static int open_large(struct lane_client *c, uint64_t len)
{
	struct lane_reply reply;

	ck_assert_int_eq(lane_connect(c), 0);
	lane_request(c, 1, len);
	reply = lane_reply(c, &c->memory);
	if (!reply.status)
		lane_use(c, &reply);
	return reply.status;
}

static char *large_text(uint32_t len)
{
	char *text = malloc(len);
	uint32_t i;

	ck_assert_ptr_nonnull(text);
	for (i = 0; i < len; i++)
		text[i] = (char)('a' + (i * 31 + i / 1000) % 26);
	return text;
}

static void write_large(struct lane_client *c, uint32_t len)
{
	char *text = large_text(len);

	ck_assert(lane_write(c, text, len));
	tally_expect(&tally, text, len);
	free(text);
}

static const uint32_t lengths_large[] = { 1,	   8,	    4095,
					  70000,   1000000, (1 << 20) - 16,
					  1 << 20, 10000000 };

START_TEST(a_large_message_is_a_file_of_its_own)
{
	static const enum framing framings[] = { NEWLINE, LENGTH, NONE };
	struct lane_client c, small;
	enum framing framing = framings[_i % 2];
	struct totals totals;

	tally_open(&tally);
	daemon_start("buffer.forced=0",
		     bed_text("files.framing=%s", framing_words[framing]));
	ck_assert_int_eq(lane_open(&small), 0);
	write_one(&small, 0, 0);
	UNTIL(lane_get(&small, AT_READ) == small.written);
	ck_assert_int_eq(open_large(&c, lengths_large[_i]), 0);
	write_large(&c, lengths_large[_i]);
	UNTIL(lane_get(&c, AT_READ) == c.written);
	ck_assert_double_ge(ask_number("counters.files"), 1);
	lane_end(&c);
	write_one(&small, 0, 1);
	lane_end(&small);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.written, 3);
	tally_read(&tally, bed.files, framing);
	tally_require_exact(&tally);
	tally_close(&tally);
}
END_TEST

static const uint32_t lengths_slow[] = { 1000000, 64 << 20 };

static const char *const large_steps[] = {
	"flush.begin", "flush.open", "flush.marked",  "flush.renamed",
	"flush.reset", "lane.large", "lane.position",
};

START_TEST(a_kill_while_a_large_message_is_filed_neither_loses_nor_doubles_it)
{
	struct lane_client c;

	tally_open(&tally);
	bed_hold_socket();
	bed_hold_lanes();
	store_open();
	bed.points = bed_text("%s=kill", large_steps[_i]);
	daemon_start();
	ck_assert_int_eq(open_large(&c, 300000), 0);
	write_large(&c, 300000);
	UNTIL(!daemon_alive());
	daemon_kill();
	bed.points = NULL;
	daemon_start();
	UNTIL(lane_get(&c, AT_READ) == c.written);
	lane_end(&c);
	daemon_stop(NULL);
	require_all();
}
END_TEST

/* With files.when_full = wait, it has room where no other file is. */
START_TEST(a_large_message_above_the_limit_of_files_is_filed)
{
	struct lane_client c;

	tally_open(&tally);
	daemon_start("buffer.workers=1", "buffer.size=8K", "files.keep=300K");
	ck_assert_int_eq(open_large(&c, 500000), 0);
	write_large(&c, 500000);
	UNTIL(lane_get(&c, AT_READ) == c.written);
	lane_end(&c);
	daemon_stop(NULL);
	require_all();
}
END_TEST

START_TEST(large_lanes_have_bounds)
{
	struct lane_client c, more;

	tally_open(&tally);
	daemon_start("lanes.large=1M");
	ck_assert_int_eq(open_large(&c, (1 << 20) + 1), -EMSGSIZE);
	lane_end(&c);
	ck_assert_int_eq(open_large(&c, 1 << 20), 0);
	/* It asks again, which is no refusal. */
	ck_assert_int_eq(open_large(&more, 1), -EAGAIN);
	lane_end(&more);
	ck_assert_double_eq(ask_number("counters.lanes_refused"), 1);
	/* longer than it asked for */
	write_large(&c, (1 << 20) + 1);
	ck_assert_int_eq(lane_reply(&c, NULL).status, -ECONNRESET);
	lane_end(&c);
	UNTIL(ask_number("counters.lanes_broken") == 1);
	daemon_stop(NULL);
	ck_assert_uint_eq(log_count("got no lane", "Message too long"), 1);
	ck_assert_uint_eq(log_count("got no lane"), 1);
	tally_close(&tally);
}
END_TEST

/* The program that waits for one may have the only ordinary lane itself. */
START_TEST(large_lanes_are_beyond_the_ordinary_ones)
{
	struct lane_client ordinary, c;

	tally_open(&tally);
	daemon_start("lanes.count=1");
	ck_assert_int_eq(lane_open(&ordinary), 0);
	ck_assert_int_eq(open_large(&c, 100000), 0);
	write_large(&c, 100000);
	UNTIL(lane_get(&c, AT_READ) == c.written);
	lane_end(&c);
	UNTIL(ask_number("gauges.lanes_open") == 1);
	lane_end(&ordinary);
	UNTIL(ask_number("gauges.lanes_open") == 0);
	/* nor does a large one take an ordinary one's place */
	ck_assert_int_eq(open_large(&c, 100000), 0);
	ck_assert_int_eq(lane_open(&ordinary), 0);
	lane_end(&ordinary);
	lane_end(&c);
	daemon_stop(NULL);
	tally_close(&tally);
}
END_TEST

/*
 * The attendant takes a large message, and the disk takes it very slowly.  All
 * other lanes are attended by another worker, fall asleep, and are woken.
 */
START_TEST(other_lanes_do_not_wait_for_a_large_message_at_a_slow_disk)
{
	struct lane_client c, before;
	uint64_t n, most = suite_scale(20000);

	tally_open(&tally);
	bed.points = bed_point("flush.write", "stall", "@2");
	bed_block();
	daemon_start("buffer.workers=2", "buffer.forced=0", "buffer.size=64K");
	ck_assert_int_eq(lane_open(&before), 0);
	write_one(&before, 0, 0);
	UNTIL(lane_get(&before, AT_READ) == before.written);
	/* So that the large message finds empty arenas. */
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_int_eq(open_large(&c, lengths_slow[_i]), 0);
	write_large(&c, lengths_slow[_i]);
	UNTIL(strstr(ask("status"), "\"state\":\"writing\""));
	/* More than the lane and both arenas hold. */
	for (n = 1; n < most; n++)
		write_one(&before, 0, n);
	UNTIL(lane_get(&before, AT_READ) == before.written);
	UNTIL(lane_get(&before, AT_ATTENDED) == ASLEEP);
	write_one(&before, 0, n);
	UNTIL(lane_get(&before, AT_READ) == before.written);
	ck_assert_uint_eq(lane_get(&c, AT_READ), 0);
	bed_release();
	UNTIL(lane_get(&c, AT_READ) == c.written);
	lane_end(&c);
	lane_end(&before);
	daemon_stop(NULL);
	require_all();
}
END_TEST

/* -- hostile clients ----------------------------------------------------- */

enum { WRITTEN_FAR, WRITTEN_ODD, LENGTH_LONG, LENGTH_ALL, HEAD_ZERO, NONSENSE };

static void spoil(struct lane_client *c, int how)
{
	uint32_t len = 0xffffffff;
	unsigned i;

	switch (how) {
	case WRITTEN_FAR:
		lane_set(c, AT_WRITTEN, c->written + c->size + 8);
		break;
	case WRITTEN_ODD:
		lane_set(c, AT_WRITTEN, c->written + 4);
		break;
	case LENGTH_LONG:
		len = 1000;
		/* fall through */
	case LENGTH_ALL:
		memcpy(c->data + c->written % c->size, &len, 4);
		lane_set(c, AT_WRITTEN, c->written + 16);
		break;
	case HEAD_ZERO:
		memset(c->head, 0, 4096);
		lane_set(c, AT_WRITTEN, 1 << 30);
		break;
	default:
		for (i = 0; i < c->size; i++)
			c->data[i] = (uint8_t)random_below(256);
		lane_set(c, AT_WRITTEN, c->written + c->size);
	}
	lane_ring(c);
}

START_TEST(a_lane_that_makes_no_sense_is_closed_and_harms_nobody)
{
	struct lane_client good, bad;
	uint64_t n;

	tally_open(&tally);
	daemon_start();
	ck_assert_int_eq(lane_open(&good), 0);
	ck_assert_int_eq(lane_open(&bad), 0);
	for (n = 0; n < 1000; n++) {
		write_one(&good, 0, n);
		write_one(&bad, 1, n);
	}
	UNTIL(lane_get(&bad, AT_READ) == bad.written);
	spoil(&bad, _i);
	/* The end of the connection. */
	ck_assert_int_eq(lane_reply(&bad, NULL).status, -ECONNRESET);
	ck_assert_uint_eq(lane_get(&bad, AT_ATTENDED), CLOSED);
	UNTIL(ask_number("counters.lanes_broken") == 1);
	ck_assert_uint_eq(log_count("holds what no library writes"), 1);
	write_one(&good, 0, n);
	UNTIL(lane_get(&good, AT_READ) == good.written);
	lane_end(&good);
	lane_end(&bad);
	daemon_stop(NULL);
	/* Random bytes may have begun with records. */
	if (_i != NONSENSE)
		require_all();
	else
		tally_close(&tally);
}
END_TEST

/* A record that no datagram could hold. */
START_TEST(a_message_above_the_limit_is_dropped_and_counted)
{
	static char large[5000];
	struct lane_client c;
	struct totals totals;
	struct too_large told;
	unsigned i;

	tally_open(&tally);
	memset(large, 'x', sizeof(large));
	daemon_start("socket.max_message=4K");
	ck_assert_int_eq(lane_open(&c), 0);
	write_one(&c, 0, 0);
	for (i = 0; i < 3; i++) {
		ck_assert(lane_write(&c, large, (uint32_t)sizeof(large) - i));
		UNTIL(ask_number("dropped.too_large") == i + 1);
	}
	write_one(&c, 0, 1);
	UNTIL(ask_number("messages.received") == 5);
	lane_end(&c);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, 5);
	ck_assert_uint_eq(totals.too_large, 3);
	ck_assert_uint_eq(totals.written, 2);
	/* The second line tells of the second and the third. */
	ck_assert_uint_eq(log_count("larger than socket.max_message"), 2);
	log_too_large(&told);
	ck_assert_uint_eq(told.count, 3);
	ck_assert_uint_eq(told.bytes, 3 * sizeof(large) - 3);
	ck_assert_uint_eq(told.largest, sizeof(large));
	require_all();
}
END_TEST

START_TEST(lanes_are_bounded_in_all)
{
	struct lane_client c[8], last;
	unsigned i;

	daemon_start("lanes.count=8");
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(lane_open(&c[i]), 0);
	for (i = 0; i < 50; i++)
		ck_assert_int_lt(lane_open(&last), 0);
	ck_assert_double_eq(ask_number("counters.lanes_refused"), 50);
	ck_assert_double_eq(ask_number("gauges.lanes_open"), 8);
	lane_end(&c[3]);
	lane_open_wait(&c[3]);
	for (i = 0; i < 8; i++)
		lane_end(&c[i]);
	UNTIL(ask_number("gauges.lanes_open") == 0);
	daemon_stop(NULL);
}
END_TEST

/* Descriptors and memory stay as they were. */
START_TEST(lanes_that_come_and_go_leave_nothing_behind)
{
	struct lane_client c;
	unsigned before, i;

	tally_open(&tally);
	daemon_start();
	lane_open_wait(&c);
	lane_end(&c);
	UNTIL(ask_number("gauges.lanes_open") == 0);
	/* Perhaps one more: the connection of the last question. */
	before = process_descriptors(bed.pid);
	for (i = 0; i < suite_scale(500); i++) {
		lane_open_wait(&c);
		write_one(&c, 0, i);
		lane_end(&c);
	}
	UNTIL(ask_number("gauges.lanes_open") == 0);
	UNTIL(process_descriptors(bed.pid) <= before);
	daemon_stop(NULL);
	require_all();
}
END_TEST

START_TEST(packets_that_are_no_request_end_the_connection_only)
{
	static const size_t lengths[] = { 0, 2, 15, 16, 17, 64, 65, 4096 };
	struct lane_client c;
	char packet[4096];

	memset(packet, 'x', sizeof(packet));
	daemon_start();
	ck_assert_int_eq(lane_connect(&c), 0);
	ck_assert_int_eq(send(c.fd, packet, lengths[_i], MSG_NOSIGNAL),
			 (ssize_t)lengths[_i]);
	ck_assert_int_eq(lane_reply(&c, NULL).status, -ECONNRESET);
	lane_end(&c);
	ck_assert_int_eq(lane_open(&c), 0);
	lane_end(&c);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_daemon_without_lanes_has_no_socket_for_them)
{
	struct lane_client c;

	daemon_start("lanes.count=0");
	ck_assert_int_lt(lane_connect(&c), 0);
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lanes");
	TCase *t = bed_case(suite, "messages");

	random_seed = suite_number("BW_SEED", 1);
	tcase_add_test(t, what_is_written_into_a_lane_is_in_files_once);
	tcase_add_test(t, a_message_in_a_sleeping_lane_is_found);
	tcase_add_test(t,
		       a_client_that_is_killed_loses_nothing_it_had_published);
	tcase_add_test(t, clients_at_the_same_time_lose_nothing);
	tcase_add_test(t, a_flush_covers_what_is_in_lanes);
	t = bed_case(suite, "kills");
	tcase_add_test(t, with_a_store_clients_notice_no_kill_of_the_daemon);
	tcase_add_test(t, without_a_store_the_daemon_says_how_far_it_was);
	tcase_add_test(t, a_sealed_lane_takes_what_was_published_before);
	tcase_add_loop_test(
		t, half_a_lane_in_the_store_is_read_to_its_end_or_closed, 0, 2);
	tcase_add_loop_test(t, fewer_lanes_than_before_are_read_to_their_ends,
			    0, 2);
	tcase_add_test(t, fewer_lanes_than_before_are_still_known);
	t = bed_case(suite, "large messages");
	tcase_add_loop_test(
		t, other_lanes_do_not_wait_for_a_large_message_at_a_slow_disk,
		0, 2);
	tcase_add_loop_test(t, a_large_message_is_a_file_of_its_own, 0,
			    sizeof(lengths_large) / sizeof(lengths_large[0]));
	tcase_add_loop_test(
		t,
		a_kill_while_a_large_message_is_filed_neither_loses_nor_doubles_it,
		0, sizeof(large_steps) / sizeof(large_steps[0]));
	tcase_add_test(t, a_large_message_above_the_limit_of_files_is_filed);
	tcase_add_test(t, large_lanes_have_bounds);
	tcase_add_test(t, large_lanes_are_beyond_the_ordinary_ones);
	t = bed_case(suite, "hostile clients");
	tcase_add_loop_test(
		t, a_lane_that_makes_no_sense_is_closed_and_harms_nobody, 0,
		NONSENSE + 1);
	tcase_add_test(t, a_message_above_the_limit_is_dropped_and_counted);
	tcase_add_test(t, lanes_are_bounded_in_all);
	tcase_add_test(t, lanes_that_come_and_go_leave_nothing_behind);
	tcase_add_loop_test(
		t, packets_that_are_no_request_end_the_connection_only, 0, 8);
	tcase_add_test(t, a_daemon_without_lanes_has_no_socket_for_them);
	return suite_run(suite, CK_NOFORK);
}
