/* SPDX-License-Identifier: MIT */
/*
 * Settings files: the syntax, each kind of mistake with the line it is
 * reported in, and files that cannot be read.
 */
#include "tests/lib/settings.h"

#include "conf/problem.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- files --------------------------------------------------------------- */

#define LONG_100                                             \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_300 LONG_100 LONG_100 LONG_100

#define KEYS_FILES \
	"path, temp, prefix, suffix, permission, group, framing, compression, sync, keep, keep_free, when_full"

/* expected reports behind `FILE:`; clang-format makes this unreadable */
/* clang-format off */
static const struct {
	const char *text;
	const char *reports[4];
} files[] = {
	{ "size = 1\n",
	  { "1: \"size\" is outside a section; put a line such as [files] "
	    "before it" } },
	{ "[bufer]\nsize = x\nsize = y\n",
	  { "1: [bufer]: unknown section, did you mean [buffer]?" } },
	{ "\n\n[network]\n",
	  { "3: [network]: unknown section; allowed: [socket], [buffer], [lanes], "
	    "[senders], [files], [state], [control], [ship], [log]" } },
	{ "[" LONG_300 "]\n",
	  { "1: "
	    "[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]: "
	    "unknown section" } },
	{ "[files\npath = x\n[buffer]\nsize = 0\n",
	  { "1: section header without ']'",
	    "4: buffer.size: \"0\" is out of range" } },
	{ "[buffer] size = 1\n",
	  { "1: text after [buffer]; a key belongs on a line of its own" } },
	{ "[buffer]\nworker = 1\nmax_message = 1\npath = /x\n",
	  { "2: buffer.worker: unknown key, did you mean workers?",
	    "3: buffer.max_message: unknown key in this section; max_message "
	    "is a key of [socket]",
	    "4: buffer.path: unknown key in this section; path is a key of "
	    "[socket], [lanes], [files], [state], [control]" } },
	{ "[buffer]\nQueueSize = 1\n",
	  { "2: buffer.QueueSize: unknown key, did you mean queue_size?" } },
	{ "[files]\nperm = 1\n",
	  { "2: files.perm: unknown key, did you mean permission?" } },
	{ "[files]\nowner = root\n",
	  { "2: files.owner: unknown key; allowed in [files]: " KEYS_FILES } },
	{ "[files]\n" LONG_300 " = root\n",
	  { "2: "
	    "files.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: "
	    "unknown key" } },
	{ "[buffer]\nsize = 1\n[log]\n[buffer]\nworkers = 1\nsize = 2\n",
	  { "6: buffer.size: given twice; the first is in line 2" } },
	{ "[buffer]\nsize = x\nsize = 2\n",
	  { "2: buffer.size: \"x\" is not a size",
	    "3: buffer.size: given twice; the first is in line 2" } },
	{ "[buffer]\nsize\nworkers 4\n",
	  { "2: no '=' in this line",
	    "3: no '=' in this line; allowed: [section], key = value, and "
	    "comments that begin with ; or #" } },
	{ "[buffer]\nsize ; = 4\n",
	  { "2: no '=' in this line" } },
	{ "[buffer]\n" LONG_300 "\n",
	  { "2: no '=' in this line" } },
	{ "[buffer]\n = 4\n",
	  { "2: no key before '='" } },
	{ "[buffer]\nsize = 4 # four\n",
	  { "2: buffer.size: \"4 # four\" is not a size" } },
	{ "[buffer]\nsize = \"4\"\n",
	  { "2: buffer.size: \"\"4\"\" is not a size" } },
	{ "[socket]\npath = /" LONG_300 "\n",
	  { "2: socket.path: "
	    "\"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" "
	    "is too long; allowed: an absolute path of at most 107 bytes" } },
	/* what several keys say together */
	{ "[files]\npath = /a/b\ntemp = //a/./b/\n",
	  { "3: files.temp: \"//a/./b/\" is also files.path; allowed: a path "
	    "that no other setting names" } },
	{ "[files]\ntemp = /var/log/bufwriter\n",
	  { "2: files.temp: \"/var/log/bufwriter\" is also files.path" } },
	{ "[socket]\npath = /run/bufwriter/state\n",
	  { "2: socket.path: \"/run/bufwriter/state\" is also state.path" } },
	{ "[control]\npath = /x\nmetrics_file = /x\n",
	  { "3: control.metrics_file: \"/x\" is also control.path" } },
	/* names that the daemon derives */
	{ "[state]\npath = /d/m.new\n[control]\nmetrics_file = /d/m\n",
	  { "2: state.path: \"/d/m.new\" is also what the daemon makes for "
	    "control.metrics_file; allowed: a path that no other setting "
	    "names" } },
	{ "[socket]\npath = /d/m.new\n[control]\nmetrics_file = /d//m\n",
	  { "2: socket.path: \"/d/m.new\" is also what the daemon makes for "
	    "control.metrics_file" } },
	{ "[control]\nmetrics_file = /run/bufwriter/s\n"
	  "path = /run/bufwriter/state.new\n[socket]\n"
	  "path = /run/bufwriter/s.new\n",
	  { "3: control.path: \"/run/bufwriter/state.new\" is also what the "
	    "daemon makes for state.path",
	    "5: socket.path: \"/run/bufwriter/s.new\" is also what the daemon "
	    "makes for control.metrics_file" } },
	{ "[control]\nmetrics_file = /run/bufwriter/state.lock\n",
	  { "2: control.metrics_file: \"/run/bufwriter/state.lock\" is also "
	    "what the daemon makes for state.path; allowed: " } },
	{ "[state]\npath = /d/s\n[control]\npath = /d/s.new\n",
	  { "4: control.path: \"/d/s.new\" is also what the daemon makes for "
	    "state.path" } },
	{ "[state]\npath = /d/s\n[control]\nmetrics_file = /d/s.bad-17\n",
	  { "4: control.metrics_file: \"/d/s.bad-17\" is also what the daemon "
	    "makes for state.path" } },
	{ "[state]\npath = /d/m\n[control]\nmetrics_file = /d/m.lock\n",
	  { "4: control.metrics_file: \"/d/m.lock\" is also what the daemon "
	    "makes for state.path" } },
	{ "[state]\npath = /d/m.new\n[control]\nmetrics_file = /d/m.new.new\n",
	  { "4: control.metrics_file: \"/d/m.new.new\" is also what the daemon "
	    "makes for state.path" } },
	{ "[files]\npath = /d\n[state]\npath = /d.tmp\n",
	  { "4: state.path: \"/d.tmp\" is also what the daemon makes for "
	    "files.path" } },
	{ "[socket]\npath = /d/b.sock\n[control]\nmetrics_file = /d/b/limits\n",
	  { "4: control.metrics_file: \"/d/b/limits\" is also what the daemon "
	    "makes for socket.path" } },
	{ "[socket]\npath = /d/b\n[state]\npath = /d/b.limits.new\n",
	  { "4: state.path: \"/d/b.limits.new\" is also what the daemon makes "
	    "for socket.path" } },
	/* a link on the way, which every Linux has */
	{ "[state]\npath = /proc/self/x\n[control]\n"
	  "metrics_file = /proc/thread-self/../../x\n",
	  { "4: control.metrics_file: \"/proc/thread-self/../../x\" is also "
	    "state.path" } },
	{ "[files]\nprefix = " LONG_100 "\nsuffix = a" LONG_100 "\n",
	  { "3: files.suffix: "
	    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" "
	    "is too long" } },
	{ "[files]\nprefix = " LONG_100 "\nsuffix = " LONG_100 "\n",
	  { "2: files.prefix: prefix and suffix have 200 bytes together when "
	    "their % words are replaced; allowed: 195" } },
};
/* clang-format on */

