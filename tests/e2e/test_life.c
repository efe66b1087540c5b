/* SPDX-License-Identifier: MIT */
/* Start, signals, reload and stop, and what a start refuses. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"
#include "tests/lib/process.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"
#include "tests/lib/threads.h"

#define EX_CONFIG 78   /* wrong settings: another try is of no use */
#define EX_TEMPFAIL 75 /* in use: another try may succeed */

/* The daemon has to end by itself with this status. */
static void require_exit(int wanted)
{
	int status = daemon_wait();

	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == wanted,
		"wait status %#x instead of exit %d", status, wanted);
	REQUIRE(!log_count("ready: "), "it said that it was ready");
}

/* Options or a settings file, and two parts of the line that they cause. */
static const struct wrong {
	const char *option, *conf, *text1, *text2;
} wrong[] = {
	{ "buffer.sise=1M", "", "buffer.sise", "-o" },
	{ "bufer.size=1M", "", "[bufer]", "-o" },
	{ "buffer.size=10 parsecs", "", "buffer.size", "10 parsecs" },
	{ "buffer.size=-1", "", "buffer.size", "-o" },
	{ "buffer.size=0", "", "buffer.size", "1" },
	{ "buffer.size=99999999999999999999G", "", "buffer.size", "-o" },
	{ "buffer.forced=5 lightyears", "", "buffer.forced", "-o" },
	{ "buffer.workers=0", "", "buffer.workers", "64" },
	{ "socket.mode=0999", "", "socket.mode", "-o" },
	{ "files.framing=xml", "", "files.framing", "newline" },
	{ "files.prefix=a/b", "", "files.prefix", "-o" },
	{ NULL, "[buffer]\nsize = 1M\nbad = 1\n", "bed.ini:3:", "buffer.bad" },
	{ NULL, "[nowhere]\nsize = 1M\n", "bed.ini:1:", "[nowhere]" },
	{ NULL, "[buffer]\nsize = 1M\nsize = 2M\n",
	  "bed.ini:3:", "buffer.size" },
	{ NULL, "[buffer]\nsize: 12 apples\n", "bed.ini:2:", "buffer.size" },
	{ NULL, "\n\ngarbage\n", "bed.ini:3", "bed.ini" },
	{ "socket.path=relative/path", "", "socket.path", "-o" },
};

START_TEST(a_wrong_setting_is_one_line_and_exit_78)
{
	const struct wrong *w = &wrong[_i];

	bed_write_conf(w->conf);
	if (w->option)
		daemon_spawn(w->option);
	else
		daemon_spawn();
	require_exit(EX_CONFIG);
	REQUIRE(log_count(w->text1, w->text2) == 1,
		"not one line with '%s' and '%s'", w->text1, w->text2);
	REQUIRE(log_count("") == 1, "%u lines instead of one", log_count(""));
}
END_TEST

START_TEST(each_wrong_setting_has_its_own_line)
{
	bed_write_conf("[buffer]\nsize = x\nworkers = y\n[log]\nlevel = z\n");
	daemon_spawn();
	require_exit(EX_CONFIG);
	REQUIRE(log_count("bed.ini:2: buffer.size: ") == 1, "line 2");
	REQUIRE(log_count("bed.ini:3: buffer.workers: ") == 1, "line 3");
	REQUIRE(log_count("bed.ini:5: log.level: ") == 1, "line 5");
}
END_TEST

START_TEST(a_too_long_socket_path_is_refused)
{
	char path[160];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[150] = '\0';
	daemon_spawn(bed_text("socket.path=%s", path));
	require_exit(EX_CONFIG);
	REQUIRE(log_count("socket.path", "107") == 1, "limit not named");
}
END_TEST

START_TEST(a_missing_directory_is_refused)
{
	daemon_spawn("files.path=/nonexistent/dir");
	require_exit(EX_CONFIG);
	REQUIRE(log_count("/nonexistent/dir") == 1, "not one line names it");
}
END_TEST

