/* SPDX-License-Identifier: MIT */
/*
 * Bytes to a complete file: names, modes, and every step that can fail.
 *
 * Failures are injected at points, and where this process may mount, they
 * are real: a full tmpfs, a rename across two mounts.
 */
#include <sched.h>
#include <sys/mount.h>

#include "tests/lib/core.h"
#include "daemon/filing/flush.h"
#include "daemon/filing/rename.h"
#include "daemon/base/remedy.h"

static struct flush flush;
static struct region_names names = { .number = 2147483647 };
static struct config *cfg;

#define BEGIN(...)                                  \
	do {                                        \
		cfg = CORE_SETTINGS(__VA_ARGS__);   \
		flush_open(&flush, cfg, 3, &names); \
	} while (0)

static const char *final_path(const char *name)
{
	static char path[PATH_MAX];

	ck_assert_int_eq(flush_path(path, cfg->files_path, "", name), 0);
	return path;
}

/* The name that comes next. */
static uint64_t set_next(uint64_t ns)
{
	/* as if the clock had stepped back from there */
	names.last_ns = ns - 1;
	return ns;
}

#define FUTURE UINT64_C(9000000000000000000)

/* Both steps; the name that was given. */
static int make(const char *text, char name[FLUSH_NAME])
{
	int err;

	flush_name(&flush, name);
	err = flush_write(&flush, name, text, strlen(text));
	return err ? err : flush_publish(&flush, name);
}

/* A file is there, complete, and nothing else is. */
static void expect_one(const char *name, const char *text)
{
	size_t len;
	char *data = file_read(final_path(name), &len);

	ck_assert_uint_eq(len, strlen(text));
	ck_assert_mem_eq(data, text, len);
	free(data);
	ck_assert_uint_eq(core_count(cfg->files_path), 1);
	if (file_exists(cfg->temp))
		ck_assert_uint_eq(core_count(cfg->temp), 0);
}

static void expect_none(void)
{
	ck_assert_uint_eq(core_count(cfg->files_path), 0);
	if (file_exists(cfg->temp))
		ck_assert_uint_eq(core_count(cfg->temp), 0);
}

