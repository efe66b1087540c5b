/* SPDX-License-Identifier: MIT */
/*
 * Rates of a daemon that sleeps: it takes no sample while it sleeps, and none
 * is missing afterwards.
 */
#include <check.h>
#include <stdlib.h>

#include "daemon/base/clock.h"
#include "daemon/control/rate.h"
#include "tests/lib/suite.h"

#define T0 (UINT64_C(1000000) * CLOCK_SECOND)

static struct rate r;
static struct rate_sample now, over;

static uint64_t at(double seconds)
{
	return T0 + (uint64_t)(seconds * 1e9);
}

/* What the loop does before it sleeps. */
static void before_sleep(double seconds)
{
	if (rate_is_due(&r, at(seconds)))
		rate_advance(&r, at(seconds), &now);
	r.latest = now;
}

static double ask(double seconds, unsigned window)
{
	if (rate_is_due(&r, at(seconds)))
		rate_advance(&r, at(seconds), &now);
	return rate_since(&r, at(seconds), window, &now, &over);
}

static void open_rate(void)
{
	now = (struct rate_sample){ 0 };
	rate_open(&r, T0);
}

START_TEST(before_a_minute_it_counts_from_the_start)
{
	now.received = 50;
	now.too_large = 2;
	before_sleep(0.1);
	ck_assert_double_eq_tol(ask(10, 60), 10, 1e-6);
	ck_assert_uint_eq(over.received, 50);
	ck_assert_uint_eq(over.too_large, 2);
}
END_TEST

START_TEST(a_rate_without_a_past_does_not_divide_by_zero)
{
	ck_assert_double_eq(ask(0, 60), 0);
	ck_assert_double_eq(ask(0, 1), 0);
}
END_TEST

START_TEST(a_steady_stream_has_its_rate)
{
	double t, span;

	for (t = 0; t < 200; t += 0.01) {
		now.received++;
		before_sleep(t);
	}
	span = ask(t, 1);
	ck_assert_double_eq_tol(span, 1.5, 0.51);
	ck_assert_double_eq_tol(over.received, 100 * span, 3);
	span = ask(t, 60);
	ck_assert_double_eq_tol(span, 60.5, 0.51);
	ck_assert_double_eq_tol(over.received, 100 * span, 3);
}
END_TEST

START_TEST(datagrams_before_a_long_sleep_are_in_no_rate)
{
	now.received = 1000;
	before_sleep(0.5);
	/* While the loop sleeps, a worker writes a file. */
	now.written = 1000;
	ck_assert_double_gt(ask(500, 60), 59);
	ck_assert_uint_eq(over.received, 0);
	ck_assert_uint_eq(over.written, 0);
}
END_TEST

START_TEST(a_burst_after_a_long_sleep_is_in_the_rates)
{
	now.received = 1000;
	before_sleep(0.5);
	/* Woken by datagrams, which are counted before the next sleep. */
	now.received += 70;
	before_sleep(500);
	ask(500.2, 60);
	ck_assert_uint_eq(over.received, 70);
	ask(500.2, 1);
	ck_assert_uint_eq(over.received, 70);
	ask(503, 1);
	ck_assert_uint_eq(over.received, 0);
	ask(559, 60);
	ck_assert_uint_eq(over.received, 70);
	ask(562, 60);
	ck_assert_uint_eq(over.received, 0);
}
END_TEST

START_TEST(each_of_400_seconds_finds_its_sample)
{
	double t;

	/* One datagram a second: the count is the length of the window. */
	for (t = 0.5; t < 400; t += 1) {
		now.received++;
		now.ring_full++;
		before_sleep(t);
		ask(t, 60);
		ck_assert_double_eq_tol(over.received, t < 60 ? t + 0.5 : 61,
					1);
		ck_assert_uint_eq(over.received, over.ring_full);
	}
}
END_TEST

START_TEST(a_time_before_the_start_is_no_second)
{
	now.received = 5;
	before_sleep(-0.001);
	ck_assert_double_eq(ask(-0.001, 60), 0);
	before_sleep(2);
	before_sleep(1.999);
	ask(2.5, 60);
	ck_assert_uint_eq(over.received, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control rate");
	TCase *tcase = suite_case(suite, "rate", open_rate, NULL);

	tcase_add_test(tcase, before_a_minute_it_counts_from_the_start);
	tcase_add_test(tcase, a_rate_without_a_past_does_not_divide_by_zero);
	tcase_add_test(tcase, a_steady_stream_has_its_rate);
	tcase_add_test(tcase, datagrams_before_a_long_sleep_are_in_no_rate);
	tcase_add_test(tcase, a_burst_after_a_long_sleep_is_in_the_rates);
	tcase_add_test(tcase, each_of_400_seconds_finds_its_sample);
	tcase_add_test(tcase, a_time_before_the_start_is_no_second);
	return suite_run(suite, CK_FORK);
}