START_TEST(each_mistake_is_reported_with_its_line)
{
	const char *text = files[_i].text;
	const char *const *line = files[_i].reports;
	struct reports reports = { 0 };
	struct config *cfg;
	char expected[1024];
	unsigned n = 0;

	ck_assert_int_eq(settings_load(text, strlen(text), &reports, &cfg),
			 -EINVAL);
	for (; n < 4 && line[n]; n++) {
		snprintf(expected, sizeof(expected), "%s:%s", settings_file,
			 line[n]);
		ck_assert_msg(n < reports.n, "not reported: %s", expected);
		ck_assert_msg(strncmp(reports.line[n], expected,
				      strlen(expected)) == 0,
			      "%s\ndoes not begin with\n%s", reports.line[n],
			      expected);
	}
	ck_assert_msg(reports.n == n, "one too many: %s", reports.line[n]);
	reports_clear(&reports);
}
END_TEST

START_TEST(white_space_comments_and_line_ends_do_not_count)
{
	struct config *cfg = settings_good(
		"\xef\xbb\xbf; comment\r\n"
		"  [buffer]   ; comment with ] and = "
		"\r\n\tsize=5\r\n\t  workers :\t3\t; "
		"comment\r\n# " LONG_300 LONG_300 "\n"
		"\n   \n[files]#\nprefix = a;b\n    "
		"suffix = x y   \npath = /" LONG_300 "/" LONG_300
		"   ; " LONG_300 "\n"
		"[log]\nlevel = debug");

	ck_assert_uint_eq(cfg->buffer_size_bytes, 5);
	ck_assert_uint_eq(cfg->buffer_workers, 3);
	ck_assert_str_eq(cfg->files_prefix, "a;b");
	ck_assert_str_eq(cfg->files_suffix, "x y");
	ck_assert_str_eq(cfg->files_path, "/" LONG_300 "/" LONG_300);
	ck_assert_int_eq(cfg->log_level, LEVEL_DEBUG);
	config_free(cfg);
}
END_TEST