/* Mounts of this test alone; false where it may not. */
static bool may_mount(void)
{
	return !unshare(CLONE_NEWNS) &&
	       !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* --- names --------------------------------------------------------------- */

START_TEST(a_name_says_who_made_it_and_when)
{
	char name[FLUSH_NAME], expected[FLUSH_NAME];

	BEGIN("files.prefix=a-", "files.suffix=.txt");
	set_next(FUTURE);
	flush_name(&flush, name);
	snprintf(expected, sizeof(expected),
		 "a-3_2147483647_9000000000000000000.txt");
	ck_assert_str_eq(name, expected);
	config_free(cfg);
}
END_TEST

START_TEST(no_name_comes_twice_whatever_the_clock_does)
{
	char before[FLUSH_NAME] = "", name[FLUSH_NAME];
	unsigned i;

	BEGIN("files.suffix=");
	for (i = 0; i < 20000; i++) {
		if (i == 10000)
			set_next(FUTURE); /* from here on it is in the past */
		flush_name(&flush, name);
		/* as many digits, so this is the order of the numbers */
		ck_assert_int_gt(strcmp(name, before), 0);
		strcpy(before, name);
	}
	ck_assert_uint_eq(names.last_ns, FUTURE + 9999);
	config_free(cfg);
}
END_TEST

START_TEST(the_longest_file_name_is_a_file_name)
{
	char prefix[128], suffix[128], name[FLUSH_NAME];

	core_mkdir("files");
	memset(prefix, 'p', sizeof(prefix));
	memset(suffix, 's', sizeof(suffix));
	memcpy(prefix, "files.prefix=", 13);
	memcpy(suffix, "files.suffix=", 13);
	prefix[13 + 100] = 0;
	suffix[13 + 95] = 0;
	BEGIN(prefix, suffix);
	ck_assert_int_eq(make("text", name), 0);
	/* settings leave room for the longest numbers: a pid may be short */
	ck_assert_uint_eq(strlen(name), 100 + 95 + strlen("0__") +
						strlen("1763800000000000000") +
						strlen("2147483647"));
	expect_one(name, "text");
	/* and as a dot file, which is one byte longer */
	unlink(final_path(name));
	flush.beside = true;
	ck_assert_int_eq(make("text", name), 0);
	expect_one(name, "text");
	config_free(cfg);
}
END_TEST

/* --- a file -------------------------------------------------------------- */

START_TEST(a_file_has_its_mode_whatever_the_umask)
{
	static const mode_t modes[] = { 0400, 0440, 0444, 0600, 0644, 0777, 0 };
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	char name[FLUSH_NAME], option[64];
	struct stat st;
	unsigned i;

	core_mkdir("files");
	snprintf(option, sizeof(option), "files.permission=%04o", modes[_i]);
	BEGIN(option);
	ck_assert_int_eq(flush_probe(&flush), 0);
	for (i = 0; i < 4; i++) {
		umask(masks[i]);
		ck_assert_int_eq(make("text", name), 0);
		ck_assert_int_eq(stat(final_path(name), &st), 0);
		ck_assert_uint_eq(st.st_mode & 07777, modes[_i]);
		ck_assert_uint_eq(st.st_nlink, 1);
	}
	config_free(cfg);
}
END_TEST

START_TEST(every_byte_arrives_in_short_writes)
{
	size_t len = 100000, got;
	char name[FLUSH_NAME], *data;
	uint8_t *bytes = malloc(len);

	core_points("flush.write=short");
	core_mkdir("files");
	random_message(bytes, len, 1);
	BEGIN("files.sync=data");
	flush_name(&flush, name);
	ck_assert_int_eq(flush_write(&flush, name, bytes, len), 0);
	ck_assert_int_eq(flush_publish(&flush, name), 0);
	data = file_read(final_path(name), &got);
	ck_assert_uint_eq(got, len);
	ck_assert_mem_eq(data, bytes, len);
	free(data);
	free(bytes);
	config_free(cfg);
}
END_TEST

#ifdef BW_ZSTD
/* Compressible, and of several pieces. */
static size_t fill_events(char *to, size_t room)
{
	size_t len = 0;
	unsigned i;

	for (i = 0; len + 200 < room; i++)
		len += (size_t)sprintf(
			to + len, "{\"session_id\":\"%016llx\",\"n\":%u}\n",
			(unsigned long long)random_mix(i), i);
	return len;
}

/* Short writes, and a disk that is full in the middle: nothing is left. */
START_TEST(a_compressed_file_is_one_frame_of_all_bytes)
{
	size_t room = 3 << 20, len, got;
	char *text = malloc(room), *data;
	char name[FLUSH_NAME];
	const char *why;
	struct stat st;

	core_points("flush.write=short@1;flush.write=ENOSPC@3");
	core_mkdir("files");
	len = fill_events(text, room);
	BEGIN("files.compression=zstd");
	ck_assert_int_eq(compress_open(&flush.compressor), 0);
	flush_name(&flush, name);
	ck_assert_int_eq(flush_write(&flush, name, text, len), -ENOSPC);
	ck_assert_str_eq(flush.op, "write");
	expect_none();
	flush_name(&flush, name);
	ck_assert_int_eq(flush_write(&flush, name, text, len), 0);
	ck_assert_int_eq(flush_publish(&flush, name), 0);
	ck_assert_int_eq(stat(final_path(name), &st), 0);
	ck_assert_uint_eq(flush.bytes, st.st_size);
	ck_assert_uint_lt(flush.bytes, len / 2);
	ck_assert_str_eq(name + strlen(name) - 8, ".log.zst");
	data = file_read(final_path(name), &got);
	data = file_unpack(name, data, &got, &why);
	ck_assert_msg(data, "%s", why);
	ck_assert_uint_eq(got, len);
	ck_assert_mem_eq(data, text, len);
	free(data);
	free(text);
	compress_close(flush.compressor);
	config_free(cfg);
}
END_TEST
#endif

/* Whatever it is: another's file, or a link that leads somewhere. */
START_TEST(no_temp_file_of_another_is_touched)
{
	char name[FLUSH_NAME], path[PATH_MAX];
	char *data;

	core_mkdir("files");
	file_write(core_path("precious"), "precious", 8);
	BEGIN("files.suffix=");
	ck_assert_int_eq(flush_probe(&flush), 0);
	set_next(FUTURE);
	flush_name(&flush, name);
	ck_assert_int_eq(flush_path(path, cfg->temp, "", name), 0);
	if (_i)
		ck_assert_int_eq(symlink(core_path("precious"), path), 0);
	else
		file_write(path, "precious", 8);
	ck_assert_int_eq(flush_write(&flush, name, "x", 1), -EEXIST);
	ck_assert(flush.foreign);
	ck_assert_str_eq(flush.op, "open");
	data = file_read(path, NULL);
	ck_assert_str_eq(data, "precious");
	free(data);
	config_free(cfg);
}
END_TEST

START_TEST(no_file_is_ever_replaced)
{
	char name[FLUSH_NAME];
	char *data;

	core_mkdir("files");
	BEGIN("files.suffix=");
	set_next(FUTURE);
	flush_name(&flush, name);
	file_write(final_path(name), "of another", 10);
	set_next(FUTURE);
	ck_assert_int_eq(make("mine", name), -EEXIST);
	ck_assert_str_eq(flush.op, "rename");
	ck_assert_str_eq(flush.where, final_path(name));
	data = file_read(final_path(name), NULL);
	ck_assert_str_eq(data, "of another");
	free(data);
	flush_discard(&flush, name, false);
	ck_assert_uint_eq(core_count(cfg->temp), 0);
	config_free(cfg);
}
END_TEST

/* --- each step fails ----------------------------------------------------- */

static const struct {
	const char *point, *op;
	int err;
} steps[] = {
	{ "flush.open=EMFILE", "open", EMFILE },
	{ "flush.write=ENOSPC", "write", ENOSPC },
	{ "flush.write=ENOSPC@2;flush.write=short@1", "write", ENOSPC },
	{ "flush.mode=EPERM", "fchmod", EPERM },
	{ "flush.sync=EIO", "fdatasync", EIO },
	{ "flush.close=EDQUOT", "close", EDQUOT },
};

START_TEST(a_failed_step_is_named_and_leaves_nothing)
{
	char points[256], name[FLUSH_NAME];
	unsigned descriptors;

	core_mkdir("files");
	/* each rule fails while this file is there */
	snprintf(points, sizeof(points), "%s%s%s", steps[_i].point,
		 strchr(steps[_i].point, '@') ? "" : ":",
		 strchr(steps[_i].point, '@') ? "" : core_path("block"));
	core_points(points);
	file_touch(core_path("block"));
	BEGIN("files.sync=data");
	flush_name(&flush, name);
	descriptors = process_descriptors(getpid());
	ck_assert_int_eq(flush_write(&flush, name, "text", 4), -steps[_i].err);
	ck_assert_str_eq(flush.op, steps[_i].op);
	ck_assert_msg(strstr(flush.where, name) != NULL, "%s", flush.where);
	ck_assert_uint_gt(strlen(remedy(-steps[_i].err)), 0);
	ck_assert_uint_eq(process_descriptors(getpid()), descriptors);
	expect_none();
	unlink(core_path("block"));
	ck_assert_int_eq(make("text", name), 0);
	expect_one(name, "text");
	ck_assert_uint_eq(process_descriptors(getpid()), descriptors);
	config_free(cfg);
}
END_TEST

START_TEST(a_failed_rename_can_be_repeated)
{
	char name[FLUSH_NAME], points[256];

	core_mkdir("files");
	file_touch(core_path("block"));
	snprintf(points, sizeof(points), "flush.rename=EIO:%s",
		 core_path("block"));
	core_points(points);
	BEGIN("files.suffix=");
	ck_assert_int_eq(make("text", name), -EIO);
	ck_assert_str_eq(flush.op, "rename");
	ck_assert_uint_eq(core_count(cfg->files_path), 0);
	unlink(core_path("block"));
	ck_assert_int_eq(flush_publish(&flush, name), 0);
	expect_one(name, "text");
	config_free(cfg);
}
END_TEST

/* A file that is in neither place was shipped, or was removed before. */
START_TEST(a_file_that_is_gone_was_renamed_if_it_was_certainly_there)
{
	char from[PATH_MAX], to[PATH_MAX], other[PATH_MAX];
	char name[FLUSH_NAME];

	core_mkdir("files");
	BEGIN("files.suffix=");
	flush_name(&flush, name);
	ck_assert_int_eq(flush_write(&flush, name, "text", 4), 0);
	ck_assert_int_eq(flush_path(from, cfg->temp, "", name), 0);
	ck_assert_int_eq(flush_path(to, cfg->files_path, "", name), 0);
	ck_assert_int_eq(flush_path(other, core_dir, "", "other"), 0);
#define DID(sure) rename_happened(cfg->temp, from, to, &flush.temp, sure)
	ck_assert_int_eq(DID(true), 0);
	file_touch(to); /* another's */
	ck_assert_int_eq(DID(true), 0);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(DID(true), 1);
	ck_assert_int_eq(DID(false), 1);
	ck_assert_int_eq(rename(to, other), 0);
	ck_assert_int_eq(DID(true), 1);
	ck_assert_int_eq(DID(false), 0);
	/* nobody can tell where its whole directory went */
	ck_assert_int_eq(rmdir(cfg->temp), 0);
	ck_assert_int_eq(DID(true), 0);
#undef DID
	config_free(cfg);
}
END_TEST

START_TEST(a_rename_without_a_temp_file_says_so)
{
	char name[FLUSH_NAME], path[PATH_MAX];

	core_mkdir("files");
	BEGIN("files.suffix=");
	flush_name(&flush, name);
	ck_assert_int_eq(flush_write(&flush, name, "text", 4), 0);
	flush_discard(&flush, name, false);
	ck_assert_int_eq(flush_publish(&flush, name), -ENOENT);
	expect_none();
	/* It is named as what it is. */
	ck_assert(flush.vanished);
	ck_assert_str_eq(flush.op, "rename");
	ck_assert_int_eq(flush_path(path, cfg->temp, "", name), 0);
	ck_assert_str_eq(flush.where, path);
	ck_assert_ptr_nonnull(strstr(flush_remedy(&flush, -ENOENT),
				     "took this unfinished file away"));
	config_free(cfg);
}
END_TEST

START_TEST(a_full_file_system_keeps_nothing_and_frees_its_room)
{
	char name[FLUSH_NAME];
	char *big;

	core_mkdir("files");
	if (!may_mount() ||
	    mount("t", core_path("files"), "tmpfs", 0, "size=256k"))
		return;
	BEGIN("files.suffix=");
	ck_assert_int_eq(flush_probe(&flush), 0);
	big = malloc(400001);
	memset(big, 'x', 400000);
	big[400000] = 0;
	ck_assert_int_eq(make(big, name), -ENOSPC);
	ck_assert_str_eq(flush.op, "write");
	expect_none();
	big[200000] = 0;
	ck_assert_int_eq(make(big, name), 0);
	expect_one(name, big);
	free(big);
	config_free(cfg);
}
END_TEST

/* --- directories --------------------------------------------------------- */

START_TEST(a_temp_directory_that_was_removed_is_made_again)
{
	char name[FLUSH_NAME];

	core_mkdir("files");
	BEGIN("files.suffix=");
	ck_assert_int_eq(make("text", name), 0);
	expect_one(name, "text");
	unlink(final_path(name));
	ck_assert_int_eq(rmdir(cfg->temp), 0);
	ck_assert_int_eq(make("again", name), 0);
	expect_one(name, "again");
	config_free(cfg);
}
END_TEST

START_TEST(a_directory_that_comes_back_is_found_again)
{
	char name[FLUSH_NAME];

	core_mkdir("files");
	BEGIN("files.suffix=");
	ck_assert_int_eq(make("text", name), 0);
	ck_assert_int_eq(rename(core_path("files"), core_path("moved")), 0);
	ck_assert_int_eq(make("lost?", name), -ENOENT);
	ck_assert_str_eq(flush.op, "rename");
	ck_assert_str_eq(flush.where, final_path(name));
	ck_assert(!flush.vanished);
	ck_assert_int_eq(flush_discard(&flush, name, false), 0);
	/* another one under its name, as after a mount */
	core_mkdir("files");
	ck_assert_int_eq(make("no", name), 0);
	expect_one(name, "no");
	config_free(cfg);
}
END_TEST

START_TEST(a_directory_gone_between_write_and_rename_loses_nothing)
{
	char name[FLUSH_NAME], option[PATH_MAX];

	core_mkdir("files");
	core_mkdir("temp");
	snprintf(option, sizeof(option), "files.temp=%s", core_path("temp"));
	BEGIN(option);
	flush_name(&flush, name);
	ck_assert_int_eq(flush_write(&flush, name, "text", 4), 0);
	ck_assert_int_eq(rmdir(core_path("files")), 0);
	ck_assert_int_eq(flush_publish(&flush, name), -ENOENT);
	/* the temp file is still there for another try */
	core_mkdir("files");
	ck_assert_int_eq(flush_publish(&flush, name), 0);
	expect_one(name, "text");
	config_free(cfg);
}
END_TEST

START_TEST(the_probe_says_what_is_wrong_with_the_directories)
{
	BEGIN("files.suffix=");
	ck_assert_int_eq(flush_probe(&flush), -ENOENT);
	ck_assert_str_eq(flush.where, cfg->files_path);
	file_touch(cfg->files_path);
	ck_assert_int_eq(flush_probe(&flush), -ENOTDIR);
	unlink(cfg->files_path);
	core_mkdir("files");
	file_touch(cfg->temp);
	ck_assert_int_eq(flush_probe(&flush), 0);
	ck_assert(flush.beside);
	ck_assert_str_eq(flush.why_beside, "it is not a directory");
	unlink(cfg->temp);
	ck_assert_int_eq(flush_probe(&flush), 0);
	ck_assert(file_exists(cfg->temp));
	ck_assert(!flush.beside);
	ck_assert_str_eq(flush.why_beside, "");
	config_free(cfg);
}
END_TEST

/* Also if one directory is in the other. */
START_TEST(a_failed_directory_is_explained_by_its_setting)
{
	struct failure failure;
	char temp[PATH_MAX], path[PATH_MAX];

	core_mkdir("above");
	snprintf(temp, sizeof(temp), "files.temp=%s/above", core_dir);
	snprintf(path, sizeof(path), "files.path=%s/above/files", core_dir);
	BEGIN(temp, path);
	ck_assert_int_eq(flush_probe(&flush), -ENOENT);
	flush_explain(&flush, -ENOENT, &failure);
	ck_assert_msg(strstr(failure.text, "files.path: stat ") == failure.text,
		      "%s", failure.text);
	core_mkdir("files");
	config_free(cfg);
	snprintf(temp, sizeof(temp), "files.temp=%s/none/temp", core_dir);
	BEGIN(temp);
	ck_assert_int_eq(flush_probe(&flush), -ENOENT);
	flush_explain(&flush, -ENOENT, &failure);
	ck_assert_msg(strstr(failure.text, "files.temp: mkdir ") ==
			      failure.text,
		      "%s", failure.text);
	config_free(cfg);
}
END_TEST

START_TEST(the_probe_says_where_the_daemon_may_not_write)
{
	char option[PATH_MAX];

	BEGIN("files.suffix=");
	core_mkdir("files");
	if (getuid())
		return; /* these directories are its own */
	/* access(2) asks for the real user */
	ck_assert_int_eq(setresuid(65534, 65534, 0), 0);
	ck_assert_int_eq(flush_probe(&flush), -EACCES);
	ck_assert_str_eq(flush.where, cfg->files_path);
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
	ck_assert_int_eq(chmod(cfg->files_path, 0777), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 0), 0);
	ck_assert_int_eq(flush_probe(&flush), 0);
	ck_assert(flush.beside);
	ck_assert_str_eq(flush.why_beside,
			 "it cannot be made: Permission denied");
	config_free(cfg);
	/* A directory that the settings name has to be usable. */
	snprintf(option, sizeof(option), "files.temp=%s", core_path("named"));
	BEGIN(option);
	ck_assert_int_eq(flush_probe(&flush), -EACCES);
	ck_assert_str_eq(flush.where, cfg->temp);
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
	config_free(cfg);
}
END_TEST

