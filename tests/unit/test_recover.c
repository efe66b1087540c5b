/* SPDX-License-Identifier: MIT */
/*
 * Exactly once: processes that die at each point, one life after the other
 * on one region, and at the end every message that they took from the socket
 * stands in one file.
 */
#include "tests/lib/lives.h"
#include "daemon/filing/transfer.h"

/* --- the points ---------------------------------------------------------- */

#define NAMES 128

static char names[NAMES][40];
static unsigned nnames;

static void read_names(const char *path)
{
	char *text = file_read(path, NULL), *rest = text, *name;
	unsigned i;

	while ((name = strsep(&rest, "\n"))) {
		for (i = 0; i < nnames; i++)
			if (!strcmp(names[i], name))
				break;
		if (i < nnames || !*name)
			continue;
		ck_assert_uint_lt(nnames, NAMES);
		snprintf(names[nnames++], sizeof(names[0]), "%s", name);
	}
	free(text);
}

/* The kinds of lives: framing, settings, points. */
static const struct variant variants[] = {
	{ FRAMING_NEWLINE,
	  { "buffer.workers=2", "buffer.size=4K", "buffer.queue_size=16" },
	  { "files.sync=none", "files.sync=none", "files.sync=none" },
	  "" },
	{ FRAMING_LENGTH,
	  { "buffer.workers=1", "buffer.size=1", "buffer.queue_size=2",
	    "files.sync=data" },
	  { "files.prefix=a", "files.prefix=b", "files.prefix=c" },
	  "" },
	{ FRAMING_NONE,
	  { "buffer.workers=3", "buffer.size=16K" },
	  { "buffer.queue_size=30", "buffer.queue_size=7",
	    "buffer.queue_size=8" },
	  "" },
	{ FRAMING_NEWLINE,
	  { "buffer.queue_size=20", "buffer.size=2K" },
	  { "buffer.workers=8", "buffer.workers=1", "buffer.workers=2" },
	  "" },
	/* two mounts: each life finds out at its first rename */
	{ FRAMING_LENGTH,
	  { "buffer.workers=2", "buffer.size=3K", "buffer.queue_size=16" },
	  { "files.sync=none", "files.sync=none", "files.sync=none" },
	  ";flush.rename=EXDEV@1" },
	/* files go somewhere else in the second life, and then back */
	{ FRAMING_NEWLINE,
	  { "buffer.workers=2", "buffer.size=4K", "buffer.queue_size=16" },
	  { "files.path=files", "files.path=other", "files.path=files" },
	  "" },
#ifdef BW_ZSTD
	/* compressed in the second life, and then not any more */
	{ FRAMING_LENGTH,
	  { "buffer.workers=2", "buffer.size=3K", "buffer.queue_size=16" },
	  { "files.compression=none", "files.compression=zstd",
	    "files.compression=none" },
	  ";flush.write=short" },
	{ FRAMING_NEWLINE,
	  { "buffer.workers=2", "buffer.size=16K", "buffer.queue_size=16",
	    "files.sync=data" },
	  { "files.compression=zstd", "files.compression=none",
	    "files.compression=zstd" },
	  "" },
#endif
	/* the disk refuses now and then; recovery would sleep after it */
	{ FRAMING_NONE,
	  { "buffer.workers=2", "buffer.size=1K", "buffer.queue_size=16" },
	  { "files.sync=data", "files.sync=data", "files.sync=data" },
	  ";flush.open=ENOSPC@14;flush.write=short;flush.rename=EEXIST@2;"
	  "flush.sync=EIO@17" },
};
#define VARIANTS ((int)(sizeof(variants) / sizeof(variants[0])))

/* Which points do the lives of this kind pass? */
static void scout(const struct variant *v)
{
	const char *log = core_path("points.log");

	setenv("BW_FAILPOINTS_LOG", log, 1);
	lives_one(v, 0, "release.mid=kill@20");
	lives_one(v, 1, "flush.marked=kill@3");
	lives_one(v, 2, "flush.open=kill@1");
	lives_one(v, 3, NULL);
	unsetenv("BW_FAILPOINTS_LOG");
	read_names(log);
	lives_next_round();
}

/* --- the tests ----------------------------------------------------------- */

/* A region in use, the kill that counts, it again in the recovery of that. */
static unsigned five_lives(const struct variant *v, unsigned i,
			   const char *first, const char *then)
{
	unsigned kills = 0;

	lives_one(v, 0, i % 2 ? "publish.head=kill@3" : "claim.after=kill@4");
	kills += lives_one(v, 1, first);
	kills += lives_one(v, 2, first);
	lives_one(v, 3, then);
	lives_one(v, 4, NULL);
	lives_expect_exactly_once(first, v->framing);
	lives_expect_clean(first);
	lives_next_round();
	return kills;
}

