/* SPDX-License-Identifier: MIT */
/*
 * The listener on a loop that the test turns by hand: what it does with a
 * full ring, with settings, and at the end.
 *
 * No worker runs: the test claims and releases, so each state lasts as long
 * as it wants.  Time passes only where a timer is what is tested.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include "tests/unit/core_bed.h"
#include "daemon/base/clock.h"
#include "daemon/intake/listener.h"
#include "daemon/base/log.h"

#define SLOTS 4

static uv_loop_t loop;
static uv_async_t never_waits;
static struct listener listener;
static struct workers workers; /* none of them */
static struct core_ring c;
static struct config *cfg;
static int sock[2];
static unsigned drained;

static void on_drained(void *arg)
{
	ck_assert_ptr_eq(arg, &drained);
	drained++;
}

static void start_with(const char *timeout, bool ours, unsigned slots,
		       bool rests)
{
	log_set_level(0);
	cfg = CORE_SETTINGS(timeout, "socket.max_message=100");
	core_ring_open(&c, slots, 100, 0);
	workers.ring = &c.ring;
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sock), 0);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	uv_async_init(&loop, &never_waits, NULL);
	listener_start(&listener, &loop, sock[1], ours, &c.ring, &workers, cfg);
	if (rests)
		listener_may_rest(&listener);
}

static void start(const char *timeout, bool ours)
{
	start_with(timeout, ours, SLOTS, false);
}

