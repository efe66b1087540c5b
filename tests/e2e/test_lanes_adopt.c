/* SPDX-License-Identifier: MIT */
/*
 * The state region is gone and systemd has kept a lane: the daemon has the
 * lane's own head to go by, which its client can write.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/lane_client.h"
#include "tests/lib/store.h"
#include "tests/lib/tally.h"

#define AT_LARGE 32

static struct tally tally;

static void write_one(struct lane_client *c, const char *text)
{
	uint32_t len = (uint32_t)strlen(text);

	ck_assert(lane_write(c, text, len));
	tally_expect(&tally, text, len);
}

/* The daemon has taken a message, and is killed; its region is lost. */
static void lose_region(struct lane_client *c)
{
	tally_open(&tally);
	bed_hold_socket();
	bed_hold_lanes();
	store_open();
	daemon_start("buffer.forced=0");
	ck_assert_int_eq(lane_open(c), 0);
	write_one(c, "before");
	UNTIL(lane_get(c, AT_READ) == c->written);
	lane_request(c, 3, 1);
	ck_assert_int_eq(lane_reply(c, NULL).status, 0);
	daemon_kill();
	ck_assert_int_eq(unlink(bed.state), 0);
}

static void require_all(void)
{
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}

START_TEST(a_lane_whose_region_is_lost_goes_on)
{
	struct lane_client c;

	lose_region(&c);
	write_one(&c, "between");
	daemon_start();
	write_one(&c, "after");
	UNTIL(lane_get(&c, AT_READ) == c.written);
	ck_assert_double_eq(ask_number("counters.lanes_broken"), 0);
	lane_end(&c);
	daemon_stop(NULL);
	require_all();
}
END_TEST

/* What is in it is the daemon's already, whatever the settings say now. */
START_TEST(a_lane_whose_region_is_lost_is_read_where_no_lanes_are_given_out)
{
	struct lane_client c;

	lose_region(&c);
	write_one(&c, "between");
	daemon_start("lanes.count=0");
	UNTIL(lane_get(&c, AT_READ) == c.written);
	lane_end(&c);
	daemon_stop(NULL);
	require_all();
}
END_TEST

/* What a client can say of its lane while there is no daemon. */
static const struct {
	unsigned at;
	uint64_t value;
} heads[] = {
	{ AT_READ, 4 },
	{ AT_READ, 12 },
	{ AT_READ, 1 << 20 },
	{ AT_READ, UINT64_MAX },
	{ AT_READ, UINT64_MAX - 7 },
	{ AT_WRITTEN, 4 },
	{ AT_WRITTEN, UINT64_MAX },
	{ AT_SIZE, 0 },
	{ AT_SIZE, 4096 },
	{ AT_SIZE, 12345 },
	{ AT_SIZE, UINT64_C(1) << 31 },
	{ AT_SIZE, UINT64_MAX },
	{ AT_ID, 0 },
	{ AT_ID, 12345 },
	{ AT_ID, UINT64_MAX },
	{ AT_LARGE, 1 },
	{ AT_LARGE, LANE_TEST_SIZE },
	{ AT_LARGE, UINT64_MAX },
	{ 0, 0 },
};

#define HEADS (sizeof(heads) / sizeof(heads[0]))

START_TEST(a_head_that_a_client_has_changed_harms_nobody_else)
{
	struct lane_client c, other;

	lose_region(&c);
	lane_publish(&c, "not taken", 9);
	lane_set(&c, heads[_i].at, heads[_i].value);
	daemon_start();
	/* Whether the lane goes on or not, the daemon does. */
	ck_assert_int_eq(lane_open(&other), 0);
	write_one(&other, "the other's");
	UNTIL(lane_get(&other, AT_READ) == other.written);
	lane_end(&c);
	UNTIL(ask_number("gauges.lanes_open") == 1);
	daemon_kill();
	/* Nor is it a trap for the next life. */
	daemon_start();
	write_one(&other, "once more");
	UNTIL(lane_get(&other, AT_READ) == other.written);
	lane_end(&other);
	daemon_stop(NULL);
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	ck_assert_uint_eq(tally.lost, 0);
	tally_close(&tally);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lanes without their region");
	TCase *t = bed_case(suite, "region lost");

	tcase_add_test(t, a_lane_whose_region_is_lost_goes_on);
	tcase_add_test(
		t,
		a_lane_whose_region_is_lost_is_read_where_no_lanes_are_given_out);
	tcase_add_loop_test(t,
			    a_head_that_a_client_has_changed_harms_nobody_else,
			    0, HEADS);
	return suite_run(suite, CK_NOFORK);
}
