/* SPDX-License-Identifier: MIT */
/*
 * A listener with three sockets: all are read, none is forgotten when the ring
 * is full, and no sender at any of them waits for too long.
 */
#include "tests/unit/listener_bed.h"

static void start_three(const char *timeout, bool ours, unsigned slots)
{
	sockets = 3;
	start_with(timeout, ours, slots, false);
}

static void send_to(unsigned which, unsigned n)
{
	int fd = which ? more[which - 1][0] : sock[0];

	while (n--)
		ck_assert_int_eq(send(fd, "x", 1, 0), 1);
}

static uint64_t received(unsigned which)
{
	return listener.receiver.socket[which].received;
}

static unsigned take_all(void)
{
	unsigned n = 0;

	while (take_one())
		n++;
	return n;
}

START_TEST(each_socket_is_read_and_counted)
{
	start_three("buffer.timeout=never", true, 64);
	send_to(0, 1);
	send_to(1, 2);
	send_to(2, 3);
	turn();
	ck_assert_uint_eq(ring_waiting(&c.ring), 6);
	ck_assert_uint_eq(received(0), 1);
	ck_assert_uint_eq(received(1), 2);
	ck_assert_uint_eq(received(2), 3);
	ck_assert_uint_eq(COUNT(received), 6);
	finish();
}
END_TEST

/* The loop sleeps in poll(2), and a datagram at any socket ends that. */
START_TEST(any_socket_wakes_the_loop)
{
	start_three("buffer.timeout=never", true, 64);
	ck_assert(!listener.pace.may_receive);
	send_to((unsigned)_i, 1);
	while (!received((unsigned)_i))
		loop_turn(&loop);
	ck_assert_uint_eq(COUNT(received), 1);
	finish();
}
END_TEST

/* One that is never empty leaves room for the others in each turn. */
START_TEST(a_flood_at_one_socket_does_not_keep_another_waiting)
{
	unsigned i;

	start_three("buffer.timeout=never", true, 512);
	for (i = 0; i < 8; i++) {
		send_to(0, 8);
		send_to(2, 1);
		turn();
		ck_assert_uint_eq(received(2), i + 1);
		take_all();
	}
	ck_assert_uint_eq(received(0), 64);
	finish();
}
END_TEST

START_TEST(a_full_ring_is_over_when_each_queue_was_read_empty)
{
	start_three("buffer.timeout=1h", true, SLOTS);
	send_to(0, 4);
	send_to(1, 3);
	send_to(2, 3);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	/* Slots come free one at a time: READING only with the last. */
	while (COUNT(received) < 10) {
		ck_assert_int_ne(listener.state, LISTENER_READING);
		ck_assert(take_one());
	}
	take_all();
	turn();
	ck_assert_int_eq(listener.state, LISTENER_READING);
	ck_assert_uint_eq(COUNT(received), 10);
	ck_assert_uint_eq(COUNT(ring_full), 0);
	finish();
}
END_TEST

/*
 * The queue of the first is empty; that of the last is not, so the time goes
 * on (I4): the patience of who waits there began with WAITING.
 */
START_TEST(one_empty_queue_does_not_renew_the_patience_of_another)
{
	start_three("buffer.timeout=1h", true, SLOTS);
	send_to(0, 4);
	send_to(1, 1);
	send_to(2, 9);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	ck_assert(take_one() && take_one() && take_one());
	ck_assert_int_ne(listener.state, LISTENER_READING);
	ck_assert(uv_is_active((uv_handle_t *)&listener.wait_timer));
	finish();
}
END_TEST

START_TEST(catching_up_reads_each_queue)
{
	struct listener_mark mark;

	start_three("buffer.timeout=never", true, 64);
	send_to(0, 5);
	send_to(2, 5);
	mark = listener_mark(&listener);
	ck_assert(listener_catch_up(&listener, &mark));
	ck_assert_uint_eq(COUNT(received), 10);
	finish();
}
END_TEST

START_TEST(dropping_reads_each_queue)
{
	start_three("buffer.timeout=0", true, SLOTS);
	send_to(0, 5);
	send_to(1, 5);
	send_to(2, 5);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_DROPPING);
	ck_assert_uint_eq(COUNT(received), 15);
	ck_assert_uint_eq(COUNT(ring_full), 15 - SLOTS);
	take_all();
	turn();
	ck_assert_int_eq(listener.state, LISTENER_READING);
	finish();
}
END_TEST

