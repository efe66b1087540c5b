/* SPDX-License-Identifier: MIT */
/*
 * Threads, forks, exec and cancellation with lanes: each message for which a
 * write returned 0 arrives once, and no thread ever waits for another one.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "client/library/lane.h"
#include "tests/lib/lane_stub.h"

/* A broken wait would take longer than the test may. */
#define SOON_MS 60000
#define WRITERS 96
#define NUMBERS 50000 /* at most, by each writer */

struct message {
	uint32_t writer;
	uint32_t number;
	char filling[32];
};

static struct writer {
	pthread_t thread;
	struct bw *bw;
	uint32_t index;
	uint32_t written; /* how many writes returned 0; valid after join */
	atomic_uint done; /* the same while it runs */
	atomic_uchar came[NUMBERS];
} writers[WRITERS];

static atomic_int stop;

/* In the stub's thread. */
static void count_message(enum road road, const char *data, uint32_t len)
{
	struct message m;

	(void)road;
	if (len != sizeof(m))
		abort();
	memcpy(&m, data, sizeof(m));
	if (m.writer >= WRITERS || m.number >= NUMBERS ||
	    m.filling[0] != (char)m.number || m.filling[31] != (char)m.writer)
		abort();
	atomic_fetch_add(&writers[m.writer].came[m.number], 1);
}

static int write_one(struct bw *bw, uint32_t writer, uint32_t number)
{
	struct message m = { writer, number, { 0 } };
	struct iovec iov[2] = { { &m, 8 }, { m.filling, 32 } };
	void *place;
	int err;

	m.filling[0] = (char)number;
	m.filling[31] = (char)writer;
	if (number % 3 == 0)
		return bw_write(bw, &m, sizeof(m));
	if (number % 3 == 1)
		return bw_writev(bw, iov, 2);
	err = bw_reserve(bw, sizeof(m), &place);
	if (err)
		return err;
	memcpy(place, &m, sizeof(m));
	return bw_commit(bw, place, sizeof(m));
}

static void *write_many(void *arg)
{
	struct writer *w = arg;
	const uint32_t most = (uint32_t)suite_scale(10000);

	while (!atomic_load(&stop) && w->written < most) {
		if (write_one(w->bw, w->index, w->written) != 0)
			abort();
		atomic_store(&w->done, ++w->written);
	}
	return NULL;
}

static void writers_start(struct bw *bw, uint32_t first, uint32_t end)
{
	uint32_t i;

	for (i = first; i < end; i++) {
		writers[i].bw = bw;
		writers[i].index = i;
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL,
						write_many, &writers[i]),
				 0);
	}
}

static void writers_join(uint32_t first, uint32_t end)
{
	uint32_t i;

	for (i = first; i < end; i++)
		ck_assert_int_eq(pthread_join(writers[i].thread, NULL), 0);
}

static unsigned written_sum(void)
{
	unsigned sum = 0;
	uint32_t i;

	for (i = 0; i < WRITERS; i++)
		sum += writers[i].written;
	return sum;
}

static void expect_each_once(void)
{
	unsigned sum = written_sum();
	uint32_t i, n;

	UNTIL(lane_stub_count() >= sum);
	for (i = 0; i < WRITERS; i++)
		for (n = 0; n < writers[i].written; n++)
			if (writers[i].came[n] != 1)
				ck_abort_msg("message %u of %u came %u times",
					     n, i, writers[i].came[n]);
}

static struct bw *start(int lanes)
{
	receiver_listen();
	lane_stub.sink = count_message;
	lane_stub_start();
	return lanes == BW_LANES_ALWAYS ? lane_stub_client_with_lane(SOON_MS) :
					  lane_stub_client(SOON_MS, lanes);
}

START_TEST(sixty_four_threads_write_with_one_handle)
{
	struct bw *bw;

	if (_i == 1)
		lane_stub.size = 4096;
	lane_stub.attends = _i != 2;
	bw = start(_i == 3 ? BW_LANES_AUTO : BW_LANES_ALWAYS);
	writers_start(bw, 0, 64);
	writers_join(0, 64);
	bw_close(bw);
	expect_each_once();
	/* With _i = 3, slow threads get no lane. */
	if (_i != 3)
		ck_assert_uint_gt(lane_stub.messages[LANE], 0);
	ck_assert_uint_le(lane_stub.used, 4);
}
END_TEST

