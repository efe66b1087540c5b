/* SPDX-License-Identifier: MIT */
/*
 * A shipper of any user copies the directory of complete files while the
 * daemon works, and sees nothing else: rsync as the README shows it.  Whoever
 * else may write beside that directory gets nothing into the files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

#define NOBODY 65534
#define STRANGER 65533 /* neither root nor nobody */

/* Runs a program as this user and group; its exit status, or -1. */
static int run_as(unsigned id, const char *const *argv)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		if (id && (setgroups(0, NULL) || setgid(id) || setuid(id)))
			_exit(126);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN_AS(id, ...) run_as(id, (const char *const[]){ __VA_ARGS__, NULL })

static bool is_root_and_has(const char *program)
{
	if (getuid()) {
		suite_skip("another user's shipper takes root");
		return false;
	}
	if (program && RUN_AS(0, "sh", "-c",
			      bed_text("command -v %s >/dev/null", program))) {
		suite_skip(bed_text("%s is not installed", program));
		return false;
	}
	return true;
}

static void send_text(const char *text)
{
	int fd = send_open();

	send_one(fd, text, strlen(text));
	close(fd);
}

static const char *make_dir(const char *name, unsigned mode, unsigned uid,
			    unsigned gid)
{
	const char *dir = bed_text("%s/%s", bed.root, name);

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(chown(dir, uid, gid), 0);
	ck_assert_int_eq(chmod(dir, mode), 0);
	return dir;
}

/* --- rsync under load ---------------------------------------------------- */

/* The plain command of the README. */
static void ship(unsigned id, const char *to)
{
	int status = RUN_AS(id, "rsync", "-a", "--remove-source-files",
			    bed_text("%s/", bed.files), bed_text("%s/", to));

	REQUIRE(!status, "rsync ended with exit status %d", status);
}

/* Runs the shipper again and again while senders send. */
static void ship_under_load(unsigned id, const char *to)
{
	const uint64_t most = suite_scale(30000);
	struct flow flow = { .min = 1, .max = 3000 };
	struct sender *s[2];
	struct tally tally;
	unsigned i, runs;

	for (i = 0; i < 2; i++) {
		flow.id = i;
		s[i] = sender_start(&flow);
	}
	for (runs = 0;
	     runs < 2 || sender_sent(s[0]) < most || sender_sent(s[1]) < most;
	     runs++)
		ship(id, to);
	tally_open(&tally);
	for (i = 0; i < 2; i++) {
		sender_finish(s[i]);
		tally_expect_sender(&tally, s[i]);
	}
	daemon_stop(NULL);
	ship(id, to);
	ck_assert_uint_eq(files_count(bed.files), 0);
	tally_read(&tally, to, NEWLINE);
	tally.odd = 0; /* rsync made these, with modes of the daemon's files */
	tally_require_exact(&tally);
	tally_close(&tally);
}

START_TEST(rsync_is_called_here_as_the_readme_calls_it)
{
	char *text = file_read("README.md", NULL);

	ck_assert_ptr_nonnull(strstr(text, "`rsync -a --remove-source-files "
					   "/var/log/bufwriter/ "));
	free(text);
}
END_TEST

START_TEST(rsync_of_root_takes_every_message_once)
{
	if (!is_root_and_has("rsync"))
		return;
	/* A rename that takes its time leaves complete files unrenamed. */
	bed.points = "flush.rename=sleep:3";
	daemon_start("buffer.size=16K");
	ship_under_load(0, make_dir("to", 0700, 0, 0));
}
END_TEST

START_TEST(rsync_of_another_user_takes_every_message_once)
{
	if (!is_root_and_has("rsync"))
		return;
	ck_assert_int_eq(chown(bed.files, 0, NOBODY), 0);
	ck_assert_int_eq(chmod(bed.files, 02770), 0);
	bed.points = "flush.rename=sleep:3";
	daemon_start("buffer.size=16K", "files.permission=0440");
	ship_under_load(NOBODY, make_dir("to", 0700, NOBODY, NOBODY));
}
END_TEST

/* --- the group of files -------------------------------------------------- */

/* Files one message with these options; the group of the file. */
static gid_t group_of_a_file(const char *option)
{
	struct stat st;
	char name[256];
	FILE *pipe;

	daemon_start("files.permission=0440", option);
	send_text("mine");
	daemon_stop(NULL);
	pipe = popen(bed_text("ls %s", bed.files), "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%255s", name), 1);
	pclose(pipe);
	ck_assert_int_eq(stat(bed_text("%s/%s", bed.files, name), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0440);
	return st.st_gid;
}

