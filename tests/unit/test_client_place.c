/* SPDX-License-Identifier: MIT */
/*
 * The calls beside bw_write(): bw_reserve() and bw_commit(), bw_write_fd(),
 * bw_flush(), and messages that are too long for a datagram.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "client/library/lane.h"
#include "tests/lib/lane_stub.h"
#include "tests/lib/random.h"

/* A broken wait would take longer than the test may. */
#define SOON_MS 60000
#define MB (1 << 20)

static struct bw *start(int timeout_ms, int lanes)
{
	receiver_listen();
	lane_stub_start();
	return lanes == BW_LANES_ALWAYS ?
		       lane_stub_client_with_lane(timeout_ms) :
		       lane_stub_client(timeout_ms, lanes);
}

/* --- bw_reserve(), bw_commit() --------------------------------------------- */

/* _i = 0: in a lane; 1: as datagrams. */
START_TEST(a_message_is_built_in_its_place)
{
	const enum road road = _i ? DATAGRAM : LANE;
	struct bw *bw = start(SOON_MS, _i ? BW_LANES_NEVER : BW_LANES_ALWAYS);
	void *place, *other;

	ck_assert_int_eq(bw_reserve(bw, 100, &place), 0);
	ck_assert_uint_eq((uintptr_t)place % 8, 0);
	memcpy(place, "whole and part", 14);
	ck_assert_int_eq(bw_commit(bw, place, 9), 0);
	lane_stub_expect(road, "whole and", 9);

	/* Nothing is sent. */
	ck_assert_int_eq(bw_reserve(bw, 1000, &place), 0);
	memset(place, 'x', 1000);
	ck_assert_int_eq(bw_commit(bw, place, BW_DISCARD), 0);

	/* An empty message, and one that fills its place. */
	ck_assert_int_eq(bw_reserve(bw, 0, &place), 0);
	ck_assert_int_eq(bw_commit(bw, place, 0), 0);
	lane_stub_expect(road, "", 0);
	ck_assert_int_eq(bw_reserve(bw, 3, &place), 0);
	memcpy(place, "abc", 3);

	/* Two at a time: the lane is taken, so the other is a datagram. */
	ck_assert_int_eq(bw_reserve(bw, 3, &other), 0);
	memcpy(other, "xyz", 3);
	ck_assert_int_eq(bw_write(bw, "between", 7), 0);
	lane_stub_expect(DATAGRAM, "between", 7);
	ck_assert_int_eq(bw_commit(bw, other, 3), 0);
	lane_stub_expect(DATAGRAM, "xyz", 3);
	ck_assert_int_eq(bw_commit(bw, place, 3), 0);
	lane_stub_expect(road, "abc", 3);
	bw_close(bw);
	lane_stub_expect_none();
}
END_TEST

START_TEST(a_wrong_place_or_length_is_refused)
{
	struct bw *bw = start(SOON_MS, _i ? BW_LANES_NEVER : BW_LANES_ALWAYS);
	char none[64] = { 0 };
	void *place;

	ck_assert_int_eq(bw_reserve(bw, 10, &place), 0);
	ck_assert_int_eq(bw_commit(bw, place, 11), BW_INVALID);
	ck_assert_int_eq(bw_commit(bw, place, 0), 0);
	lane_stub_expect(_i ? DATAGRAM : LANE, "", 0);
	if (_i == 0)
		ck_assert_int_eq(bw_commit(bw, place, 0), BW_INVALID);
	ck_assert_int_eq(bw_commit(bw, none + 32, 0), BW_INVALID);
	ck_assert_int_eq(bw_reserve(bw, (size_t)65 * MB, &place), BW_TOO_LARGE);
	ck_assert_ptr_null(place);
	/* The length of a large message, with a lane or without. */
	if (_i == 0) {
		ck_assert_int_eq(bw_reserve(bw, MB, &place), 0);
		memset(place, 'l', MB);
		ck_assert_int_eq(bw_commit(bw, place, MB), 0);
		UNTIL(lane_stub.messages[LARGE_LANE] == 1);
	} else {
		ck_assert_int_eq(bw_reserve(bw, MB, &place), BW_TOO_LARGE);
	}
	bw_close(bw);
}
END_TEST

