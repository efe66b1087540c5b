/* SPDX-License-Identifier: MIT */
/*
 * Workers and a test that is their loop thread.
 *
 * No test measures time: it waits for what must happen, and a wait that does
 * not end is a hang.
 */
#ifndef BUFWRITER_TESTS_WORKER_BED_H
#define BUFWRITER_TESTS_WORKER_BED_H

#include <sched.h>

#include "tests/unit/core_bed.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/region/region.h"
#include "daemon/worker/workers.h"

static struct config *cfg;
static struct region state;
static struct workers workers;
static _Atomic unsigned notified;

static inline void notify(void *arg)
{
	ck_assert_ptr_eq(arg, &notified);
	atomic_fetch_add(&notified, 1);
}

/* Waits for it; a test that hangs here says where. */
#define UNTIL(condition)                                                      \
	do {                                                                  \
		uint64_t limit_ = clock_now() + CORE_HANG / 2 * CLOCK_SECOND; \
		while (!(condition)) {                                        \
			ck_assert_msg(clock_now() < limit_, "never: %s",      \
				      #condition);                            \
			usleep(200);                                          \
		}                                                             \
	} while (0)

static inline void start_with(const char *const *options)
{
	struct failure error;

	log_set_level(0);
	core_mkdir("files");
	cfg = core_settings(options);
	ck_assert_msg(!region_create(&state, cfg, &error), "%s", error.text);
	ck_assert_int_eq(workers_start(&workers, cfg, &state.ring, state.arenas,
				       false, notify, &notified),
			 0);
}

#define START(...) \
	start_with((const char *const[]){ "state.path=", __VA_ARGS__, NULL })

static inline void end(void)
{
	workers_stop(&workers);
	UNTIL(workers_exited(&workers));
	workers_join(&workers);
	region_close(&state);
	config_free(cfg);
}

static inline int state_of(unsigned i)
{
	return atomic_load(&workers.list[i].state);
}

static inline bool all_parked(void)
{
	unsigned i;

	for (i = 0; i < workers.count; i++)
		if (state_of(i) != WORKER_PARKED ||
		    atomic_load(&workers.list[i].signal))
			return false;
	return true;
}

static inline struct arena_record record(unsigned i)
{
	struct arena_record rec;

	arena_snapshot(workers.list[i].arena, &rec);
	return rec;
}

static inline uint64_t written(void)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < workers.count; i++)
		n += record(i).written;
	return n;
}

static inline void put(const char *text)
{
	/* the age of a message counts from its receipt */
	UNTIL(core_put_at(&state.ring, text, strlen(text), clock_now()));
}

/* As the listener does it: until somebody has taken it. */
static inline void put_and_wait(const char *text)
{
	put(text);
	workers_wake(&workers);
	UNTIL(!ring_waiting(&state.ring) || (workers_wake(&workers), 0));
	UNTIL(all_parked());
}

static inline unsigned files(void)
{
	return core_count(core_path("files"));
}

/* The only file, or the n-th by its time. */
static inline void expect_file(unsigned n, const char *text)
{
	struct core_files all = core_files(core_path("files"));
	char path[PATH_MAX], *data;

	ck_assert_uint_lt(n, all.n);
	snprintf(path, sizeof(path), "%s/%s", core_path("files"), all.name[n]);
	data = core_read(path, NULL);
	ck_assert_str_eq(data, text);
	free(data);
	core_files_free(&all);
}

/* A rule for a point that is in force while core_path("block") exists. */
static inline void block_with(const char *rule)
{
	static char points[PATH_MAX];

	snprintf(points, sizeof(points), "%s:%s", rule, core_path("block"));
	core_points(points);
	core_touch(core_path("block"));
}

static inline void unblock(void)
{
	ck_assert_int_eq(unlink(core_path("block")), 0);
}

#endif
