/* SPDX-License-Identifier: MIT */
/* The policy of waiting, as a table of flows: no clock, no socket, no loop. */
#include "tests/lib/core.h"
#include "daemon/intake/pace.h"

#define MS_NS UINT64_C(1000000)

static struct pace pace;

static void open_pace(bool may_pause, bool may_receive)
{
	pace_open(&pace, may_receive);
	if (may_pause)
		pace_allow_pauses(&pace);
}

/* --- where to wait ------------------------------------------------------- */

static const struct next {
	bool pausing, steady, checking, reading;
	int loop_ms;
	enum pace_wait wait;
} nexts[] = {
	{ false, false, false, true, -1, PACE_POLL },
	{ false, true, false, true, -1, PACE_RECEIVE },
	{ false, true, false, true, 50, PACE_RECEIVE },
	{ false, true, false, true, 49, PACE_POLL },
	{ false, true, false, true, 0, PACE_POLL },
	{ false, true, true, true, -1, PACE_POLL },
	{ false, true, false, false, -1, PACE_POLL },
	{ true, false, false, true, -1, PACE_PAUSE },
	{ true, true, false, true, 0, PACE_PAUSE },
	{ true, false, false, false, -1, PACE_PAUSE },
};
#define NEXTS (int)(sizeof(nexts) / sizeof(nexts[0]))

START_TEST(the_next_wait_follows_from_the_flow_and_the_timers)
{
	const struct next *n = &nexts[_i];
	struct pace before;

	open_pace(true, true);
	pace.pausing = n->pausing;
	pace.steady = n->steady;
	pace.checking = n->checking;
	before = pace;
	ck_assert_int_eq(pace_next(&pace, n->reading, n->loop_ms), n->wait);
	/* the question changes nothing */
	ck_assert_mem_eq(&pace, &before, sizeof(pace));
}
END_TEST

/* --- pauses -------------------------------------------------------------- */

/* One decision after a base of nothing. */
static const struct flow {
	const char *what;
	bool may_pause;
	uint64_t datagrams, bytes, ns;
	bool pauses, decides;
} flows[] = {
	{ "fast and small", true, 128, 25600, 128 * 5000, true, true },
	{ "not allowed", false, 128, 25600, 1, false, false },
	{ "too few to decide", true, 127, 25400, 1, false, false },
	{ "a little too slow", true, 128, 25600, 128 * 5000 + 1, false, true },
	{ "of 1 KiB", true, 128, 128 * 1024, 1, true, true },
	{ "a little too large", true, 128, 128 * 1024 + 1, 1, false, true },
	{ "many in a long time", true, 1000000, 1000000, 5000 * MS_NS, true,
	  true },
	{ "empty ones", true, 128, 0, 1, true, true },
};
#define FLOWS (int)(sizeof(flows) / sizeof(flows[0]))

START_TEST(a_pause_follows_from_number_size_and_rate)
{
	const struct flow *f = &flows[_i];

	open_pace(f->may_pause, false);
	pace.base_received = UINT64_MAX - 10; /* counters may wrap */
	pace.base_bytes = 7;
	pace.base_ns = 1000;
	pace_emptied(&pace, f->datagrams + UINT64_MAX - 10, f->bytes + 7,
		     f->ns + 1000);
	ck_assert_msg(pace.pausing == f->pauses, "%s", f->what);
	/* the next decision counts from this one */
	ck_assert_msg((pace.base_ns != 1000) == f->decides, "%s", f->what);
	ck_assert_int_eq(pace_reads_on(&pace), !f->pauses);
}
END_TEST

/* A decision to pause, a pause that yields `yield` datagrams. */
static void pause_for(uint64_t yield, enum pace_end end)
{
	uint64_t received = pace.base_received + 1000000;

	pace_emptied(&pace, received, pace.base_bytes, pace.base_ns);
	ck_assert(pace.pausing);
	ck_assert_int_eq(pace_next(&pace, true, -1), PACE_PAUSE);
	pace_ended(&pace, PACE_PAUSE, end);
	ck_assert(!pace.pausing);
	pace_emptied(&pace, received + yield, pace.base_bytes,
		     pace.base_ns + 1000 * MS_NS);
}

static const struct yield {
	uint64_t after, yield;
	enum pace_end end;
	uint64_t next;
} yields[] = {
	{ 128, 31, PACE_END_PAUSED, 256 },
	{ 128, 0, PACE_END_PAUSED, 256 },
	{ 128, 32, PACE_END_PAUSED, 128 },
	{ 256, 32, PACE_END_PAUSED, 128 },
	{ 1024, 80, PACE_END_PAUSED, 512 },
	{ 65536, 0, PACE_END_PAUSED, 65536 },
	{ 32768, 0, PACE_END_PAUSED, 65536 },
	/* one that was cut short is no measure */
	{ 128, 0, PACE_END_HANDLE, 128 },
	{ 256, 100, PACE_END_EARLY, 256 },
};
#define YIELDS (int)(sizeof(yields) / sizeof(yields[0]))