/* The daemon closes the lane while the message is built. */
START_TEST(a_commit_after_the_end_of_the_lane_is_sent)
{
	struct bw *bw = start(SOON_MS, BW_LANES_ALWAYS);
	void *place;

	lane_stub_stop_taking();
	ck_assert_int_eq(bw_write(bw, "before", 6), 0);
	ck_assert_int_eq(bw_reserve(bw, 100, &place), 0);
	memcpy(place, "the message", 11);
	lane_stub_close_lanes(_i ? 16 : 0, 0);
	ck_assert_int_eq(bw_commit(bw, place, 11), 0);
	bw_close(bw);
	if (_i) {
		lane_stub_expect(LANE, "before", 6);
	} else {
		lane_stub_expect(DATAGRAM, "before", 6);
	}
	lane_stub_expect(DATAGRAM, "the message", 11);
	lane_stub_expect_none();
}
END_TEST

START_TEST(a_reservation_waits_for_room)
{
	struct bw *bw;
	void *place;
	int i;

	lane_stub.size = 4096;
	bw = start(50, BW_LANES_ALWAYS);
	lane_stub_stop_taking();
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(bw_write(bw, lane_stub.sink, 0), 0);
	while (bw_reserve(bw, 1000, &place) == 0) {
		memset(place, 'x', 1000);
		ck_assert_int_eq(bw_commit(bw, place, 1000), 0);
		ck_assert_int_lt(i++, 10);
	}
	ck_assert_ptr_null(place);
	ck_assert_int_eq(bw_reserve(bw, 1000, &place), BW_TIMEOUT);
	lane_stub.takes = true;
	bw_close(bw);
}
END_TEST

/* --- bw_write_fd() --------------------------------------------------------- */

/* A pipe that a child fills, slowly and in pieces, and then leaves. */
static int slow_pipe(const char *data, size_t len, size_t piece)
{
	size_t done, n;
	int fd[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	lane_stub_freeze();
	pid = fork();
	if (pid == 0) {
		lane_stub_child();
		close(fd[0]);
		for (done = 0; done < len; done += n) {
			n = len - done < piece ? len - done : piece;
			if (write(fd[1], data + done, n) != (ssize_t)n)
				_exit(1);
			suite_sleep_ms(1);
		}
		_exit(0);
	}
	lane_stub_thaw();
	close(fd[1]);
	return fd[0];
}

START_TEST(a_message_comes_from_a_descriptor)
{
	static char data[200000];
	const enum road road = _i ? DATAGRAM : LANE;
	struct bw *bw = start(SOON_MS, _i ? BW_LANES_NEVER : BW_LANES_ALWAYS);
	char path[160];
	int fd;

	random_message((uint8_t *)data, sizeof(data), 7);
	snprintf(path, sizeof(path), "%s/input", receiver.dir);
	file_write(path, data, 5000);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(bw_write_fd(bw, fd, BW_TO_END), 0);
	lane_stub_expect(road, data, 5000);
	/* At its end, a file is an empty message. */
	ck_assert_int_eq(bw_write_fd(bw, fd, BW_TO_END), 0);
	lane_stub_expect(road, "", 0);
	ck_assert_int_eq(bw_write_fd(bw, fd, 0), 0);
	lane_stub_expect(road, "", 0);

	/* Only so many bytes, from where the file is read. */
	ck_assert_int_eq(lseek(fd, 1000, SEEK_SET), 1000);
	ck_assert_int_eq(bw_write_fd(bw, fd, 3000), 0);
	lane_stub_expect(road, data + 1000, 3000);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 4000);
	close(fd);

	/* A pipe, in short reads. */
	fd = slow_pipe(data, 10000, 777);
	ck_assert_int_eq(bw_write_fd(bw, fd, 8000), 0);
	lane_stub_expect(road, data, 8000);
	ck_assert_int_eq(bw_write_fd(bw, fd, BW_TO_END), 0);
	lane_stub_expect(road, data + 8000, 2000);
	close(fd);

	/* One that does not block. */
	fd = slow_pipe(data, 100, 30);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(bw_write_fd(bw, fd, BW_TO_END), 0);
	lane_stub_expect(road, data, 100);
	close(fd);

	/* Large, of unknown length. */
	if (_i == 0) {
		fd = slow_pipe(data, sizeof(data), 50000);
		ck_assert_int_eq(bw_write_fd(bw, fd, BW_TO_END), 0);
		lane_stub_expect(LARGE_LANE, data, sizeof(data));
		close(fd);
	}
	bw_close(bw);
	lane_stub_expect_none();
}
END_TEST

