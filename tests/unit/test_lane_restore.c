/* SPDX-License-Identifier: MIT */
/*
 * What a start does with the lanes of a former life.  No worker runs, so a test
 * sees what would wake one.
 */
#include "tests/unit/listener_bed.h"

#include <sys/un.h>

#include "daemon/intake/lane_server.h"

#define LANES 4

static struct lane_server server;
static struct lane_entry entries[LANES];
static struct lane_table table = { entries, LANES };
static int listening;

/* As a start that systemd passed `stored` descriptors to. */
static void open_lanes(unsigned stored)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(listening, 0);
	/* the kernel finds a name */
	ck_assert_int_eq(bind(listening, (void *)&any, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(listen(listening, 8), 0);
	ck_assert_int_eq(lanes_open(&workers.lanes, &table, 100), 0);
	ck_assert_int_eq(lane_server_open(&server, &loop.uv, listening,
					  &workers, &table, &listener, cfg,
					  stored),
			 0);
}

static void close_lanes(void)
{
	lane_server_close(&server);
	turn();
	close(listening);
	lanes_close(&workers.lanes);
	finish();
}

START_TEST(a_start_without_stored_lanes_wakes_no_worker)
{
	start("buffer.timeout=never", true);
	open_lanes(0);
	ck_assert(!lanes_are_awake(&workers.lanes));
	close_lanes();
}
END_TEST

/* Its client asks, and sends the rest. */
START_TEST(a_lane_whose_memory_was_not_stored_is_closed_at_the_start)
{
	start("buffer.timeout=never", true);
	lane_entry_open(&entries[1], 7, 65536, 0, geteuid(), 1, 96);
	open_lanes(0);
	ck_assert_uint_eq(load_relaxed(&entries[1].state), LANE_ENTRY_CLOSED);
	ck_assert_uint_eq(load_relaxed(&entries[1].position), 96);
	ck_assert(!lanes_are_awake(&workers.lanes));
	ck_assert_uint_eq(lane_server_lanes(&server), 0);
	close_lanes();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lanes of a former life");
	TCase *t = core_case(suite, "restore");

	tcase_add_test(t, a_start_without_stored_lanes_wakes_no_worker);
	tcase_add_test(
		t, a_lane_whose_memory_was_not_stored_is_closed_at_the_start);
	return suite_run(suite, CK_FORK);
}
