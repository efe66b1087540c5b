/* SPDX-License-Identifier: MIT */
/*
 * Bytes of any length become one frame with a checksum, in bounded pieces, and
 * the compressor reserves its memory once.
 */
#include "daemon/filing/compress.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/files.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

#define ROOM (8 << 20)

/* What compress_frame() passed on. */
struct got {
	char *data;
	size_t len, largest;
	unsigned pieces;
	unsigned fails_at; /* this piece, from 1; 0: none */
};

static int take(void *arg, const void *data, size_t len)
{
	struct got *got = arg;

	if (++got->pieces == got->fails_at)
		return -ENOSPC;
	if (len > got->largest)
		got->largest = len;
	got->data = realloc(got->data, got->len + len);
	memcpy(got->data + got->len, data, len);
	got->len += len;
	return 0;
}

static struct compressor *compressor;
static char *text;

static bool begin(void)
{
	if (!compress_is_built()) {
		suite_skip("built without libzstd");
		ck_assert_int_eq(compress_open(&compressor), -ENOSYS);
		return false;
	}
	ck_assert_int_eq(compress_open(&compressor), 0);
	text = malloc(ROOM);
	return true;
}

static void end(void)
{
	compress_close(compressor);
	free(text);
}

/* Is what was passed on one frame of these bytes? */
static void expect_frame(struct got *got, size_t len)
{
	const char *why;
	size_t n = got->len;
	char *data = file_unpack("x.zst", got->data, &n, &why);

	ck_assert_msg(data, "%zu bytes: %s", len, why);
	ck_assert_uint_eq(n, len);
	ck_assert(!memcmp(data, text, len));
	free(data);
}

static const size_t lengths[] = { 1,	  2,	  100,	   4096, 131071, 131072,
				  131073, 300000, 1 << 20, ROOM, 1,	 1000 };
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

/* `_i`: bytes that no compression makes smaller, or events. */
static void fill(bool random)
{
	size_t len = 0;
	unsigned i;

	if (random) {
		random_message((uint8_t *)text, ROOM, 1);
		return;
	}
	for (i = 0; len + 300 < ROOM; i++)
		len += (size_t)sprintf(
			text + len,
			"{\"session_id\":\"%016llx\",\"timestamp\":%llu,"
			"\"event\":\"%s\",\"host\":\"edge-%02u\",\"status\":200,"
			"\"path\":\"/api/v1/items/%u\",\"bytes\":%u,"
			"\"agent\":\"Mozilla/5.0 (X11; Linux x86_64)\"}\n",
			(unsigned long long)random_mix(i / 30 % 500),
			1795994833000000000ull + i * 812345ull,
			i % 3 ? "view" : "click", i % 20, i % 300,
			(unsigned)(random_mix(i) % 9000));
	memset(text + len, '\n', ROOM - len);
}

START_TEST(a_frame_holds_all_bytes_in_bounded_pieces_and_no_new_memory)
{
	struct got got;
	size_t reserved, i;

	if (!begin())
		return;
	fill(_i);
	reserved = compress_bytes(compressor);
	for (i = 0; i < LENGTHS; i++) {
		got = (struct got){ 0 };
		ck_assert_int_eq(compress_frame(compressor, text, lengths[i],
						take, &got),
				 0);
		ck_assert_uint_le(got.largest, 256 << 10);
		expect_frame(&got, lengths[i]);
		ck_assert_uint_eq(compress_bytes(compressor), reserved);
	}
	end();
}
END_TEST

static int forget(void *arg, const void *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

/* zstd gives memory back that it has not needed for a while. */
START_TEST(a_thousand_small_frames_allocate_nothing)
{
	struct mallinfo2 before, after;
	size_t reserved;
	unsigned i;

	if (!begin())
		return;
	if (suite_sanitized()) {
		suite_skip("a sanitizer has its own malloc");
		end();
		return;
	}
	fill(false);
	reserved = compress_bytes(compressor);
	before = mallinfo2();
	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(
			compress_frame(compressor, text, 50, forget, NULL), 0);
	ck_assert_int_eq(compress_frame(compressor, text, ROOM, forget, NULL),
			 0);
	after = mallinfo2();
	ck_assert_uint_eq(compress_bytes(compressor), reserved);
	ck_assert_uint_eq(after.uordblks, before.uordblks);
	ck_assert_uint_eq(after.hblkhd, before.hblkhd);
	end();
}
END_TEST

START_TEST(a_failed_write_ends_the_frame_and_the_next_one_is_whole)
{
	struct got got;
	unsigned piece;

	if (!begin())
		return;
	fill(true);
	for (piece = 1; piece < 5; piece++) {
		got = (struct got){ .fails_at = piece };
		ck_assert_int_eq(compress_frame(compressor, text, 1 << 20, take,
						&got),
				 -ENOSPC);
		ck_assert_uint_eq(got.pieces, piece);
		free(got.data);
		got = (struct got){ 0 };
		ck_assert_int_eq(
			compress_frame(compressor, text, 100, take, &got), 0);
		expect_frame(&got, 100);
	}
	end();
}
END_TEST

START_TEST(events_become_seven_times_smaller)
{
	struct got got = { 0 };

	if (!begin())
		return;
	fill(false);
	ck_assert_int_eq(compress_frame(compressor, text, 1 << 20, take, &got),
			 0);
	ck_assert_uint_lt(got.len * 7, 1 << 20);
	free(got.data);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compress");
	TCase *tc = suite_case(suite, "frames", NULL, NULL);

	tcase_add_loop_test(
		tc, a_frame_holds_all_bytes_in_bounded_pieces_and_no_new_memory,
		0, 2);
	tcase_add_test(tc, a_thousand_small_frames_allocate_nothing);
	tcase_add_test(tc,
		       a_failed_write_ends_the_frame_and_the_next_one_is_whole);
	tcase_add_test(tc, events_become_seven_times_smaller);
	return suite_run(suite, CK_FORK);
}