START_TEST(a_missing_settings_file_is_refused)
{
	unlink(bed.conf);
	daemon_spawn();
	require_exit(EX_CONFIG);
	REQUIRE(log_count(bed.conf, strerror(ENOENT)) == 1,
		"not one line names it");
}
END_TEST

START_TEST(an_unreadable_settings_file_is_refused)
{
	if (getuid() == 0)
		bed.unprivileged = 1;
	ck_assert_int_eq(chmod(bed.conf, 0), 0);
	daemon_spawn();
	require_exit(EX_CONFIG);
	REQUIRE(log_count(bed.conf, strerror(EACCES)) == 1,
		"not one line names it");
}
END_TEST

START_TEST(an_unwritable_directory_is_refused)
{
	if (getuid() == 0)
		bed.unprivileged = 1;
	ck_assert_int_eq(chmod(bed.files, 0555), 0);
	daemon_spawn();
	require_exit(EX_CONFIG);
	REQUIRE(log_count(bed.files) == 1, "not one line names it");
}
END_TEST

/* Starts a second daemon beside that of the bed. */
static void refuse_second(const char *option, const char *named)
{
	struct bed first = bed;
	int fd;

	bed.pid = 0;
	snprintf(bed.log, sizeof(bed.log), "%s/second", bed.root);
	daemon_spawn("control.path=", option);
	require_exit(EX_TEMPFAIL);
	REQUIRE(log_count(named) == 1, "not one line with '%s'", named);
	bed = first;
	/* The first daemon still works. */
	fd = send_open();
	ck_assert_int_ge(fd, 0);
	send_one(fd, "one", 3);
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 1);
}

START_TEST(a_second_daemon_on_the_same_socket_is_refused)
{
	daemon_start();
	refuse_second(bed_text("state.path=%s/state2", bed.root), bed.sock);
}
END_TEST

START_TEST(a_second_daemon_on_the_same_region_is_refused_by_pid)
{
	daemon_start();
	refuse_second(bed_text("socket.path=%s/sock2", bed.root),
		      bed_text("%d", (int)bed.pid));
}
END_TEST

START_TEST(a_stale_socket_file_is_replaced)
{
	int fd;

	bed_hold_socket();
	close(bed.held);
	bed.held = -1;
	ck_assert_int_eq(send_open(), -ECONNREFUSED);
	daemon_start();
	fd = send_open();
	ck_assert_int_ge(fd, 0);
	send_one(fd, "one", 3);
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 1);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_not_replaced)
{
	struct stat st;
	int fd = open(bed.sock, O_WRONLY | O_CREAT, 0600);

	close(fd);
	daemon_spawn();
	require_exit(EX_CONFIG);
	REQUIRE(log_count(bed.sock) == 1, "not one line names it");
	ck_assert_int_eq(lstat(bed.sock, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
}
END_TEST

START_TEST(a_killed_daemon_is_followed_by_one_on_the_same_socket)
{
	int fd;

	daemon_start();
	daemon_kill();
	daemon_start();
	fd = send_open();
	send_one(fd, "one", 3);
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 1);
	/* A clean stop removes the socket. */
	ck_assert_int_eq(send_open(), -ENOENT);
}
END_TEST

START_TEST(the_socket_has_the_mode_asked_for)
{
	struct stat st;

	daemon_start("socket.mode=0606");
	ck_assert_int_eq(stat(bed.sock, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0606);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_socket_from_systemd_is_used_and_kept)
{
	int fd;

	bed_hold_socket();
	daemon_start("socket.path=/nonexistent/never-bound");
	REQUIRE(log_count("ready: ", "systemd") == 1,
		"the ready line does not say where the socket is from");
	fd = send_open();
	send_one(fd, "one", 3);
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 1);
	/* The socket stays for the next daemon. */
	send_one(fd, "two", 3);
	daemon_start();
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 2);
}
END_TEST