/* Threads meet in the first lane, and the handle takes more, up to four. */
START_TEST(threads_that_meet_get_lanes_of_their_own)
{
	struct bw *bw = start(BW_LANES_ALWAYS);
	const uint32_t self = WRITERS - 1;
	void *place;
	uint32_t i;

	ck_assert_int_eq(write_one(bw, self, 0), 0);
	writers[self].written = 1;
	/*
	 * Eight new writers at a time meet this thread, which holds the first
	 * lane, until they have met it often enough.
	 */
	for (i = 0; i < WRITERS - 8 && lane_stub.used < 2; i += 8) {
		ck_assert_int_eq(bw_reserve(bw, 1, &place), 0);
		writers_start(bw, i, i + 8);
		writers_join(i, i + 8);
		ck_assert_int_eq(bw_commit(bw, place, BW_DISCARD), 0);
	}
	bw_close(bw);
	expect_each_once();
	ck_assert_uint_ge(lane_stub.used, 2);
	ck_assert_uint_le(lane_stub.used, 4);
}
END_TEST

/*
 * The daemon closes its lanes or is killed, again and again, while threads
 * write.  It remembers how far it read.
 */
START_TEST(threads_write_while_daemons_come_and_go)
{
	struct bw *bw = start(BW_LANES_ALWAYS);
	int i;

	lane_stub.attends = _i % 2 == 0;
	writers_start(bw, 0, 8);
	for (i = 0; i < 20; i++) {
		suite_sleep_ms(5);
		if (_i < 2 || i % 2)
			lane_stub_close_lanes((unsigned)i * 80,
					      (unsigned)i % 3);
		else {
			lane_stub_die();
			lane_stub_start();
		}
	}
	writers_join(0, 8);
	bw_close(bw);
	expect_each_once();
}
END_TEST

/* --- fork and exec --------------------------------------------------------- */

static unsigned count_sockets(void)
{
	char path[64], target[64];
	unsigned n = 0;
	ssize_t len;
	int fd;

	for (fd = 3; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target));
		n += len > 7 && memcmp(target, "socket:", 7) == 0;
	}
	return n;
}

/* The child's own part, after a fork in the middle of writes. */
static int be_child(struct bw *bw, uint32_t index)
{
	uint32_t n;

	lane_stub_child();
	/* Of the library's sockets, only that for datagrams is left. */
	if (count_sockets() != 2)
		return 1;
	for (n = 0; n < 5000; n++)
		if (write_one(bw, index, n) != 0)
			return 2;
	bw_close(bw);
	return count_sockets() == 1 ? 0 : 3;
}

START_TEST(fork_in_the_middle_of_writes)
{
	struct bw *bw = start(_i == 0 ? BW_LANES_ALWAYS : BW_LANES_AUTO);
	pid_t child[16];
	int status;
	uint32_t i;

	writers_start(bw, 0, 4);
	for (i = 0; i < 16; i++) {
		suite_sleep_ms(2);
		/* The stub must not be in the middle of anything. */
		lane_stub_freeze();
		child[i] = fork();
		if (child[i] == 0)
			_exit(be_child(bw, 64 + i));
		lane_stub_thaw();
		ck_assert_int_gt(child[i], 0);
	}
	for (i = 0; i < 16; i++) {
		ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
		ck_assert_msg(status == 0, "child %u: %#x", i, status);
		writers[64 + i].written = 5000;
	}
	writers_join(0, 4);
	bw_close(bw);
	expect_each_once();
}
END_TEST

