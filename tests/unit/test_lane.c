/* SPDX-License-Identifier: MIT */
/*
 * A mapped lane: whatever a client writes into its memory, the daemon maps
 * what it made itself, reads within the lane, and says what cannot be.
 */
#include "tests/unit/lane_bed.h"

#define SIZE 4096
#define ID 77

static struct lane_entry entry;
static struct client client;
static struct lane lane;

static void make_at(uint64_t size, uint64_t large, uint64_t position)
{
	lane_entry_open(&entry, ID, size, large, 1000, 42, position);
	lane_bed_open(&client, &lane, &entry);
}

static void make(void)
{
	make_at(SIZE, 0, 0);
}

static void drop(void)
{
	lane_unmap(&lane);
	client_close(&client);
}

/* --- what is mapped ------------------------------------------------------ */

START_TEST(the_head_says_what_the_entry_says)
{
	make_at(2 * SIZE, 5, 0);
	ck_assert_str_eq(client.head->magic, LANE_MAGIC);
	ck_assert_uint_eq(client.head->head_bytes, LANE_HEAD_BYTES);
	ck_assert_uint_eq(client.head->flags, 0);
	ck_assert_uint_eq(client.head->size, 2 * SIZE);
	ck_assert_uint_eq(client.head->id, ID);
	ck_assert_uint_eq(client.head->large, 5);
	ck_assert_uint_eq(client.head->written, 0);
	ck_assert_uint_eq(client.head->read, 0);
	ck_assert_uint_eq(client.head->attended, LANE_ASLEEP);
	drop();
}
END_TEST

