/* SPDX-License-Identifier: MIT */
/*
 * Workers whose disk refuses, that get new settings, and that are watched.
 */
#include "tests/lib/pool.h"

/* --- a disk that refuses ------------------------------------------------- */

START_TEST(what_the_disk_refuses_is_kept_and_filed_once)
{
	struct worker *w;
	uint64_t request;

	pool_block("flush.write=ENOSPC");
	POOL_START("buffer.workers=2", "buffer.forced=0");
	pool_put_and_wait("kept");
	w = &pool.list[pool_record(0).count ? 0 : 1];
	request = workers_flush(&pool);
	UNTIL(atomic_load(&w->stats.failures) >= 2);
	/* the other has answered, so that what it takes next stays with it */
	UNTIL(atomic_load(&pool.list[1 - w->index].flushed) == request);
	ck_assert_int_eq(atomic_load(&w->error), ENOSPC);
	ck_assert_int_eq(atomic_load(&w->state), WORKER_FLUSHING);
	ck_assert_uint_gt(atomic_load(&w->failing_since_ns), 0);
	ck_assert_uint_eq(pool_files(), 0);
	/* the other goes on meanwhile */
	pool_put("other");
	workers_wake(&pool);
	UNTIL(!ring_waiting(&pool_region.ring) || (workers_wake(&pool), 0));
	pool_unblock();
	UNTIL(atomic_load(&w->error) == 0 && pool_files() == 1);
	pool_expect_file(0, "kept\n");
	pool_stop();
	ck_assert_uint_eq(pool_files(), 2);
}
END_TEST

START_TEST(an_abandoned_worker_leaves_its_data_in_the_arena)
{
	pool_block("flush.write=ENOSPC");
	POOL_START("buffer.workers=2", "buffer.forced=0");
	pool_put_and_wait("left");
	workers_stop(&pool);
	UNTIL(atomic_load(&pool.list[0].error) ||
	      atomic_load(&pool.list[1].error));
	ck_assert(!workers_exited(&pool));
	workers_abandon(&pool);
	UNTIL(workers_exited(&pool));
	ck_assert_uint_eq(pool_record(0).count + pool_record(1).count, 1);
	ck_assert_uint_eq(pool_files(), 0);
	workers_join(&pool);
	region_close(&pool_region);
	config_free(pool_cfg);
}
END_TEST

START_TEST(a_stop_waits_for_the_disk)
{
	pool_block("flush.open=EROFS");
	POOL_START("buffer.workers=1", "buffer.forced=0");
	pool_put_and_wait("late");
	workers_stop(&pool);
	UNTIL(atomic_load(&pool.list[0].stats.failures) >= 2);
	ck_assert(!workers_exited(&pool));
	pool_unblock();
	pool_stop();
	pool_expect_file(0, "late\n");
}
END_TEST

/* What came while all workers were at the disk is filed by a stop, too. */
START_TEST(a_stop_during_a_forced_flush_leaves_nothing_in_the_ring)
{
	pool_block("flush.write=ENOSPC");
	POOL_START("buffer.workers=1", "buffer.forced=1ms");
	pool_put("first");
	workers_wake(&pool);
	UNTIL(atomic_load(&pool.list[0].error));
	pool_put("second");
	workers_stop(&pool);
	pool_unblock();
	pool_stop();
	ck_assert_uint_eq(pool_files(), 2);
}
END_TEST

/* --- settings ------------------------------------------------------------ */

/* Settings of all workers; the ones before are freed when that is allowed. */
static void configure(const char *option)
{
	struct config *wanted = CORE_SETTINGS("state.path=", option);
	struct config *merged = config_merge(pool_cfg, wanted);

	ck_assert_ptr_nonnull(merged);
	config_free(wanted);
	workers_configure(&pool, merged);
	UNTIL(workers_settled(&pool));
	config_free(pool_cfg);
	pool_cfg = merged;
}