/* A child that only ends takes nothing from its parent. */
START_TEST(a_child_that_ends_closes_no_lane)
{
	struct bw *bw = start(BW_LANES_ALWAYS);
	int status, i;
	pid_t pid;

	ck_assert_int_eq(write_one(bw, 0, 0), 0);
	for (i = 0; i < 20; i++) {
		lane_stub_freeze();
		pid = fork();
		if (pid == 0) {
			if (i % 2)
				bw_close(bw);
			_exit(0);
		}
		lane_stub_thaw();
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(write_one(bw, 0, (uint32_t)i + 1), 0);
	}
	UNTIL(lane_stub.messages[LANE] == 21);
	ck_assert_uint_eq(lane_stub.opened, 1);
	/* And it does not keep it open either: the parent's end counts. */
	lane_stub_freeze();
	pid = fork();
	if (pid == 0) {
		lane_stub_child();
		pause();
	}
	lane_stub_thaw();
	bw_close(bw);
	UNTIL(lane_stub.open == 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

START_TEST(lanes_are_closed_by_exec)
{
	char command[64];
	struct bw *bw = start(BW_LANES_ALWAYS);

	ck_assert_int_eq(write_one(bw, 0, 0), 0);
	/* The shell has the standard streams, and ls its directory. */
	snprintf(command, sizeof(command),
		 "! ls -l /proc/self/fd | grep -q -e socket: -e memfd:");
	ck_assert_int_eq(system(command), 0);
	bw_close(bw);
}
END_TEST

static struct bw *handler_bw;
static atomic_uint handled;

/*
 * _Fork(3) is what a handler may do; the child ends there.  The C library's
 * fork() would wait for ever if the signal interrupts its calloc() or free().
 */
static void fork_in_handler(int signal)
{
	pid_t pid = _Fork();

	(void)signal;
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	atomic_fetch_add(&handled, 1);
}

/* Signals interrupt writes at any place, also while a lane is made. */
START_TEST(signals_interrupt_writes)
{
	struct sigaction sa = { .sa_handler = fork_in_handler };
	/* One signal for each 100 writes, so that a slow fork stops nothing. */
	struct itimerval once = { { 0, 0 }, { 0, 1 } };
	uint32_t n = 0;
	int i;

	lane_stub.size = 4096;
	handler_bw = start(BW_LANES_ALWAYS);
	sigaction(SIGALRM, &sa, NULL);
	for (i = 0; i < 20; i++) {
		while (n % 1000 || n < 1000 * (uint32_t)i) {
			if (n % 100 == 0) {
				once.it_value.tv_usec = 1 + n % 331;
				setitimer(ITIMER_REAL, &once, NULL);
			}
			if (write_one(handler_bw, 0, n++) != 0)
				abort();
		}
		once.it_value.tv_usec = 1 + i * 17;
		setitimer(ITIMER_REAL, &once, NULL);
		bw_close(handler_bw);
		handler_bw = lane_stub_client(SOON_MS, BW_LANES_ALWAYS);
		if (write_one(handler_bw, 0, n++) != 0)
			abort();
	}
	bw_close(handler_bw);
	ck_assert_uint_gt(handled, 20);
	writers[0].written = n;
	expect_each_once();
}
END_TEST

/* --- cancellation ---------------------------------------------------------- */

/* Writes until it is cancelled. */
static void *write_until_cancelled(void *arg)
{
	struct writer *w = arg;

	for (;;) {
		if (write_one(w->bw, w->index, w->written) != 0)
			abort();
		atomic_store(&w->done, ++w->written);
		if (w->written % 16 == 0)
			pthread_testcancel();
		if (w->written == NUMBERS - 1)
			return NULL;
	}
}

/*
 * A thread that is cancelled while it waits for room holds no lane: the others
 * go on.  With _i = 1 they are cancelled in the middle of writes.
 */
START_TEST(cancelled_threads_hold_no_lane)
{
	struct bw *bw;
	uint32_t i, n;
	void *result;

	if (suite_cannot_cancel())
		return;
	lane_stub.size = 4096;
	bw = start(BW_LANES_ALWAYS);
	ck_assert_int_eq(write_one(bw, 90, 0), 0);
	UNTIL(lane_stub_count() == 1);
	if (_i == 0) {
		lane_stub_freeze();
		lane_stub.takes = lane_stub.datagrams = false;
		lane_stub_thaw();
	}
	for (i = 0; i < 32; i++) {
		writers[i].bw = bw;
		writers[i].index = i;
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL,
						write_until_cancelled,
						&writers[i]),
				 0);
	}
	suite_sleep_ms(300);
	for (i = 0; i < 32; i++)
		ck_assert_int_eq(pthread_cancel(writers[i].thread), 0);
	for (i = 0; i < 32; i++) {
		ck_assert_int_eq(pthread_join(writers[i].thread, &result), 0);
		ck_assert(result == PTHREAD_CANCELED || !result);
	}
	lane_stub.takes = lane_stub.datagrams = true;
	for (n = 1; n < 1000; n++)
		ck_assert_int_eq(write_one(bw, 90, n), 0);
	writers[90].written = n;
	bw_close(bw);
	lane_stub_expect_no_datagrams();
	/* The last message of a cancelled thread may have arrived, or not. */
	for (i = 0; i < WRITERS; i++)
		for (n = 0; n <= writers[i].written; n++)
			if (writers[i].came[n] > 1 ||
			    (!writers[i].came[n] && n < writers[i].written))
				ck_abort_msg("message %u of %u came %u times",
					     n, i, writers[i].came[n]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_lanes_threads");
	TCase *tc = lane_stub_case(suite, "threads");

	tcase_add_loop_test(tc, sixty_four_threads_write_with_one_handle, 0, 4);
	tcase_add_test(tc, threads_that_meet_get_lanes_of_their_own);
	tcase_add_loop_test(tc, threads_write_while_daemons_come_and_go, 0, 4);
	tcase_add_loop_test(tc, fork_in_the_middle_of_writes, 0, 2);
	tcase_add_test(tc, a_child_that_ends_closes_no_lane);
	tcase_add_test(tc, lanes_are_closed_by_exec);
	tcase_add_test(tc, signals_interrupt_writes);
	tcase_add_loop_test(tc, cancelled_threads_hold_no_lane, 0, 2);
	return suite_run(suite, CK_FORK);
}
