/* SPDX-License-Identifier: MIT */
/*
 * A region that a daemon of layout version 1 left: its messages are filed, and
 * a version that is not known, or damage, loses nothing.
 */
#include <stddef.h>

#include "tests/lib/core.h"
#include "daemon/base/log.h"
#include "daemon/filing/flush.h"
#include "daemon/filing/recover.h"
#include "daemon/region/region_file.h"
#include "daemon/region/region_v1.h"

#define BYTES 40960
#define ARENAS 24576 /* four pages */

#define SETTINGS                                                     \
	"buffer.queue_size=8", "buffer.workers=4", "buffer.size=64", \
		"socket.max_message=100"

/*
 * The words that are not 0 of a region that the last daemon of version 1 made
 * and a kill left.  The boot id, the directories and the checksums of both are
 * put in by the test, and pointers were left out.
 *
 *	arena 0	FILLING, "one" and "two"
 *	arena 1	WRITING v1-writing, "three"
 *	arena 2	RENAMING v1-renaming, "four"
 *	arena 3	RENAMING v1-beside, a dot file, "five"
 *	ring	"six" and "seven" published, "eight" received
 */
static const struct {
	uint32_t at;
	uint64_t word;
} fixture[] = {
	{ 0, 0x4554495257465542 },     { 8, 0x0000400000000001 },
	{ 16, 0x000000000000a000 },    { 24, 0x0000000000000008 },
	{ 32, 0x0000000000000064 },    { 40, 0x0000000000000064 },
	{ 56, 0x0000000000000004 },    { 64, 0x0000000000000040 },
	{ 72, 0x0000000000001000 },    { 80, 0x714e5a380a9e08aa },
	{ 88, 0xf0d82543c6e609a1 },    { 96, 0xe4a5f23682f19853 },
	{ 16384, 0xe30000000000000f }, { 16392, 0x8100000000000010 },
	{ 16504, 0x0000000000000003 }, { 16568, 0x0000000000000003 },
	{ 16632, 0x0000000000000005 }, { 16696, 0x0000000000000004 },
	{ 16760, 0x0000000000000004 }, { 16824, 0x0000000000000003 },
	{ 16888, 0x0000000000000005 }, { 16952, 0x0000000000000005 },
	{ 16960, 0x0000000000000009 }, { 16968, 0x000000000000000a },
	{ 16976, 0x000000000000000b }, { 16984, 0x000000000000000c },
	{ 16992, 0x000000000000000d }, { 17000, 0x0000000000000006 },
	{ 17008, 0x0000000000000007 }, { 17016, 0x0000000000000008 },
	{ 17024, 0x0000000800000003 }, { 17032, 0x0000000900000003 },
	{ 17040, 0x0000000a00000005 }, { 17048, 0x0000000b00000004 },
	{ 17056, 0x0000000c00000004 }, { 17064, 0x0000000d00000003 },
	{ 17072, 0x0000000e00000005 }, { 17080, 0x0000000740000000 },
	{ 17088, 0x00000000000003f0 }, { 17096, 0x00000000000003f1 },
	{ 17104, 0x00000000000003f2 }, { 17112, 0x00000000000003f3 },
	{ 17120, 0x00000000000003f4 }, { 17128, 0x00000000000003f5 },
	{ 17136, 0x00000000000003f6 }, { 20480, 0x0000000000656e6f },
	{ 20672, 0x00000000006f7774 }, { 20864, 0x0000006565726874 },
	{ 21056, 0x0000000072756f66 }, { 21248, 0x0000000065766966 },
	{ 21440, 0x0000000000786973 }, { 21632, 0x0000006e65766573 },
	{ 21824, 0x0000007468676965 }, { 24576, 0x0000000000000002 },
	{ 24640, 0x0000000000000002 }, { 24656, 0x0000000000000008 },
	{ 24664, 0x0000000000000002 }, { 24672, 0x0000000000000002 },
	{ 24696, 0x0000000000000008 }, { 24704, 0x000000000000000a },
	{ 24712, 0x00000000000003f0 }, { 24720, 0xed67bfa317efd0bf },
	{ 24984, 0x0000000000000001 }, { 25064, 0x489048f2091c210b },
	{ 25344, 0x0a6f77740a656e6f }, { 28672, 0x0000000000000003 },
	{ 28736, 0x0000000000000002 }, { 28752, 0x0000000000000006 },
	{ 28760, 0x0000000000000001 }, { 28768, 0x0000000000000001 },
	{ 28792, 0x000000000000000a }, { 28800, 0x000000000000000b },
	{ 28808, 0x00000000000003f2 }, { 28816, 0x90a76cdcb0c5af72 },
	{ 29080, 0x0000000000000003 }, { 29088, 0x0000000000000001 },
	{ 29096, 0x0000000000000006 }, { 29104, 0x0000000000000001 },
	{ 29112, 0x0000000000000001 }, { 29136, 0x000000000000000a },
	{ 29144, 0x000000000000000b }, { 29152, 0x00000000000003f2 },
	{ 29160, 0x7d4da9aa09e16a2e }, { 29168, 0x69746972772d3176 },
	{ 29176, 0x000000000000676e }, { 29440, 0x00000a6565726874 },
	{ 32768, 0x0000000000000004 }, { 32832, 0x0000000000000004 },
	{ 32840, 0x0000000000000002 }, { 32848, 0x0000000000000005 },
	{ 32856, 0x0000000000000001 }, { 32864, 0x0000000000000001 },
	{ 32888, 0x000000000000000b }, { 32896, 0x000000000000000c },
	{ 32904, 0x00000000000003f3 }, { 32912, 0x11fb13bd7961c8bf },
	{ 32920, 0x6d616e65722d3176 }, { 32928, 0x0000000000676e69 },
	{ 33176, 0x0000000000000003 }, { 33184, 0x0000000000000001 },
	{ 33192, 0x0000000000000005 }, { 33200, 0x0000000000000001 },
	{ 33208, 0x0000000000000001 }, { 33232, 0x000000000000000b },
	{ 33240, 0x000000000000000c }, { 33248, 0x00000000000003f3 },
	{ 33256, 0xfc8976a43fe195dc }, { 33264, 0x6d616e65722d3176 },
	{ 33272, 0x0000000000676e69 }, { 33536, 0x0000000a72756f66 },
	{ 36864, 0x0000000000000004 }, { 36928, 0x0000000000000004 },
	{ 36936, 0x0000000000000006 }, { 36944, 0x0000000000000005 },
	{ 36952, 0x0000000000000001 }, { 36960, 0x0000000000000001 },
	{ 36984, 0x000000000000000c }, { 36992, 0x000000000000000d },
	{ 37000, 0x00000000000003f4 }, { 37008, 0x337170031ec43c66 },
	{ 37016, 0x64697365622d3176 }, { 37024, 0x0000000000000065 },
	{ 37272, 0x0000000000000003 }, { 37280, 0x0000000000000005 },
	{ 37288, 0x0000000000000005 }, { 37296, 0x0000000000000001 },
	{ 37304, 0x0000000000000001 }, { 37328, 0x000000000000000c },
	{ 37336, 0x000000000000000d }, { 37344, 0x00000000000003f4 },
	{ 37352, 0x49a1aedaca216163 }, { 37360, 0x64697365622d3176 },
	{ 37368, 0x0000000000000065 }, { 37632, 0x0000000a65766966 },
};

