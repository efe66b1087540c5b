/* SPDX-License-Identifier: MIT */
/* Copies of lanes: what they hold, and which files are none. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/region/lane_keep.h"
#include "tests/unit/lane_bed.h"

#define SIZE 4096
#define ID 0x123456789abcdef

static struct lane_entry entry;
static struct client client;
static struct lane lane, copy;
static char state[PATH_MAX];

static void make(uint64_t large, uint64_t position)
{
	snprintf(state, sizeof(state), "%s", core_path("state"));
	lane_entry_open(&entry, ID, SIZE, large, 1000, 42, position);
	lane_bed_open(&client, &lane, &entry);
	client_set_written(&client, position);
	atomic_store(&client.head->read, position);
}

static void drop(void)
{
	lane_unmap(&lane);
	client_close(&client);
}

/* Seals and copies; returns the end. */
static uint64_t keep(void)
{
	uint64_t to;

	ck_assert(lane_seal(&lane, &to));
	ck_assert_int_eq(lane_keep(&lane, to, state), 0);
	return to;
}

static int map_copy(void)
{
	int fd = lane_keep_open(state, ID), err;

	ck_assert_int_ge(fd, 0);
	err = lane_map_kept(&copy, fd, &entry);
	close(fd);
	return err;
}

static const char *path_of(const char *end)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s.lane-%016llx%s", state,
		 (unsigned long long)ID, end);
	return path;
}

/* _i: where the lane is; the records go over its end at the later ones. */
START_TEST(a_copy_holds_what_the_lane_held)
{
	const uint64_t position = (uint64_t)_i * 512;
	uint64_t to, at = position;
	const uint8_t *data;
	char text[64];
	uint32_t len;
	unsigned n;

	make(0, position);
	for (n = 0; n < 40; n++) {
		sprintf(text, "message %u of many, which fill the lane", n);
		client_put_text(&client, text);
	}
	to = keep();
	ck_assert_uint_eq(to, client.written);
	ck_assert_uint_eq(lane_count(&lane, to), 40);
	/* What the client does now is not in it. */
	memset(client.data, 'x', SIZE);
	ck_assert_int_eq(map_copy(), 0);
	ck_assert(copy.kept && !lane.kept);
	ck_assert_uint_eq(lane_count(&copy, to), 40);
	for (n = 0; n < 40; n++) {
		ck_assert_int_eq(lane_record(&copy, at, to, &data, &len),
				 LANE_FOUND);
		sprintf(text, "message %u of many, which fill the lane", n);
		ck_assert_uint_eq(len, strlen(text));
		ck_assert(!memcmp(data, text, len));
		at += lane_record_bytes(len);
	}
	lane_unmap(&copy);
	drop();
}
END_TEST

START_TEST(a_copy_is_read_from_where_its_entry_says)
{
	static const struct {
		uint64_t position;
		int err;
	} cases[] = { { 512, 0 },	 { 536, 0 },	    { 560, 0 },
		      { 504, -EBADMSG }, { 568, -EBADMSG }, { 0, -EBADMSG } };
	unsigned i;

	make(0, 512);
	client_put_text(&client, "first");
	client_put_text(&client, "second and longer");
	ck_assert_uint_eq(keep(), 560);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		store_relaxed(&entry.position, cases[i].position);
		ck_assert_int_eq(map_copy(), cases[i].err);
		lane_unmap(&copy);
	}
	/* A closed one is only removed. */
	lane_entry_close(&entry);
	ck_assert_int_eq(map_copy(), 0);
	lane_unmap(&copy);
	drop();
}
END_TEST

