/* SPDX-License-Identifier: MIT */
/*
 * Workers whose disk refuses, that get new settings, and that are watched.
 */
#include "tests/unit/worker_bed.h"

/* --- a disk that refuses ------------------------------------------------- */

START_TEST(what_the_disk_refuses_is_kept_and_filed_once)
{
	struct worker *w;
	uint64_t request;

	block_with("flush.write=ENOSPC");
	START("buffer.workers=2", "buffer.forced=0");
	put_and_wait("kept");
	w = &workers.list[record(0).count ? 0 : 1];
	request = workers_flush(&workers);
	UNTIL(atomic_load(&w->stats.failures) >= 2);
	/* the other has answered, so that what it takes next stays with it */
	UNTIL(atomic_load(&workers.list[1 - w->index].flushed) == request);
	ck_assert_int_eq(atomic_load(&w->error), ENOSPC);
	ck_assert_int_eq(atomic_load(&w->state), WORKER_FLUSHING);
	ck_assert_uint_gt(atomic_load(&w->failing_since_ns), 0);
	ck_assert_uint_eq(files(), 0);
	/* the other goes on meanwhile */
	put("other");
	workers_wake(&workers);
	UNTIL(!ring_waiting(&state.ring) || (workers_wake(&workers), 0));
	unblock();
	UNTIL(atomic_load(&w->error) == 0 && files() == 1);
	expect_file(0, "kept\n");
	end();
	ck_assert_uint_eq(files(), 2);
}
END_TEST

START_TEST(an_abandoned_worker_leaves_its_data_in_the_arena)
{
	block_with("flush.write=ENOSPC");
	START("buffer.workers=2", "buffer.forced=0");
	put_and_wait("left");
	workers_stop(&workers);
	UNTIL(atomic_load(&workers.list[0].error) ||
	      atomic_load(&workers.list[1].error));
	ck_assert(!workers_exited(&workers));
	workers_abandon(&workers);
	UNTIL(workers_exited(&workers));
	ck_assert_uint_eq(record(0).count + record(1).count, 1);
	ck_assert_uint_eq(files(), 0);
	workers_join(&workers);
	region_close(&state);
	config_free(cfg);
}
END_TEST

START_TEST(a_stop_waits_for_the_disk)
{
	block_with("flush.open=EROFS");
	START("buffer.workers=1", "buffer.forced=0");
	put_and_wait("late");
	workers_stop(&workers);
	UNTIL(atomic_load(&workers.list[0].stats.failures) >= 2);
	ck_assert(!workers_exited(&workers));
	unblock();
	end();
	expect_file(0, "late\n");
}
END_TEST

/* What came while all workers were at the disk is filed by a stop, too. */
START_TEST(a_stop_during_a_forced_flush_leaves_nothing_in_the_ring)
{
	block_with("flush.write=ENOSPC");
	START("buffer.workers=1", "buffer.forced=1ms");
	put("first");
	workers_wake(&workers);
	UNTIL(atomic_load(&workers.list[0].error));
	put("second");
	workers_stop(&workers);
	unblock();
	end();
	ck_assert_uint_eq(files(), 2);
}
END_TEST

/* --- settings ------------------------------------------------------------ */

/* Settings of all workers; the ones before are freed when that is allowed. */
static void configure(const char *option)
{
	struct config *wanted = CORE_SETTINGS("state.path=", option);
	struct config *merged = config_merge(cfg, wanted);

	ck_assert_ptr_nonnull(merged);
	config_free(wanted);
	workers_configure(&workers, merged);
	UNTIL(workers_settled(&workers));
	config_free(cfg);
	cfg = merged;
}

START_TEST(new_settings_are_used_and_the_old_ones_no_more)
{
	struct core_files all;
	char option[64];
	uint64_t request;
	unsigned i;

	START("buffer.workers=4", "buffer.forced=0");
	for (i = 0; i < 10; i++) {
		put("message");
		snprintf(option, sizeof(option), "files.prefix=p%u-", i);
		configure(option);
		request = workers_flush(&workers);
		UNTIL(workers_flushed(&workers, request));
		all = core_files(core_path("files"));
		ck_assert_uint_eq(all.n, i + 1);
		ck_assert_msg(!strncmp(all.name[i], option + 13, 3), "%s",
			      all.name[i]);
		core_files_free(&all);
	}
	end();
}
END_TEST

START_TEST(a_shorter_interval_is_heeded_by_a_sleeper)
{
	START("buffer.workers=2", "buffer.forced=0");
	put_and_wait("message");
	ck_assert_uint_eq(files(), 0);
	configure("buffer.forced=10ms");
	UNTIL(files() == 1);
	end();
}
END_TEST

START_TEST(settings_reach_a_worker_whose_disk_refuses)
{
	block_with("flush.write=ENOSPC");
	START("buffer.workers=1", "buffer.forced=0");
	put_and_wait("message");
	workers_flush(&workers);
	UNTIL(atomic_load(&workers.list[0].error));
	configure("files.prefix=new-");
	unblock();
	UNTIL(files() == 1);
	end();
}
END_TEST

/* --- alive --------------------------------------------------------------- */

static bool all_saw_ping(void)
{
	unsigned i;

	for (i = 0; i < workers.count; i++)
		if (atomic_load(&workers.list[i].heartbeat_seen) !=
		    atomic_load(&workers.orders.heartbeat))
			return false;
	return true;
}

START_TEST(sleepers_are_alive)
{
	unsigned i;

	START("buffer.workers=8", "buffer.forced=0");
	for (i = 0; i < 20; i++) {
		ck_assert(workers_alive(&workers));
		UNTIL(all_saw_ping());
	}
	end();
}
END_TEST

START_TEST(a_worker_that_hangs_elsewhere_is_not)
{
	block_with("append.after=stall");
	START("buffer.workers=2", "buffer.forced=0");
	UNTIL(all_parked());
	put("message");
	workers_wake(&workers);
	UNTIL(!ring_waiting(&state.ring));
	ck_assert(workers_alive(&workers));
	ck_assert(!workers_alive(&workers));
	unblock();
	UNTIL(all_saw_ping());
	ck_assert(workers_alive(&workers));
	end();
}
END_TEST

START_TEST(a_worker_that_hangs_at_the_disk_is)
{
	unsigned i;

	block_with("flush.sync=stall");
	START("buffer.workers=1", "buffer.forced=0", "files.sync=data");
	put_and_wait("message");
	workers_flush(&workers);
	UNTIL(state_of(0) == WORKER_FLUSHING);
	for (i = 0; i < 5; i++)
		ck_assert(workers_alive(&workers));
	unblock();
	/* and also at the moment at which it comes back */
	UNTIL(state_of(0) != WORKER_FLUSHING);
	ck_assert(workers_alive(&workers));
	end();
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
	return core_run(suite);
}
