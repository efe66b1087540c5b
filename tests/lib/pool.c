/* SPDX-License-Identifier: MIT */
/* See pool.h. */
#include "tests/lib/pool.h"

#include <stdatomic.h>
#include <unistd.h>

#include "tests/lib/threads.h"

struct workers pool;
struct config *pool_cfg;
struct region pool_region;
_Atomic unsigned pool_notified;

void pool_notify(void *arg)
{
	ck_assert_ptr_eq(arg, &pool_notified);
	atomic_fetch_add(&pool_notified, 1);
}

void pool_start_list(const char *const *options)
{
	static const struct flush_place place;
	struct failure error;

	log_set_level(0);
	core_mkdir("files");
	pool_cfg = core_settings(options);
	ck_assert_msg(!region_create(&pool_region, pool_cfg, &error), "%s",
		      error.text);
	ck_assert_int_eq(workers_start(&pool, pool_cfg, &pool_region, &place,
				       pool_notify, &pool_notified),
			 0);
}

void pool_stop(void)
{
	workers_stop(&pool);
	UNTIL(workers_exited(&pool));
	workers_join(&pool);
	region_close(&pool_region);
	config_free(pool_cfg);
}

enum worker_state pool_state(unsigned worker)
{
	return atomic_load(&pool.list[worker].state);
}

bool pool_is_parked(void)
{
	unsigned i;

	for (i = 0; i < pool.count; i++)
		if (pool_state(i) != WORKER_PARKED ||
		    atomic_load(&pool.list[i].signal))
			return false;
	/* One that is not asleep yet looks at the ring once more. */
	return threads_sleep(getpid(), "worker ");
}

struct arena_record pool_record(unsigned worker)
{
	struct arena_record rec;

	arena_snapshot(pool.list[worker].arena, &rec);
	return rec;
}

uint64_t pool_written_by(unsigned worker)
{
	struct arena_record rec = pool_record(worker);

	return arena_written(&rec);
}

uint64_t pool_written(void)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < pool.count; i++)
		n += pool_written_by(i);
	return n;
}

void pool_put(const char *text)
{
	/* The age of a message counts from its receipt. */
	UNTIL(core_put_at(&pool_region.ring, text, strlen(text), clock_now()));
}

void pool_put_and_wait(const char *text)
{
	pool_put(text);
	workers_wake(&pool);
	UNTIL(!ring_waiting(&pool_region.ring) || (workers_wake(&pool), 0));
	UNTIL(pool_is_parked());
}

unsigned pool_files(void)
{
	return core_count(core_path("files"));
}

void pool_expect_file(unsigned n, const char *text)
{
	struct core_files all = core_files(core_path("files"));
	char path[PATH_MAX], *data;

	ck_assert_uint_lt(n, all.n);
	snprintf(path, sizeof(path), "%s/%s", core_path("files"), all.name[n]);
	data = file_read(path, NULL);
	ck_assert_str_eq(data, text);
	free(data);
	core_files_free(&all);
}

void pool_block(const char *rule)
{
	static char points[PATH_MAX];

	snprintf(points, sizeof(points), "%s:%s", rule, core_path("block"));
	core_points(points);
	file_touch(core_path("block"));
}

void pool_unblock(void)
{
	ck_assert_int_eq(unlink(core_path("block")), 0);
}