START_TEST(a_bad_descriptor_sends_nothing)
{
	static char data[70000];
	struct bw *bw = start(SOON_MS, BW_LANES_NEVER);
	int pair[2], fd;

	/* The end comes early. */
	fd = slow_pipe(data, 100, 100);
	ck_assert_int_eq(bw_write_fd(bw, fd, 101), BW_INPUT_ENDED);
	close(fd);
	/* An error in the middle: the other end resets the connection. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(write(pair[0], "abc", 3), 3);
	ck_assert_int_eq(write(pair[1], "unread", 6), 6);
	close(pair[0]);
	ck_assert_int_eq(bw_write_fd(bw, pair[1], BW_TO_END), -ECONNRESET);
	close(pair[1]);
	/* No descriptor, a directory. */
	ck_assert_int_eq(bw_write_fd(bw, -1, 10), -EBADF);
	fd = open("/", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(bw_write_fd(bw, fd, 10), -EISDIR);
	close(fd);
	/* Too long: said before anything is read, or once it is known. */
	fd = slow_pipe(data, sizeof(data), sizeof(data));
	ck_assert_int_eq(bw_write_fd(bw, fd, 65537), BW_TOO_LARGE);
	ck_assert_int_eq(bw_write_fd(bw, fd, BW_TO_END), BW_TOO_LARGE);
	close(fd);
	/* Without an end. */
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(bw_write_fd(bw, fd, BW_TO_END), BW_TOO_LARGE);
	close(fd);
	bw_close(bw);
	lane_stub_expect_none();
}
END_TEST

static void *write_fd_for_ever(void *arg)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		abort();
	bw_write_fd(arg, fd[0], BW_TO_END);
	abort();
}

START_TEST(a_wait_for_input_can_be_cancelled)
{
	pthread_t thread;
	struct bw *bw;
	void *result;

	if (suite_cannot_cancel())
		return;
	bw = start(SOON_MS, BW_LANES_ALWAYS);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_fd_for_ever, bw),
			 0);
	suite_sleep_ms(50);
	ck_assert_int_eq(pthread_cancel(thread), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	lane_stub_expect(LANE, "x", 1);
	bw_close(bw);
}
END_TEST

/* --- bw_flush() ------------------------------------------------------------ */

START_TEST(a_flush_is_answered)
{
	char link[160];
	struct bw *bw = start(SOON_MS, _i ? BW_LANES_NEVER : BW_LANES_ALWAYS);

	ck_assert_int_eq(bw_write(bw, "x", 1), 0);
	ck_assert_int_eq(bw_flush(bw), 0);
	ck_assert_uint_eq(lane_stub.flushes, 1);
	bw_close(bw);
	bw = lane_stub_client(100, _i ? BW_LANES_NEVER : BW_LANES_ALWAYS);
	lane_stub.answers = false;
	ck_assert_int_eq(bw_flush(bw), BW_TIMEOUT);
	lane_stub.answers = true;
	lane_stub_die();
	if (_i) {
		ck_assert_int_eq(bw_flush(bw), BW_NO_DAEMON);
		snprintf(link, sizeof(link), "%s.limits", receiver.path);
		ck_assert_int_eq(unlink(link), 0);
		ck_assert_int_eq(bw_flush(bw), BW_NO_DAEMON);
		ck_assert_int_eq(symlink("max_message=1000", link), 0);
		ck_assert_int_eq(bw_flush(bw), BW_NOT_SUPPORTED);
	}
	bw_close(bw);
}
END_TEST