START_TEST(files_get_the_group_of_a_directory_with_the_setgid_bit)
{
	if (!is_root_and_has(NULL))
		return;
	/* The directory of unfinished files is older. */
	daemon_start();
	daemon_stop(NULL);
	ck_assert_int_eq(chown(bed.files, 0, STRANGER), 0);
	ck_assert_int_eq(chmod(bed.files, 02770), 0);
	ck_assert_uint_eq(group_of_a_file("files.sync=none"), STRANGER);
}
END_TEST

START_TEST(files_get_the_group_of_the_daemon_without_it)
{
	if (!is_root_and_has(NULL))
		return;
	ck_assert_int_eq(chown(bed.files, 0, STRANGER), 0);
	ck_assert_int_eq(chmod(bed.files, 0770), 0);
	/* also if the directory of unfinished files has another */
	ck_assert_int_eq(mkdir(bed.temp, 0700), 0);
	ck_assert_int_eq(chown(bed.temp, 0, STRANGER), 0);
	ck_assert_int_eq(chmod(bed.temp, 02700), 0);
	ck_assert_uint_eq(group_of_a_file("files.sync=none"), 0);
}
END_TEST

START_TEST(files_get_the_group_that_the_settings_name)
{
	if (!is_root_and_has(NULL))
		return;
	/* not that of the directory */
	ck_assert_int_eq(chown(bed.files, 0, NOBODY), 0);
	ck_assert_int_eq(chmod(bed.files, 02770), 0);
	ck_assert_uint_eq(group_of_a_file(bed_text("files.group=%d", STRANGER)),
			  STRANGER);
}
END_TEST

START_TEST(files_get_a_group_that_the_daemon_is_a_member_of)
{
	const gid_t ship = STRANGER;

	if (!is_root_and_has(NULL))
		return;
	bed.unprivileged = true;
	daemon_start();
	daemon_stop(NULL);
	ck_assert_int_eq(chown(bed.files, NOBODY, STRANGER), 0);
	ck_assert_int_eq(chmod(bed.files, 02770), 0);
	/* The daemon inherits them. */
	ck_assert_int_eq(setgroups(1, &ship), 0);
	ck_assert_uint_eq(group_of_a_file("files.sync=none"), STRANGER);
	ck_assert_int_eq(setgroups(0, NULL), 0);
	REQUIRE(!log_count("dot files"), "needlessly there are dot files");
}
END_TEST

/* A daemon that is not in that group: only the kernel gives it. */
START_TEST(files_get_a_group_that_the_daemon_is_not_in)
{
	if (!is_root_and_has(NULL))
		return;
	ck_assert_int_eq(chown(bed.files, NOBODY, STRANGER), 0);
	ck_assert_int_eq(chmod(bed.files, 02770), 0);
	bed.unprivileged = true;
	ck_assert_uint_eq(group_of_a_file("files.sync=none"), STRANGER);
	REQUIRE(log_count("warning: files.group:", "dot files") == 1,
		"it does not say why there are dot files");
}
END_TEST

START_TEST(a_group_that_appears_while_the_daemon_runs_is_given)
{
	struct stat st;

	if (!is_root_and_has(NULL))
		return;
	ck_assert_int_eq(chown(bed.files, NOBODY, NOBODY), 0);
	bed.unprivileged = true;
	daemon_start("buffer.workers=1", "files.suffix=", "files.prefix=");
	ck_assert_int_eq(chown(bed.files, NOBODY, STRANGER), 0);
	ck_assert_int_eq(chmod(bed.files, 02770), 0);
	send_text("mine");
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 1);
	ck_assert_int_eq(RUN_AS(0, "sh", "-c",
				bed_text("test $(stat -c %%g %s/*) = %d",
					 bed.files, STRANGER)),
			 0);
	ck_assert_int_eq(stat(bed.temp, &st), 0);
	ck_assert(dir_empty(bed.temp));
}
END_TEST

START_TEST(a_group_that_cannot_be_given_is_refused)
{
	static const char *const groups[][2] = {
		{ "files.group=65533", "cannot give files to group 65533" },
		{ "files.group=no-such-group", "there is no group" },
	};

	if (!is_root_and_has(NULL))
		return;
	bed.unprivileged = true;
	daemon_spawn(groups[_i][0]);
	ck_assert_int_eq(WEXITSTATUS(daemon_wait()), 78);
	REQUIRE(log_count("error: files.group:", groups[_i][1]) == 1,
		"it does not say what is wrong");
}
END_TEST

/* --- a directory that another user has laid ------------------------------ */

static const char *temp_option(void)
{
	return bed_text("files.temp=%s/laid", bed.root);
}

