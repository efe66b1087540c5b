/* SPDX-License-Identifier: MIT */
/*
 * Ring -> arena -> file: which messages stand in which file, byte for byte,
 * and that a failure between the two loses and doubles nothing.
 *
 * No thread: the test does what a worker does.
 */
#include <inttypes.h>

#include "tests/lib/core.h"
#include "daemon/filing/transfer.h"

#define ARENAS 3

static struct config *cfg;
static struct core_ring c;
static struct arena arenas[ARENAS];
static struct flush flushes[ARENAS];
static struct region_names names = { .number = 7 };
static void *mem[ARENAS];
static size_t arena_len;

static void setup(uint64_t queue, uint64_t max, uint64_t size,
		  enum config_framing framing)
{
	unsigned i;

	core_mkdir("files");
	cfg = CORE_SETTINGS("files.suffix=");
	core_ring_open(&c, queue, max, UINT32_MAX - 3);
	arena_len = arena_bytes(size, max);
	for (i = 0; i < ARENAS; i++) {
		mem[i] = core_map(arena_len);
		arena_open(&arenas[i], mem[i], size, max, framing);
		arena_format(&arenas[i]);
		flush_open(&flushes[i], cfg, i, &names);
	}
}

static void finish(void)
{
	unsigned i;

	for (i = 0; i < ARENAS; i++)
		munmap(mem[i], arena_len);
	core_ring_close(&c);
	config_free(cfg);
}

static int file(unsigned i)
{
	uint64_t bytes;

	return transfer_flush(&arenas[i], &flushes[i], &bytes);
}

/* Takes all that is waiting into one arena, files when it is told to. */
static void take_all(unsigned i)
{
	enum transfer_result taken;
	bool wanted = false;

	while ((taken = transfer_take(&c.ring, &arenas[i], &wanted)) !=
	       TRANSFER_EMPTY)
		if (taken == TRANSFER_FULL)
			ck_assert_int_eq(file(i), 0);
}

static void send_text(const char *text)
{
	ck_assert(core_put(&c.ring, text, strlen(text)));
}

/* The files, in the order of their names, are these texts. */
static void expect_files(const char *const *texts)
{
	struct core_files files = core_files(cfg->files_path);
	char path[PATH_MAX], *data;
	unsigned i;

	for (i = 0; i < files.n; i++) {
		ck_assert_msg(texts[i] != NULL, "one file too many: %s",
			      files.name[i]);
		snprintf(path, sizeof(path), "%s/%s", cfg->files_path,
			 files.name[i]);
		data = file_read(path, NULL);
		ck_assert_str_eq(data, texts[i]);
		free(data);
	}
	ck_assert_msg(!texts[i], "no file with %s", texts[i]);
	core_files_free(&files);
}