START_TEST(pauses_that_yield_little_become_rare)
{
	const struct yield *y = &yields[_i];

	open_pace(true, false);
	pace.pause_after = y->after;
	pause_for(y->yield, y->end);
	ck_assert_uint_eq(pace.pause_after, y->next);
}
END_TEST

START_TEST(after_a_pause_the_flow_is_judged_anew)
{
	open_pace(true, false);
	pause_for(40, PACE_END_PAUSED);
	/* 40 are too few to decide, and the last decision stays as it was */
	ck_assert(!pace.pausing);
	ck_assert_uint_eq(pace.base_received, 1000000);
	pace_emptied(&pace, 1000000 + 128, 0, pace.base_ns);
	ck_assert(pace.pausing);
}
END_TEST

/* --- sleeps in recvmmsg -------------------------------------------------- */

/* What came in the milliseconds before a check. */
static const struct check {
	const char *what;
	bool may_receive;
	uint64_t ms, turns, datagrams;
	bool checks, steady;
} checks[] = {
	{ "steady", true, 10, 20, 20, true, true },
	{ "170,000/s", true, 10, 1000, 1700, true, true },
	{ "a socket that does not block", false, 10, 20, 20, true, false },
	{ "too soon for a check", true, 9, 100, 100, false, false },
	{ "few turns", true, 10, 19, 1000, true, false },
	{ "turns without datagrams", true, 10, 1000, 19, true, false },
	{ "as fast as 200,000/s", true, 10, 1000, 2000, true, false },
	{ "a little slower", true, 10, 1000, 1999, true, true },
	{ "an idle hour before", true, 3600000, 30, 1000, true, false },
};
#define CHECKS (int)(sizeof(checks) / sizeof(checks[0]))

static void turns(const struct check *c, uint64_t received, uint64_t now_ms)
{
	uint64_t n;

	/* all but the last one at the beginning, when no check is due */
	for (n = 1; n < c->turns; n++)
		pace_turn(&pace, received, now_ms);
	pace_turn(&pace, received + c->datagrams, now_ms + c->ms);
}

START_TEST(a_steady_flow_has_turns_and_datagrams_each_millisecond)
{
	const struct check *c = &checks[_i];

	open_pace(false, c->may_receive);
	pace.checked_ms = 5000;
	pace.checked_received = 77;
	turns(c, 77, 5000);
	ck_assert_msg(pace.checking == c->checks, "%s", c->what);
	ck_assert_msg(pace.steady == c->steady, "%s", c->what);
	/* the turn of the check itself serves the other handles */
	if (c->checks)
		ck_assert_int_eq(pace_next(&pace, true, -1), PACE_POLL);
	pace_turn(&pace, 0, 5000 + c->ms);
	ck_assert_int_eq(pace_next(&pace, true, -1),
			 c->steady ? PACE_RECEIVE : PACE_POLL);
}
END_TEST

static const struct end {
	enum pace_wait wait;
	enum pace_end end;
	bool steady;
} ends[] = {
	{ PACE_RECEIVE, PACE_END_DATAGRAM, true },
	{ PACE_RECEIVE, PACE_END_EARLY, false },
	{ PACE_POLL, PACE_END_DATAGRAM, true },
	{ PACE_POLL, PACE_END_EARLY, true },
	{ PACE_POLL, PACE_END_HANDLE, false },
	{ PACE_PAUSE, PACE_END_HANDLE, false },
};
#define ENDS (int)(sizeof(ends) / sizeof(ends[0]))

START_TEST(a_sleep_for_nothing_or_another_handle_ends_the_steady_flow)
{
	open_pace(true, true);
	pace.steady = true;
	pace_ended(&pace, ends[_i].wait, ends[_i].end);
	ck_assert_int_eq(pace.steady, ends[_i].steady);
	ck_assert_int_eq(pace_reads_on(&pace), !ends[_i].steady);
}
END_TEST

START_TEST(a_turn_that_pauses_is_not_counted)
{
	open_pace(true, true);
	pace.pausing = true;
	pace_turn(&pace, 1000, 1000);
	ck_assert_uint_eq(pace.turns, 0);
	ck_assert_uint_eq(pace.checked_ms, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pace");
	TCase *tc = core_case(suite, "pace");

	tcase_add_loop_test(tc,
			    the_next_wait_follows_from_the_flow_and_the_timers,
			    0, NEXTS);
	tcase_add_loop_test(tc, a_pause_follows_from_number_size_and_rate, 0,
			    FLOWS);
	tcase_add_loop_test(tc, pauses_that_yield_little_become_rare, 0,
			    YIELDS);
	tcase_add_test(tc, after_a_pause_the_flow_is_judged_anew);
	tcase_add_loop_test(
		tc, a_steady_flow_has_turns_and_datagrams_each_millisecond, 0,
		CHECKS);
	tcase_add_loop_test(
		tc, a_sleep_for_nothing_or_another_handle_ends_the_steady_flow,
		0, ENDS);
	tcase_add_test(tc, a_turn_that_pauses_is_not_counted);
	return suite_run(suite, CK_FORK);
}
