/* SPDX-License-Identifier: MIT */
/* Workers with both roads: neither the ring nor a lane waits for the other. */
#include "tests/lib/pool.h"
#include "tests/unit/lane_bed.h"

static struct client client;

/* An open lane of the pool's first entry. */
static void add_lane(uint64_t large)
{
	struct lane_entry *e = lane_table_room(&pool_region.lanes);
	struct lane lane;

	ck_assert_ptr_eq(e, pool_region.lanes.entry);
	lane_entry_open(e, 77, 16384, large, 0, 0, 0);
	lane_bed_open(&client, &lane, e);
	lanes_add(&pool.lanes, &lane);
}

/* The number of the file, by its time, in which this text is. */
static unsigned file_with(const char *text)
{
	struct core_files all = core_files(core_path("files"));
	unsigned n, found = UINT_MAX;
	char path[PATH_MAX], *data;

	for (n = 0; n < all.n && found == UINT_MAX; n++) {
		snprintf(path, sizeof(path), "%s/%s", core_path("files"),
			 all.name[n]);
		data = file_read(path, NULL);
		if (strstr(data, text))
			found = n;
		free(data);
	}
	core_files_free(&all);
	return found;
}

/* Which road has so much that each take from it fills the arena. */
enum busy { RING, RING_AND_LARGE, LANE };

START_TEST(a_road_that_fills_every_arena_starves_no_other)
{
	unsigned i;

	POOL_START("buffer.workers=1", "buffer.forced=0", "buffer.size=20",
		   "buffer.queue_size=256");
	UNTIL(pool_is_parked());
	add_lane(_i == RING_AND_LARGE ? 100 : 0);
	for (i = 0; i < 200; i++) {
		if (_i == LANE)
			client_put_text(&client, "from lane");
		else
			pool_put("from ring");
	}
	if (_i == LANE)
		pool_put("the other");
	else
		client_put_text(&client, "the other");
	workers_ring(&pool);
	UNTIL(!ring_waiting(&pool_region.ring));
	UNTIL(client.head->read == client.written);
	pool_stop();
	/* Two messages a file. */
	ck_assert_uint_ge(pool_files(), 100);
	ck_assert_uint_lt(file_with("the other"), 5);
	client_close(&client);
}
END_TEST

START_TEST(a_flush_covers_both_roads)
{
	uint64_t request;

	POOL_START("buffer.workers=4", "buffer.forced=0");
	UNTIL(pool_is_parked());
	add_lane(0);
	client_put_text(&client, "from lane");
	pool_put("from ring");
	request = workers_flush(&pool);
	UNTIL(workers_flushed(&pool, request));
	ck_assert_uint_eq(pool_written(), 2);
	pool_stop();
	client_close(&client);
}
END_TEST

/* A client takes back what a flush covers; the others do not wait for it. */
START_TEST(a_flush_does_not_wait_for_what_a_client_takes_back)
{
	uint64_t request;

	POOL_START("buffer.workers=2", "buffer.forced=0");
	UNTIL(pool_is_parked());
	add_lane(0);
	/* No worker has it, so that the client is faster. */
	atomic_store(&pool.lanes.slot[0].claimed, true);
	client_set_written(&client, 4096);
	request = workers_flush(&pool);
	client_set_written(&client, 0);
	atomic_store(&pool.lanes.slot[0].claimed, false);
	UNTIL(workers_flushed(&pool, request));
	pool_stop();
	client_close(&client);
}
END_TEST

/* Everything that a lane holds is filed when the daemon stops. */
START_TEST(a_lane_that_ends_is_filed_to_its_end)
{
	unsigned i;

	POOL_START("buffer.workers=3", "buffer.forced=0", "buffer.size=100");
	UNTIL(pool_is_parked());
	add_lane(0);
	for (i = 0; i < 500; i++)
		client_put_text(&client, "from lane");
	lanes_end(&pool.lanes, 0);
	workers_ring(&pool);
	UNTIL(pool.lanes.ended == 1);
	ck_assert_uint_eq(client.head->attended, LANE_CLOSED);
	ck_assert_uint_eq(client.head->final, client.written);
	UNTIL(lanes_remove(&pool.lanes, 0));
	workers_stop(&pool);
	UNTIL(workers_exited(&pool));
	ck_assert_uint_eq(pool_written(), 500);
	pool_stop();
	client_close(&client);
}
END_TEST

/* The other worker has put the lanes to sleep while this one was at the disk. */
START_TEST(the_loop_learns_of_a_lane_that_ended_at_a_slow_disk)
{
	unsigned before;

	pool_block("flush.write=stall");
	POOL_START("buffer.workers=2", "buffer.forced=0");
	UNTIL(pool_is_parked());
	add_lane(100);
	client_put_text(&client, "from lane");
	lanes_end(&pool.lanes, 0);
	workers_ring(&pool);
	UNTIL(atomic_load(&pool.lanes.slot[0].filing));
	/* As the client of another lane does. */
	workers_ring(&pool);
	UNTIL(!lanes_are_awake(&pool.lanes));
	before = pool_notified;
	pool_unblock();
	UNTIL(pool.lanes.ended == 1);
	UNTIL(pool_is_parked());
	ck_assert_uint_gt(pool_notified, before);
	pool_stop();
	client_close(&client);
}
END_TEST

/* A worker that goes to the disk looks for a sleeper while this one is lent. */
START_TEST(a_worker_that_was_lent_takes_over_the_lanes)
{
	POOL_START("buffer.workers=1", "buffer.forced=0");
	UNTIL(pool_is_parked());
	add_lane(0);
	client_put_text(&client, "from lane");
	ck_assert(worker_lend(&pool.list[0]));
	atomic_store(&pool.lanes.awake, true);
	worker_give_back(&pool.list[0], false);
	UNTIL(client.head->read == client.written);
	pool_stop();
	client_close(&client);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_lanes");
	TCase *tc = core_case(suite, "lanes");

	tcase_add_loop_test(tc, a_road_that_fills_every_arena_starves_no_other,
			    0, LANE + 1);
	tcase_add_test(tc, a_flush_covers_both_roads);
	tcase_add_test(tc, a_flush_does_not_wait_for_what_a_client_takes_back);
	tcase_add_test(tc, a_lane_that_ends_is_filed_to_its_end);
	tcase_add_test(tc, the_loop_learns_of_a_lane_that_ended_at_a_slow_disk);
	tcase_add_test(tc, a_worker_that_was_lent_takes_over_the_lanes);
	return suite_run(suite, CK_FORK);
}