START_TEST(a_nul_byte_is_reported_and_the_rest_is_read)
{
	static const char text[] = "[buffer]\nsi\0ze = 4\nsize = x\n";
	struct reports reports = { 0 };
	struct config *cfg;

	ck_assert_int_eq(settings_load(text, sizeof(text) - 1, &reports, &cfg),
			 -EINVAL);
	ck_assert_uint_eq(reports.n, 2);
	ck_assert(reports_have(&reports, "test.ini:2: a NUL byte in this "
					 "line"));
	ck_assert(reports_have(&reports, "test.ini:3: buffer.size: "));
	reports_clear(&reports);
}
END_TEST

START_TEST(after_a_hundred_problems_the_others_are_only_counted)
{
	char text[1000];
	struct reports reports = { 0 };
	struct config *cfg;
	size_t i;

	for (i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "x\n", 2);
	ck_assert_int_eq(settings_load(text, sizeof(text), &reports, &cfg),
			 -EINVAL);
	ck_assert_uint_eq(reports.n, PROBLEM_MAX + 1);
	ck_assert_str_eq(reports.line[PROBLEM_MAX], "and 400 more problems");
	reports_clear(&reports);
}
END_TEST

START_TEST(a_file_too_large_for_settings_is_refused)
{
	size_t len = 64 * 1024 + 1;
	char *text = malloc(len);
	struct reports reports = { 0 };
	struct config *cfg;

	memset(text, '\n', len);
	ck_assert_int_eq(settings_load(text, len, &reports, &cfg), -EINVAL);
	ck_assert_uint_eq(reports.n, 1);
	ck_assert(reports_have(&reports, "is larger than 64K"));
	reports_clear(&reports);
	ck_assert_int_eq(settings_load(text, len - 1, &reports, &cfg), 0);
	config_free(cfg);
	free(text);
}
END_TEST

static void unreadable(const char *file, const char *part)
{
	static const char *const options[] = { "buffer.size=x" };
	struct reports reports = { 0 };
	struct config *cfg;

	ck_assert_int_eq(config_load(file, options, 1, reports_add, &reports,
				     &cfg),
			 -EINVAL);
	/* the options are looked at all the same */
	ck_assert_uint_eq(reports.n, 2);
	ck_assert_msg(strncmp(reports.line[0], file, strlen(file)) == 0, "%s",
		      reports.line[0]);
	ck_assert_msg(strstr(reports.line[0], part) != NULL, "%s",
		      reports.line[0]);
	reports_clear(&reports);
}

START_TEST(a_file_that_cannot_be_read_is_reported_with_a_hint)
{
	unreadable(settings_file, "cannot be read: No such file or directory; "
				  "name the file with -c");
	unreadable(settings_dir,
		   "cannot be read: Is a directory; name a file in "
		   "it");
	unreadable("/dev/null/x", "cannot be read: Not a directory");
}
END_TEST