static uint8_t image[BYTES];
static struct failure error;

static uint64_t fnv(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (i = 0; i < n; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static void seal(struct region_header *h)
{
	h->check = fnv(h, offsetof(struct region_header, check));
	h->dirs[0].check = fnv(&h->dirs[0],
			       offsetof(struct region_dirs, check));
}

/* Writes the image of a region of this boot, for these directories. */
static void leave(const char *path, const char *temp)
{
	struct region_header *h = (void *)image, *now = malloc(sizeof(*now));
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	size_t i;

	memset(image, 0, sizeof(image));
	for (i = 0; i < sizeof(fixture) / sizeof(fixture[0]); i++)
		memcpy(image + fixture[i].at, &fixture[i].word, 8);
	ck_assert_uint_eq(h->version, 1);
	ck_assert_uint_eq(h->check,
			  fnv(h, offsetof(struct region_header, check)));
	region_header_describe(now, cfg, 0);
	memcpy(h->boot, now->boot, sizeof(h->boot));
	snprintf(h->dirs[0].path, sizeof(h->dirs[0].path), "%s", path);
	snprintf(h->dirs[0].temp, sizeof(h->dirs[0].temp), "%s", temp);
	seal(h);
	file_write(core_path("state"), image, BYTES);
	free(now);
	config_free(cfg);
}

/* The directories of the settings, and the temp files of the dead process. */
static void leave_usual(void)
{
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	char path[PATH_MAX];

	core_mkdir("files");
	ck_assert_int_eq(mkdir(cfg->temp, 0700), 0);
	leave(cfg->files_path, cfg->temp);
	ck_assert_int_eq(flush_path(path, cfg->temp, "", "v1-writing"), 0);
	file_write(path, "th", 2);
	ck_assert_int_eq(flush_path(path, cfg->temp, "", "v1-renaming"), 0);
	file_write(path, "four\n", 5);
	/* This name in files.temp is not the dot file of the record. */
	ck_assert_int_eq(flush_path(path, cfg->temp, "", "v1-beside"), 0);
	file_write(path, "wrong\n", 6);
	config_free(cfg);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All lines of all files, sorted, with a space behind each. */
static void read_lines(char *out)
{
	struct core_files files = core_files(core_path("files"));
	char *lines[64], *text[64], *rest, *line;
	char path[PATH_MAX];
	unsigned i, n = 0;

	for (i = 0; i < files.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", core_path("files"),
			 files.name[i]);
		rest = text[i] = file_read(path, NULL);
		while ((line = strsep(&rest, "\n")))
			if (*line)
				lines[n++] = line;
	}
	qsort(lines, n, sizeof(*lines), by_text);
	for (i = 0, *out = 0; i < n; i++)
		strcat(strcat(out, lines[i]), " ");
	for (i = 0; i < files.n; i++)
		free(text[i]);
	core_files_free(&files);
}

static void expect_filed(const char *expected)
{
	char lines[1000];

	read_lines(lines);
	ck_assert_str_eq(lines, expected);
}

static void start(const struct config *cfg, struct region *s,
		  struct recovered *out)
{
	ck_assert_msg(!recover_region(s, cfg, NULL, NULL, out, &error), "%s",
		      error.text);
	ck_assert_uint_eq(s->header->version, REGION_VERSION);
	ck_assert(core_put(&s->ring, "works", 5));
	ck_assert(!file_exists(core_path("state.new")));
}

/* Settings that do not fit the region, or have another meaning for files. */
static const char *const others[] = {
	"buffer.forced=1s",
	"buffer.queue_size=9",
	"buffer.workers=2",
	"files.framing=length",
	NULL, /* another files.path */
};

/* --- recovered ----------------------------------------------------------- */

START_TEST(every_message_is_filed_once)
{
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	struct recovered out;
	struct region s;

	leave_usual();
	start(cfg, &s, &out);
	ck_assert_str_eq(out.aside, "");
	/* five was renamed by the dead process, and a shipper took it */
	ck_assert_uint_eq(out.messages, 7);
	ck_assert_uint_eq(core_count(cfg->temp), 1);
	region_close(&s);
	expect_filed("eight four one seven six three two ");
	config_free(cfg);
}
END_TEST

START_TEST(other_settings_are_no_hindrance)
{
	char path[PATH_MAX];
	struct recovered out;
	struct config *cfg;
	struct region s;

	core_mkdir("other");
	snprintf(path, sizeof(path), "files.path=%s", core_path("other"));
	leave_usual();
	cfg = CORE_SETTINGS(others[_i] ? others[_i] : path);
	start(cfg, &s, &out);
	ck_assert_uint_eq(out.messages, 7);
	region_close(&s);
	config_free(cfg);
}
END_TEST

START_TEST(a_dot_file_that_is_there_is_renamed)
{
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	struct recovered out;
	struct region s;

	leave_usual();
	file_write(core_path("files/.v1-beside"), "five\n", 5);
	start(cfg, &s, &out);
	ck_assert_uint_eq(out.messages, 8);
	ck_assert(file_exists(core_path("files/v1-beside")));
	region_close(&s);
	expect_filed("eight five four one seven six three two ");
	config_free(cfg);
}
END_TEST

/* As after a kill within it: the old region is there until the last step. */
START_TEST(a_replacement_that_was_left_half_made_is_made_anew)
{
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	struct recovered out;
	struct region s;

	leave_usual();
	file_write(core_path("state.new"), image, 5000);
	start(cfg, &s, &out);
	ck_assert_uint_eq(out.messages, 7);
	region_close(&s);
	config_free(cfg);
}
END_TEST

START_TEST(a_region_of_this_version_is_not_touched)
{
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	struct stat before, after;
	struct region s;

	ck_assert_int_eq(region_create(&s, cfg, &error), 0);
	region_close(&s);
	ck_assert_int_eq(stat(cfg->state_path, &before), 0);
	ck_assert_int_eq(region_v1_replace(cfg->state_path, &error), 0);
	ck_assert_int_eq(stat(cfg->state_path, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	config_free(cfg);
}
END_TEST

/* --- not recovered ------------------------------------------------------- */

static void expect_untouched(const char *path)
{
	size_t len;
	char *data = file_read(path, &len);

	ck_assert_uint_eq(len, BYTES);
	ck_assert_mem_eq(data, image, BYTES);
	free(data);
}

START_TEST(what_cannot_be_replaced_is_an_error_and_stays)
{
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	struct recovered out;
	struct region s;

	leave_usual();
	core_mkdir("state.new");
	ck_assert_int_lt(recover_region(&s, cfg, NULL, NULL, &out, &error), 0);
	ck_assert_msg(strstr(error.text, "state.new") != NULL, "%s",
		      error.text);
	expect_untouched(core_path("state"));
	expect_filed("");
	config_free(cfg);
}
END_TEST

/* Each bit of each record that holds, and some of the header. */
START_TEST(damage_is_noticed_and_the_region_set_aside_whole)
{
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	struct recovered out;
	struct region s;
	size_t at, first, last;

	log_set_level(0);
	leave_usual();
	/* arena 2: cur, and cell 0; else header */
	first = _i ? ARENAS + 2 * 4096 + 64 : 8;
	last = _i ? first + 88 + 20 : 200;
	for (at = first; at < last; at++) {
		image[at] ^= 1 << at % 8;
		file_write(core_path("state"), image, BYTES);
		ck_assert_msg(!recover_region(&s, cfg, NULL, NULL, &out,
					      &error),
			      "%s", error.text);
		ck_assert_msg(out.aside[0] != 0, "byte %zu", at);
		ck_assert_uint_eq(out.messages, 0);
		expect_untouched(out.aside);
		unlink(out.aside);
		region_close(&s);
		image[at] ^= 1 << at % 8;
	}
	ck_assert_uint_eq(core_count(core_path("files")), 0);
	config_free(cfg);
}
END_TEST

START_TEST(a_later_version_is_refused_and_set_aside_whole)
{
	struct config *cfg = CORE_SETTINGS(SETTINGS);
	struct region_header *h = (void *)image;
	struct recovered out;
	struct region s;

	log_set_level(0);
	leave_usual();
	h->version = REGION_VERSION + 1;
	file_write(core_path("state"), image, BYTES);
	ck_assert_int_eq(recover_region(&s, cfg, NULL, NULL, &out, &error), 0);
	ck_assert_msg(strstr(error.text, "version 3") != NULL, "%s",
		      error.text);
	expect_untouched(out.aside);
	region_close(&s);
	config_free(cfg);
}
END_TEST

/* --- clean --------------------------------------------------------------- */

START_TEST(whether_it_is_clean_can_be_read)
{
	struct region_header *h = (void *)image;

	leave_usual();
	ck_assert_int_eq(region_check_clean(core_path("state"), &error),
			 -ENOTEMPTY);
	atomic_store(&h->clean, 1);
	file_write(core_path("state"), image, BYTES);
	ck_assert_int_eq(region_check_clean(core_path("state"), &error), 0);
	expect_untouched(core_path("state"));
	h->check ^= 1;
	file_write(core_path("state"), image, BYTES);
	ck_assert_int_eq(region_check_clean(core_path("state"), &error),
			 -EBADMSG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("region_v1");
	TCase *tc = core_case(suite, "recovered");

	tcase_add_test(tc, every_message_is_filed_once);
	tcase_add_loop_test(tc, other_settings_are_no_hindrance, 0, 5);
	tcase_add_test(tc, a_dot_file_that_is_there_is_renamed);
	tcase_add_test(tc, a_replacement_that_was_left_half_made_is_made_anew);
	tcase_add_test(tc, a_region_of_this_version_is_not_touched);
	tc = core_case(suite, "refused");
	tcase_add_test(tc, what_cannot_be_replaced_is_an_error_and_stays);
	tcase_add_loop_test(
		tc, damage_is_noticed_and_the_region_set_aside_whole, 0, 2);
	tcase_add_test(tc, a_later_version_is_refused_and_set_aside_whole);
	tc = core_case(suite, "clean");
	tcase_add_test(tc, whether_it_is_clean_can_be_read);
	return suite_run(suite, CK_FORK);
}
