/* SPDX-License-Identifier: MIT */
/*
 * A large lane -> file: the message is filed from the lane, and the lane is
 * taken when the file is there.
 *
 * No thread: the test does what a worker does.
 */
#include "daemon/filing/transfer_lane.h"
#include "tests/unit/lane_bed.h"

#define ID 77
#define MAX 64 /* socket.max_message */

static struct lane_entry entry;
static struct client client;
static struct lane lane;
static struct arena arena;
static struct lane_taken taken;
static void *mem;

/* For a message of so many bytes, and an arena of 5. */
static void setup(uint64_t large, enum config_framing framing)
{
	lane_entry_open(&entry, ID, lane_large_size(large), large, 0, 0, 0);
	lane_bed_open(&client, &lane, &entry);
	mem = core_map(arena_bytes(5, MAX));
	arena_open(&arena, mem, 5, MAX, framing);
	arena_format(&arena);
}

static void finish(void)
{
	lane_unmap(&lane);
	client_close(&client);
}

static void file(void)
{
	arena_begin_write(&arena, "name", ARENA_IN_TEMP);
	arena_begin_rename(&arena);
	arena_emptied(&arena);
}

static enum transfer_result take_large(void)
{
	uint64_t to;

	ck_assert(lane_written(&lane, &to));
	return transfer_large(&lane, to, &arena, 5, &taken);
}

static const uint32_t large_lengths[] = { 1, 7, 8, 4063, 4072, 4073, 100000 };

START_TEST(a_large_message_is_filed_from_its_lane)
{
	const enum config_framing framing = (const enum config_framing[]){
		FRAMING_NONE, FRAMING_NEWLINE, FRAMING_LENGTH
	}[_i % 3];
	const uint32_t len = large_lengths[_i / 3];
	uint8_t *text = malloc(len);
	const uint8_t *data;

	random_message(text, len, 1);
	text[len - 1] = 'x';
	setup(len, framing);
	client_put(&client, text, len);
	ck_assert_int_eq(take_large(), TRANSFER_FULL);
	ck_assert(!taken.broken);
	ck_assert_uint_eq(taken.messages, 1);
	ck_assert_uint_eq(taken.bytes, len);
	data = arena.data;
	if (framing == FRAMING_LENGTH) {
		ck_assert_uint_eq(arena.now.len, len + 4);
		ck_assert_uint_eq(data[0] | data[1] << 8 | data[2] << 16, len);
		data += 4;
	} else if (framing == FRAMING_NEWLINE) {
		ck_assert_uint_eq(arena.now.len, len + 1);
		ck_assert_int_eq(data[len], '\n');
	}
	ck_assert_mem_eq(data, text, len);
	/* Nothing is taken before the file is there. */
	ck_assert_uint_eq(lane_position(&lane), 0);
	file();
	transfer_large_done(&lane, &arena);
	ck_assert_uint_eq(lane_position(&lane), client.written);
	ck_assert_uint_eq(client.head->read, client.written);
	ck_assert_ptr_eq(arena.data,
			 (uint8_t *)mem + sizeof(struct arena_region));
	free(text);
	finish();
}
END_TEST

/* It has its newline. */
START_TEST(a_large_message_is_not_framed_twice)
{
	setup(100, FRAMING_NEWLINE);
	client_put_text(&client, "line\n");
	ck_assert_int_eq(take_large(), TRANSFER_FULL);
	ck_assert_uint_eq(arena.now.len, 5);
	finish();
}
END_TEST

static const struct {
	uint64_t position, end;
	uint32_t said;
} broken[] = {
	{ 0, 8, 0 },	   /* without a byte */
	{ 0, 16, 9 },	   /* beyond the end */
	{ 0, 24, 8 },	   /* a second record behind it */
	{ 0, 8, 8 },	   /* published in part */
	{ 0, 112, 101 },   /* longer than was asked for */
	{ 0, 4096, 4088 }, /* the whole lane */
	{ 16, 32, 8 },	   /* a second one, after the first was taken */
	{ 0, 16, UINT32_MAX },
};

START_TEST(a_large_lane_holds_one_message_of_its_length)
{
	setup(100, FRAMING_NEWLINE);
	store_relaxed(&entry.position, broken[_i].position);
	client.written = broken[_i].position;
	client_record(&client, NULL, 0, broken[_i].said);
	client_set_written(&client, broken[_i].end);
	ck_assert_int_eq(take_large(), TRANSFER_EMPTY);
	ck_assert(taken.broken);
	ck_assert_uint_eq(taken.messages, 0);
	ck_assert(arena_is_empty(&arena));
	ck_assert_uint_eq(lane_position(&lane), broken[_i].position);
	finish();
}
END_TEST

/* What is in the arena goes into another file. */
START_TEST(a_large_message_waits_for_an_empty_arena)
{
	const uint8_t *const part[2] = { (const uint8_t *)"abc", NULL };
	const uint32_t len[2] = { 3, 0 };

	setup(100, FRAMING_NONE);
	client_put_text(&client, "large");
	arena_append(&arena, part, len, true);
	arena_commit(&arena, 1, 2, 1, 5);
	ck_assert_int_eq(take_large(), TRANSFER_FULL);
	ck_assert_uint_eq(taken.messages, 0);
	ck_assert(!taken.broken);
	ck_assert_uint_eq(arena.now.len, 3);
	file();
	ck_assert_int_eq(take_large(), TRANSFER_FULL);
	ck_assert_uint_eq(taken.messages, 1);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transfer_large");
	TCase *tc = core_case(suite, "large");

	tcase_add_loop_test(tc, a_large_message_is_filed_from_its_lane, 0,
			    3 * sizeof(large_lengths) /
				    sizeof(large_lengths[0]));
	tcase_add_test(tc, a_large_message_is_not_framed_twice);
	tcase_add_loop_test(tc, a_large_lane_holds_one_message_of_its_length, 0,
			    sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(tc, a_large_message_waits_for_an_empty_arena);
	return suite_run(suite, CK_FORK);
}
