/* SPDX-License-Identifier: MIT */
/*
 * The listener's states: what it does with a full ring, with settings, and at
 * the end.  Each state lasts as long as the test wants; time passes only where
 * a timer is what is tested.
 */
#include "tests/unit/listener_bed.h"

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

/* The report timer, as if the rate limits allowed everything now. */
static void report_now(void)
{
	struct report *r = &listener.drops.report;
	unsigned i;

	ck_assert(uv_is_active((uv_handle_t *)&r->timer));
	for (i = 0; i < REPORT_LINES; i++)
		r->limit[i].next_ns = 0;
	uv_timer_start(&r->timer, r->timer.timer_cb, 0, 0);
	turn();
	ck_assert(!uv_is_active((uv_handle_t *)&r->timer));
}

START_TEST(too_large_ones_are_reported_at_once_and_then_together)
{
	struct drops *d = &listener.drops;

	start_with("buffer.timeout=never", true, 16, false);
	send_bytes(1, 101);
	turn();
	ck_assert_uint_eq(d->large.count, 0);
	send_bytes(2, 150);
	send_bytes(1, 299);
	send_bytes(1, 200);
	turn();
	ck_assert_uint_eq(d->large.count, 4);
	ck_assert_uint_eq(d->large.bytes, 799);
	ck_assert_uint_eq(d->large.largest, 299);
	/* also if nothing comes any more */
	report_now();
	ck_assert_uint_eq(d->large.count, 0);
	ck_assert_uint_eq(d->large.largest, 0);
	ck_assert_uint_eq(COUNT(too_large), 5);
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
		ck_assert_uint_eq(COUNT(ring_full) - listener.drops.full, 2);
	}
	ck_assert_uint_eq(COUNT(ring_full), 6);
	/* the rest is told when it may be, also if nothing comes any more */
	report_now();
	ck_assert_uint_eq(COUNT(ring_full) - listener.drops.full, 6);
	finish();
}
END_TEST

START_TEST(patience_ends_and_then_it_drops)
{
	uint64_t begin;

	start("buffer.timeout=10ms", true);
	send_bytes(10, 10);
	begin = clock_now();
	turn();
	/* A turn may take longer than the patience lasts. */
	if (clock_now() - begin < 10 * CLOCK_MS) {
		ck_assert_int_eq(listener.state, LISTENER_WAITING);
		ck_assert_uint_eq(COUNT(ring_full), 0);
	}
	turn_until(LISTENER_DROPPING);
	turn();
	ck_assert_uint_eq(COUNT(ring_full), 10 - SLOTS);
	/* nothing in the queue: a free slot ends it all the same */
	ck_assert(take_one());
	ck_assert_int_eq(listener.state, LISTENER_READING);
	finish();
}
END_TEST

/*
 * One slot comes free now and then, and the queue is never empty: somebody may
 * have waited in it since the ring became full.
 */
START_TEST(a_slot_that_comes_free_does_not_renew_the_patience)
{
	uint64_t limit = clock_now() + suite_limit() * CLOCK_SECOND;

	start("buffer.timeout=10ms", true);
	send_bytes(10, 10);
	turn();
	while (listener.state != LISTENER_DROPPING) {
		ck_assert_msg(clock_now() < limit, "the patience never ends");
		ck_assert(take_one());
		ck_assert_int_ne(listener.state, LISTENER_READING);
		send_bytes(1, 10);
		turn();
	}
	turn();
	ck_assert_uint_gt(COUNT(ring_full), 0);
	ck_assert_uint_eq(left_in_queue(), 0);
	/* read empty, but by dropping: the next one does not wait either */
	ck_assert_int_eq(listener.state, LISTENER_DROPPING);
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
	ck_assert_uint_eq(COUNT(ring_full) - listener.drops.full, 0);
	while (listener.state != LISTENER_READING)
		ck_assert(take_one());
	ck_assert_uint_eq(COUNT(ring_full), 1);
	ck_assert_uint_eq(COUNT(ring_full) - listener.drops.full, 1);
	finish();
}
END_TEST

/* --- catching up, for a flush -------------------------------------------- */

/* The loop does not turn meanwhile. */
START_TEST(catching_up_reads_what_was_in_the_queue_at_the_mark)
{
	struct listener_mark mark;

	start("buffer.timeout=never", true);
	send_bytes(3, 10);
	mark = listener_mark(&listener);
	ck_assert(listener_catch_up(&listener, &mark));
	ck_assert_uint_eq(COUNT(received), 3);
	/* the mark is of then: what came later can wait */
	send_bytes(1, 10);
	ck_assert(listener_catch_up(&listener, &mark));
	ck_assert_uint_eq(COUNT(received), 3);
	finish();
}
END_TEST