/* --- two file systems ---------------------------------------------------- */

/* With files.temp there, unfinished files are dot files in files.path. */
static void expect_dot_file(const char *temp, char name[FLUSH_NAME])
{
	char option[PATH_MAX], path[PATH_MAX];

	snprintf(option, sizeof(option), "files.temp=%s", temp);
	BEGIN(option);
	ck_assert_int_eq(flush_probe(&flush), 0);
	ck_assert(flush.beside);
	flush_name(&flush, name);
	ck_assert_int_eq(flush_write(&flush, name, "text", 4), 0);
	/* whatever looks at the directory sees a dot file or the whole file */
	ck_assert_int_eq(flush_path(path, cfg->files_path, ".", name), 0);
	ck_assert(file_exists(path));
	ck_assert(!file_exists(final_path(name)));
	ck_assert_int_eq(flush_publish(&flush, name), 0);
	ck_assert(file_exists(final_path(name)));
}

START_TEST(temp_on_another_file_system_means_dot_files)
{
	char name[FLUSH_NAME];

	core_mkdir("files");
	core_mkdir("temp");
	if (!may_mount() || mount("t", core_path("temp"), "tmpfs", 0, NULL))
		return;
	expect_dot_file(core_path("temp"), name);
	expect_one(name, "text");
	config_free(cfg);
}
END_TEST