/* --- large messages -------------------------------------------------------- */

static char *large_message(size_t len, uint64_t number)
{
	char *data = malloc(len);

	ck_assert_ptr_nonnull(data);
	random_message((uint8_t *)data, (uint32_t)len, number);
	return data;
}

START_TEST(a_large_message_has_a_lane_of_its_own)
{
	static const size_t lengths[] = { 65537, MB, 10 * MB, 64 * MB };
	const size_t len = lengths[_i];
	char *data = large_message(len, len);
	struct iovec iov[2] = { { data, 1000 }, { data + 1000, len - 1000 } };
	struct bw *bw = start(BW_FOREVER, BW_LANES_AUTO);

	ck_assert_int_eq(bw_write(bw, data, len), 0);
	lane_stub_expect(LARGE_LANE, data, len);
	ck_assert_int_eq(bw_writev(bw, iov, 2), 0);
	lane_stub_expect(LARGE_LANE, data, len);
	UNTIL(lane_stub.open == 0);
	ck_assert_int_eq(bw_write(bw, "small", 5), 0);
	lane_stub_expect(DATAGRAM, "small", 5);
	bw_close(bw);
	free(data);
}
END_TEST

START_TEST(a_message_that_is_too_large_is_refused)
{
	char *data = large_message((size_t)64 * MB + 1, 1);
	struct bw *bw = start(SOON_MS, BW_LANES_ALWAYS);

	ck_assert_int_eq(bw_write(bw, data, (size_t)64 * MB + 1), BW_TOO_LARGE);
	ck_assert_uint_eq(lane_stub.opened, 1);
	bw_close(bw);
	bw = lane_stub_client(SOON_MS, BW_LANES_NEVER);
	ck_assert_int_eq(bw_write(bw, data, 65537), BW_TOO_LARGE);
	bw_close(bw);
	free(data);
	lane_stub_expect_none();
}
END_TEST

static void *permit_later(void *arg)
{
	suite_sleep_ms(200);
	lane_stub.refuses = 0;
	return arg;
}