/* A file that others can write to could shrink while it is mapped. */
START_TEST(only_a_file_of_the_daemon_alone_is_a_copy)
{
	make(0, 0);
	client_put_text(&client, "message");
	keep();
	ck_assert_int_eq(chmod(path_of(""), 0620), 0);
	ck_assert_int_eq(lane_keep_open(state, ID), -EPERM);
	ck_assert_int_eq(chmod(path_of(""), 0600), 0);
	ck_assert_int_eq(link(path_of(""), core_path("other")), 0);
	ck_assert_int_eq(lane_keep_open(state, ID), -EPERM);
	ck_assert_int_eq(unlink(path_of("")), 0);
	ck_assert_int_eq(symlink(core_path("other"), path_of("")), 0);
	ck_assert_int_eq(lane_keep_open(state, ID), -ELOOP);
	ck_assert_int_eq(lane_keep_remove(state, ID), 0);
	ck_assert_int_eq(mkfifo(path_of(""), 0600), 0);
	ck_assert_int_eq(lane_keep_open(state, ID), -EPERM);
	ck_assert_int_eq(lane_keep_remove(state, ID), 0);
	ck_assert_int_eq(lane_keep_open(state, ID), -ENOENT);
	drop();
}
END_TEST

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(the_list_has_complete_copies_of_this_region_only)
{
	uint64_t *ids;

	make(0, 0);
	ck_assert_uint_eq(lane_keep_list(state, &ids), 0);
	ck_assert_ptr_null(ids);
	touch(path_of(".part"));
	touch(path_of("0"));
	touch(path_of(".old"));
	touch(core_path("state.lane-"));
	touch(core_path("state.lane-123456789abcdef"));
	touch(core_path("state.lane-0000000000000000"));
	touch(core_path("state.lane-ffffffffffffffff"));
	touch(core_path("state2.lane-0123456789abcdef"));
	client_put_text(&client, "message");
	keep();
	touch(path_of(".part"));
	ck_assert_uint_eq(lane_keep_list(state, &ids), 1);
	ck_assert_uint_eq(ids[0], ID);
	free(ids);
	ck_assert_int_eq(access(path_of(".part"), F_OK), -1);
	ck_assert_int_eq(access(path_of(".old"), F_OK), 0);
	drop();
}
END_TEST

/* It removes nothing: at the end the loop thread may be writing a copy. */
START_TEST(copies_of_which_the_table_knows_nothing_are_counted)
{
	struct lane_table known = { &entry, 1 }, none = { 0 };

	make(0, 0);
	ck_assert_uint_eq(lane_keep_unknown(state, &none), 0);
	client_put_text(&client, "message");
	keep();
	touch(path_of(".part"));
	touch(path_of(".old"));
	ck_assert_uint_eq(lane_keep_unknown(state, &none), 1);
	ck_assert_uint_eq(lane_keep_unknown(state, &known), 0);
	lane_entry_close(&entry);
	ck_assert_uint_eq(lane_keep_unknown(state, &known), 0);
	ck_assert_int_eq(access(path_of(".part"), F_OK), 0);
	ck_assert_uint_eq(lane_keep_unknown(core_path("no/state"), &none), 0);
	drop();
}
END_TEST

/* No copy, and no part of one. */
START_TEST(a_copy_that_cannot_be_made_leaves_nothing)
{
	uint64_t to, *ids;

	make(0, 0);
	client_put_text(&client, "message");
	ck_assert(lane_seal(&lane, &to));
	ck_assert_int_eq(mkdir(path_of(""), 0700), 0);
	ck_assert_int_eq(lane_keep(&lane, to, state), -EISDIR);
	ck_assert_int_eq(access(path_of(".part"), F_OK), -1);
	ck_assert_int_eq(rmdir(path_of("")), 0);
	ck_assert_int_eq(lane_keep(&lane, to, core_path("no/state")), -ENOENT);
	ck_assert_uint_eq(lane_keep_list(state, &ids), 0);
	drop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lane_keep");
	TCase *tc = core_case(suite, "copies");

	tcase_add_loop_test(tc, a_copy_holds_what_the_lane_held, 0, 9);
	tcase_add_test(tc, a_copy_is_read_from_where_its_entry_says);
	tcase_add_test(tc, only_a_file_of_the_daemon_alone_is_a_copy);
	tcase_add_test(tc, the_list_has_complete_copies_of_this_region_only);
	tcase_add_test(tc, copies_of_which_the_table_knows_nothing_are_counted);
	tcase_add_test(tc, a_copy_that_cannot_be_made_leaves_nothing);
	return suite_run(suite, CK_FORK);
}