START_TEST(the_settings_file_is_no_file_of_the_daemon)
{
	const char *options[] = { "state.path=", "files.path=/d" };
	struct reports reports = { 0 };
	struct config *cfg;
	char metrics[DIR_PATH + 64];

	settings_write("", 0);
	snprintf(metrics, sizeof(metrics), "control.metrics_file=%s",
		 settings_file);
	options[0] = metrics;
	ck_assert_int_eq(config_load(settings_file, options, 2, reports_add,
				     &reports, &cfg),
			 -EINVAL);
	ck_assert_uint_eq(reports.n, 1);
	ck_assert(reports_have(&reports, "is also the settings file; allowed"));
	reports_clear(&reports);
}
END_TEST

START_TEST(a_pipe_is_waited_for_no_longer_than_some_seconds)
{
	ck_assert_int_eq(mkfifo(settings_file, 0600), 0);
	unreadable(settings_file, "came from it within 5 s");
}
END_TEST

/* Whoever writes to it has not closed it. */
START_TEST(a_pipe_without_an_end_is_waited_for_no_longer_either)
{
	char file[32];
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "[buffer]\n", 9), 9);
	snprintf(file, sizeof(file), "/dev/fd/%d", fds[0]);
	unreadable(file, "came from it within 5 s");
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(what_comes_from_a_pipe_is_read_once)
{
	struct reports reports = { 0 };
	struct config *cfg;
	char file[32];
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "[buffer]\nworkers = 7\n", 21), 21);
	close(fds[1]);
	snprintf(file, sizeof(file), "/dev/fd/%d", fds[0]);
	ck_assert_int_eq(config_load_again(file, NULL, 0, reports_add, &reports,
					   &cfg),
			 -EINVAL);
	ck_assert_uint_eq(reports.n, 1);
	ck_assert(reports_have(&reports, "is a pipe or a device"));
	reports_clear(&reports);
	ck_assert_int_eq(
		config_load(file, NULL, 0, reports_add, &reports, &cfg), 0);
	ck_assert_uint_eq(cfg->buffer_workers, 7);
	config_free(cfg);
	close(fds[0]);
}
END_TEST

START_TEST(a_file_of_another_user_is_reported_with_a_hint)
{
	int status;
	pid_t pid;

	settings_write("", 0);
	ck_assert_int_eq(chmod(settings_dir, 0755), 0);
	ck_assert_int_eq(chmod(settings_file, 0), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct reports reports = { 0 };
		struct config *cfg;

		/* root reads everything */
		if (geteuid() == 0 && (setgroups(0, NULL) < 0 ||
				       setresgid(65534, 65534, 65534) < 0 ||
				       setresuid(65534, 65534, 65534) < 0))
			_exit(2);
		config_load(settings_file, NULL, 0, reports_add, &reports,
			    &cfg);
		_exit(reports.n == 1 &&
				      reports_have(
					      &reports,
					      "cannot be read: Permission "
					      "denied; the daemon's user must "
					      "be able to read it") ?
			      0 :
			      1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config_file");
	TCase *file = suite_case(suite, "files", settings_open, settings_close);
	int nfiles = (int)(sizeof(files) / sizeof(files[0]));

	tcase_add_loop_test(file, each_mistake_is_reported_with_its_line, 0,
			    nfiles);
	tcase_add_test(file, white_space_comments_and_line_ends_do_not_count);
	tcase_add_test(file, a_nul_byte_is_reported_and_the_rest_is_read);
	tcase_add_test(file,
		       after_a_hundred_problems_the_others_are_only_counted);
	tcase_add_test(file, a_file_too_large_for_settings_is_refused);
	tcase_add_test(file,
		       a_file_that_cannot_be_read_is_reported_with_a_hint);
	tcase_add_test(file, the_settings_file_is_no_file_of_the_daemon);
	tcase_add_test(file, a_pipe_is_waited_for_no_longer_than_some_seconds);
	tcase_add_test(file,
		       a_pipe_without_an_end_is_waited_for_no_longer_either);
	tcase_add_test(file, what_comes_from_a_pipe_is_read_once);
	tcase_add_test(file, a_file_of_another_user_is_reported_with_a_hint);
	return suite_run(suite, CK_FORK);
}
