/* SPDX-License-Identifier: MIT */
/*
 * The library's writing through a lane, in one thread, with a stub for the
 * daemon: which road a message takes, what it looks like in the lane, and what
 * happens when the lane is full or nobody attends.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "client/library/lane.h"
#include "daemon/region/lane_layout.h"
#include "tests/lib/lane_stub.h"
#include "tests/lib/random.h"

/* A broken wait would take longer than the test may. */
#define SOON_MS 60000
/* The library asks for a lane at most once in so long. */
#define ASK_MS 1000

static struct bw *start(int timeout_ms)
{
	receiver_listen();
	lane_stub_start();
	return lane_stub_client_with_lane(timeout_ms);
}

/* How many requests there may have been since then. */
static unsigned requests_since(int64_t begin_ms)
{
	return 1 + (unsigned)((receiver_now_ms() - begin_ms) / ASK_MS);
}

START_TEST(a_record_is_a_length_and_the_message)
{
	static const unsigned char expected[] = {
		3, 0, 0, 0, 0,	 0,   0,   0,	'a', 'b', 'c', 0,   0, 0,
		0, 0, 0, 0, 0,	 0,   0,   0,	0,   0,	  8,   0,   0, 0,
		0, 0, 0, 0, '1', '2', '3', '4', '5', '6', '7', '8',
	};
	char one[] = "12", two[] = "345678";
	struct iovec iov[3] = { { one, 2 }, { NULL, 0 }, { two, 6 } };
	struct bw_lane_head *head;
	struct bw *bw = start(SOON_MS);

	lane_stub_stop_taking();
	ck_assert_int_eq(bw_write(bw, "abc", 3), 0);
	ck_assert_int_eq(bw_write(bw, NULL, 0), 0);
	ck_assert_int_eq(bw_writev(bw, iov, 3), 0);
	head = lane_stub_head();
	/* Numbers in a record have this machine's order of bytes. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	ck_assert(memcmp((char *)head + BW_LANE_HEAD_BYTES, expected,
			 sizeof(expected)) == 0);
#endif
	ck_assert_uint_eq(atomic_load(&head->written), sizeof(expected));
	lane_stub.takes = true;
	lane_stub_expect(LANE, "abc", 3);
	lane_stub_expect(LANE, "", 0);
	lane_stub_expect(LANE, "12345678", 8);
	lane_stub_expect_none();
	bw_close(bw);
	UNTIL(lane_stub.open == 0);
}
END_TEST

/* The library and the daemon share no source, and must agree. */
START_TEST(the_daemon_has_the_same_layout)
{
#define SAME(field)                                          \
	ck_assert_uint_eq(offsetof(struct lane_head, field), \
			  offsetof(struct bw_lane_head, field))
	SAME(magic);
	SAME(head_bytes);
	SAME(flags);
	SAME(size);
	SAME(id);
	SAME(large);
	SAME(written);
	SAME(read);
	SAME(attended);
	SAME(final);
	SAME(room_wake);
	SAME(waiters);
	SAME(waits);
	SAME(timeouts);
	SAME(fallbacks);
	ck_assert_str_eq(LANE_MAGIC, BW_LANE_MAGIC);
	ck_assert_int_eq(LANE_HEAD_BYTES, BW_LANE_HEAD_BYTES);
	ck_assert_int_eq(LANE_ASLEEP, BW_LANE_ASLEEP);
	ck_assert_int_eq(LANE_CLOSED, BW_LANE_CLOSED);
	ck_assert_uint_eq(LANE_SEALED, BW_LANE_SEALED);
	ck_assert_uint_eq(lane_record_bytes(_i), BW_RECORD_BYTES(_i));
}
END_TEST

/* Each length, at each place of the lane: records wrap everywhere. */
START_TEST(every_length_arrives_whole)
{
	static uint8_t data[70000], expected[70000];
	struct bw *bw;
	uint64_t n;
	uint32_t len;

	lane_stub.size = 4096;
	bw = start(SOON_MS);
	for (n = 0; n < suite_scale(20000); n++) {
		len = n % 3 ? (uint32_t)(n % 1017) : 1016 - (uint32_t)(n % 9);
		random_message(data, len, n);
		ck_assert_int_eq(bw_write(bw, data, len), 0);
		if (n >= 500) {
			uint64_t m = n - 500;
			uint32_t l = m % 3 ? (uint32_t)(m % 1017) :
					     1016 - (uint32_t)(m % 9);

			random_message(expected, l, m);
			lane_stub_expect(LANE, expected, l);
		}
	}
	ck_assert_uint_eq(lane_stub.messages[DATAGRAM], 0);
	/* One byte more than a quarter of the lane goes as a datagram. */
	UNTIL(lane_stub_count() == n);
	ck_assert_int_eq(bw_write(bw, data, 1017), 0);
	UNTIL(lane_stub.messages[DATAGRAM] == 1);
	bw_close(bw);
}
END_TEST

START_TEST(a_quiet_process_has_no_lane)
{
	struct bw *bw;
	int i;

	receiver_listen();
	lane_stub_start();
	bw = lane_stub_client(SOON_MS, BW_LANES_AUTO);
	for (i = 0; i < 1999; i++)
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	suite_sleep_ms(150);
	for (i = 0; i < 1999; i++)
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	UNTIL(lane_stub.messages[DATAGRAM] == 2 * 1999);
	ck_assert_uint_eq(lane_stub.opened, 0);
	bw_close(bw);
}
END_TEST

/*
 * It waits for no answer: datagrams go on until the lane is there.  Without a
 * timeout it is busy however slow the stub is: what finds the queue full counts
 * as well.
 */
START_TEST(a_busy_process_gets_a_lane)
{
	int64_t begin = receiver_now_ms();
	unsigned n, sent = 0;
	struct bw *bw;

	receiver_listen();
	lane_stub_start();
	lane_stub.answers = false;
	bw = lane_stub_client(0, BW_LANES_AUTO);
	for (n = 0; n < 20000; n++)
		sent += bw_write(bw, "x", 1) == 0;
	ck_assert_uint_eq(lane_stub.messages[LANE], 0);
	lane_stub.answers = true;
	while (lane_stub.messages[LANE] == 0) {
		sent += bw_write(bw, "x", 1) == 0;
		ck_assert_uint_lt(++n, 50000000);
	}
	bw_close(bw);
	UNTIL(lane_stub_count() == sent);
	ck_assert_uint_gt(lane_stub.messages[DATAGRAM], 0);
	ck_assert_uint_eq(lane_stub.used, 1);
	/* One for each request, and a request that is old is made again. */
	ck_assert_uint_le(lane_stub.opened, requests_since(begin));
}
END_TEST

START_TEST(never_is_never)
{
	struct bw *bw;
	int i;

	receiver_listen();
	lane_stub_start();
	bw = lane_stub_client(SOON_MS, BW_LANES_NEVER);
	for (i = 0; i < 10000; i++)
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	UNTIL(lane_stub.messages[DATAGRAM] == 10000);
	ck_assert_uint_eq(lane_stub.opened, 0);
	bw_close(bw);
}
END_TEST

/* Why there is no lane: the message goes as a datagram, without an error. */
enum obstacle {
	NOT_PUBLISHED,
	NO_SOCKET,
	DEAD_SOCKET,
	NOT_PERMITTED,
	SHARE_USED_UP,
	NO_MEMORY_LEFT,
	NO_ANSWER,
	OBSTACLES
};

static void obstruct(enum obstacle what, const char *socket)
{
	char link[160];

	snprintf(link, sizeof(link), "%s.limits", receiver.path);
	switch (what) {
	case NOT_PUBLISHED:
		ck_assert_int_eq(unlink(link), 0);
		ck_assert_int_eq(symlink("max_message=65536", link), 0);
		break;
	case NO_SOCKET:
		ck_assert_int_eq(unlink(socket), 0);
		break;
	case DEAD_SOCKET:
		lane_stub_die();
		break;
	case NOT_PERMITTED:
		ck_assert_int_eq(chmod(socket, 0), 0);
		ck_assert_int_eq(chmod(receiver.dir, 0777), 0);
		ck_assert_int_eq(chmod(receiver.path, 0666), 0);
		break;
	case SHARE_USED_UP:
		lane_stub.refuses = EDQUOT;
		break;
	case NO_MEMORY_LEFT:
		lane_stub.refuses = ENOSPC;
		break;
	default:
		lane_stub.answers = false;
	}
}

START_TEST(without_a_lane_datagrams_go)
{
	const int lanes = _i % 2 ? BW_LANES_ALWAYS : BW_LANES_AUTO;
	char socket[160];
	struct bw *bw;
	int status, i;
	pid_t pid;

	receiver_listen();
	lane_stub_start();
	snprintf(socket, sizeof(socket), "%s/lanes.sock", receiver.dir);
	obstruct(_i / 2, socket);
	pid = fork();
	if (pid == 0) {
		if (_i / 2 == NOT_PERMITTED && geteuid() == 0 &&
		    (setegid(65534) != 0 || seteuid(65534) != 0))
			_exit(1);
		bw = lane_stub_client(_i / 2 == NO_ANSWER ? 50 : SOON_MS,
				      lanes);
		for (i = 0; i < 5000; i++)
			while (bw_write(bw, "x", 1) != 0)
				if (_i / 2 != NO_ANSWER)
					_exit(2);
		bw_close(bw);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	UNTIL(lane_stub.messages[DATAGRAM] == 5000);
	ck_assert_uint_eq(lane_stub.messages[LANE], 0);
}
END_TEST

/* The daemon was killed before it answered, and its connection is kept. */
START_TEST(an_open_without_an_answer_ends)
{
	struct bw *bw;
	unsigned n;

	receiver_listen();
	lane_stub.forgets = 1;
	lane_stub_start();
	bw = lane_stub_client(BW_FOREVER, BW_LANES_ALWAYS);
	/* The request is given up, read or not. */
	UNTIL(lane_stub.forgets == 0);
	ck_assert_uint_eq(lane_stub.opened, 0);
	lane_stub.answers = false;
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	lane_stub_expect(DATAGRAM, "x", 1);
	lane_stub.answers = true;
	/* It is asked for a lane again, a second later. */
	for (n = 0; lane_stub.messages[LANE] == 0; n++) {
		ck_assert_int_eq(bw_write(bw, "y", 1), 0);
		ck_assert_uint_lt(n, 60000);
		suite_sleep_ms(1);
	}
	bw_close(bw);
	UNTIL(lane_stub_connections() == 0);
	lane_stub_expect_no_datagrams();
	ck_assert_uint_eq(lane_stub_count(), n + 1);
}
END_TEST

/* A container has mounted the daemon's directory at another place. */
START_TEST(the_socket_is_found_beside_the_link)
{
	char link[160];
	struct bw *bw;

	receiver_listen();
	lane_stub_start();
	snprintf(link, sizeof(link), "%s.limits", receiver.path);
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(symlink("max_message=65536,large=100,"
				 "lanes=/nowhere/at/all/lanes.sock",
				 link),
			 0);
	bw = lane_stub_client_with_lane(SOON_MS);
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	lane_stub_expect(LANE, "x", 1);
	bw_close(bw);
}
END_TEST

/* What is said to be a lane is looked at before it is used. */
START_TEST(a_lane_of_another_kind_is_not_used)
{
	int64_t begin = receiver_now_ms();
	struct bw *bw;

	receiver_listen();
	lane_stub_start();
	lane_stub.spoils = _i;
	if (_i == SPOIL_NOTHING)
		bw = lane_stub_client_with_lane(SOON_MS);
	else
		bw = lane_stub_client(SOON_MS, BW_LANES_ALWAYS);
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	lane_stub_expect(_i == SPOIL_NOTHING ? LANE : DATAGRAM, "x", 1);
	UNTIL(lane_stub.opened > 0);
	ck_assert_uint_le(lane_stub.opened, requests_since(begin));
	bw_close(bw);
}
END_TEST

/* --- full ------------------------------------------------------------------ */

static unsigned fill(struct bw *bw)
{
	char data[1000] = { 0 };
	unsigned n = 0;
	struct bw_lane_head *head = lane_stub_head();

	while (atomic_load(&head->written) + 1008 <= head->size) {
		ck_assert_int_eq(bw_write(bw, data, sizeof(data)), 0);
		n++;
	}
	return n;
}

START_TEST(a_full_lane_waits_for_the_timeout)
{
	static const int timeouts_ms[] = { 0, 1, 250 };
	char data[1000] = { 0 };
	struct bw_lane_head *head;
	uint64_t waits, timeouts;
	int64_t begin;
	struct bw *bw;

	receiver_listen();
	lane_stub_start();
	bw = lane_stub_client(timeouts_ms[_i], BW_LANES_ALWAYS);
	/* The answer may not have been there when bw_open() looked for it. */
	while (lane_stub_written() == 0)
		bw_write(bw, "first", 5);
	head = lane_stub_head();
	UNTIL(head->read == head->written);
	lane_stub_stop_taking();
	waits = head->waits;
	timeouts = head->timeouts;
	while (head->written - head->read + 1008 <= head->size)
		ck_assert_int_eq(bw_write(bw, data, sizeof(data)), 0);
	begin = receiver_now_ms();
	ck_assert_int_eq(bw_write(bw, data, sizeof(data)), BW_TIMEOUT);
	ck_assert_int_ge(receiver_now_ms() - begin, timeouts_ms[_i]);
	ck_assert_int_eq(bw_writev(bw, &(struct iovec){ data, 1000 }, 1),
			 BW_TIMEOUT);
	ck_assert_uint_eq(head->waits, waits + 2);
	ck_assert_uint_eq(head->timeouts, timeouts + 2);
	ck_assert_uint_eq(head->waiters, 0);
	/* A shorter one that fits is still taken. */
	lane_stub.takes = true;
	UNTIL(head->read == head->written);
	ck_assert_int_eq(bw_write(bw, "last", 4), 0);
	bw_close(bw);
	ck_assert_uint_eq(lane_stub.messages[LARGE_LANE], 0);
}
END_TEST

static void ignore_signal(int signal)
{
	(void)signal;
}

static void *take_later(void *arg)
{
	suite_sleep_ms(300);
	lane_stub.takes = true;
	return arg;
}

/* With _i = 1 signals arrive all the time. */
START_TEST(a_full_lane_is_waited_for)
{
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = ignore_signal };
	struct bw *bw = start(_i == 2 ? BW_FOREVER : SOON_MS);
	pthread_t thread;
	unsigned n;

	ck_assert_int_eq(bw_write(bw, "first", 5), 0);
	lane_stub_expect(LANE, "first", 5);
	UNTIL(lane_stub_head()->read == 16);
	lane_stub_stop_taking();
	n = fill(bw);
	ck_assert_int_eq(pthread_create(&thread, NULL, take_later, NULL), 0);
	sigaction(SIGALRM, &sa, NULL);
	if (_i == 1)
		setitimer(ITIMER_REAL, &often, NULL);
	ck_assert_int_eq(bw_write(bw, "last", 4), 0);
	setitimer(ITIMER_REAL, &off, NULL);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	UNTIL(lane_stub_count() == n + 2);
	ck_assert_uint_eq(lane_stub.messages[DATAGRAM], 0);
	bw_close(bw);
}
END_TEST

/* --- asleep ---------------------------------------------------------------- */

START_TEST(a_sleeping_daemon_is_rung)
{
	struct bw *bw;
	int i;

	lane_stub.attends = false;
	bw = start(SOON_MS);
	for (i = 0; i < 20; i++) {
		/* What is taken before the writer looks needs no ring. */
		lane_stub_stop_taking();
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
		UNTIL(lane_stub.rings == (unsigned)i + 1);
		lane_stub.takes = true;
		lane_stub_expect(LANE, "x", 1);
		UNTIL(lane_stub_head()->read == lane_stub_head()->written);
	}
	bw_close(bw);
}
END_TEST

/* Who attends is not rung, and who was just rung is not rung again at once. */
START_TEST(rings_are_few)
{
	struct bw *bw;
	int64_t begin;
	int i;

	lane_stub.lease_ms = LEASE_LONG;
	bw = start(SOON_MS);
	for (i = 0; i < 2000; i++)
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	for (i = 0; i < 2000; i++)
		lane_stub_expect(LANE, "x", 1);
	ck_assert_uint_eq(lane_stub.rings, 0);
	lane_stub_freeze();
	lane_stub.attends = lane_stub.takes = false;
	atomic_store(&lane_stub_head()->attended, BW_LANE_ASLEEP);
	lane_stub_thaw();
	begin = receiver_now_ms();
	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	/* One for each tick of the clock, of a millisecond at least. */
	ck_assert_int_le((int)lane_stub.rings,
			 (int)(receiver_now_ms() - begin) + 2);
	lane_stub.takes = true;
	for (i = 0; i < 1000; i++)
		lane_stub_expect(LANE, "y", 1);
	bw_close(bw);
}
END_TEST

/* The stub says nothing for longer than its promise: the next message rings. */
START_TEST(a_promise_that_ended_is_noticed)
{
	struct bw *bw;

	lane_stub.lease_ms = LEASE_LONG;
	bw = start(SOON_MS);
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	lane_stub_expect(LANE, "x", 1);
	lane_stub_freeze();
	atomic_store(&lane_stub_head()->attended, 10);
	ck_assert_int_eq(bw_write(bw, "y", 1), 0);
	lane_stub_thaw();
	UNTIL(lane_stub.rings == 1);
	lane_stub_expect(LANE, "y", 1);
	bw_close(bw);
}
END_TEST

/* --- memory ---------------------------------------------------------------- */

static unsigned long resident_pages(void)
{
	unsigned long size, resident;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident;
}

static unsigned count_fds(void)
{
	unsigned n = 0, fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl((int)fd, F_GETFD) >= 0;
	return n;
}

/* A handle that writes little costs a few hundred bytes and a descriptor. */
START_TEST(an_idle_handle_is_small)
{
	static struct bw *handles[200];
	unsigned long before;
	unsigned fds;
	int i;

	receiver_listen();
	lane_stub_start();
	handles[0] = lane_stub_client(SOON_MS, BW_LANES_AUTO);
	before = resident_pages();
	fds = count_fds();
	for (i = 1; i < 200; i++)
		handles[i] = lane_stub_client(SOON_MS, BW_LANES_AUTO);
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(bw_write(handles[i], "x", 1), 0);
	ck_assert_uint_eq(count_fds(), fds + 199);
	if (!suite_sanitized())
		ck_assert_uint_le(resident_pages() - before, 64);
	for (i = 0; i < 200; i++)
		bw_close(handles[i]);
	ck_assert_uint_eq(count_fds(), fds - 1);
}
END_TEST

/* Lanes come and go, and nothing of them stays. */
START_TEST(nothing_is_left_of_closed_handles)
{
	unsigned fds = 0;
	struct bw *bw;
	int i;

	receiver_listen();
	lane_stub_start();
	for (i = 0; i < 40; i++) {
		bw = lane_stub_client_with_lane(SOON_MS);
		ck_assert_int_eq(bw_write(bw, "x", 1), 0);
		bw_close(bw);
		lane_stub_expect(LANE, "x", 1);
		UNTIL(lane_stub.open == 0);
		UNTIL(lane_stub_connections() == 0);
		if (i == 0)
			fds = count_fds();
	}
	ck_assert_uint_eq(count_fds(), fds);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_lanes");
	TCase *tc = lane_stub_case(suite, "lanes");

	tcase_add_test(tc, a_record_is_a_length_and_the_message);
	tcase_add_loop_test(tc, the_daemon_has_the_same_layout, 0, 20);
	tcase_add_test(tc, every_length_arrives_whole);
	tcase_add_test(tc, a_quiet_process_has_no_lane);
	tcase_add_test(tc, a_busy_process_gets_a_lane);
	tcase_add_test(tc, never_is_never);
	tcase_add_loop_test(tc, without_a_lane_datagrams_go, 0, 2 * OBSTACLES);
	tcase_add_test(tc, an_open_without_an_answer_ends);
	tcase_add_test(tc, the_socket_is_found_beside_the_link);
	tcase_add_loop_test(tc, a_lane_of_another_kind_is_not_used, 0, SPOILS);
	tcase_add_loop_test(tc, a_full_lane_waits_for_the_timeout, 0, 3);
	tcase_add_loop_test(tc, a_full_lane_is_waited_for, 0, 3);
	tcase_add_test(tc, a_sleeping_daemon_is_rung);
	tcase_add_test(tc, rings_are_few);
	tcase_add_test(tc, a_promise_that_ended_is_noticed);
	tcase_add_test(tc, an_idle_handle_is_small);
	tcase_add_test(tc, nothing_is_left_of_closed_handles);
	return suite_run(suite, CK_FORK);
}