static void finish(void)
{
	listener_close(&listener);
	uv_close((uv_handle_t *)&never_waits, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	core_ring_close(&c);
	config_free(cfg);
	close(sock[0]);
	close(sock[1]);
}

/* What is ready now, and nothing later. */
static void turn(void)
{
	uv_async_send(&never_waits);
	listener_turn(&listener);
}

static void turn_until(enum listener_state state)
{
	uint64_t limit = clock_now() + CORE_HANG / 2 * CLOCK_SECOND;

	while (listener.state != state) {
		ck_assert_msg(clock_now() < limit, "never %s",
			      listener_state_word(state));
		listener_turn(&listener);
	}
}

static void send_bytes(unsigned n, uint32_t len)
{
	char data[300] = "";

	while (n--)
		ck_assert_int_eq(send(sock[0], data, len, 0), len);
}

/* As a worker: false if the ring was empty. */
static bool take_one(void)
{
	uint64_t ticket = ring_claimed(&c.ring);

	if (!ring_waiting(&c.ring))
		return false;
	ck_assert(ring_claim(&c.ring, ticket, 1));
	if (ring_release(&c.ring, ticket, 1))
		listener_resume(&listener);
	return true;
}

static bool is_watched(void)
{
	return listener.state == LISTENER_READING ||
	       listener.state == LISTENER_DROPPING;
}

#define COUNT(name) stats_get(&listener.stats.name)

/* Reads until the queue is empty; the number of datagrams there were. */
static unsigned left_in_queue(void)
{
	char data[300];
	unsigned n = 0;

	while (recv(sock[1], data, sizeof(data), MSG_DONTWAIT) >= 0)
		n++;
	return n;
}

/* --- reading ------------------------------------------------------------- */

START_TEST(what_is_sent_is_in_the_ring_and_counted)
{
	start("buffer.timeout=never", true);
	send_bytes(1, 10);
	send_bytes(1, 0);
	send_bytes(1, 200);
	turn();
	ck_assert_uint_eq(ring_waiting(&c.ring), 3);
	ck_assert_uint_eq(COUNT(received), 3);
	ck_assert_uint_eq(COUNT(received_bytes), 210);
	ck_assert_uint_eq(COUNT(too_large), 1);
	ck_assert_int_eq(listener.state, LISTENER_READING);
	finish();
}
END_TEST

START_TEST(a_full_ring_stops_reading_and_a_free_slot_starts_it)
{
	start("buffer.timeout=never", true);
	send_bytes(6, 10);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	ck_assert(!is_watched());
	ck_assert_uint_eq(COUNT(received), SLOTS);
	ck_assert(take_one());
	ck_assert_uint_eq(COUNT(received), SLOTS + 1);
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	ck_assert(take_one() && take_one());
	ck_assert_uint_eq(COUNT(received), 6);
	ck_assert_int_eq(listener.state, LISTENER_READING);
	ck_assert(is_watched());
	ck_assert_uint_eq(COUNT(ring_full), 0);
	finish();
}
END_TEST

/* The queue is full, so a watched socket would call at each turn. */
START_TEST(a_call_for_nothing_does_not_make_it_watch)
{
	start("buffer.timeout=never", true);
	send_bytes(6, 10);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	/* a slot, but not the next one */
	ck_assert(ring_claim(&c.ring, SLOTS, 2));
	ck_assert(ring_release(&c.ring, SLOTS + 1, 1));
	listener_resume(&listener);
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	ck_assert(!is_watched());
	/* and it is told of the next one all the same */
	ck_assert(ring_release(&c.ring, SLOTS, 1));
	listener_resume(&listener);
	ck_assert_uint_eq(COUNT(received), 6);
	finish();
}
END_TEST

/* --- rests --------------------------------------------------------------- */

/* As if `n` datagrams of `len` bytes had come, which a short queue can not. */
static void pretend(unsigned n, uint64_t len)
{
	stats_add(&listener.stats.received, n);
	stats_add(&listener.stats.received_bytes, n * len);
}

/* And one that does. */
static void come(unsigned n)
{
	pretend(n, 10);
	send_bytes(1, 10);
	turn();
}

/* So many that they came fast, however slow the test is. */
#define FAST 10000000

static void start_slow(bool rests)
{
	start_with("buffer.timeout=never", true, 64, rests);
	/* the first since the machine's start */
	come(200);
	ck_assert(!listener.resting);
}

static void start_resting(void)
{
	uint64_t emptied;

	start_slow(true);
	emptied = listener.emptied;
	come(FAST);
	ck_assert(listener.resting);
	/* it does not ask again */
	ck_assert_uint_eq(listener.emptied, emptied + 1);
	ck_assert_uint_eq(ring_waiting(&c.ring), 2);
}

/* No sender wakes it: it looks by itself. */
START_TEST(what_comes_in_a_rest_is_taken_after_it)
{
	start_resting();
	send_bytes(8, 10);
	pretend(FAST, 10);
	listener_turn(&listener);
	ck_assert_uint_eq(ring_waiting(&c.ring), 10);
	/* and again */
	ck_assert(listener.resting);
	send_bytes(1, 10);
	listener_turn(&listener);
	ck_assert_uint_eq(ring_waiting(&c.ring), 11);
	/* that was one */
	ck_assert(!listener.resting);
	finish();
}
END_TEST

START_TEST(it_rests_only_where_it_may)
{
	start_slow(false);
	come(FAST);
	ck_assert(!listener.resting);
	finish();
}
END_TEST

/* They would fill the senders' own buffers. */
START_TEST(it_does_not_rest_from_large_ones)
{
	start_resting();
	send_bytes(8, 10);
	pretend(FAST, 2000);
	listener_turn(&listener);
	ck_assert(!listener.resting);
	/* the size counts from there */
	come(FAST);
	ck_assert(listener.resting);
	finish();
}
END_TEST

START_TEST(it_does_not_rest_from_slow_ones)
{
	start_resting();
	turn();
	listener.base_time -= 100 * CLOCK_SECOND;
	come(200);
	ck_assert(!listener.resting);
	/* the time counts from there */
	come(FAST);
	ck_assert(listener.resting);
	finish();
}
END_TEST

START_TEST(few_do_not_make_it_decide)
{
	uint64_t base;

	start_resting();
	turn();
	base = listener.base_received;
	come(100);
	ck_assert_uint_eq(listener.base_received, base);
	ck_assert(!listener.resting);
	come(100);
	ck_assert_uint_gt(listener.base_received, base);
	finish();
}
END_TEST

/* To the end: nothing but time ends it. */
static void rest_through(void)
{
	ck_assert(listener.resting);
	uv_timer_stop(&listener.kick);
	listener_turn(&listener);
}

/* A socket from before a longer queue was set. */
START_TEST(rests_for_little_become_rare)
{
	start_resting();
	rest_through();
	ck_assert_uint_eq(listener.rest_after, 256);
	come(200);
	ck_assert(!listener.resting);
	come(FAST);
	pretend(31, 10);
	rest_through();
	ck_assert_uint_eq(listener.rest_after, 512);
	/* and the others not at once again */
	come(FAST);
	pretend(32, 10);
	rest_through();
	ck_assert_uint_eq(listener.rest_after, 256);
	finish();
}
END_TEST

START_TEST(one_that_was_cut_short_says_nothing)
{
	start_resting();
	turn();
	ck_assert_uint_eq(listener.rest_after, 128);
	finish();
}
END_TEST

START_TEST(datagrams_do_not_end_it)
{
	uint64_t begin;

	start_resting();
	send_bytes(1, 10);
	begin = clock_now();
	rest_through();
	ck_assert_uint_ge(clock_now() - begin, 100000);
	finish();
}
END_TEST

static unsigned fired;

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
	fired++;
}

