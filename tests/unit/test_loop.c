/* SPDX-License-Identifier: MIT */
/*
 * Turns of the real loop: where the thread waits, and what ends a wait.  The
 * policy behind it is in test_pace.c.
 */
#include "tests/unit/listener_bed.h"

#include <sys/time.h>

static unsigned fired;

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
	fired++;
}

static unsigned called;

static void on_call(uv_async_t *async)
{
	(void)async;
	called++;
}

static uv_async_t other; /* another handle of the loop */

/* --- pauses -------------------------------------------------------------- */

/* As if so many had come, that they came fast however slow the test is. */
#define FAST 10000000

static void pretend(unsigned n)
{
	stats_add(&listener.stats.received, n);
	stats_add(&listener.stats.received_bytes, n * UINT64_C(10));
}

/* A turn that reads the queue empty and decides to pause. */
static void start_pausing(void)
{
	uint64_t emptied;

	start_with("buffer.timeout=never", true, 64, true);
	emptied = listener.emptied;
	pretend(FAST);
	/* since the machine's start */
	listener.pace.base_ns = clock_now();
	send_bytes(1, 10);
	turn();
	ck_assert(listener.pace.pausing);
	/* a second look at the queue would cost a call */
	ck_assert_uint_eq(listener.emptied, emptied + 1);
	ck_assert_uint_eq(ring_waiting(&c.ring), 1);
}

/* Nothing but time ends it. */
static void pause_in_full(void)
{
	ck_assert(listener.pace.pausing);
	uv_timer_stop(&listener.feed.wake_timer);
	loop_turn(&loop);
}

START_TEST(what_comes_in_a_pause_is_taken_after_it)
{
	start_pausing();
	send_bytes(8, 10);
	pretend(FAST);
	loop_turn(&loop);
	ck_assert_uint_eq(ring_waiting(&c.ring), 9);
	/* and the flow calls for another pause */
	ck_assert(listener.pace.pausing);
	send_bytes(1, 10);
	loop_turn(&loop);
	ck_assert_uint_eq(ring_waiting(&c.ring), 10);
	/* one datagram does not */
	ck_assert(!listener.pace.pausing);
	finish();
}
END_TEST

START_TEST(datagrams_do_not_end_a_pause)
{
	uint64_t begin_ns;

	start_pausing();
	send_bytes(1, 10);
	begin_ns = clock_now();
	pause_in_full();
	ck_assert_uint_ge(clock_now() - begin_ns, PACE_PAUSE_NS);
	finish();
}
END_TEST

START_TEST(a_pause_is_judged_only_if_it_ran_in_full)
{
	start_pausing();
	turn(); /* the loop has something */
	ck_assert_uint_eq(listener.pace.pause_after, PACE_PAUSE_AFTER);
	pretend(FAST);
	listener.pace.base_ns = clock_now();
	send_bytes(1, 10);
	turn();
	pause_in_full();
	ck_assert_uint_eq(listener.pace.pause_after, 2 * PACE_PAUSE_AFTER);
	finish();
}
END_TEST

START_TEST(a_timer_that_is_due_is_not_held_up_by_a_pause)
{
	uv_timer_t timer;

	start_pausing();
	uv_timer_init(&loop.uv, &timer);
	uv_timer_start(&timer, on_timer, 0, 0);
	loop_turn(&loop);
	ck_assert_uint_eq(fired, 1);
	finish();
}
END_TEST

START_TEST(another_handle_is_not_held_up_by_a_pause)
{
	start_pausing();
	uv_async_init(&loop.uv, &other, on_call);
	uv_async_send(&other);
	loop_turn(&loop);
	ck_assert_uint_eq(called, 1);
	finish();
}
END_TEST

START_TEST(a_stop_does_not_wait_for_the_end_of_a_pause)
{
	start_pausing();
	send_bytes(3, 10);
	listener_stop(&listener, on_drained, &drained);
	ck_assert_uint_eq(drained, 1);
	turn();
	ck_assert_uint_eq(ring_waiting(&c.ring), 4);
	ck_assert_int_eq(listener.state, LISTENER_STOPPED);
	finish();
}
END_TEST

/* --- sleeps in recvmmsg -------------------------------------------------- */

static void checked_before(unsigned ms)
{
	uv_update_time(&loop.uv);
	listener.pace.checked_ms = uv_now(&loop.uv) - ms;
}

/*
 * The next turn is a check, as after 10 s with 100 datagrams a millisecond.
 * The flow is steady however slow the test is: up to 500 s later.
 */
static void check_next(void)
{
	checked_before(10000);
	listener.pace.checked_received = COUNT(received) - 1000000;
	listener.pace.turns = 1000000;
}

/* A machine so slow that the next check was due: it found too few turns. */
static bool checked_since(uint64_t checked_ms)
{
	return listener.pace.checked_ms != checked_ms;
}

/* Nobody takes from this ring, so that the listener has a timer. */
static void turn_without_timer(void)
{
	uv_timer_stop(&listener.feed.wake_timer);
	loop_turn(&loop);
}

static void turn_after_datagram(void)
{
	send_bytes(1, 10);
	turn_without_timer();
	take_one();
}