/* The daemon gives out few of these lanes at a time. */
START_TEST(a_large_message_waits_for_its_lane)
{
	char *data = large_message(MB, 3);
	struct bw *bw = start(100, BW_LANES_AUTO);
	pthread_t thread;

	lane_stub.refuses = EDQUOT;
	ck_assert_int_eq(bw_write(bw, data, MB), BW_TIMEOUT);
	bw_close(bw);
	bw = lane_stub_client(SOON_MS, BW_LANES_AUTO);
	ck_assert_int_eq(pthread_create(&thread, NULL, permit_later, NULL), 0);
	ck_assert_int_eq(bw_write(bw, data, MB), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	lane_stub_expect(LARGE_LANE, data, MB);
	bw_close(bw);
	free(data);
	lane_stub_expect_none();
}
END_TEST

/*
 * The daemon was killed before it answered, and its connection is kept.  With
 * _i = 1 the call has a timeout, which is longer than the wait for an answer.
 */
START_TEST(a_large_message_asks_again_without_an_answer)
{
	char *data = large_message(MB, 4);
	struct bw *bw = start(_i ? SOON_MS : BW_FOREVER, BW_LANES_AUTO);
	int64_t begin = receiver_now_ms();

	lane_stub.forgets = 2;
	ck_assert_int_eq(bw_write(bw, data, MB), 0);
	ck_assert_uint_eq(lane_stub.forgets, 0);
	/* It waits a second for each answer. */
	ck_assert_int_le(2 + (int)lane_stub.opened,
			 1 + (int)((receiver_now_ms() - begin) / 1000));
	lane_stub_expect(LARGE_LANE, data, MB);
	bw_close(bw);
	UNTIL(lane_stub_connections() == 0);
	free(data);
	lane_stub_expect_none();
}
END_TEST

/*
 * The daemon does not take it in time.  The message is sent all the same: by
 * this daemon, or by the next one, which gets it again.
 */
START_TEST(a_large_message_is_kept_until_it_is_taken)
{
	char *data = large_message(3 * MB, 5);
	struct bw *bw = start(2000, BW_LANES_AUTO);
	int err;

	lane_stub_stop_taking();
	/* The stub may need longer for its answer. */
	do
		err = bw_write(bw, data, 3 * MB);
	while (err == BW_TIMEOUT);
	ck_assert_int_eq(err, 0);
	UNTIL(lane_stub.open == 1);
	switch (_i) {
	case 0:
		bw_close(bw);
		lane_stub.takes = true;
		break;
	case 1:
	case 2:
		/* With 2 the request for the next lane gets no answer. */
		lane_stub.forgets = _i - 1;
		lane_stub_close_lanes(0, 0);
		lane_stub.takes = true;
		break;
	default:
		lane_stub_die();
		lane_stub.takes = true;
		lane_stub_start();
	}
	while (_i > 0 && lane_stub.messages[LARGE_LANE] == 0) {
		bw_flush(bw);
		suite_sleep_ms(1);
	}
	lane_stub_expect(LARGE_LANE, data, 3 * MB);
	if (_i > 0)
		bw_close(bw);
	UNTIL(lane_stub.open == 0);
	lane_stub_expect_none();
	free(data);
}
END_TEST

/* The message is in its lane; the next daemon takes so long ones. */
static void replace_daemon(uint64_t large)
{
	lane_stub_die();
	lane_stub.large = large;
	lane_stub.takes = true;
	lane_stub_start();
}

static void *replace_when_published(void *large)
{
	UNTIL(lane_stub_head() && atomic_load(&lane_stub_head()->written));
	replace_daemon(*(uint64_t *)large);
	return NULL;
}

/*
 * The daemon is killed while the call waits.  The call's result says what the
 * next one does with the message: it takes it, takes only shorter ones, or has
 * no lanes for large ones.
 */
START_TEST(a_large_message_outlives_its_daemon_or_is_refused)
{
	static uint64_t next[] = { 64 << 20, 100000, 0 };
	char *data = large_message(MB, 6);
	struct bw *bw = start(BW_FOREVER, BW_LANES_AUTO);
	pthread_t thread;
	int err;

	lane_stub_freeze();
	lane_stub.takes = false;
	lane_stub_thaw();
	ck_assert_int_eq(pthread_create(&thread, NULL, replace_when_published,
					&next[_i]),
			 0);
	err = bw_write(bw, data, MB);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(err, _i ? BW_TOO_LARGE : 0);
	if (!_i)
		lane_stub_expect(LARGE_LANE, data, MB);
	/* What the call has said is not said again. */
	ck_assert_int_eq(bw_flush(bw), 0);
	bw_close(bw);
	UNTIL(lane_stub.open == 0);
	lane_stub_expect_none();
	free(data);
}
END_TEST

/* The call had returned 0, so a flush says that the message is lost. */
START_TEST(a_flush_tells_of_a_message_that_no_daemon_takes)
{
	char *data = large_message(MB, 7);
	struct bw *bw = start(2000, BW_LANES_AUTO);
	int err;

	lane_stub_freeze();
	lane_stub.takes = false;
	lane_stub_thaw();
	ck_assert_int_eq(bw_write(bw, data, MB), 0);
	ck_assert_uint_eq(lane_stub.open, 1);
	replace_daemon(_i ? 100000 : 0);
	do
		err = bw_flush(bw);
	while (err == BW_TIMEOUT || err == BW_NO_DAEMON);
	ck_assert_int_eq(err, BW_TOO_LARGE);
	ck_assert_int_eq(bw_flush(bw), 0);
	bw_close(bw);
	UNTIL(lane_stub_connections() == 0);
	lane_stub_expect_none();
	free(data);
}
END_TEST

static atomic_uint large_done;

static void *write_large(void *arg)
{
	char *data = large_message(MB, 9);

	if (bw_write(arg, data, MB) != 0)
		abort();
	atomic_fetch_add(&large_done, 1);
	free(data);
	return NULL;
}

START_TEST(many_threads_write_large_messages)
{
	struct bw *bw = start(SOON_MS, BW_LANES_AUTO);
	pthread_t threads[16];
	int i;

	for (i = 0; i < 16; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, write_large, bw), 0);
	for (i = 0; i < 16; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	bw_close(bw);
	UNTIL(lane_stub.messages[LARGE_LANE] == 16);
	UNTIL(lane_stub.open == 0);
}
END_TEST

/* A thread that waits for the daemon's consent is cancelled. */
START_TEST(a_wait_for_a_large_lane_can_be_cancelled)
{
	pthread_t thread;
	struct bw *bw;
	void *result;
	char *data;

	if (suite_cannot_cancel())
		return;
	bw = start(BW_FOREVER, BW_LANES_AUTO);
	data = large_message(MB, 9);
	if (_i == 0)
		lane_stub.answers = false;
	else
		lane_stub.refuses = EDQUOT;
	ck_assert_int_eq(pthread_create(&thread, NULL, write_large, bw), 0);
	suite_sleep_ms(100);
	ck_assert_int_eq(pthread_cancel(thread), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	lane_stub.answers = true;
	lane_stub.refuses = 0;
	ck_assert_int_eq(bw_write(bw, data, MB), 0);
	lane_stub_expect(LARGE_LANE, data, MB);
	bw_close(bw);
	UNTIL(lane_stub_connections() == 0);
	free(data);
	lane_stub_expect_none();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_place");
	TCase *tc = lane_stub_case(suite, "place");

	tcase_add_loop_test(tc, a_message_is_built_in_its_place, 0, 2);
	tcase_add_loop_test(tc, a_wrong_place_or_length_is_refused, 0, 2);
	tcase_add_loop_test(tc, a_commit_after_the_end_of_the_lane_is_sent, 0,
			    2);
	tcase_add_test(tc, a_reservation_waits_for_room);
	tcase_add_loop_test(tc, a_message_comes_from_a_descriptor, 0, 2);
	tcase_add_test(tc, a_bad_descriptor_sends_nothing);
	tcase_add_test(tc, a_wait_for_input_can_be_cancelled);
	tcase_add_loop_test(tc, a_flush_is_answered, 0, 2);
	tcase_add_loop_test(tc, a_large_message_has_a_lane_of_its_own, 0, 4);
	tcase_add_test(tc, a_message_that_is_too_large_is_refused);
	tcase_add_test(tc, a_large_message_waits_for_its_lane);
	tcase_add_loop_test(tc, a_large_message_asks_again_without_an_answer, 0,
			    2);
	tcase_add_loop_test(tc, a_large_message_is_kept_until_it_is_taken, 0,
			    4);
	tcase_add_loop_test(
		tc, a_large_message_outlives_its_daemon_or_is_refused, 0, 3);
	tcase_add_loop_test(tc, a_flush_tells_of_a_message_that_no_daemon_takes,
			    0, 2);
	tcase_add_test(tc, many_threads_write_large_messages);
	tcase_add_loop_test(tc, a_wait_for_a_large_lane_can_be_cancelled, 0, 2);
	return suite_run(suite, CK_FORK);
}