START_TEST(temp_that_is_a_link_to_the_files_means_dot_files)
{
	char name[FLUSH_NAME];

	core_mkdir("files");
	ck_assert_int_eq(symlink("files", core_path("link")), 0);
	expect_dot_file(core_path("link"), name);
	config_free(cfg);
}
END_TEST

/* One file system in two places. */
START_TEST(a_rename_across_mounts_changes_to_dot_files)
{
	char name[FLUSH_NAME], option[PATH_MAX], path[PATH_MAX];

	core_mkdir("files");
	core_mkdir("temp");
	if (!may_mount() ||
	    mount(core_path("temp"), core_path("temp"), NULL, MS_BIND, NULL))
		return;
	snprintf(option, sizeof(option), "files.temp=%s", core_path("temp"));
	BEGIN(option);
	ck_assert_int_eq(flush_probe(&flush), 0);
	ck_assert(flush.beside);
	ck_assert_str_eq(flush.why_beside, "it is on another mount");
	/* on a kernel that does not tell mounts apart */
	flush.beside = false;
	ck_assert_int_eq(make("text", name), -EXDEV);
	ck_assert(flush.beside);
	/* until the arena's record says so, the temp file stays */
	ck_assert_int_eq(flush_path(path, cfg->temp, "", name), 0);
	ck_assert(file_exists(path));
	flush_discard(&flush, name, false);
	expect_none();
	ck_assert_int_eq(make("again", name), 0);
	expect_one(name, "again");
	config_free(cfg);
}
END_TEST