static void start_steady(void)
{
	start_with("buffer.timeout=never", true, 16, false);
	uv_async_init(&loop.uv, &other, on_call);
	/* libuv registers what it watches, and wakes itself, in its first run */
	turn();
	uv_run(&loop.uv, UV_RUN_NOWAIT);
	check_next();
	turn_after_datagram();
	ck_assert(listener.pace.steady);
}

START_TEST(a_steady_flow_is_slept_for_in_recvmmsg)
{
	uint64_t checked_ms;
	unsigned n;

	start_steady();
	checked_ms = listener.pace.checked_ms;
	uv_async_send(&other);
	for (n = 1; n <= 3; n++) {
		send_bytes(1, 10);
		turn_without_timer();
		ck_assert_uint_eq(ring_waiting(&c.ring), n);
		/* the other handle waits for the next check */
		ck_assert((listener.pace.steady && !called) ||
			  checked_since(checked_ms));
	}
	check_next();
	send_bytes(1, 10);
	turn_without_timer();
	ck_assert_uint_eq(ring_waiting(&c.ring), 4);
	ck_assert_uint_eq(called, 1);
	finish();
}
END_TEST

START_TEST(a_sleep_without_a_datagram_is_the_last_one)
{
	uint64_t checked_ms;

	start_steady();
	checked_ms = listener.pace.checked_ms;
	uv_async_send(&other);
	turn_without_timer();
	ck_assert(!listener.pace.steady);
	ck_assert(!called || checked_since(checked_ms));
	turn();
	ck_assert_uint_eq(called, 1);
	finish();
}
END_TEST

/* So that a sleep does not end by itself. */
static void sleep_long(void)
{
	struct timeval time = { .tv_sec = suite_limit() };

	ck_assert_int_eq(setsockopt(sock[1], SOL_SOCKET, SO_RCVTIMEO, &time,
				    sizeof(time)),
			 0);
}

START_TEST(a_near_timer_is_not_slept_over)
{
	uv_timer_t timer;

	start_steady();
	sleep_long();
	uv_timer_init(&loop.uv, &timer);
	uv_timer_start(&timer, on_timer, 1, 0);
	while (!fired)
		loop_turn(&loop);
	finish();
}
END_TEST

START_TEST(another_handle_ends_the_sleeps_until_the_next_check)
{
	start_steady();
	check_next();
	turn();
	ck_assert(!listener.pace.steady);
	check_next();
	turn_after_datagram();
	ck_assert(listener.pace.steady);
	finish();
}
END_TEST

static void on_alarm(int sig)
{
	(void)sig;
	uv_async_send(&other);
}

/* SA_RESTART, as libuv has it for its own. */
START_TEST(a_signal_ends_a_sleep_in_recvmmsg)
{
	struct sigaction act = { .sa_handler = on_alarm,
				 .sa_flags = SA_RESTART };
	/* one may come before the sleep */
	struct itimerval soon = { { .tv_usec = 1000 }, { .tv_usec = 1000 } };
	struct itimerval never = { 0 };

	start_steady();
	sleep_long();
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	turn_without_timer();
	turn();
	ck_assert_uint_ge(called, 1);
	setitimer(ITIMER_REAL, &never, NULL);
	finish();
}
END_TEST

/* A socket that is shut down would have an empty datagram for it. */
START_TEST(a_drain_does_not_sleep_in_recvmmsg)
{
	start_steady();
	sleep_long();
	uv_timer_stop(&listener.feed.wake_timer);
	listener.state = LISTENER_DRAINING;
	listener.drain_left = 10;
	checked_before(0);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_DRAINING);
	finish();
}
END_TEST

/* What comes during a sleep would be dropped, although there is room again. */
START_TEST(a_dropping_listener_does_not_sleep_in_recvmmsg)
{
	start("buffer.timeout=0", true);
	send_bytes(SLOTS, 10);
	turn();
	ck_assert(ring_claim(&c.ring, ring_claimed(&c.ring), SLOTS));
	sleep_long();
	listener.pace.steady = true;
	checked_before(0);
	listener.state = LISTENER_READING;
	uv_timer_stop(&listener.feed.wake_timer);
	loop_turn(&loop);
	ck_assert_int_eq(listener.state, LISTENER_DROPPING);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tc = core_case(suite, "pause");

	tcase_add_test(tc, what_comes_in_a_pause_is_taken_after_it);
	tcase_add_test(tc, datagrams_do_not_end_a_pause);
	tcase_add_test(tc, a_pause_is_judged_only_if_it_ran_in_full);
	tcase_add_test(tc, a_timer_that_is_due_is_not_held_up_by_a_pause);
	tcase_add_test(tc, another_handle_is_not_held_up_by_a_pause);
	tcase_add_test(tc, a_stop_does_not_wait_for_the_end_of_a_pause);
	tc = core_case(suite, "sleep");
	tcase_add_test(tc, a_steady_flow_is_slept_for_in_recvmmsg);
	tcase_add_test(tc, a_sleep_without_a_datagram_is_the_last_one);
	tcase_add_test(tc, a_near_timer_is_not_slept_over);
	tcase_add_test(tc, another_handle_ends_the_sleeps_until_the_next_check);
	tcase_add_test(tc, a_signal_ends_a_sleep_in_recvmmsg);
	tcase_add_test(tc, a_drain_does_not_sleep_in_recvmmsg);
	tcase_add_test(tc, a_dropping_listener_does_not_sleep_in_recvmmsg);
	return suite_run(suite, CK_FORK);
}