/* BW_SCALE percent of the usual passages of each point are tried. */
static unsigned passages(void)
{
	unsigned n = suite_scale(100) / 50;

	return n < 1 ? 1 : n > 5 ? 5 : n;
}

START_TEST(killed_at_each_point_every_message_is_filed_once)
{
	static const unsigned nths[] = { 1, 2, 3, 7, 20 };
	const struct variant *v = &variants[_i];
	unsigned i, n, kills = 0, rounds = 0, times = passages();
	char first[64], then[64];

	lives_begin();
	scout(v);
	ck_assert_uint_ge(nnames, 30);
	for (i = 0; i < nnames; i++) {
		for (n = 0; n < times; n++) {
			/* other passages in each variant */
			snprintf(first, sizeof(first), "%s=kill@%u", names[i],
				 nths[(i + _i + 2 * n) % 5]);
			snprintf(then, sizeof(then), "%s=kill@%u",
				 names[random_mix(i * 100 + n + _i) % nnames],
				 1 + (unsigned)(random_mix(n + i) % 4));
			kills += five_lives(v, i, first, then);
			rounds++;
		}
	}
	/* most of them were points that it passed */
	ck_assert_uint_gt(kills, rounds / 4);
	lives_end();
}
END_TEST

/* Each life gets one step further and dies: it ends all the same. */
START_TEST(a_recovery_that_is_always_killed_still_advances)
{
	static const char *const points[] = {
		"recover.message=kill@1", "append.after=kill@2",
		"commit.after=kill@2",	  "release.mid=kill@2",
		"flush.reset=kill@1",	  "flush.marked=kill@1",
		"flush.renamed=kill@1",
	};
	const struct variant *v = &variants[3];
	unsigned lives = 0;

	lives_begin();
	lives_one(v, 0, "claim.after=kill@3");
	lives_one(v, 0, "claim.after=kill@2");
	lives_news = 0;
	while (lives < 300 && lives_one(v, 0, points[_i]))
		lives++;
	ck_assert_uint_gt(lives, 1);
	ck_assert_uint_lt(lives, 300);
	lives_one(v, 0, NULL);
	lives_expect_exactly_once(points[_i], v->framing);
	lives_expect_clean(points[_i]);
	lives_end();
}
END_TEST

/* --- a disk that refuses ------------------------------------------------- */

static struct {
	unsigned calls;
	uint64_t last;
	bool grows;
} * waited;

static void wait_and_remove(void *arg, int err, const char *remedy,
			    uint64_t pause)
{
	(void)remedy;
	(void)arg;
	ck_assert_int_lt(err, 0);
	waited->grows = pause > waited->last;
	waited->last = pause;
	if (++waited->calls == 2)
		unlink(core_path("block"));
}

START_TEST(recovery_waits_for_the_disk_and_says_so)
{
	struct life l = lives_plan(&variants[0], 0, true);
	char points[300];

	waited = core_map(sizeof(*waited));
	lives_begin();
	lives_one(&variants[0], 0, "release.mid=kill@15");
	file_touch(core_path("block"));
	l.waits = wait_and_remove;
	snprintf(points, sizeof(points), "flush.write=ENOSPC:%s",
		 core_path("block"));
	ck_assert_int_eq(core_child(points, lives_run, &l), 0);
	ck_assert_uint_eq(waited->calls, 2);
	ck_assert(waited->grows);
	lives_ship(core_path("files"), FRAMING_NEWLINE);
	lives_expect_exactly_once("full disk", FRAMING_NEWLINE);
	lives_end();
}
END_TEST

/* Leaves 3 messages in arena 0, 2 in arena 1 and 4 in the ring. */
static int leave(void *arg)
{
	struct config *cfg = core_settings(((struct life *)arg)->options);
	struct failure error;
	struct recovered out;
	struct flush flush;
	bool wanted = false;
	uint64_t bytes;
	struct region s;
	unsigned i;

	if (recover_region(&s, cfg, NULL, NULL, &out, &error))
		return 1;
	region_set_clean(&s, 0);
	for (i = 0; i < 9; i++) {
		core_put(&s.ring, "message", 7);
		if (i == 2 || i == 4)
			transfer_take(&s.ring, &s.arenas[i == 4], &wanted);
	}
	flush_open(&flush, cfg, 1, &s.header->names);
	if (flush_probe(&flush))
		return 1;
	/* with a point, it dies in this */
	return getenv("BW_FAILPOINTS") ?
		       transfer_flush(&s.arenas[1], &flush, &bytes) :
		       0;
}