START_TEST(a_timer_that_is_due_is_not_held_up)
{
	uv_timer_t timer;

	start_resting();
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 0, 0);
	listener_turn(&listener);
	ck_assert_uint_eq(fired, 1);
	uv_close((uv_handle_t *)&timer, NULL);
	finish();
}
END_TEST

START_TEST(a_stop_does_not_wait_for_it)
{
	start_resting();
	send_bytes(3, 10);
	listener_stop(&listener, on_drained, &drained);
	ck_assert_uint_eq(drained, 1);
	turn();
	ck_assert_uint_eq(ring_waiting(&c.ring), 5);
	ck_assert_int_eq(listener.state, LISTENER_STOPPED);
	finish();
}
END_TEST

static unsigned called;

static void on_call(uv_async_t *async)
{
	(void)async;
	called++;
}

START_TEST(the_loop_is_not_held_up_by_it)
{
	uv_async_t async;

	start_resting();
	uv_async_init(&loop, &async, on_call);
	uv_async_send(&async);
	listener_turn(&listener);
	ck_assert_uint_eq(called, 1);
	uv_close((uv_handle_t *)&async, NULL);
	finish();
}
END_TEST

/* --- sleeping in the socket ----------------------------------------------- */

static uv_async_t other; /* another handle of the loop */

static void looked_before(unsigned ms)
{
	uv_update_time(&loop);
	listener.looked = uv_now(&loop) - ms;
}

/* The next turn looks at the loop, as after 10 ms with many datagrams. */
static void look_next(void)
{
	looked_before(10);
	listener.look_received = COUNT(received) - 1000;
	listener.turns = 1000;
}

/* A machine so slow that the next look is due: it finds too few turns. */
static bool looked_since(uint64_t looked)
{
	return listener.looked != looked;
}

/* Nobody takes from this ring, so that the listener has a timer. */
static void turn_without_timer(void)
{
	uv_timer_stop(&listener.kick);
	listener_turn(&listener);
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
	uv_async_init(&loop, &other, on_call);
	/* libuv registers what it watches, and wakes itself, in its first run */
	turn();
	uv_run(&loop, UV_RUN_NOWAIT);
	look_next();
	turn_after_datagram();
	ck_assert(listener.steady);
}

static void finish_steady(void)
{
	uv_close((uv_handle_t *)&other, NULL);
	finish();
}

START_TEST(a_steady_flow_is_slept_for_in_the_socket)
{
	uint64_t looked;

	start_steady();
	looked = listener.looked;
	uv_async_send(&other);
	for (unsigned n = 1; n <= 3; n++) {
		send_bytes(1, 10);
		turn_without_timer();
		ck_assert_uint_eq(ring_waiting(&c.ring), n);
		/* the loop waits for the next look */
		ck_assert((listener.steady && !called) || looked_since(looked));
	}
	look_next();
	send_bytes(1, 10);
	turn_without_timer();
	ck_assert_uint_eq(ring_waiting(&c.ring), 4);
	ck_assert_uint_eq(called, 1);
	finish_steady();
}
END_TEST