/* An ordinary lane has all pages; a large one has what its message needs. */
START_TEST(what_a_client_does_makes_no_memory_grow)
{
	struct stat st;

	make_at(256 << 10, _i ? 200000 : 0, 0);
	ck_assert_int_eq(fstat(client.fd, &st), 0);
	ck_assert_int_eq(st.st_size, LANE_HEAD_BYTES + (256 << 10));
	if (_i)
		ck_assert_int_lt(st.st_blocks * 512, st.st_size);
	else
		ck_assert_int_ge(st.st_blocks * 512, st.st_size);
	/* A memory file that shrinks is a SIGBUS for whoever reads it. */
	ck_assert_int_eq(ftruncate(client.fd, LANE_HEAD_BYTES), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(client.fd, 1 << 30), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(fcntl(client.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert_int_eq(errno, EPERM);
	drop();
}
END_TEST

/* The daemon writes into the data of a large lane only. */
START_TEST(the_data_of_an_ordinary_lane_is_read_only)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	make_at(SIZE, _i ? 100 : 0, 0);
	ck_assert_int_eq(read(zero, lane.head, 1), 1);
	ck_assert_int_eq(read(zero, lane.data, 1), _i ? 1 : -1);
	ck_assert_int_eq(read(zero, lane.data + SIZE, 1), _i ? 1 : -1);
	close(zero);
	drop();
}
END_TEST

START_TEST(a_record_at_the_end_goes_on_at_the_beginning_in_one_piece)
{
	char text[200], expected[200];
	const uint8_t *data;
	uint32_t len, i;
	uint64_t at, to;

	make();
	for (i = 0; i < 3000; i++) {
		memset(text, 'a' + (int)(i % 26), i % 200);
		at = client.written;
		client_put(&client, text, i % 200);
		ck_assert(lane_written(&lane, &to));
		ck_assert_int_eq(lane_record(&lane, at, to, &data, &len),
				 LANE_FOUND);
		ck_assert_uint_eq(len, i % 200);
		memset(expected, 'a' + (int)(i % 26), len);
		ck_assert(!len || !memcmp(data, expected, len));
		ck_assert_int_eq(lane_record(&lane, to, to, &data, &len),
				 LANE_NONE);
		lane_release(&lane, to);
	}
	drop();
}
END_TEST

/* --- what is not mapped -------------------------------------------------- */

#define ALL_SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static const struct {
	const char *name;
	int seals;
	long bytes; /* more than head and data */
	size_t at;  /* of the head, where one bit is another one */
} foreign[] = {
	{ "what lane_make() makes", ALL_SEALS, 0, SIZE_MAX },
	{ "a file that can shrink", F_SEAL_GROW | F_SEAL_SEAL, 0, SIZE_MAX },
	{ "a file that can grow", F_SEAL_SHRINK | F_SEAL_SEAL, 0, SIZE_MAX },
	{ "a file whose seals are open", F_SEAL_GROW | F_SEAL_SHRINK, 0,
	  SIZE_MAX },
	{ "a file without seals", 0, 0, SIZE_MAX },
	{ "a file that is too short", ALL_SEALS, -1, SIZE_MAX },
	{ "a file that is too long", ALL_SEALS, 4096, SIZE_MAX },
	{ "a file shorter than a head", ALL_SEALS, -LANE_HEAD_BYTES - SIZE + 1,
	  SIZE_MAX },
	{ "an empty file", ALL_SEALS, -LANE_HEAD_BYTES - SIZE, SIZE_MAX },
	{ "another magic", ALL_SEALS, 0, 0 },
	{ "another end of the magic", ALL_SEALS, 0, 7 },
	{ "another size", ALL_SEALS, 0, 17 },
	{ "another lane", ALL_SEALS, 0, 24 },
	{ "a large lane", ALL_SEALS, 0, 32 },
};

#define FOREIGN (sizeof(foreign) / sizeof(foreign[0]))

static int make_foreign(unsigned i)
{
	struct lane_head head = { .magic = LANE_MAGIC,
				  .head_bytes = LANE_HEAD_BYTES,
				  .size = SIZE,
				  .id = ID };
	int fd = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	if (foreign[i].at != SIZE_MAX)
		((uint8_t *)&head)[foreign[i].at] ^= 1;
	ck_assert_int_eq(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	ck_assert_int_eq(
		ftruncate(fd, LANE_HEAD_BYTES + SIZE + foreign[i].bytes), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, foreign[i].seals), 0);
	return fd;
}

START_TEST(memory_of_another_kind_is_not_mapped)
{
	int fd = make_foreign((unsigned)_i);
	struct lane l;

	lane_entry_open(&entry, ID, SIZE, 0, 0, 0, 0);
	ck_assert_msg(lane_map(&l, fd, &entry) == (_i ? -EBADMSG : 0), "%s",
		      foreign[_i].name);
	ck_assert((l.head == NULL) == (_i != 0));
	lane_unmap(&l);
	lane_unmap(&l);
	close(fd);
}
END_TEST

START_TEST(what_is_no_memory_file_is_not_mapped)
{
	const char *const paths[] = { "/dev/null", "/dev/zero",
				      core_path("file"), core_dir };
	struct lane l;
	unsigned i;
	int fd;

	file_touch(core_path("file"));
	lane_entry_open(&entry, ID, SIZE, 0, 0, 0, 0);
	for (i = 0; i < 4; i++) {
		fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(lane_map(&l, fd, &entry), -EBADMSG);
		close(fd);
	}
	ck_assert_int_eq(lane_map(&l, -1, &entry), -EBADMSG);
}
END_TEST

START_TEST(memory_that_cannot_be_had_leaves_no_descriptor)
{
	unsigned before;

	core_points("lane.memory=ENOMEM");
	lane_entry_open(&entry, ID, SIZE, 0, 0, 0, 0);
	before = process_descriptors(getpid());
	ck_assert_int_eq(lane_make(&entry), -ENOMEM);
	ck_assert_uint_eq(process_descriptors(getpid()), before);
}
END_TEST

/* --- what a client says --------------------------------------------------- */

static const struct {
	uint64_t position, written;
	bool possible;
} ends[] = {
	{ 0, 0, true },
	{ 0, 8, true },
	{ 0, SIZE, true },
	{ 0, SIZE + 8, false },
	{ 0, 2 * SIZE, false },
	{ 0, 4, false },
	{ 0, 1, false },
	{ 0, SIZE - 1, false },
	{ 0, UINT64_MAX, false },
	{ 0, UINT64_MAX - 7, false },
	{ 0, INT64_MAX, false },
	{ 0, UINT64_C(1) << 63, false },
	{ 160, 160, true },
	{ 160, 152, false },
	{ 160, 0, false },
	{ 160, 160 + SIZE, true },
	{ 160, 168 + SIZE, false },
	{ UINT64_C(1) << 40, (UINT64_C(1) << 40) + 8, true },
	{ UINT64_C(1) << 40, 8, false },
	{ UINT64_MAX - 15, 8, true },
	{ UINT64_MAX - 15, UINT64_MAX - 7, true },
	{ UINT64_MAX - 15, SIZE - 8, false },
	/* A position of which the region knows nothing: the client's own. */
	{ 4, 8, false },
	{ 4, 4, false },
	{ 1, SIZE, false },
};

#define ENDS (sizeof(ends) / sizeof(ends[0]))

START_TEST(an_end_that_cannot_be_is_noticed)
{
	uint64_t written;

	make_at(SIZE, 0, ends[_i].position);
	client_set_written(&client, ends[_i].written);
	ck_assert(lane_written(&lane, &written) == ends[_i].possible);
	ck_assert_uint_eq(written, ends[_i].written);
	drop();
}
END_TEST

static const struct {
	uint64_t at, bytes; /* where the record begins; to the end */
	uint32_t said;
	enum lane_found found;
} records[] = {
	{ 0, 8, 0, LANE_FOUND },
	{ 0, 16, 0, LANE_FOUND },
	{ 0, 16, 1, LANE_FOUND },
	{ 0, 16, 8, LANE_FOUND },
	{ 0, 16, 9, LANE_BROKEN },
	{ 0, 8, 1, LANE_BROKEN },
	{ 0, SIZE, SIZE - 8, LANE_FOUND },
	{ 0, SIZE, SIZE - 7, LANE_BROKEN },
	{ 0, SIZE, SIZE, LANE_BROKEN },
	{ 0, SIZE, SIZE + 8, LANE_BROKEN },
	{ 0, SIZE, 1 << 30, LANE_BROKEN },
	{ 0, SIZE, INT32_MAX, LANE_BROKEN },
	{ 0, SIZE, UINT32_MAX - 15, LANE_BROKEN },
	{ 0, SIZE, UINT32_MAX - 7, LANE_BROKEN },
	{ 0, SIZE, UINT32_MAX, LANE_BROKEN },
	/* over the end of the lane */
	{ SIZE - 8, 16, 8, LANE_FOUND },
	{ SIZE - 8, 16, 9, LANE_BROKEN },
	{ SIZE - 8, SIZE, SIZE - 8, LANE_FOUND },
	{ SIZE - 8, SIZE, SIZE - 7, LANE_BROKEN },
	{ SIZE + 800, 24, 16, LANE_FOUND },
	{ UINT64_MAX - 7, 16, 8, LANE_FOUND },
	{ UINT64_MAX - 7, 16, 9, LANE_BROKEN },
	/* nothing is there, whatever the bytes say */
	{ 0, 0, 0, LANE_NONE },
	{ 0, 0, 1, LANE_NONE },
	{ 16, 0, UINT32_MAX, LANE_NONE },
};

#define RECORDS (sizeof(records) / sizeof(records[0]))

START_TEST(a_length_beyond_the_end_is_noticed)
{
	const uint8_t *data = NULL;
	uint32_t len = 0;

	make_at(SIZE, 0, records[_i].at);
	client_record(&client, NULL, 0, records[_i].said);
	ck_assert_int_eq(lane_record(&lane, records[_i].at,
				     records[_i].at + records[_i].bytes, &data,
				     &len),
			 records[_i].found);
	if (records[_i].found == LANE_FOUND) {
		ck_assert_uint_eq(len, records[_i].said);
		ck_assert_ptr_eq(data, lane.data + records[_i].at % SIZE + 8);
		ck_assert_uint_le(data + len - lane.data, 2 * SIZE);
	}
	drop();
}
END_TEST

/* The daemon knows size and position from its region. */
START_TEST(a_head_that_changes_changes_nothing)
{
	const uint8_t *data;
	uint64_t written;
	uint32_t len;

	make_at(SIZE, 0, 48);
	client_put_text(&client, "abc");
	written = client.written;
	memset(client.head, 0xff, LANE_HEAD_BYTES);
	client_set_written(&client, written);
	ck_assert_uint_eq(lane_position(&lane), 48);
	ck_assert(lane_written(&lane, &written));
	ck_assert_uint_eq(written, 64);
	ck_assert_int_eq(lane_record(&lane, 48, 64, &data, &len), LANE_FOUND);
	ck_assert_uint_eq(len, 3);
	lane_release(&lane, 64);
	lane_attend(&lane, 12345);
	lane_finish(&lane);
	ck_assert_uint_eq(entry.position, 64);
	ck_assert_uint_eq(client.head->final, 64);
	drop();
}
END_TEST

/* The pages that a client gives back are zeros: records without a byte. */
START_TEST(a_hole_in_a_lane_is_read_as_zeros)
{
	const uint8_t *data;
	uint32_t len;
	uint64_t at;

	make();
	memset(client.data, 0xff, SIZE);
	ck_assert_int_eq(fallocate(client.fd,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   0, LANE_HEAD_BYTES + SIZE),
			 0);
	ck_assert_uint_eq(client.head->written, 0);
	for (at = 0; at < SIZE; at += 8) {
		ck_assert_int_eq(lane_record(&lane, at, SIZE, &data, &len),
				 LANE_FOUND);
		ck_assert_uint_eq(len, 0);
	}
	drop();
}
END_TEST

/* --- what a client sees --------------------------------------------------- */

START_TEST(a_release_wakes_whoever_waits)
{
	make();
	lane_release(&lane, 16);
	ck_assert_uint_eq(entry.position, 16);
	ck_assert_uint_eq(client.head->read, 16);
	ck_assert_uint_eq(client.head->room_wake, 0);
	/* Any value but 0 is one that waits. */
	atomic_store(&client.head->waiters, _i ? UINT32_MAX : 1);
	lane_release(&lane, 32);
	ck_assert_uint_eq(client.head->read, 32);
	ck_assert_uint_eq(client.head->room_wake, 1);
	ck_assert_uint_eq(client.head->waiters, _i ? UINT32_MAX : 1);
	drop();
}
END_TEST

/* _i: the entry was closed by the life before. */
START_TEST(the_end_says_how_far_the_lane_was_taken)
{
	uint64_t closed_ns;

	make_at(SIZE, 0, 64);
	client_set_written(&client, 80);
	if (_i)
		lane_entry_close(&entry);
	closed_ns = entry.closed_ns;
	lane_finish(&lane);
	ck_assert_uint_eq(entry.state, LANE_ENTRY_CLOSED);
	ck_assert_uint_gt(entry.closed_ns, 0);
	ck_assert(!_i || entry.closed_ns == closed_ns);
	ck_assert_uint_eq(entry.position, 64);
	ck_assert_uint_eq(client.head->read, 64);
	ck_assert_uint_eq(client.head->final, 64);
	ck_assert_uint_eq(client.head->attended, LANE_CLOSED);
	ck_assert_uint_eq(client.head->written, 80 | LANE_SEALED);
	ck_assert_uint_eq(client.head->room_wake, 1);
	drop();
}
END_TEST

/* What was published before the seal is in, and what comes later is not. */
START_TEST(a_seal_lets_no_record_in)
{
	uint64_t written, from = 80;

	make_at(SIZE, 0, 64);
	client_set_written(&client, 80);
	ck_assert(lane_seal(&lane, &written));
	ck_assert_uint_eq(written, 80);
	ck_assert(!atomic_compare_exchange_strong(&client.head->written, &from,
						  96));
	ck_assert_uint_eq(client.head->room_wake, 1);
	/* The client's memory says what the client likes. */
	client_set_written(&client, 64 + SIZE + 8);
	ck_assert(!lane_seal(&lane, &written));
	client_set_written(&client, 68);
	ck_assert(!lane_seal(&lane, &written));
	drop();
}
END_TEST

/* The process before was killed while it closed the lane, and before `read`. */
START_TEST(a_lane_that_goes_on_is_told_so)
{
	make_at(SIZE, 0, 64);
	atomic_store(&client.head->read, 16);
	client_set_written(&client, 80 | LANE_SEALED);
	lane_revive(&lane);
	ck_assert_uint_eq(client.head->read, 64);
	ck_assert_uint_eq(client.head->attended, LANE_ASLEEP);
	ck_assert_uint_eq(client.head->written, 80);
	ck_assert_uint_eq(client.head->room_wake, 1);
	ck_assert_uint_eq(entry.state, LANE_ENTRY_OPEN);
	drop();
}
END_TEST

/* --- lengths -------------------------------------------------------------- */

START_TEST(a_large_lane_has_room_for_its_message_and_the_framing)
{
	static const uint64_t lengths[] = {
		1,	   8,	    4063,    4064,     4065,	       4096,
		65535,	   1000000, 1 << 20, 64 << 20, (64 << 20) + 1, 1 << 30,
		2000000000
	};
	uint64_t size, len;
	unsigned i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		len = lengths[i];
		size = lane_large_size(len);
		ck_assert_uint_eq(size & (size - 1), 0);
		ck_assert_uint_ge(size, LANE_HEAD_BYTES);
		/* the record, and a newline behind it */
		ck_assert_uint_ge(size, lane_record_bytes((uint32_t)len) + 1);
		ck_assert(size == LANE_HEAD_BYTES ||
			  size / 2 < len + 2 * LANE_RECORD + LANE_ALIGN);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lane");
	TCase *tc = core_case(suite, "memory");

	tcase_add_test(tc, the_head_says_what_the_entry_says);
	tcase_add_loop_test(tc, what_a_client_does_makes_no_memory_grow, 0, 2);
	tcase_add_loop_test(tc, the_data_of_an_ordinary_lane_is_read_only, 0,
			    2);
	tcase_add_test(
		tc, a_record_at_the_end_goes_on_at_the_beginning_in_one_piece);
	tcase_add_loop_test(tc, memory_of_another_kind_is_not_mapped, 0,
			    FOREIGN);
	tcase_add_test(tc, what_is_no_memory_file_is_not_mapped);
	tcase_add_test(tc, memory_that_cannot_be_had_leaves_no_descriptor);
	tcase_add_test(tc,
		       a_large_lane_has_room_for_its_message_and_the_framing);
	tc = core_case(suite, "client");
	tcase_add_loop_test(tc, an_end_that_cannot_be_is_noticed, 0, ENDS);
	tcase_add_loop_test(tc, a_length_beyond_the_end_is_noticed, 0, RECORDS);
	tcase_add_test(tc, a_head_that_changes_changes_nothing);
	tcase_add_test(tc, a_hole_in_a_lane_is_read_as_zeros);
	tcase_add_loop_test(tc, a_release_wakes_whoever_waits, 0, 2);
	tcase_add_loop_test(tc, the_end_says_how_far_the_lane_was_taken, 0, 2);
	tcase_add_test(tc, a_seal_lets_no_record_in);
	tcase_add_test(tc, a_lane_that_goes_on_is_told_so);
	return suite_run(suite, CK_FORK);
}