/* With a ring that has room, and with one that is full. */
START_TEST(a_stop_takes_what_is_in_each_queue)
{
	unsigned slots = _i % 2 ? SLOTS : 64;
	bool ours = _i < 2;

	start_three("buffer.timeout=never", ours, slots);
	send_to(0, 1);
	send_to(1, 2);
	send_to(2, 5);
	listener_stop(&listener, on_drained, &drained);
	if (slots == SLOTS && ours) {
		ck_assert_int_eq(listener.state, LISTENER_DRAIN_WAITING);
		take_all();
	}
	ck_assert_int_eq(listener.state, LISTENER_STOPPED);
	ck_assert_uint_eq(drained, 1);
	ck_assert_uint_eq(COUNT(received), ours || slots == 64 ? 8 : SLOTS);
	if (ours)
		ck_assert_int_lt(send(more[1][0], "x", 1, MSG_NOSIGNAL), 0);
	finish();
}
END_TEST

/* From systemd's sockets, of which one is flooded. */
START_TEST(a_stop_reads_each_queue_in_turn)
{
	unsigned calls = 0, parts = 1;

	start_three("buffer.timeout=never", false, 4096);
	count_calls(&calls);
	send_to(1, 2);
	send_to(2, 5);
	flood();
	listener_stop(&listener, on_drained, &drained);
	ck_assert_uint_eq(received(1), 2);
	ck_assert_uint_eq(received(2), 5);
	/* Up to a full ring: not in one go. */
	for (; listener.state == LISTENER_DRAINING; parts++) {
		ck_assert_uint_eq(calls, parts);
		listener_drain(&listener);
	}
	ck_assert_uint_ge(parts, 3);
	ck_assert_uint_eq(COUNT(received), 4096);
	ck_assert_int_eq(listener.state, LISTENER_STOPPED);
	ck_assert_uint_eq(drained, 1);
	finish();
}
END_TEST

START_TEST(an_abandoned_stop_counts_what_is_in_each_queue)
{
	start_three("buffer.timeout=never", true, SLOTS);
	send_to(0, 3);
	send_to(1, 3);
	send_to(2, 3);
	listener_stop(&listener, on_drained, &drained);
	listener_abandon(&listener);
	ck_assert_int_eq(listener.state, LISTENER_STOPPED);
	ck_assert_uint_eq(COUNT(received), 9);
	ck_assert_uint_eq(COUNT(ring_full), 9 - SLOTS);
	finish();
}
END_TEST

/* Only the queue of the one that is replaced is looked at to its end. */
START_TEST(one_of_them_is_replaced)
{
	int other[2], old = -1;

	start_three("buffer.timeout=never", true, 64);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, other), 0);
	send_to(1, 3);
	old = more[0][1];
	listener_replace(&listener, 1, other[1]);
	ck_assert_uint_eq(received(1), 3);
	ck_assert_int_lt(send(more[0][0], "x", 1, MSG_NOSIGNAL), 0);
	ck_assert_int_eq(send(other[0], "x", 1, 0), 1);
	send_to(2, 1);
	turn();
	ck_assert_uint_eq(received(1), 4);
	ck_assert_uint_eq(received(2), 1);
	close(old);
	more[0][1] = other[1];
	close(other[0]);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listener with more sockets");
	TCase *t = core_case(suite, "more");

	tcase_add_test(t, each_socket_is_read_and_counted);
	tcase_add_loop_test(t, any_socket_wakes_the_loop, 0, 3);
	tcase_add_test(t, a_flood_at_one_socket_does_not_keep_another_waiting);
	tcase_add_test(t, a_full_ring_is_over_when_each_queue_was_read_empty);
	tcase_add_test(t,
		       one_empty_queue_does_not_renew_the_patience_of_another);
	tcase_add_test(t, catching_up_reads_each_queue);
	tcase_add_test(t, dropping_reads_each_queue);
	tcase_add_loop_test(t, a_stop_takes_what_is_in_each_queue, 0, 4);
	tcase_add_test(t, a_stop_reads_each_queue_in_turn);
	tcase_add_test(t, an_abandoned_stop_counts_what_is_in_each_queue);
	tcase_add_test(t, one_of_them_is_replaced);
	return suite_run(suite, CK_FORK);
}