START_TEST(a_sleep_without_a_datagram_is_the_last)
{
	uint64_t looked;

	start_steady();
	looked = listener.looked;
	uv_async_send(&other);
	turn_without_timer();
	ck_assert(!listener.steady);
	ck_assert(!called || looked_since(looked));
	turn();
	ck_assert_uint_eq(called, 1);
	finish_steady();
}
END_TEST

/* So that a sleep does not end by itself. */
static void sleep_long(void)
{
	struct timeval time = { .tv_sec = CORE_HANG };

	ck_assert_int_eq(setsockopt(sock[1], SOL_SOCKET, SO_RCVTIMEO, &time,
				    sizeof(time)),
			 0);
}

START_TEST(a_near_timer_is_not_slept_over)
{
	uv_timer_t timer;

	start_steady();
	sleep_long();
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 1, 0);
	while (!fired)
		listener_turn(&listener);
	uv_close((uv_handle_t *)&timer, NULL);
	finish_steady();
}
END_TEST

START_TEST(few_turns_are_no_steady_flow)
{
	start_steady();
	look_next();
	listener.turns = 10;
	turn_after_datagram();
	ck_assert(!listener.steady);
	finish_steady();
}
END_TEST

START_TEST(nor_are_turns_without_datagrams)
{
	start_steady();
	look_next();
	listener.look_received = COUNT(received);
	turn_after_datagram();
	ck_assert(!listener.steady);
	finish_steady();
}
END_TEST

START_TEST(another_handle_ends_it_until_the_next_look)
{
	start_steady();
	look_next();
	turn();
	ck_assert(!listener.steady);
	look_next();
	turn_after_datagram();
	ck_assert(listener.steady);
	finish_steady();
}
END_TEST

START_TEST(nor_is_a_fast_one)
{
	start_steady();
	look_next();
	listener.look_received -= 1000000000;
	turn_after_datagram();
	ck_assert(!listener.steady);
	finish_steady();
}
END_TEST

static void on_alarm(int sig)
{
	(void)sig;
	uv_async_send(&other);
}

/* SA_RESTART, as libuv has it for its own. */
START_TEST(a_signal_ends_the_sleep)
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
	finish_steady();
}
END_TEST

/* A socket that is shut down would have an empty datagram for it. */
START_TEST(a_drain_does_not_sleep_there)
{
	start_steady();
	sleep_long();
	uv_timer_stop(&listener.kick);
	listener.draining = true;
	looked_before(0);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_READING);
	listener.draining = false;
	finish_steady();
}
END_TEST

/* What comes during a sleep would be dropped, although there is room again. */
START_TEST(what_is_dropped_is_not_slept_for)
{
	start("buffer.timeout=0", true);
	send_bytes(SLOTS, 10);
	turn();
	ck_assert(ring_claim(&c.ring, ring_claimed(&c.ring), SLOTS));
	sleep_long();
	listener.steady = true;
	looked_before(0);
	listener.state = LISTENER_READING;
	uv_timer_stop(&listener.kick);
	listener_turn(&listener);
	ck_assert_int_eq(listener.state, LISTENER_DROPPING);
	finish();
}
END_TEST

/* --- dropping ------------------------------------------------------------ */

START_TEST(no_patience_drops_at_once_and_counts)
{
	start("buffer.timeout=0", true);
	send_bytes(10, 10);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_DROPPING);
	ck_assert_uint_eq(COUNT(received), 10);
	ck_assert_uint_eq(COUNT(ring_full), 10 - SLOTS);
	ck_assert_uint_eq(COUNT(received_bytes), 100);
	ck_assert(take_one());
	ck_assert_int_eq(listener.state, LISTENER_READING);
	send_bytes(1, 10);
	turn();
	ck_assert_uint_eq(COUNT(ring_full), 10 - SLOTS);
	ck_assert_uint_eq(ring_waiting(&c.ring), SLOTS);
	finish();
}
END_TEST

