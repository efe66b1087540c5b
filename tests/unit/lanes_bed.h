/* SPDX-License-Identifier: MIT */
/*
 * Open lanes without a thread: the test does what the loop thread and two
 * workers do.
 */
#ifndef BUFWRITER_TESTS_LANES_BED_H
#define BUFWRITER_TESTS_LANES_BED_H

#include "daemon/base/clock.h"
#include "daemon/worker/lanes.h"
#include "tests/unit/lane_bed.h"

#define MOST 130
#define MAX 64 /* socket.max_message */
#define SIZE 4096

static struct lane_table table;
static struct lanes lanes;
static struct client client[MOST];
static struct stats_worker stats;
static struct arena arena, arena2;
static struct lanes_look look, look2 = { .worker = 1 };

static inline void open_arena(struct arena *a, uint64_t size)
{
	arena_open(a, core_map(arena_bytes(size, MAX)), size, MAX,
		   FRAMING_NONE);
	arena_format(a);
}

static inline void setup(unsigned slots, uint64_t arena_size)
{
	table.entries = slots;
	table.entry = slots ? core_map(lane_table_bytes(slots)) : NULL;
	ck_assert_int_eq(lanes_open(&lanes, &table, MAX), 0);
	open_arena(&arena, arena_size);
	open_arena(&arena2, arena_size);
}

static inline void finish(void)
{
	lanes_close(&lanes);
}

static inline void add_at(unsigned slot, uint64_t large, uint64_t position)
{
	struct lane_entry *e = &table.entry[slot];
	struct lane lane;

	lane_entry_open(e, 1 + slot, SIZE, large, 1000, 42, position);
	lane_bed_open(&client[slot], &lane, e);
	lanes_add(&lanes, &lane);
	ck_assert_ptr_null(lane.head);
}

static inline void add(unsigned slot)
{
	add_at(slot, 0, 0);
}

static inline enum transfer_result take(void)
{
	return lanes_take(&lanes, &look, &arena, &stats);
}

/* The arena's messages are in a file. */
static inline void file(struct arena *a)
{
	if (a->now.len) {
		arena_begin_write(a, "name", ARENA_IN_TEMP);
		arena_begin_rename(a);
	}
	arena_emptied(a);
}

static inline void take_all(void)
{
	enum transfer_result result;

	while ((result = take()) != TRANSFER_EMPTY)
		if (result == TRANSFER_FULL) {
			file(&arena);
			lanes_filed(&lanes, &look, &arena);
		}
}

static inline bool is_read(unsigned slot)
{
	return table.entry[slot].position == client[slot].written;
}

static inline int state_of(unsigned slot)
{
	return atomic_load(&lanes.slot[slot].state);
}

static inline uint64_t attended(unsigned slot)
{
	return atomic_load(&client[slot].head->attended);
}

#endif