START_TEST(new_settings_are_used_and_the_old_ones_no_more)
{
	struct core_files all;
	char option[64];
	uint64_t request;
	unsigned i;

	POOL_START("buffer.workers=4", "buffer.forced=0");
	for (i = 0; i < 10; i++) {
		pool_put("message");
		snprintf(option, sizeof(option), "files.prefix=p%u-", i);
		configure(option);
		request = workers_flush(&pool);
		UNTIL(workers_flushed(&pool, request));
		all = core_files(core_path("files"));
		ck_assert_uint_eq(all.n, i + 1);
		ck_assert_msg(!strncmp(all.name[i], option + 13, 3), "%s",
			      all.name[i]);
		core_files_free(&all);
	}
	pool_stop();
}
END_TEST

START_TEST(a_shorter_interval_is_heeded_by_a_sleeper)
{
	POOL_START("buffer.workers=2", "buffer.forced=0");
	pool_put_and_wait("message");
	ck_assert_uint_eq(pool_files(), 0);
	configure("buffer.forced=10ms");
	UNTIL(pool_files() == 1);
	pool_stop();
}
END_TEST

START_TEST(settings_reach_a_worker_whose_disk_refuses)
{
	pool_block("flush.write=ENOSPC");
	POOL_START("buffer.workers=1", "buffer.forced=0");
	pool_put_and_wait("message");
	workers_flush(&pool);
	UNTIL(atomic_load(&pool.list[0].error));
	configure("files.prefix=new-");
	pool_unblock();
	UNTIL(pool_files() == 1);
	pool_stop();
}
END_TEST

/* --- alive --------------------------------------------------------------- */

static bool all_saw_ping(void)
{
	unsigned i;

	for (i = 0; i < pool.count; i++)
		if (atomic_load(&pool.list[i].heartbeat_seen) !=
		    atomic_load(&pool.orders.heartbeat))
			return false;
	return true;
}

START_TEST(sleepers_are_alive)
{
	unsigned i;

	POOL_START("buffer.workers=8", "buffer.forced=0");
	for (i = 0; i < 20; i++) {
		ck_assert(workers_alive(&pool));
		UNTIL(all_saw_ping());
	}
	pool_stop();
}
END_TEST

START_TEST(a_worker_that_hangs_elsewhere_is_not)
{
	pool_block("append.after=stall");
	POOL_START("buffer.workers=2", "buffer.forced=0");
	UNTIL(pool_is_parked());
	pool_put("message");
	workers_wake(&pool);
	UNTIL(!ring_waiting(&pool_region.ring));
	ck_assert(workers_alive(&pool));
	ck_assert(!workers_alive(&pool));
	pool_unblock();
	UNTIL(all_saw_ping());
	ck_assert(workers_alive(&pool));
	pool_stop();
}
END_TEST

START_TEST(a_worker_that_hangs_at_the_disk_is)
{
	unsigned i;

	pool_block("flush.sync=stall");
	POOL_START("buffer.workers=1", "buffer.forced=0", "files.sync=data");
	pool_put_and_wait("message");
	workers_flush(&pool);
	UNTIL(pool_state(0) == WORKER_FLUSHING);
	for (i = 0; i < 5; i++)
		ck_assert(workers_alive(&pool));
	pool_unblock();
	/* and also at the moment at which it comes back */
	UNTIL(pool_state(0) != WORKER_FLUSHING);
	ck_assert(workers_alive(&pool));
	pool_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker_life");
	TCase *tc = core_case(suite, "disk");

	tcase_add_test(tc, what_the_disk_refuses_is_kept_and_filed_once);
	tcase_add_test(tc, an_abandoned_worker_leaves_its_data_in_the_arena);
	tcase_add_test(tc, a_stop_waits_for_the_disk);
	tcase_add_test(tc,
		       a_stop_during_a_forced_flush_leaves_nothing_in_the_ring);
	tc = core_case(suite, "settings");
	tcase_add_test(tc, new_settings_are_used_and_the_old_ones_no_more);
	tcase_add_test(tc, a_shorter_interval_is_heeded_by_a_sleeper);
	tcase_add_test(tc, settings_reach_a_worker_whose_disk_refuses);
	tc = core_case(suite, "alive");
	tcase_add_test(tc, sleepers_are_alive);
	tcase_add_test(tc, a_worker_that_hangs_elsewhere_is_not);
	tcase_add_test(tc, a_worker_that_hangs_at_the_disk_is);
	return suite_run(suite, CK_FORK);
}