/* A ring that is full and has room again all the time. */
START_TEST(drops_are_told_now_and_then_and_all_of_them)
{
	unsigned i;

	start("buffer.timeout=0", true);
	send_bytes(SLOTS, 10);
	turn();
	for (i = 1; i <= 5; i++) {
		/* the first takes the free slot, but for the full ring */
		send_bytes(2, 10);
		turn();
		ck_assert_int_eq(listener.state, LISTENER_DROPPING);
		ck_assert(take_one());
		ck_assert_int_eq(listener.state, LISTENER_READING);
		ck_assert_uint_eq(listener.told, 2);
	}
	ck_assert_uint_eq(COUNT(ring_full), 6);
	/* the rest is told when it may be, also if nothing comes any more */
	ck_assert(uv_is_active((uv_handle_t *)&listener.tell));
	listener.limit_again.next_ns = 0;
	uv_timer_start(&listener.tell, listener.tell.timer_cb, 0, 0);
	turn();
	ck_assert_uint_eq(listener.told, 6);
	finish();
}
END_TEST

START_TEST(patience_ends_and_then_it_drops)
{
	start("buffer.timeout=10ms", true);
	send_bytes(10, 10);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	ck_assert_uint_eq(COUNT(ring_full), 0);
	turn_until(LISTENER_DROPPING);
	turn();
	ck_assert_uint_eq(COUNT(ring_full), 10 - SLOTS);
	/* nothing in the queue: a free slot ends it all the same */
	ck_assert(take_one());
	ck_assert_int_eq(listener.state, LISTENER_READING);
	finish();
}
END_TEST

/* As a reload does it. */
static void configure(const char *timeout)
{
	struct config *wanted = CORE_SETTINGS(timeout,
					      "socket.max_message=100");
	struct config *merged = config_merge(cfg, wanted);

	listener_configure(&listener, merged);
	config_free(wanted);
	config_free(cfg);
	cfg = merged;
}

START_TEST(new_patience_is_heeded_while_it_waits)
{
	start("buffer.timeout=never", true);
	send_bytes(10, 10);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	configure("buffer.timeout=5ms");
	turn_until(LISTENER_DROPPING);
	finish();
}
END_TEST

START_TEST(more_patience_ends_the_dropping)
{
	start("buffer.timeout=0", true);
	send_bytes(SLOTS + 1, 10);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_DROPPING);
	configure("buffer.timeout=never");
	send_bytes(10, 10);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	ck_assert_uint_eq(COUNT(ring_full), 1);
	/* and what was dropped is told when there is room */
	ck_assert_uint_eq(listener.told, 0);
	ck_assert(take_one());
	ck_assert_uint_eq(listener.told, 1);
	finish();
}
END_TEST

/* --- the end ------------------------------------------------------------- */

START_TEST(a_stop_takes_the_queue_and_tells_once)
{
	start("buffer.timeout=never", _i);
	send_bytes(3, 10);
	listener_stop(&listener, on_drained, &drained);
	ck_assert_uint_eq(drained, 1);
	ck_assert_int_eq(listener.state, LISTENER_STOPPED);
	ck_assert_uint_eq(ring_waiting(&c.ring), 3);
	/* a socket of our own takes no more, one of systemd does */
	if (_i)
		ck_assert(send(sock[0], "x", 1, MSG_NOSIGNAL) < 0 &&
			  errno == EPIPE);
	else
		send_bytes(1, 1);
	turn();
	ck_assert_uint_eq(COUNT(received), 3);
	ck_assert_uint_eq(drained, 1);
	listener_abandon(&listener);
	ck_assert_uint_eq(drained, 1);
	finish();
}
END_TEST

static const char *const patience[] = { "buffer.timeout=0",
					"buffer.timeout=1ms",
					"buffer.timeout=never" };

/* The next process reads it. */
START_TEST(a_stop_with_a_full_ring_leaves_systemds_queue_alone)
{
	unsigned before;

	start(patience[_i], false);
	send_bytes(SLOTS, 10);
	turn();
	send_bytes(1, 10);
	turn();
	before = COUNT(ring_full);
	/* waiting, or dropping if its patience is over */
	ck_assert_int_ne(listener.state, LISTENER_READING);
	send_bytes(3, 10);
	listener_stop(&listener, on_drained, &drained);
	ck_assert_uint_eq(drained, 1);
	usleep(3000); /* beyond its patience */
	turn();
	ck_assert_uint_eq(COUNT(ring_full), before);
	ck_assert_uint_eq(left_in_queue(), 4 - before);
	finish();
}
END_TEST

