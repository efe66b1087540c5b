/* SPDX-License-Identifier: MIT */
/*
 * The limits of complete files during a recovery, beside a shipper that takes
 * files at any moment.
 */
#include "daemon/filing/room.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/lib/core.h"

#define K 1024

static struct config *cfg;
static struct room room;

static void open_room(const char *when_full)
{
	char text[64];

	core_mkdir("files");
	snprintf(text, sizeof(text), "files.when_full=%s", when_full);
	cfg = CORE_SETTINGS("buffer.workers=1", "buffer.size=8K",
			    "files.keep=300K", text);
	ck_assert_int_eq(room_open(&room, cfg), 0);
}

static void close_room(void)
{
	room_close(&room);
	config_free(cfg);
}

static const char *file(unsigned n)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/0_1_%u.log", cfg->files_path, n);
	return path;
}

static void make(unsigned n, size_t bytes)
{
	char *data = calloc(1, bytes);

	file_write(file(n), data, bytes);
	free(data);
}

static bool is_there(unsigned n)
{
	return !access(file(n), F_OK);
}

START_TEST(a_file_that_has_room_deletes_none)
{
	open_room("delete-oldest");
	make(1, 200 * K);
	make(2, 20 * K);
	ck_assert_ptr_null(room_admits(&room, 8 * K));
	/* A shipper has taken it since. */
	ck_assert_int_eq(unlink(file(1)), 0);
	ck_assert_ptr_null(room_admits(&room, 100 * K));
	ck_assert(is_there(2));
	ck_assert_uint_eq(room.deleted_files, 0);
	close_room();
}
END_TEST

START_TEST(a_file_without_room_deletes_the_oldest_and_no_more)
{
	open_room("delete-oldest");
	make(1, 150 * K);
	make(2, 20 * K);
	make(3, 120 * K);
	ck_assert_ptr_null(room_admits(&room, 100 * K));
	ck_assert(!is_there(1) && is_there(2) && is_there(3));
	ck_assert_uint_eq(room.deleted_files, 1);
	ck_assert_uint_eq(room.deleted_bytes, 150 * K);
	room_written(&room, 100 * K);
	make(4, 100 * K);
	ck_assert_ptr_null(room_admits(&room, 60 * K));
	ck_assert(is_there(2) && is_there(3) && is_there(4));
	ck_assert_ptr_null(room_admits(&room, 61 * K));
	ck_assert(!is_there(2) && is_there(3) && is_there(4));
	close_room();
}
END_TEST

START_TEST(a_file_that_may_delete_none_waits)
{
	open_room("wait");
	make(1, 290 * K);
	ck_assert_str_eq(room_admits(&room, 100 * K), "files.keep");
	ck_assert(is_there(1));
	ck_assert_ptr_null(room_admits(&room, 10 * K));
	close_room();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("room");
	TCase *tc = core_case(suite, "files.keep");

	tcase_add_test(tc, a_file_that_has_room_deletes_none);
	tcase_add_test(tc, a_file_without_room_deletes_the_oldest_and_no_more);
	tcase_add_test(tc, a_file_that_may_delete_none_waits);
	return suite_run(suite, CK_FORK);
}