static void wait_and_make_files(void *arg, int err, const char *remedy,
				uint64_t pause)
{
	(void)arg;
	(void)remedy;
	(void)pause;
	ck_assert_int_eq(err, -ENOENT);
	if (++waited->calls == 2)
		core_mkdir("files");
}

/*
 * A rename in doubt cannot be finished, because the directory is gone: a life
 * is killed before it finds that out, the next one waits and finds everything.
 */
START_TEST(a_rename_in_doubt_survives_a_missing_directory)
{
	struct life l = lives_plan(&variants[0], 0, true);

	l.out = core_map(sizeof(*l.out));
	lives_begin();
	ck_assert(core_was_killed(core_child("flush.marked=kill", leave, &l)));
	ck_assert_int_eq(rename(core_path("files"), core_path("gone")), 0);
	ck_assert(core_was_killed(
		core_child("recover.released=kill", lives_run, &l)));
	waited = core_map(sizeof(*waited));
	l.waits = wait_and_make_files;
	ck_assert_int_eq(core_child(NULL, lives_run, &l), 0);
	ck_assert_uint_eq(waited->calls, 2);
	ck_assert_uint_eq(l.out->messages, 9);
	ck_assert_uint_eq(core_count(core_path("files")), 3);
	lives_end();
}
END_TEST

/*
 * A rename that is done stays done with dot files: when files.temp leads to
 * files.path, where the final file has the temp file's name, and when it is
 * another file system's, which is gone.
 */
START_TEST(a_rename_with_a_dot_file_is_known_to_be_done)
{
	struct life l = lives_plan(&variants[0], 0, true);
	char option[PATH_MAX], temp[PATH_MAX] = "/tmp/bw-core-XXXXXX";
	char name[FLUSH_NAME + 8];
	struct core_files files;
	struct stat st, here;
	unsigned n;

	lives_begin();
	if (_i == 0) {
		snprintf(temp, sizeof(temp), "%s", core_path("link"));
		ck_assert_int_eq(symlink("files", temp), 0);
	} else {
		ck_assert_ptr_nonnull(mkdtemp(temp));
		ck_assert_int_eq(stat(temp, &st), 0);
		ck_assert_int_eq(stat(core_path("files"), &here), 0);
		if (st.st_dev == here.st_dev) {
			rmdir(temp);
			lives_end();
			return;
		}
	}
	snprintf(option, sizeof(option), "files.temp=%s", temp);
	for (n = 0; l.options[n]; n++)
		;
	l.options[n] = option;
	l.out = core_map(sizeof(*l.out));
	ck_assert(core_was_killed(core_child("flush.renamed=kill", leave, &l)));
	files = core_files(core_path("files"));
	ck_assert_uint_eq(files.n, 1);
	if (_i)
		ck_assert_int_eq(rmdir(temp), 0);
	ck_assert_int_eq(core_child(NULL, lives_run, &l), 0);
	ck_assert_uint_eq(l.out->messages, 7);
	ck_assert_uint_eq(core_count(core_path("files")), 3);
	snprintf(name, sizeof(name), "files/%s", files.name[0]);
	ck_assert_int_eq(stat(core_path(name), &st), 0);
	core_files_free(&files);
	if (_i)
		rmdir(temp);
	lives_end();
}
END_TEST

static const char *const reports[] = { "EIO", "ESTALE", "ENOENT", "EXDEV",
				       "EEXIST" };

/* As on NFS: the rename that recovery finishes reports an error all the same.
 */
START_TEST(a_rename_that_recovery_finished_is_not_done_again)
{
	struct life l = lives_plan(&variants[0], 0, true);
	char points[64];

	l.out = core_map(sizeof(*l.out));
	lives_begin();
	ck_assert(core_was_killed(core_child("flush.marked=kill", leave, &l)));
	snprintf(points, sizeof(points), "rename.done=%s@1", reports[_i]);
	ck_assert_int_eq(core_child(points, lives_run, &l), 0);
	ck_assert_uint_eq(l.out->messages, 9);
	ck_assert_uint_eq(core_count(core_path("files")), 3);
	lives_end();
}
END_TEST