START_TEST(a_stop_with_a_full_ring_waits_for_our_own_queue)
{
	unsigned before;

	start(patience[_i], true);
	send_bytes(SLOTS, 10);
	turn();
	send_bytes(1, 10);
	turn();
	before = COUNT(ring_full);
	send_bytes(3, 10);
	listener_stop(&listener, on_drained, &drained);
	ck_assert_uint_eq(drained, 0);
	usleep(3000); /* beyond its patience, but no sender waits */
	turn();
	ck_assert_uint_eq(COUNT(ring_full), before);
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	while (take_one())
		turn();
	ck_assert_uint_eq(drained, 1);
	ck_assert_uint_eq(COUNT(received), SLOTS + 4);
	ck_assert_uint_eq(COUNT(ring_full), before);
	finish();
}
END_TEST

START_TEST(an_abandoned_drain_counts_what_it_drops)
{
	start("buffer.timeout=never", _i);
	send_bytes(SLOTS, 10);
	turn();
	send_bytes(3, 10);
	turn();
	listener_stop(&listener, on_drained, &drained);
	ck_assert_uint_eq(drained, !_i);
	listener_abandon(&listener);
	ck_assert_uint_eq(drained, 1);
	ck_assert_uint_eq(COUNT(ring_full), _i ? 3 : 0);
	ck_assert_uint_eq(left_in_queue(), _i ? 0 : 3);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listener");
	TCase *tc = core_case(suite, "listener");

	tcase_add_test(tc, what_is_sent_is_in_the_ring_and_counted);
	tcase_add_test(tc, a_full_ring_stops_reading_and_a_free_slot_starts_it);
	tcase_add_test(tc, a_call_for_nothing_does_not_make_it_watch);
	tcase_add_test(tc, what_comes_in_a_rest_is_taken_after_it);
	tcase_add_test(tc, it_rests_only_where_it_may);
	tcase_add_test(tc, it_does_not_rest_from_large_ones);
	tcase_add_test(tc, it_does_not_rest_from_slow_ones);
	tcase_add_test(tc, few_do_not_make_it_decide);
	tcase_add_test(tc, rests_for_little_become_rare);
	tcase_add_test(tc, one_that_was_cut_short_says_nothing);
	tcase_add_test(tc, datagrams_do_not_end_it);
	tcase_add_test(tc, a_timer_that_is_due_is_not_held_up);
	tcase_add_test(tc, a_stop_does_not_wait_for_it);
	tcase_add_test(tc, the_loop_is_not_held_up_by_it);
	tcase_add_test(tc, a_steady_flow_is_slept_for_in_the_socket);
	tcase_add_test(tc, a_sleep_without_a_datagram_is_the_last);
	tcase_add_test(tc, a_near_timer_is_not_slept_over);
	tcase_add_test(tc, few_turns_are_no_steady_flow);
	tcase_add_test(tc, nor_are_turns_without_datagrams);
	tcase_add_test(tc, another_handle_ends_it_until_the_next_look);
	tcase_add_test(tc, nor_is_a_fast_one);
	tcase_add_test(tc, a_signal_ends_the_sleep);
	tcase_add_test(tc, a_drain_does_not_sleep_there);
	tcase_add_test(tc, what_is_dropped_is_not_slept_for);
	tcase_add_test(tc, no_patience_drops_at_once_and_counts);
	tcase_add_test(tc, drops_are_told_now_and_then_and_all_of_them);
	tcase_add_test(tc, patience_ends_and_then_it_drops);
	tcase_add_test(tc, new_patience_is_heeded_while_it_waits);
	tcase_add_test(tc, more_patience_ends_the_dropping);
	tcase_add_loop_test(tc, a_stop_takes_the_queue_and_tells_once, 0, 2);
	tcase_add_loop_test(
		tc, a_stop_with_a_full_ring_leaves_systemds_queue_alone, 0, 3);
	tcase_add_loop_test(tc, a_stop_with_a_full_ring_waits_for_our_own_queue,
			    0, 3);
	tcase_add_loop_test(tc, an_abandoned_drain_counts_what_it_drops, 0, 2);
	return core_run(suite);
}
