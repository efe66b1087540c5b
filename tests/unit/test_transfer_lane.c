/* SPDX-License-Identifier: MIT */
/*
 * Lane -> arena: which bytes a lane's records become, how much one claim takes,
 * and that a kill at any point loses and doubles nothing.
 *
 * No thread but the last test's: the test does what a worker does.
 */
#include <pthread.h>

#include "daemon/filing/transfer_lane.h"
#include "tests/unit/lane_bed.h"

#define ID 77
#define MAX 64 /* socket.max_message of most tests */

static struct lane_entry *entry; /* a child shares it */
static struct client client;
static struct lane lane;
static struct arena arena;
static struct lane_taken taken;
static void *mem;

static void setup(uint64_t lane_size, uint64_t size, uint64_t max,
		  enum config_framing framing)
{
	entry = core_map(4096);
	lane_entry_open(entry, ID, lane_size, 0, 0, 0, 0);
	lane_bed_open(&client, &lane, entry);
	mem = core_map(arena_bytes(size, max));
	arena_open(&arena, mem, size, max, framing);
	arena_format(&arena);
}

static void finish(void)
{
	lane_unmap(&lane);
	client_close(&client);
}

static enum transfer_result take(uint64_t max)
{
	uint64_t to;

	ck_assert(lane_written(&lane, &to));
	return transfer_lane(&lane, to, &arena, max, 5, &taken);
}

/* The arena's content becomes a file. */
static void file(char *text)
{
	memcpy(text, arena.data, arena.now.len);
	text[arena.now.len] = 0;
	if (arena.now.len) {
		arena_begin_write(&arena, "name", ARENA_IN_TEMP);
		arena_begin_rename(&arena);
	}
	arena_emptied(&arena);
}

/* --- what stands where --------------------------------------------------- */