START_TEST(catching_up_waits_as_long_as_the_ring_is_full)
{
	struct listener_mark mark;

	start("buffer.timeout=never", true);
	send_bytes(SLOTS + 2, 10);
	mark = listener_mark(&listener);
	ck_assert(!listener_catch_up(&listener, &mark));
	ck_assert(take_one());
	ck_assert(!listener_catch_up(&listener, &mark));
	ck_assert(take_one() && take_one());
	ck_assert_uint_eq(COUNT(received), SLOTS + 2);
	ck_assert(listener_catch_up(&listener, &mark));
	finish();
}
END_TEST

static const struct {
	int qlen;	/* of net.unix.max_dgram_qlen, as far as it is known */
	uint64_t after; /* so many datagrams everything of the mark is read */
} catch_ups[] = {
	{ -1, 65536 },	{ 10, 1025 },	  { 512, 1025 },
	{ 3000, 3001 }, { 99999, 65536 },
};

/* A flood may keep the queue from ever being found empty. */
START_TEST(catching_up_ends_after_what_a_queue_can_hold)
{
	struct listener_mark mark;

	start("buffer.timeout=never", true);
	if (catch_ups[_i].qlen >= 0)
		listener_know_qlen(&listener, catch_ups[_i].qlen);
	mark = listener_mark(&listener);
	send_bytes(SLOTS + 1, 10);
	turn();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	stats_add(&listener.stats.received, catch_ups[_i].after - SLOTS - 1);
	ck_assert(!listener_catch_up(&listener, &mark));
	stats_add(&listener.stats.received, 1);
	ck_assert(listener_catch_up(&listener, &mark));
	finish();
}
END_TEST

/* The loop stands still for a part of it, and is called for the next part. */
START_TEST(catching_up_with_a_flood_leaves_the_loop_its_turns)
{
	struct listener_mark mark;
	unsigned calls = 0, parts = 1;

	start("buffer.timeout=0", true);
	count_calls(&calls);
	flood();
	mark = listener_mark(&listener);
	for (; !listener_catch_up(&listener, &mark); parts++)
		ck_assert_uint_eq(calls, parts);
	ck_assert_uint_ge(COUNT(received) - mark.received, 65536);
	ck_assert_uint_ge(parts, 16);
	ck_assert_uint_eq(listener.emptied, mark.emptied);
	finish();
}
END_TEST

/* The flush covers what the stop took; systemd's queue stays as it is. */
START_TEST(catching_up_ends_with_a_stop)
{
	struct listener_mark mark;

	start("buffer.timeout=never", _i);
	send_bytes(SLOTS + 1, 10);
	mark = listener_mark(&listener);
	turn();
	listener_stop(&listener, on_drained, &drained);
	ck_assert(listener_catch_up(&listener, &mark) == !_i);
	ck_assert_uint_eq(COUNT(received), SLOTS);
	listener_abandon(&listener);
	ck_assert(listener_catch_up(&listener, &mark));
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
	ck_assert_int_eq(listener.state, LISTENER_DRAIN_WAITING);
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
	tcase_add_test(tc,
		       too_large_ones_are_reported_at_once_and_then_together);
	tcase_add_test(tc, a_full_ring_stops_reading_and_a_free_slot_starts_it);
	tcase_add_test(tc, a_call_for_nothing_does_not_make_it_watch);
	tcase_add_test(tc, no_patience_drops_at_once_and_counts);
	tcase_add_test(tc, drops_are_told_now_and_then_and_all_of_them);
	tcase_add_test(tc, patience_ends_and_then_it_drops);
	tcase_add_test(tc, a_slot_that_comes_free_does_not_renew_the_patience);
	tcase_add_test(tc, new_patience_is_heeded_while_it_waits);
	tcase_add_test(tc, more_patience_ends_the_dropping);
	tcase_add_test(tc, catching_up_reads_what_was_in_the_queue_at_the_mark);
	tcase_add_test(tc, catching_up_waits_as_long_as_the_ring_is_full);
	tcase_add_loop_test(tc, catching_up_ends_after_what_a_queue_can_hold, 0,
			    sizeof(catch_ups) / sizeof(catch_ups[0]));
	tcase_add_test(tc, catching_up_with_a_flood_leaves_the_loop_its_turns);
	tcase_add_loop_test(tc, catching_up_ends_with_a_stop, 0, 2);
	tcase_add_loop_test(tc, a_stop_takes_the_queue_and_tells_once, 0, 2);
	tcase_add_loop_test(
		tc, a_stop_with_a_full_ring_leaves_systemds_queue_alone, 0, 3);
	tcase_add_loop_test(tc, a_stop_with_a_full_ring_waits_for_our_own_queue,
			    0, 3);
	tcase_add_loop_test(tc, an_abandoned_drain_counts_what_it_drops, 0, 2);
	return suite_run(suite, CK_FORK);
}