/* What another user can lay where the directory of unfinished files goes. */
static void lay(unsigned kind)
{
	const char *own;

	switch (kind) {
	case 0: /* a directory of his, in which the daemon may work */
		make_dir("laid", 0777, STRANGER, STRANGER);
		break;
	case 1: /* of the daemon's user, but he may write to it */
		make_dir("laid", 0770, NOBODY, STRANGER);
		break;
	case 2: /* a link to a directory of his */
		own = make_dir("own", 0777, STRANGER, STRANGER);
		ck_assert_int_eq(symlink(own, bed_text("%s/laid", bed.root)),
				 0);
		break;
	default: /* and one to a directory that only the daemon may use */
		own = make_dir("own", 0700, NOBODY, NOBODY);
		ck_assert_int_eq(symlink(own, bed_text("%s/laid", bed.root)),
				 0);
	}
}

static void expect_only(const char *text)
{
	size_t len;
	char *content = files_content(bed.files, &len);

	ck_assert_uint_eq(len, strlen(text));
	ck_assert_mem_eq(content, text, len);
	free(content);
}

START_TEST(a_temp_directory_of_somebody_else_is_refused)
{
	if (!is_root_and_has(NULL))
		return;
	ck_assert_int_eq(chmod(bed.root, 01777), 0);
	lay(_i);
	bed.unprivileged = true;
	/* Nothing is left where the daemon was killed before its rename. */
	bed.points = "flush.rename=kill";
	daemon_start("buffer.forced=5ms", temp_option());
	REQUIRE(log_count("warning: files.temp:", "/laid: ",
			  "dot files inside") == 1,
		"it does not say that it refused the directory");
	send_text("mine");
	daemon_wait();
	ck_assert(dir_empty(bed_text("%s/laid", bed.root)));
	bed.points = NULL;
	daemon_start(temp_option());
	daemon_stop(NULL);
	expect_only("mine\n");
}
END_TEST

START_TEST(a_temp_directory_that_somebody_else_swaps_is_refused)
{
	if (!is_root_and_has(NULL))
		return;
	ck_assert_int_eq(chmod(bed.root, 01777), 0);
	bed.unprivileged = true;
	daemon_start("buffer.forced=5ms", temp_option());
	/* A cleaner of /tmp removes it, for example. */
	ck_assert_int_eq(rmdir(bed_text("%s/laid", bed.root)), 0);
	lay(_i);
	send_text("mine");
	UNTIL(files_count(bed.files) == 1);
	REQUIRE(log_count("warning: files.temp:", "not the daemon's alone") ==
			1,
		"it does not say that it refused the directory");
	daemon_stop(NULL);
	expect_only("mine\n");
}
END_TEST

/* While the daemon is dead, its temp file is replaced by a stranger's. */
START_TEST(a_rename_in_doubt_takes_no_file_of_somebody_else)
{
	char name[256], path[512];
	FILE *pipe;

	if (!is_root_and_has(NULL))
		return;
	ck_assert_int_eq(chmod(bed.root, 01777), 0);
	bed.unprivileged = true;
	bed.points = "flush.marked=kill";
	daemon_start("buffer.forced=5ms", temp_option());
	send_text("mine");
	daemon_wait();
	bed.points = NULL;
	pipe = popen(bed_text("ls %s/laid", bed.root), "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%255s", name), 1);
	pclose(pipe);
	dir_remove(bed_text("%s/laid", bed.root));
	make_dir("laid", 0777, STRANGER, STRANGER);
	if (_i) {
		snprintf(path, sizeof(path), "%s/laid/%s", bed.root, name);
		file_write(path, "his\n", 4);
		ck_assert_int_eq(chown(path, STRANGER, STRANGER), 0);
	}
	daemon_start(temp_option());
	daemon_stop(NULL);
	expect_only("mine\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shipper");
	TCase *t = bed_case(suite, "rsync");

	tcase_add_test(t, rsync_is_called_here_as_the_readme_calls_it);
	tcase_add_test(t, rsync_of_root_takes_every_message_once);
	tcase_add_test(t, rsync_of_another_user_takes_every_message_once);
	t = bed_case(suite, "group");
	tcase_add_test(t,
		       files_get_the_group_of_a_directory_with_the_setgid_bit);
	tcase_add_test(t, files_get_the_group_of_the_daemon_without_it);
	tcase_add_test(t, files_get_the_group_that_the_settings_name);
	tcase_add_test(t, files_get_a_group_that_the_daemon_is_a_member_of);
	tcase_add_test(t, files_get_a_group_that_the_daemon_is_not_in);
	tcase_add_test(t, a_group_that_appears_while_the_daemon_runs_is_given);
	tcase_add_loop_test(t, a_group_that_cannot_be_given_is_refused, 0, 2);
	t = bed_case(suite, "strangers");
	tcase_add_loop_test(t, a_temp_directory_of_somebody_else_is_refused, 0,
			    4);
	tcase_add_loop_test(
		t, a_temp_directory_that_somebody_else_swaps_is_refused, 0, 4);
	tcase_add_loop_test(t, a_rename_in_doubt_takes_no_file_of_somebody_else,
			    0, 2);
	return suite_run(suite, CK_NOFORK);
}
