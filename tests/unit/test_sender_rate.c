/* SPDX-License-Identifier: MIT */
/*
 * The limit of a sender: token buckets, each with the time as the test gives
 * it, and the table of them, which nobody escapes by means of many users.
 */
#include "daemon/intake/sender_rate.h"
#include "daemon/base/clock.h"
#include "tests/lib/suite.h"

#define MS CLOCK_MS
#define S CLOCK_SECOND

static struct sender_bucket bucket;
static struct sender_users users;

/* How many of n messages pass at this moment. */
static uint64_t pass(struct sender_bucket *b, const struct sender_limit *limit,
		     uint64_t n, uint64_t now)
{
	uint64_t passed = 0;

	while (n--)
		passed += sender_bucket_take(b, limit, now);
	return passed;
}

static const struct {
	uint64_t rate, burst;
	/* messages that come at a moment, and how many of them pass */
	struct {
		uint64_t at, come, pass;
	} step[6];
} cases[] = {
	{ 10, 10, { { 0, 15, 10 }, { 99 * MS, 1, 0 }, { 100 * MS, 2, 1 } } },
	/* no more than the burst after a long silence */
	{ 10, 3, { { 0, 5, 3 }, { 1000 * S, 5, 3 }, { 1000 * S, 1, 0 } } },
	/* what passes between is taken from what came meanwhile */
	{ 2,
	  4,
	  { { 0, 4, 4 }, { 500 * MS, 1, 1 }, { S, 1, 1 }, { 3 * S, 9, 4 } } },
	/* nothing is rounded away, however often it is asked */
	{ 3, 1, { { 0, 1, 1 }, { 333333333, 1, 0 }, { 333333334, 1, 1 } } },
	/* a clock that goes back gives nothing */
	{ 1, 1, { { 10 * S, 2, 1 }, { 5 * S, 1, 0 }, { 11 * S, 2, 1 } } },
	/* the largest numbers */
	{ SENDER_RATE_MOST,
	  1,
	  { { 0, 2, 1 }, { 1, 2, 1 }, { 2, 2, 1 }, { UINT64_MAX, 2, 1 } } },
	{ 1, SENDER_RATE_MOST, { { 0, 9, 9 }, { UINT64_MAX, 9, 9 } } },
};

START_TEST(a_bucket_passes_its_rate_and_its_burst_and_no_more)
{
	const struct sender_limit limit = { cases[_i].rate, cases[_i].burst };
	unsigned i;

	sender_bucket_open(&bucket, &limit, cases[_i].step[0].at);
	ck_assert(sender_bucket_is_full(&bucket, &limit, 0));
	for (i = 0; i < 6 && cases[_i].step[i].come; i++)
		ck_assert_uint_eq(pass(&bucket, &limit, cases[_i].step[i].come,
				       cases[_i].step[i].at),
				  cases[_i].step[i].pass);
}
END_TEST

START_TEST(over_a_long_time_the_rate_is_exact)
{
	const struct sender_limit limit = { 7, 3 };
	uint64_t now, passed = 0;

	sender_bucket_open(&bucket, &limit, 0);
	for (now = 0; now <= 1000 * S; now += 1234567)
		passed += sender_bucket_take(&bucket, &limit, now);
	/* the burst, and seven for each whole second */
	ck_assert_uint_ge(passed, 3 + 6999);
	ck_assert_uint_le(passed, 3 + 7000);
}
END_TEST

START_TEST(a_lower_burst_holds_at_once_and_a_higher_one_is_filled)
{
	struct sender_limit limit = { 10, 100 };

	sender_bucket_open(&bucket, &limit, 0);
	limit.burst = 5;
	ck_assert_uint_eq(pass(&bucket, &limit, 9, 0), 5);
	limit.burst = 100;
	ck_assert_uint_eq(pass(&bucket, &limit, 9, 0), 0);
	ck_assert_uint_eq(pass(&bucket, &limit, 99, S), 10);
}
END_TEST

START_TEST(each_user_has_a_bucket_of_its_own)
{
	const struct sender_limit limit = { 1, 4 };
	uint32_t uid;

	sender_users_open(&users, &limit, 0);
	for (uid = 1000; uid < 1100; uid++)
		ck_assert_uint_eq(
			pass(sender_users_find(&users, uid, &limit, 0), &limit,
			     9, 0),
			4);
	for (uid = 1000; uid < 1100; uid++)
		ck_assert_uint_eq(
			pass(sender_users_find(&users, uid, &limit, 0), &limit,
			     9, 0),
			0);
}
END_TEST

/* As a process in a user namespace may, or a container with many users. */
START_TEST(many_users_do_not_get_more_than_their_places)
{
	const struct sender_limit limit = { 1, 4 };
	const uint64_t most = 4 * (SENDER_RATE_SETS * SENDER_RATE_WAYS +
				   UINT64_C(1));
	uint64_t passed = 0;
	uint32_t uid;
	unsigned round;

	sender_users_open(&users, &limit, 0);
	for (round = 0; round < 3; round++)
		for (uid = 0; uid < 65536; uid++)
			passed += pass(sender_users_find(&users, uid, &limit,
							 0),
				       &limit, 5, 0);
	ck_assert_uint_le(passed, most);
	ck_assert_uint_ge(passed, most / 2);
}
END_TEST

START_TEST(a_user_at_its_limit_keeps_its_place_and_a_quiet_one_gives_way)
{
	const struct sender_limit limit = { 1, 4 };
	struct sender_bucket *quiet, *loud;
	uint32_t uid;

	sender_users_open(&users, &limit, 0);
	loud = sender_users_find(&users, 5, &limit, 0);
	pass(loud, &limit, 4, 0);
	for (uid = 100; uid < 50000; uid++) {
		quiet = sender_users_find(&users, uid, &limit, 0);
		ck_assert_ptr_ne(quiet, loud);
	}
	ck_assert_ptr_eq(sender_users_find(&users, 5, &limit, 0), loud);
	ck_assert_uint_eq(pass(loud, &limit, 1, 0), 0);
	/* when it is full again, it is as good as a new one */
	for (uid = 100; uid < 50000; uid++)
		if (sender_users_find(&users, uid, &limit, 4 * S) == loud)
			break;
	ck_assert_uint_lt(uid, 50000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sender rate");
	TCase *t = suite_case(suite, "bucket", NULL, NULL);

	tcase_add_loop_test(t,
			    a_bucket_passes_its_rate_and_its_burst_and_no_more,
			    0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, over_a_long_time_the_rate_is_exact);
	tcase_add_test(t,
		       a_lower_burst_holds_at_once_and_a_higher_one_is_filled);
	t = suite_case(suite, "users", NULL, NULL);
	tcase_add_test(t, each_user_has_a_bucket_of_its_own);
	tcase_add_test(t, many_users_do_not_get_more_than_their_places);
	tcase_add_test(
		t,
		a_user_at_its_limit_keeps_its_place_and_a_quiet_one_gives_way);
	return suite_run(suite, CK_FORK);
}