START_TEST(sigusr1_flushes_all_workers_now)
{
	int fd;

	daemon_start("buffer.forced=0");
	fd = send_open();
	send_one(fd, "one", 3);
	send_drain(fd);
	ck_assert_uint_eq(files_count(bed.files), 0);
	UNTIL((daemon_signal(SIGUSR1), suite_sleep_ms(5),
	       files_count(bed.files) == 1));
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 1);
}
END_TEST

static const int stop_signals[] = { SIGTERM, SIGINT };

START_TEST(sigterm_and_sigint_file_everything_and_exit_0)
{
	int status;
	int fd;

	daemon_start("buffer.forced=0");
	fd = send_open();
	send_one(fd, "one", 3);
	daemon_signal(stop_signals[_i]);
	status = daemon_wait();
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_uint_eq(files_count(bed.files), 1);
}
END_TEST

/* Each step of the end, from the first to the exit, see stop_end(). */
#define END_STEPS 5

static void hang_in_step(unsigned step)
{
	bed_block();
	bed.points = bed_point("end.step", "stall", bed_text("@%u", step));
	daemon_start();
	daemon_signal(SIGTERM);
	UNTIL(log_count("stopped: received=0"));
}

START_TEST(a_signal_after_the_stop_does_not_change_how_it_ends)
{
	static const int late[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	size_t i;

	hang_in_step(_i + 1);
	for (i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		daemon_signal(late[i]);
	suite_sleep_ms(20);
	bed_release();
	ck_assert_int_eq(daemon_wait(), 0);
}
END_TEST

START_TEST(an_end_that_hangs_is_named_and_cut_off)
{
	static const char *const steps[] = { "closing the sockets",
					     "the exit" };

	if (suite_sanitized()) {
		suite_skip("the sanitizer counts threads that still run");
		return;
	}
	hang_in_step(_i ? END_STEPS : 1);
	/* exit status 0 all the same: the stop was complete */
	ck_assert_int_eq(daemon_wait(), 0);
	REQUIRE(log_count("did not end within 10 s", steps[_i]) == 1,
		"the step is not named");
}
END_TEST

/*
 * Senders wait for room in the queue of a socket that is about to be
 * closed.  Their wait ends as soon as the queue is read, not when all of it is
 * filed.
 */
START_TEST(a_stop_ends_the_wait_of_senders)
{
	int fd[20];
	pid_t sender[20];
	size_t i;

	/*
	 * The queue is shorter than the number of senders where a new name
	 * space is allowed: there net.unix.max_dgram_qlen is 10.
	 */
	(void)unshare(CLONE_NEWNET);
	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.stop_timeout=1h");
	daemon_signal(SIGSTOP);
	for (i = 0; i < 20; i++) {
		fd[i] = send_open();
		ck_assert_int_ge(fd[i], 0);
		sender[i] = fork();
		ck_assert_int_ge(sender[i], 0);
		if (sender[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (send(fd[i], "message", 7, MSG_NOSIGNAL) >= 0)
			;
		_exit(0);
	}
	for (i = 0; i < 20; i++) {
		UNTIL(threads_sleep(sender[i], ""));
		close(fd[i]);
	}
	daemon_signal(SIGTERM);
	daemon_signal(SIGCONT);
	for (i = 0; i < 20; i++)
		UNTIL(waitpid(sender[i], NULL, WNOHANG) == sender[i]);
	ck_assert(daemon_alive());
	bed_release();
	daemon_signal(SIGTERM);
	ck_assert_int_eq(daemon_wait(), 0);
}
END_TEST

START_TEST(sighup_applies_what_it_can_and_names_the_rest)
{
	int fd;

	bed_write_conf("[buffer]\nforced = 0\nworkers = 2\n");
	daemon_start();
	fd = send_open();
	send_one(fd, "one", 3);
	send_drain(fd);
	bed_write_conf("[buffer]\nforced = 10ms\nworkers = 3\n"
		       "[files]\nsuffix = .new\n");
	daemon_signal(SIGHUP);
	/* The new interval counts for the old arena. */
	UNTIL(files_count(bed.files) == 1);
	UNTIL(log_count("buffer.workers", "restart") == 1);
	send_one(fd, "two", 3);
	UNTIL(files_count(bed.files) == 2);
	ck_assert_int_ne(
		system(bed_text("ls %s | grep -q '[.]new$'", bed.files)), 256);
	daemon_stop(NULL);
}
END_TEST

START_TEST(sighup_with_a_bad_file_changes_nothing)
{
	int fd;

	bed_write_conf("[buffer]\nforced = 0\n");
	daemon_start();
	bed_write_conf("[buffer]\nforced = 1ms\nsize = 10 parsecs\n");
	daemon_signal(SIGHUP);
	UNTIL(log_count("bed.ini:3: buffer.size: ") == 1);
	fd = send_open();
	send_one(fd, "one", 3);
	send_drain(fd);
	suite_sleep_ms(200);
	ck_assert_uint_eq(files_count(bed.files), 0);
	daemon_stop(NULL);
	ck_assert_uint_eq(files_count(bed.files), 1);
}
END_TEST

START_TEST(a_request_during_the_start_is_done_after_it)
{
	bed_write_conf("[buffer]\nworkers = 2\n");
	bed_block();
	bed.points = bed_point("region.created", "stall", "");
	bed.points_log = bed_text("%s/points", bed.root);
	daemon_spawn();
	UNTIL(access(bed.points_log, F_OK) == 0);
	bed_write_conf("[buffer]\nworkers = 3\n");
	daemon_signal(SIGHUP);
	daemon_signal(SIGUSR1);
	bed_release();
	REQUIRE(daemon_ready(), "the daemon did not start");
	UNTIL(log_count("buffer.workers", "restart") == 1);
	UNTIL(log_count("SIGUSR1: flushing") == 1);
	daemon_stop(NULL);
}
END_TEST

static void connect_send_close(unsigned times)
{
	unsigned i;
	int fd;

	for (i = 0; i < times; i++) {
		fd = send_open();
		ck_assert_int_ge(fd, 0);
		send_one(fd, "short life", 10);
		close(fd);
	}
}

static void fork_send_exit(unsigned times)
{
	struct flow flow = { .count = 1, .min = 10, .max = 10 };
	unsigned i;

	for (i = 0; i < times; i++)
		sender_wait(sender_start(&flow));
}

START_TEST(a_hundred_thousand_short_lives_leave_nothing_behind)
{
	unsigned all = (unsigned)suite_scale(100000);
	unsigned forks = (unsigned)suite_scale(2000);
	/* The records of a sanitizer grow with the threads. */
	long slack = suite_sanitized() ? 8192 : 256;
	struct totals totals;
	unsigned fds;
	long rss;

	daemon_start("buffer.size=64K", "buffer.queue_size=64");
	/* All memory is touched once before it is measured. */
	connect_send_close(all / 5);
	fds = process_descriptors(bed.pid);
	rss = process_resident(bed.pid);
	connect_send_close(all - all / 5 - forks);
	fork_send_exit(forks);
	ck_assert_uint_le(process_descriptors(bed.pid), fds + 4);
	REQUIRE(process_resident(bed.pid) <= rss + slack,
		"grew from %ld to %ld pages", rss, process_resident(bed.pid));
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, all);
	ck_assert_uint_eq(totals.written, all);
}
END_TEST

/* Whatever cannot be opened any more: it is said, and nothing stays. */
/* Descriptors that the daemon inherits beside its standard ones. */
static const unsigned inherited[] = { 0, 1, 2, 5 };

/* The leak check at the end of a sanitized daemon needs descriptors itself. */
static void check_leaks(int check)
{
	const char *options = getenv("ASAN_OPTIONS");

	setenv("ASAN_OPTIONS",
	       bed_text("%s:detect_leaks=%d", options ? options : "", check),
	       1);
}

START_TEST(too_few_descriptors_are_logged_at_the_start)
{
	const char *metrics = bed_text("control.metrics_file=%s/metrics",
				       bed.root);
	unsigned refused = 0, named = 0, i;
	int held[5], status, ready;

	for (i = 0; i < inherited[_i]; i++)
		ck_assert_int_ge(held[i] = dup(STDERR_FILENO), 0);
	check_leaks(0);
	for (bed.descriptors = 40, ready = 1; ready; bed.descriptors--) {
		daemon_spawn(metrics);
		ready = daemon_ready();
		if (ready)
			daemon_stop(NULL);
	}
	for (; bed.descriptors > 3; bed.descriptors--) {
		status = daemon_wait();
		REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) > 1,
			"with %u descriptors: wait status %#x",
			bed.descriptors + 1, status);
		if (!log_count(" error: "))
			break; /* it could not even load its libraries */
		refused++;
		named += log_count("cannot start: ", "open files") == 1;
		ck_assert_int_ne(access(bed.sock, F_OK), 0);
		ck_assert_int_ne(access(bed.control, F_OK), 0);
		daemon_spawn(metrics);
		ck_assert_int_eq(daemon_ready(), 0);
	}
	daemon_reap();
	check_leaks(1);
	for (i = 0; i < inherited[_i]; i++)
		close(held[i]);
	/* The loop's first descriptors are among them: libuv needs three. */
	ck_assert_uint_ge(refused, 5);
	ck_assert_uint_ge(named, 3);
}
END_TEST

START_TEST(a_state_file_system_that_is_too_small_is_logged_at_the_start)
{
	char dir[BED_PATH];

	snprintf(dir, sizeof(dir), "%s/run", bed.root);
	ck_assert_int_eq(mkdir(dir, 0777), 0);
	if (bed_mount(dir, "512k")) {
		suite_skip("no mounts here, so no small file system");
		return;
	}
	daemon_spawn(bed_text("state.path=%s/state", dir));
	require_exit(EX_CONFIG);
	REQUIRE(log_count(dir) == 1, "not one line names it");
	/* No file is left that fills the file system. */
	daemon_start(bed_text("state.path=%s/state", dir), "buffer.size=4K",
		     "buffer.workers=1", "buffer.queue_size=16",
		     "socket.max_message=4K");
	daemon_stop(NULL);
	umount2(dir, MNT_DETACH);
}
END_TEST

/*
 * A unit starts a script, the script starts the daemon, and systemd's socket is
 * for the script.
 */
static const struct wrapper {
	const char *script; /* behind `exec 3<&SOCKET` */
	const char *path;   /* socket.path behind that of systemd's socket */
	const char *line;
	int status;
} wrappers[] = {
	{ "export LISTEN_PID=$$ LISTEN_FDS=1; DAEMON & wait $!", "",
	  "the socket passed by systemd cannot be used: LISTEN_PID is ",
	  EX_CONFIG },
	{ "unset LISTEN_PID; export LISTEN_FDS=1; DAEMON & wait $!", "",
	  "the socket passed by systemd cannot be used: LISTEN_PID or "
	  "LISTEN_FDS is not set; a wrapper must keep both",
	  EX_CONFIG },
	{ "export LISTEN_PID=$$ LISTEN_FDS=1; "
	  "DAEMON & until grep -qs ready: output; do sleep 0.05; done; "
	  "kill $!; wait $!",
	  "2", "is not read: LISTEN_PID is ", 0 },
	{ "export LISTEN_PID=$$ LISTEN_FDS=1; "
	  "(until grep -qs ready: output; do sleep 0.05; done; kill $$) & "
	  "exec DAEMON",
	  "", "listening on the socket passed by systemd", 0 },
};

/* The shell's redirections know descriptors of one digit only. */
static int low_descriptor(int fd)
{
	int low;

	for (low = 3; low < 10; low++)
		if (fcntl(low, F_GETFD) < 0)
			return dup2(fd, low);
	return fd;
}

START_TEST(a_wrapper_that_loses_the_socket_is_named)
{
	const struct wrapper *w = &wrappers[_i];
	const char *build = getenv("BW_BUILD");
	char binary[4096], *script;
	int low, status;

	ck_assert_ptr_nonnull(realpath(
		bed_text("%s/bufwriterd", build ? build : "build"), binary));
	bed_hold_socket();
	low = low_descriptor(bed.held);
	ck_assert_int_eq(fcntl(low, F_SETFD, 0), 0);
	script = text_replace(
		w->script, "DAEMON",
		bed_text("%s -c %s -o socket.path=%s%s -o files.path=%s "
			 "-o state.path=%s -o control.path=%s",
			 binary, bed.conf, bed.sock, w->path, bed.files,
			 bed.state, bed.control));
	status = script_run(bed.root, bed_text("exec 3<&%d; %s", low, script));
	free(script);
	if (low != bed.held)
		close(low);
	ck_assert_int_eq(status, w->status);
	if (system(bed_text("grep -q '%s' %s/output", w->line, bed.root))) {
		script_dump(bed.root);
		ck_abort_msg("no line names the cause");
	}
	ck_assert_int_ne(
		system(bed_text("grep -q 'in use' %s/output", bed.root)), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("life");
	TCase *t = bed_case(suite, "refused");

	tcase_add_loop_test(t, a_wrong_setting_is_one_line_and_exit_78, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, each_wrong_setting_has_its_own_line);
	tcase_add_test(t, a_too_long_socket_path_is_refused);
	tcase_add_test(t, a_missing_directory_is_refused);
	tcase_add_test(t, a_missing_settings_file_is_refused);
	tcase_add_test(t, an_unreadable_settings_file_is_refused);
	tcase_add_test(t, an_unwritable_directory_is_refused);
	tcase_add_test(t, a_second_daemon_on_the_same_socket_is_refused);
	tcase_add_test(t, a_second_daemon_on_the_same_region_is_refused_by_pid);
	tcase_add_test(t, a_file_that_is_no_socket_is_not_replaced);
	tcase_add_loop_test(t, too_few_descriptors_are_logged_at_the_start, 0,
			    sizeof(inherited) / sizeof(inherited[0]));
	tcase_add_test(
		t,
		a_state_file_system_that_is_too_small_is_logged_at_the_start);
	t = bed_case(suite, "socket");
	tcase_add_test(t, a_stale_socket_file_is_replaced);
	tcase_add_test(t,
		       a_killed_daemon_is_followed_by_one_on_the_same_socket);
	tcase_add_test(t, the_socket_has_the_mode_asked_for);
	tcase_add_test(t, a_socket_from_systemd_is_used_and_kept);
	tcase_add_test(t, a_hundred_thousand_short_lives_leave_nothing_behind);
	tcase_add_loop_test(t, a_wrapper_that_loses_the_socket_is_named, 0,
			    sizeof(wrappers) / sizeof(wrappers[0]));
	t = bed_case(suite, "signals");
	tcase_add_test(t, sigusr1_flushes_all_workers_now);
	tcase_add_loop_test(t, sigterm_and_sigint_file_everything_and_exit_0, 0,
			    2);
	tcase_add_loop_test(t,
			    a_signal_after_the_stop_does_not_change_how_it_ends,
			    0, END_STEPS);
	tcase_add_loop_test(t, an_end_that_hangs_is_named_and_cut_off, 0, 2);
	tcase_add_test(t, a_stop_ends_the_wait_of_senders);
	tcase_add_test(t, sighup_applies_what_it_can_and_names_the_rest);
	tcase_add_test(t, sighup_with_a_bad_file_changes_nothing);
	tcase_add_test(t, a_request_during_the_start_is_done_after_it);
	return suite_run(suite, CK_NOFORK);
}