static const struct {
	uint64_t size;
	enum config_framing framing;
	const char *send[8], *files[8], *memory;
} cases[] = {
	{ 5,
	  FRAMING_NONE,
	  { "aaaa", "bbbbb", "cccc" },
	  { "aaaa", "bbbbb" },
	  "cccc" },
	/* exactly full is not yet a reason */
	{ 5, FRAMING_NONE, { "aaa", "bb" }, { NULL }, "aaabb" },
	{ 5, FRAMING_NONE, { "aaa", "bb", "c" }, { "aaabb" }, "c" },
	/* larger than the arena: one file with what is there */
	{ 5, FRAMING_NONE, { "aaa", "bbbbbb" }, { "aaabbbbbb" }, "" },
	{ 5, FRAMING_NONE, { "bbbbbb" }, { "bbbbbb" }, "" },
	{ 5,
	  FRAMING_NONE,
	  { "bbbbbb", "cccccc", "d" },
	  { "bbbbbb", "cccccc" },
	  "d" },
	{ 1, FRAMING_NONE, { "a", "b", "cc" }, { "a", "bcc" }, "" },
	/* the newline counts, and is looked for in the copy */
	{ 5, FRAMING_NEWLINE, { "aaaa", "b" }, { "aaaa\n" }, "b\n" },
	{ 5, FRAMING_NEWLINE, { "aaa\n", "b\n" }, { "aaa\n" }, "b\n" },
	{ 5, FRAMING_NEWLINE, { "aaaa\n", "b" }, { "aaaa\n" }, "b\n" },
	{ 5, FRAMING_NEWLINE, { "aaaaa" }, { "aaaaa\n" }, "" },
	{ 10,
	  FRAMING_NEWLINE,
	  { "a", "b\n", "\n", "c\nd" },
	  { NULL },
	  "a\nb\n\nc\nd\n" },
	/* so that one with its newline counts as one without */
	{ 1, FRAMING_NEWLINE, { "\n", "\n", "\n" }, { "\n\n" }, "\n" },
	/* an empty one is counted and is nothing */
	{ 5, FRAMING_NEWLINE, { "", "a", "" }, { NULL }, "a\n" },
	{ 5, FRAMING_NONE, { "", "" }, { NULL }, "" },
	{ 9, FRAMING_LENGTH, { "abcde" }, { NULL }, "\5" },
	{ 8, FRAMING_LENGTH, { "abcde" }, { "\5" }, "" },
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* As strings: what a length frames ends at its first zero. */
START_TEST(each_message_is_in_its_file)
{
	const char *const *files = cases[_i].files;
	enum transfer_result result;
	char text[256];
	unsigned n;

	setup(4096, cases[_i].size, MAX, cases[_i].framing);
	for (n = 0; cases[_i].send[n]; n++)
		client_put_text(&client, cases[_i].send[n]);
	while ((result = take(MAX)) != TRANSFER_EMPTY) {
		ck_assert(!taken.broken && !taken.too_large);
		if (result != TRANSFER_FULL)
			continue;
		file(text);
		ck_assert_msg(*files != NULL, "one file too many: %s", text);
		ck_assert_str_eq(text, *files++);
	}
	ck_assert_msg(!*files, "no file with %s", *files);
	ck_assert_uint_eq(arena.now.taken, n);
	ck_assert_uint_eq(arena.now.lanes, n);
	ck_assert_uint_eq(lane_position(&lane), client.written);
	file(text);
	ck_assert_str_eq(text, cases[_i].memory);
	finish();
}
END_TEST

START_TEST(a_length_frames_a_message_of_any_bytes)
{
	static const uint8_t expected[] = { 3, 0, 0, 0, 'a', 0, 'b', 0,
					    0, 0, 0, 1, 0,   0, 0,   '\n' };

	setup(4096, 100, MAX, FRAMING_LENGTH);
	client_put(&client, "a\0b", 3);
	client_put(&client, "", 0);
	client_put(&client, "\n", 1);
	ck_assert_int_eq(take(MAX), TRANSFER_TOOK);
	ck_assert_uint_eq(arena.now.len, sizeof(expected));
	ck_assert_mem_eq(arena.data, expected, sizeof(expected));
	finish();
}
END_TEST

/* --- how much one claim takes --------------------------------------------- */

static const struct {
	uint32_t len;
	unsigned put;	   /* messages */
	uint64_t messages; /* that one claim takes */
} claims[] = {
	{ 0, 1, 1 },
	{ 0, 1023, 1023 },
	{ 0, 1024, 1024 },
	{ 0, 5000, 1024 },
	{ 1, 5000, 1024 },
	{ 56, 4000, 1024 },
	/* 65 bytes are 80 of the lane: the record that passes 64 KiB is in it */
	{ 65, 3000, 820 },
	{ 1000, 200, 66 },
	{ 65528, 3, 1 },
	{ 65536, 3, 1 },
};

START_TEST(a_claim_is_bounded)
{
	static char text[65536];
	uint64_t left, n = claims[_i].put;
	unsigned i;

	setup(256 << 10, 1 << 20, 1 << 17, FRAMING_NONE);
	for (i = 0; i < n; i++)
		client_put(&client, text, claims[_i].len);
	for (left = n; left; left -= taken.messages) {
		ck_assert_int_eq(take(1 << 17), TRANSFER_TOOK);
		ck_assert_uint_eq(taken.messages, left < claims[_i].messages ?
							  left :
							  claims[_i].messages);
		ck_assert_uint_eq(taken.bytes, taken.messages * claims[_i].len);
		ck_assert(taken.more == (taken.messages != left));
	}
	ck_assert_int_eq(take(1 << 17), TRANSFER_EMPTY);
	ck_assert_uint_eq(arena.now.count, n);
	ck_assert_uint_eq(arena.now.oldest_ns, 5);
	finish();
}
END_TEST

/* Records that are skipped are bounded, too. */
START_TEST(a_claim_of_messages_above_the_limit_is_bounded)
{
	static char text[1000];
	unsigned i;

	setup(64 << 10, 100, MAX, FRAMING_NONE);
	for (i = 0; i < 2000; i++)
		client_put(&client, text, 8);
	ck_assert_int_eq(take(7), TRANSFER_TOOK);
	ck_assert_uint_eq(taken.too_large, 1024);
	ck_assert(taken.more);
	ck_assert_int_eq(take(7), TRANSFER_TOOK);
	ck_assert_uint_eq(taken.too_large, 2000 - 1024);
	for (i = 0; i < 60; i++)
		client_put(&client, text, 1000);
	ck_assert_int_eq(take(MAX), TRANSFER_TOOK);
	ck_assert_uint_eq(taken.too_large, 60);
	ck_assert_uint_eq(taken.messages, 0);
	ck_assert_int_eq(take(MAX), TRANSFER_EMPTY);
	finish();
}
END_TEST

/* --- what is left out ------------------------------------------------------ */

START_TEST(a_message_above_the_limit_is_skipped_and_counted)
{
	static const struct {
		uint32_t len[4];
		uint64_t messages, too_large;
	} lengths[] = {
		{ { MAX, MAX, MAX, MAX }, 4, 0 },
		{ { MAX + 1, 0, MAX, 1 }, 3, 1 },
		{ { 1, MAX + 1, 1, MAX + 1 }, 2, 2 },
		{ { 1, 1, 1, 1000 }, 3, 1 },
		{ { 1000, MAX + 1, 500, 999 }, 0, 4 },
	};
	static char text[1000];
	uint64_t bytes = 0;
	unsigned i;

	setup(4096, 1000, MAX, FRAMING_NONE);
	for (i = 0; i < 4; i++) {
		client_put(&client, text, lengths[_i].len[i]);
		if (lengths[_i].len[i] <= MAX)
			bytes += lengths[_i].len[i];
	}
	ck_assert_int_eq(take(MAX), TRANSFER_TOOK);
	ck_assert_uint_eq(taken.messages, lengths[_i].messages);
	ck_assert_uint_eq(taken.too_large, lengths[_i].too_large);
	ck_assert_uint_eq(taken.bytes, bytes);
	ck_assert_uint_eq(arena.now.len, bytes);
	ck_assert_uint_eq(lane_position(&lane), client.written);
	finish();
}
END_TEST

/* _i records are whole, and the next one is longer than the lane says. */
START_TEST(what_comes_before_a_record_that_cannot_be_is_taken)
{
	static const uint32_t lengths[] = { 9, 4096, UINT32_MAX };
	unsigned good = (unsigned)_i / 3, i;

	setup(4096, 1000, MAX, FRAMING_NONE);
	for (i = 0; i < good; i++)
		client_put_text(&client, "good");
	client_record(&client, "bad", 3, lengths[_i % 3]);
	client_set_written(&client, client.written + 16);
	ck_assert_int_eq(take(MAX), good ? TRANSFER_TOOK : TRANSFER_EMPTY);
	ck_assert(taken.broken && !taken.more);
	ck_assert_uint_eq(taken.messages, good);
	ck_assert_uint_eq(lane_position(&lane), client.written);
	ck_assert_uint_eq(arena.now.len, 4 * good);
	finish();
}
END_TEST

START_TEST(a_record_that_is_not_published_is_not_there)
{
	setup(4096, 1000, MAX, FRAMING_NONE);
	client_record(&client, "half", 2, 4);
	ck_assert_int_eq(take(MAX), TRANSFER_EMPTY);
	ck_assert(!taken.broken && !taken.more);
	ck_assert_uint_eq(arena.now.taken, 0);
	finish();
}
END_TEST

/* --- a kill ---------------------------------------------------------------- */

static int take_twice(void *arg)
{
	(void)arg;
	take(MAX);
	/* Nothing fits any more: the second is taken after a file. */
	arena_begin_write(&arena, "name", ARENA_IN_TEMP);
	arena_begin_rename(&arena);
	arena_emptied(&arena);
	take(MAX);
	return 0;
}

START_TEST(a_killed_claim_has_taken_a_message_or_has_not)
{
	static const struct {
		const char *points;
		uint64_t len, position, read; /* position: after the repair */
	} kills[] = {
		{ "lane.copied=kill@1", 0, 0, 0 },
		{ "commit.before=kill@1", 0, 0, 0 },
		{ "commit.after=kill@1", 5, 16, 0 },
		{ "lane.position=kill@1", 5, 16, 0 },
		{ "lane.read=kill@1", 5, 16, 16 },
		{ "lane.copied=kill@2", 0, 16, 16 },
		{ "commit.after=kill@2", 5, 32, 16 },
		{ "lane.read=kill@2", 5, 32, 32 },
	};
	struct lane_table table = { .entries = 1 };
	struct arena next;
	const char *why;

	/* The first failpoint that this process passes is in setup(). */
	core_points(kills[_i].points);
	setup(4096, 5, MAX, FRAMING_NONE);
	client_put_text(&client, "first");
	client_put_text(&client, "again");
	ck_assert(core_was_killed(
		core_child(kills[_i].points, take_twice, NULL)));
	table.entry = entry;
	arena_open(&next, mem, 5, MAX, FRAMING_NONE);
	ck_assert_int_eq(arena_load(&next, &why), 0);
	ck_assert_int_eq(lane_table_check(&table, &why), 0);
	lane_table_settle(&table, &next.now);
	ck_assert_uint_eq(next.now.len, kills[_i].len);
	ck_assert_uint_eq(entry->position, kills[_i].position);
	ck_assert_uint_eq(client.head->read, kills[_i].read);
	finish();
}
END_TEST

/* --- a client that never stops ---------------------------------------------- */

static atomic_bool done;

static void *scribble(void *arg)
{
	uint64_t n = 1, written;
	uint32_t len;

	while (!atomic_load(&done)) {
		n = n * 6364136223846793005u + 1442695040888963407u;
		/* Short lengths, so that many records make sense. */
		len = n >> 60 ? (uint32_t)(n >> 33) % 128 : (uint32_t)(n >> 20);
		memcpy(client.data + (n >> 40) % client.size / 8 * 8, &len, 4);
		client.data[(n >> 12) % client.size] = (uint8_t)n;
		written = atomic_load(&client.head->read) +
			  (n >> 44) % (client.size + 16);
		client_set_written(&client,
				   n >> 59 ? written / 8 * 8 : written);
	}
	return arg;
}

START_TEST(a_client_that_writes_while_it_is_read_changes_its_own_bytes_only)
{
	uint64_t n, to, sum = 0, breaks = 0;
	pthread_t thread;
	char text[4096];

	setup(4096, 500, MAX, (enum config_framing)_i);
	ck_assert_int_eq(pthread_create(&thread, NULL, scribble, NULL), 0);
	/* On a loaded machine the thread starts late. */
	for (n = 0; n < suite_scale(200000) || sum == 0 || breaks == 0; n++) {
		if (!lane_written(&lane, &to)) {
			breaks++;
			continue;
		}
		if (transfer_lane(&lane, to, &arena, MAX, 5, &taken) ==
		    TRANSFER_FULL)
			file(text);
		ck_assert_uint_le(arena.now.len, 500 + MAX + ARENA_FRAME);
		ck_assert_uint_le(lane_position(&lane), to);
		sum += taken.messages;
		breaks += taken.broken;
	}
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(arena.now.taken, sum);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transfer_lane");
	TCase *tc = core_case(suite, "content");

	tcase_add_loop_test(tc, each_message_is_in_its_file, 0, CASES);
	tcase_add_test(tc, a_length_frames_a_message_of_any_bytes);
	tcase_add_loop_test(tc, a_claim_is_bounded, 0,
			    sizeof(claims) / sizeof(claims[0]));
	tcase_add_test(tc, a_claim_of_messages_above_the_limit_is_bounded);
	tcase_add_loop_test(
		tc, a_message_above_the_limit_is_skipped_and_counted, 0, 5);
	tcase_add_loop_test(
		tc, what_comes_before_a_record_that_cannot_be_is_taken, 0, 9);
	tcase_add_test(tc, a_record_that_is_not_published_is_not_there);
	tcase_add_loop_test(tc, a_killed_claim_has_taken_a_message_or_has_not,
			    0, 8);
	tcase_add_loop_test(
		tc,
		a_client_that_writes_while_it_is_read_changes_its_own_bytes_only,
		0, 3);
	return suite_run(suite, CK_FORK);
}