/* files.sync = data: names that are not on the disk are waited for. */
START_TEST(a_rename_in_doubt_is_done_when_its_directory_is_synced)
{
	const struct variant *v = &variants[_i ? 5 : 6];
	struct life first = lives_plan(v, 0, true);
	struct life l;
	char points[PATH_MAX];
	unsigned n;

	waited = core_map(sizeof(*waited));
	for (n = 0; first.options[n]; n++)
		;
	first.options[n] = "files.sync=data";
	lives_begin();
	ck_assert(core_was_killed(
		core_child("flush.renamed=kill", leave, &first)));
	l = lives_plan(v, _i, true);
	l.out = core_map(sizeof(*l.out));
	l.waits = wait_and_remove;
	l.options[n] = "files.sync=data";
	file_touch(core_path("block"));
	snprintf(points, sizeof(points),
		 _i ? "flush.names=EIO@1" : "flush.names=EIO:%s",
		 core_path("block"));
	ck_assert_int_eq(core_child(points, lives_run, &l), 0);
	/* a directory that the settings name no more is not */
	ck_assert_uint_eq(waited->calls, (_i ? 0 : 2));
	ck_assert_uint_eq(l.out->messages, 7);
	ck_assert_uint_eq(core_count(core_path("files")) +
				  (_i ? core_count(core_path("other")) : 0),
			  3);
	lives_end();
}
END_TEST

/* Where the temp file was nobody can look: it is not taken to be gone. */
START_TEST(a_temp_file_that_cannot_be_looked_for_is_written_again)
{
	struct life first = lives_plan(&variants[5], 0, true), second;
	char loop[PATH_MAX];

	lives_begin();
	ck_assert(core_was_killed(
		core_child("flush.marked=kill", leave, &first)));
	snprintf(loop, sizeof(loop), "%s", core_path("files.tmp"));
	ck_assert_int_eq(rename(loop, core_path("gone")), 0);
	ck_assert_int_eq(symlink("files.tmp", loop), 0);
	second = lives_plan(&variants[5], 1, true);
	second.out = core_map(sizeof(*second.out));
	ck_assert_int_eq(core_child(NULL, lives_run, &second), 0);
	ck_assert_uint_eq(second.out->messages, 9);
	ck_assert_uint_eq(core_count(core_path("other")), 3);
	lives_end();
}
END_TEST

/* --- what it says -------------------------------------------------------- */

START_TEST(recovered_messages_are_counted)
{
	struct life l = lives_plan(&variants[0], 0, true);

	l.out = core_map(sizeof(*l.out));
	lives_begin();
	ck_assert_int_eq(core_child(NULL, leave, &l), 0);
	ck_assert_int_eq(core_child(NULL, lives_run, &l), 0);
	ck_assert_uint_eq(l.out->messages, 9);
	ck_assert_uint_eq(l.out->files, 3);
	ck_assert_uint_eq(l.out->bytes, 9 * 8);
	ck_assert_uint_eq(core_count(core_path("files")), 3);
	/* and once */
	ck_assert_int_eq(core_child(NULL, lives_run, &l), 0);
	ck_assert_uint_eq(l.out->messages + l.out->files, 0);
	ck_assert_uint_eq(core_count(core_path("files")), 3);
	lives_end();
}
END_TEST

static int start_anew(void *arg)
{
	struct config *cfg = core_settings(((struct life *)arg)->options);
	struct recovered out;
	struct failure error;
	struct region s;
	size_t len;
	char *data;

	log_set_level(0);
	if (recover_region(&s, cfg, NULL, NULL, &out, &error) || !out.aside[0])
		return 1;
	data = file_read(out.aside, &len);
	return len == 5 && !memcmp(data, "noise", 5) &&
			       core_put(&s.ring, "x", 1) ?
		       0 :
		       2;
}

START_TEST(a_file_that_is_no_region_is_set_aside_and_kept)
{
	struct life l = lives_plan(&variants[0], 0, true);

	lives_begin();
	file_write(core_path("state"), "noise", 5);
	ck_assert_int_eq(core_child(NULL, start_anew, &l), 0);
	lives_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recover");
	TCase *tc = core_case(suite, "killed");

	tcase_add_loop_test(tc,
			    killed_at_each_point_every_message_is_filed_once, 0,
			    VARIANTS);
	tcase_add_loop_test(tc, a_recovery_that_is_always_killed_still_advances,
			    0, 7);
	tc = core_case(suite, "disk");
	tcase_add_test(tc, recovery_waits_for_the_disk_and_says_so);
	tcase_add_test(tc, a_rename_in_doubt_survives_a_missing_directory);
	tcase_add_loop_test(tc, a_rename_with_a_dot_file_is_known_to_be_done, 0,
			    2);
	tcase_add_loop_test(
		tc, a_rename_that_recovery_finished_is_not_done_again, 0, 5);
	tcase_add_loop_test(
		tc, a_rename_in_doubt_is_done_when_its_directory_is_synced, 0,
		2);
	tcase_add_test(tc,
		       a_temp_file_that_cannot_be_looked_for_is_written_again);
	tc = core_case(suite, "start");
	tcase_add_test(tc, recovered_messages_are_counted);
	tcase_add_test(tc, a_file_that_is_no_region_is_set_aside_and_kept);
	return suite_run(suite, CK_FORK);
}