/* --- long paths ---------------------------------------------------------- */

START_TEST(a_path_that_does_not_fit_is_an_error_and_not_another_path)
{
	char dir[PATH_MAX + 100], out[PATH_MAX];
	size_t len;

	memset(dir, 'd', sizeof(dir));
	dir[0] = '/';
	/* dir + '/' + '.' + 4 bytes of name and the NUL are PATH_MAX */
	len = PATH_MAX - 7;
	dir[len] = 0;
	ck_assert_int_eq(flush_path(out, dir, ".", "name"), 0);
	ck_assert_uint_eq(strlen(out), PATH_MAX - 1);
	ck_assert_str_eq(out + len, "/.name");
	ck_assert_int_eq(flush_path(out, dir, ".", "names"), -ENAMETOOLONG);
	dir[len] = 'd';
	dir[sizeof(dir) - 1] = 0;
	ck_assert_int_eq(flush_path(out, dir, "", "n"), -ENAMETOOLONG);
}
END_TEST

START_TEST(the_longest_directory_that_settings_allow_is_used)
{
	char option[4000] = "files.path=", name[FLUSH_NAME], *dir = option + 11;
	size_t len = strlen(core_dir);

	memcpy(dir, core_dir, len);
	while (len < 3500 - 1) {
		size_t n = 3500 - len - 1;

		n = n > 200 ? 200 : n;
		/* not just a slash at the end */
		if (3500 - len - 1 - n == 1)
			n--;
		dir[len++] = '/';
		memset(dir + len, 'd', n);
		len += n;
		ck_assert_int_eq(mkdir(dir, 0755), 0);
	}
	ck_assert_uint_eq(len, 3500);
	BEGIN(option);
	ck_assert_int_eq(flush_probe(&flush), 0);
	ck_assert_int_eq(make("text", name), 0);
	expect_one(name, "text");
	config_free(cfg);
}
END_TEST