#define EXPECT_FILES(...) \
	expect_files((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void expect_memory(const char *text)
{
	ck_assert_uint_eq(arenas[0].now.len, strlen(text));
	ck_assert_mem_eq(arenas[0].data, text, strlen(text));
}

/* --- what stands where --------------------------------------------------- */

static const struct {
	uint64_t size;
	enum config_framing framing;
	const char *send[8], *files[8], *memory;
} cases[] = {
	/* the example of the Go packages */
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
	{ 5, FRAMING_NONE, { "aaaaa", "bbbbbb" }, { "aaaaabbbbbb" }, "" },
	{ 5,
	  FRAMING_NONE,
	  { "bbbbbb", "cccccc", "d" },
	  { "bbbbbb", "cccccc" },
	  "d" },
	{ 1, FRAMING_NONE, { "a", "b", "cc" }, { "a", "bcc" }, "" },
	/* the newline counts */
	{ 5, FRAMING_NEWLINE, { "aaaa", "b" }, { "aaaa\n" }, "b\n" },
	{ 5, FRAMING_NEWLINE, { "aaaa\n", "b\n" }, { "aaaa\n" }, "b\n" },
	{ 5, FRAMING_NEWLINE, { "aaaaa" }, { "aaaaa\n" }, "" },
	{ 9,
	  FRAMING_NEWLINE,
	  { "a", "b\n", "\n", "c\nd" },
	  { NULL },
	  "a\nb\n\nc\nd\n" },
	{ 1, FRAMING_NEWLINE, { "a", "b" }, { "a\n", "b\n" }, "" },
	{ 1, FRAMING_NEWLINE, { "\n", "\n" }, { "\n" }, "\n" },
	/* an empty one is counted and is nothing */
	{ 5, FRAMING_NONE, { "", "aaaaa", "", "b" }, { "aaaaa" }, "b" },
	{ 5, FRAMING_NEWLINE, { "", "" }, { NULL }, "" },
};

START_TEST(each_message_is_in_its_file)
{
	unsigned i;

	setup(16, 100, cases[_i].size, cases[_i].framing);
	for (i = 0; cases[_i].send[i]; i++)
		send_text(cases[_i].send[i]);
	take_all(0);
	expect_files(cases[_i].files);
	expect_memory(cases[_i].memory);
	finish();
}
END_TEST

/* One at a time gives the same as all at once. */
START_TEST(each_message_is_in_its_file_when_it_comes_alone)
{
	unsigned i;

	setup(2, 100, cases[_i].size, cases[_i].framing);
	for (i = 0; cases[_i].send[i]; i++) {
		send_text(cases[_i].send[i]);
		take_all(0);
	}
	expect_files(cases[_i].files);
	expect_memory(cases[_i].memory);
	finish();
}
END_TEST

START_TEST(an_empty_datagram_has_a_length_of_its_own)
{
	setup(4, 100, 1, FRAMING_LENGTH);
	send_text("");
	take_all(0);
	ck_assert_uint_eq(core_count(cfg->files_path), 1);
	send_text("abc");
	take_all(0);
	ck_assert_uint_eq(core_count(cfg->files_path), 2);
	finish();
}
END_TEST

/* --- counting ------------------------------------------------------------ */

START_TEST(empty_datagrams_alone_are_filed_without_a_file)
{
	unsigned i;

	setup(4, 100, 5, FRAMING_NEWLINE);
	for (i = 0; i < 3; i++)
		send_text("");
	take_all(0);
	ck_assert_uint_eq(arenas[0].now.count, 3);
	ck_assert_int_eq(file(0), 0);
	ck_assert(arena_is_empty(&arenas[0]));
	ck_assert_uint_eq(arena_written(&arenas[0].now), 3);
	ck_assert_uint_eq(core_count(cfg->files_path), 0);
	finish();
}
END_TEST

START_TEST(a_too_large_datagram_takes_a_ticket_and_no_byte)
{
	static char large[101];
	bool wanted = false;

	memset(large, 'x', 100);
	setup(4, 50, 500, FRAMING_NEWLINE);
	send_text("a");
	send_text(large);
	send_text("b");
	ck_assert_int_eq(transfer_take(&c.ring, &arenas[0], &wanted),
			 TRANSFER_TOOK);
	expect_memory("a\nb\n");
	ck_assert_uint_eq(arenas[0].now.count, 2);
	ck_assert_uint_eq(arenas[0].now.skipped, 1);
	ck_assert_uint_eq(arenas[0].now.end - arenas[0].now.begin, 3);
	send_text(large);
	take_all(0);
	ck_assert_uint_eq(arenas[0].now.skipped, 2);
	ck_assert_uint_eq(ring_waiting(&c.ring), 0);
	finish();
}
END_TEST

START_TEST(the_oldest_message_is_the_first_of_the_file)
{
	uint64_t first;

	setup(8, 100, 5, FRAMING_NONE);
	send_text("");
	first = ring_published(&c.ring);
	send_text("aa");
	send_text("bb");
	take_all(0);
	/* core_put() stamps with the tickets before */
	ck_assert_uint_eq(arenas[0].now.oldest_ns, 1000 + first - 1);
	send_text("cc");
	take_all(0);
	ck_assert_uint_eq(arenas[0].now.oldest_ns, 1000 + first + 2);
	finish();
}
END_TEST

START_TEST(a_claim_is_bounded)
{
	bool wanted = false;
	unsigned i;

	setup(1000, 10, 100000, FRAMING_NONE);
	for (i = 0; i < 1000; i++)
		send_text("x");
	ck_assert_int_eq(transfer_take(&c.ring, &arenas[0], &wanted),
			 TRANSFER_TOOK);
	ck_assert_uint_eq(arenas[0].now.count, TRANSFER_RUN);
	ck_assert_uint_eq(ring_waiting(&c.ring), 1000 - TRANSFER_RUN);
	finish();
}
END_TEST

START_TEST(a_take_says_that_the_producer_waits)
{
	bool wanted = false;

	setup(2, 10, 1000, FRAMING_NONE);
	send_text("a");
	send_text("b");
	ck_assert(ring_wait_for_slot(&c.ring));
	ck_assert_int_eq(transfer_take(&c.ring, &arenas[0], &wanted),
			 TRANSFER_TOOK);
	ck_assert(wanted);
	/* and does not take it back */
	ck_assert_int_eq(transfer_take(&c.ring, &arenas[0], &wanted),
			 TRANSFER_EMPTY);
	ck_assert(wanted);
	finish();
}
END_TEST

/* --- failures ------------------------------------------------------------ */

static const char *const failures[] = {
	"flush.open=EACCES",  "flush.write=ENOSPC", "flush.mode=EPERM",
	"flush.close=EDQUOT", "flush.rename=EIO",   "flush.rename=EXDEV",
};

START_TEST(messages_that_could_not_be_filed_stay_and_are_filed_once)
{
	char points[PATH_MAX];

	snprintf(points, sizeof(points), "%s:%s", failures[_i],
		 core_path("block"));
	core_points(points);
	file_touch(core_path("block"));
	setup(8, 100, 5, FRAMING_NONE);
	send_text("aaaa");
	take_all(0);
	ck_assert_int_lt(file(0), 0);
	ck_assert_ptr_nonnull(flushes[0].op);
	ck_assert_int_lt(file(0), 0);
	expect_memory("aaaa");
	ck_assert_uint_eq(arenas[0].now.count, 1);
	EXPECT_FILES();
	ck_assert_uint_eq(file_exists(cfg->temp) ? core_count(cfg->temp) : 0,
			  0);
	unlink(core_path("block"));
	ck_assert_int_eq(file(0), 0);
	EXPECT_FILES("aaaa");
	ck_assert_uint_eq(core_count(cfg->temp), 0);
	ck_assert(arena_is_empty(&arenas[0]));
	/* and it goes on */
	send_text("b");
	take_all(0);
	expect_memory("b");
	finish();
}
END_TEST

START_TEST(a_failure_leaves_a_record_that_says_write_again)
{
	struct arena next;
	const char *why;

	core_points(_i ? "flush.rename=EIO" : "flush.write=EIO");
	setup(8, 100, 5, FRAMING_NONE);
	send_text("aaaa");
	take_all(0);
	ck_assert_int_eq(file(0), -EIO);
	arena_open(&next, mem[0], 5, 100, FRAMING_NONE);
	ck_assert_int_eq(arena_load(&next, &why), 0);
	/* RENAMING without a temp file would mean that it is filed */
	ck_assert_uint_eq(next.now.step, ARENA_WRITING);
	ck_assert_uint_eq(next.now.len, 4);
	finish();
}
END_TEST

static const char *const reports[] = { "EIO", "ESTALE", "ENOENT", "EXDEV",
				       "EEXIST" };

/* NFS: the server renames, the answer is lost, and so is the second one. */
START_TEST(a_rename_that_happened_is_not_done_again_whatever_it_reports)
{
	char points[64];

	snprintf(points, sizeof(points), "rename.done=%s@1", reports[_i]);
	core_points(points);
	setup(8, 100, 5, FRAMING_NONE);
	send_text("aaaa");
	take_all(0);
	ck_assert_int_eq(file(0), 0);
	EXPECT_FILES("aaaa");
	ck_assert(arena_is_empty(&arenas[0]));
	ck_assert_uint_eq(core_count(cfg->temp), 0);
	finish();
}
END_TEST

START_TEST(a_rename_of_which_nobody_can_tell_is_asked_about_again)
{
	char points[2 * PATH_MAX], path[PATH_MAX], name[FLUSH_NAME];

	snprintf(points, sizeof(points), "%s=ESTALE@1;rename.look=EIO:%s",
		 _i == 0 ? "flush.rename" : "rename.done", core_path("block"));
	core_points(points);
	file_touch(core_path("block"));
	setup(8, 100, 5, FRAMING_NONE);
	send_text("aaaa");
	take_all(0);
	ck_assert_int_eq(file(0), -ESTALE);
	ck_assert_uint_eq(arenas[0].now.step, ARENA_RENAMING);
	expect_memory("aaaa");
	memcpy(name, arenas[0].name, sizeof(name));
	if (_i == 2) {
		/* a shipper takes the file before the daemon can look */
		ck_assert_int_eq(flush_path(path, cfg->files_path, "", name),
				 0);
		ck_assert_int_eq(unlink(path), 0);
	}
	unlink(core_path("block"));
	ck_assert_int_eq(file(0), 0);
	ck_assert(arena_is_empty(&arenas[0]));
	ck_assert_str_eq(arenas[0].name, name);
	if (_i == 2)
		EXPECT_FILES();
	else
		EXPECT_FILES("aaaa");
	ck_assert_uint_eq(core_count(cfg->temp), 0);
	finish();
}
END_TEST

/* A disk that went read-only keeps the temp file of the first try. */
START_TEST(a_temp_file_that_cannot_be_removed_is_not_forgotten)
{
	char path[PATH_MAX], name[FLUSH_NAME];

	core_points("flush.write=EIO@1");
	setup(8, 100, 5, FRAMING_NONE);
	send_text("aaaa");
	take_all(0);
	ck_assert_int_eq(file(0), -EIO);
	memcpy(name, arenas[0].name, sizeof(name));
	ck_assert_int_eq(flush_path(path, cfg->temp, "", name), 0);
	/* unlink(2) refuses it */
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_lt(file(0), 0);
	ck_assert_str_eq(arenas[0].name, name);
	ck_assert_int_eq(rmdir(path), 0);
	/* now it can: another name, as the settings want it */
	file_write(path, "aa", 2);
	ck_assert_int_eq(file(0), 0);
	EXPECT_FILES("aaaa");
	ck_assert_uint_eq(core_count(cfg->temp), 0);
	ck_assert_str_ne(arenas[0].name, name);
	finish();
}
END_TEST

START_TEST(temp_files_of_others_are_passed_over_and_kept)
{
	char name[FLUSH_NAME], path[PATH_MAX];
	unsigned i;

	setup(8, 100, 5, FRAMING_NONE);
	ck_assert_int_eq(mkdir(cfg->temp, 0700), 0);
	names.last_ns = UINT64_C(9000000000000000000);
	for (i = 0; i < 3; i++) {
		flush_name(&flushes[0], name);
		ck_assert_int_eq(flush_path(path, cfg->temp, "", name), 0);
		file_write(path, "another's", 9);
	}
	names.last_ns = UINT64_C(9000000000000000000);
	send_text("aaaa");
	take_all(0);
	ck_assert_int_eq(file(0), 0);
	EXPECT_FILES("aaaa");
	ck_assert_uint_eq(core_count(cfg->temp), 3);
	finish();
}
END_TEST

START_TEST(file_names_that_are_taken_are_passed_over)
{
	char name[FLUSH_NAME];
	unsigned i;

	setup(8, 100, 5, FRAMING_NONE);
	names.last_ns = UINT64_C(9000000000000000000);
	for (i = 0; i < 30; i++) {
		char path[PATH_MAX];

		flush_name(&flushes[0], name);
		snprintf(path, sizeof(path), "%s/%s", cfg->files_path, name);
		file_write(path, "taken", 5);
	}
	names.last_ns = UINT64_C(9000000000000000000);
	send_text("aaaa");
	take_all(0);
	ck_assert_int_eq(file(0), 0);
	ck_assert_uint_eq(core_count(cfg->files_path), 31);
	ck_assert_uint_eq(core_count(cfg->temp), 0);
	ck_assert_uint_eq(names.last_ns, UINT64_C(9000000000000000000) + 31);
	finish();
}
END_TEST

START_TEST(a_directory_in_which_every_name_is_taken_is_an_error)
{
	core_points("flush.rename=EEXIST");
	setup(8, 100, 5, FRAMING_NONE);
	send_text("aaaa");
	take_all(0);
	ck_assert_int_eq(file(0), -EEXIST);
	expect_memory("aaaa");
	ck_assert_uint_eq(core_count(cfg->temp), 0);
	finish();
}
END_TEST

/* --- everything ---------------------------------------------------------- */

static const struct {
	uint64_t queue, max, size;
} extremes[] = {
	{ 2, 1, 1 },	      { 2, 2048, 1 },	 { 3, 2049, 1 },
	{ 7, 2048, 2048 },    { 64, 2049, 10 },	 { 100, 5000, 4096 },
	{ 300, 300, 100000 }, { 33, 6000, 777 },
};
#define EXTREMES ((int)(sizeof(extremes) / sizeof(extremes[0])))

/* Reads length-framed messages, each with its number in front. */
static void tally(const uint8_t *p, size_t len, unsigned *seen, uint64_t most)
{
	const uint8_t *end = p + len;

	while (p < end) {
		uint64_t number = 0;
		uint32_t n;

		ck_assert_int_ge(end - p, 4);
		n = p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
		p += 4;
		ck_assert_uint_le(n, end - p);
		if (n >= 8) {
			memcpy(&number, p, 8);
			ck_assert_uint_lt(number, most);
			ck_assert(random_is_message(p + 8, n - 8, number));
			seen[number]++;
		} else {
			seen[most]++; /* too short to tell apart */
		}
		p += n;
	}
}

START_TEST(no_message_is_lost_doubled_or_torn_at_the_extremes)
{
	uint64_t max = extremes[_i].max, most = 600, number, shorts = 0;
	unsigned *seen = calloc(most + 1, sizeof(*seen)), i;
	bool *sent = calloc(most, sizeof(*sent)), wanted = false;
	uint8_t *buf = malloc(2 * max + 16);
	struct core_files files;

	random_seed = _i;
	setup(extremes[_i].queue, max, extremes[_i].size, FRAMING_LENGTH);
	for (number = 0; number < most;) {
		uint32_t len = random_below(max + 1 + max / 8);

		if (random_below(4))
			len %= 64;
		if (len >= 8) {
			memcpy(buf, &number, 8);
			random_message(buf + 8, len - 8, number);
		}
		if (core_put(&c.ring, buf, len)) {
			sent[number++] = len >= 8 && len <= max;
			shorts += len < 8 && len <= max;
			if (random_below(4))
				continue;
		}
		i = random_below(ARENAS);
		if (transfer_take(&c.ring, &arenas[i], &wanted) ==
			    TRANSFER_FULL ||
		    !random_below(20))
			ck_assert_int_eq(file(i), 0);
	}
	for (i = 0; i < ARENAS; i++)
		take_all(i);
	for (i = 0; i < ARENAS; i++)
		ck_assert_int_eq(file(i), 0);
	files = core_files(cfg->files_path);
	for (i = 0; i < files.n; i++) {
		char path[PATH_MAX], *data;
		size_t len;

		snprintf(path, sizeof(path), "%s/%s", cfg->files_path,
			 files.name[i]);
		data = file_read(path, &len);
		tally((uint8_t *)data, len, seen, most);
		free(data);
	}
	core_files_free(&files);
	for (number = 0; number < most; number++)
		ck_assert_uint_eq(seen[number], sent[number]);
	ck_assert_uint_eq(seen[most], shorts);
	finish();
	free(buf);
	free(sent);
	free(seen);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transfer");
	TCase *tc = core_case(suite, "content");
	const int ncases = sizeof(cases) / sizeof(cases[0]);

	tcase_add_loop_test(tc, each_message_is_in_its_file, 0, ncases);
	tcase_add_loop_test(tc, each_message_is_in_its_file_when_it_comes_alone,
			    0, ncases);
	tcase_add_test(tc, an_empty_datagram_has_a_length_of_its_own);
	tcase_add_test(tc, empty_datagrams_alone_are_filed_without_a_file);
	tcase_add_test(tc, a_too_large_datagram_takes_a_ticket_and_no_byte);
	tcase_add_test(tc, the_oldest_message_is_the_first_of_the_file);
	tcase_add_test(tc, a_claim_is_bounded);
	tcase_add_test(tc, a_take_says_that_the_producer_waits);
	tc = core_case(suite, "failure");
	tcase_add_loop_test(
		tc, messages_that_could_not_be_filed_stay_and_are_filed_once, 0,
		sizeof(failures) / sizeof(failures[0]));
	tcase_add_loop_test(tc, a_failure_leaves_a_record_that_says_write_again,
			    0, 2);
	tcase_add_loop_test(
		tc,
		a_rename_that_happened_is_not_done_again_whatever_it_reports, 0,
		5);
	tcase_add_loop_test(
		tc, a_rename_of_which_nobody_can_tell_is_asked_about_again, 0,
		3);
	tcase_add_test(tc, a_temp_file_that_cannot_be_removed_is_not_forgotten);
	tcase_add_test(tc, temp_files_of_others_are_passed_over_and_kept);
	tcase_add_test(tc, file_names_that_are_taken_are_passed_over);
	tcase_add_test(tc,
		       a_directory_in_which_every_name_is_taken_is_an_error);
	tc = core_case(suite, "everything");
	tcase_add_loop_test(tc,
			    no_message_is_lost_doubled_or_torn_at_the_extremes,
			    0, EXTREMES);
	return suite_run(suite, CK_FORK);
}