START_TEST(every_error_has_a_remedy)
{
	int err;

	for (err = 1; err < 134; err++)
		ck_assert_uint_gt(strlen(remedy(-err)), 10);
	ck_assert_str_ne(remedy(-ENOSPC), remedy(-EIO));
	ck_assert_str_ne(remedy(-EACCES), remedy(-EIO));
	ck_assert_str_ne(remedy(-ENOENT), remedy(-EIO));
}
END_TEST

static TCase *names_and_files(Suite *suite)
{
	TCase *tc = core_case(suite, "file");

	tcase_add_test(tc, a_name_says_who_made_it_and_when);
	tcase_add_test(tc, no_name_comes_twice_whatever_the_clock_does);
	tcase_add_test(tc, the_longest_file_name_is_a_file_name);
	tcase_add_loop_test(tc, a_file_has_its_mode_whatever_the_umask, 0, 7);
	tcase_add_test(tc, every_byte_arrives_in_short_writes);
#ifdef BW_ZSTD
	tcase_add_test(tc, a_compressed_file_is_one_frame_of_all_bytes);
#endif
	tcase_add_loop_test(tc, no_temp_file_of_another_is_touched, 0, 2);
	tcase_add_test(tc, no_file_is_ever_replaced);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("flush");
	TCase *tc;

	names_and_files(suite);
	tc = core_case(suite, "failure");
	tcase_add_loop_test(tc, a_failed_step_is_named_and_leaves_nothing, 0,
			    sizeof(steps) / sizeof(steps[0]));
	tcase_add_test(tc, a_failed_rename_can_be_repeated);
	tcase_add_test(
		tc, a_file_that_is_gone_was_renamed_if_it_was_certainly_there);
	tcase_add_test(tc, a_rename_without_a_temp_file_says_so);
	tcase_add_test(tc, a_full_file_system_keeps_nothing_and_frees_its_room);
	tcase_add_test(tc, every_error_has_a_remedy);
	tc = core_case(suite, "directory");
	tcase_add_test(tc, a_temp_directory_that_was_removed_is_made_again);
	tcase_add_test(tc, a_directory_that_comes_back_is_found_again);
	tcase_add_test(tc,
		       a_directory_gone_between_write_and_rename_loses_nothing);
	tcase_add_test(tc, the_probe_says_what_is_wrong_with_the_directories);
	tcase_add_test(tc, a_failed_directory_is_explained_by_its_setting);
	tcase_add_test(tc, the_probe_says_where_the_daemon_may_not_write);
	tcase_add_test(tc, temp_on_another_file_system_means_dot_files);
	tcase_add_test(tc, temp_that_is_a_link_to_the_files_means_dot_files);
	tcase_add_test(tc, a_rename_across_mounts_changes_to_dot_files);
	tcase_add_test(
		tc, a_path_that_does_not_fit_is_an_error_and_not_another_path);
	tcase_add_test(tc, the_longest_directory_that_settings_allow_is_used);
	return suite_run(suite, CK_FORK);
}
