/* SPDX-License-Identifier: MIT */
/* The daemon's process as a test sees it.  See bed.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/process.h"
#include "tests/lib/store.h"

#define MAX_ARGS 64

/* Sent by daemon_signal() to the daemon that runs, or 0. */
static int last_signal;

static int open_binary(void)
{
	static const char *const names[] = { "failpoints/bufwriterd",
					     "bufwriterd" };
	const char *build = getenv("BW_BUILD");
	char path[4096];
	unsigned i;
	int fd;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", build ? build : "build",
			 names[i]);
		/*
		 * Open it while we may: the user nobody may not enter the
		 * directory.
		 */
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	ck_abort_msg("no daemon: %s", path);
	return -1;
}

/* Adds `KEY=<value>` unless an option of the test sets KEY. */
static unsigned add_option(const char **args, unsigned n, const char *key,
			   const char *value, const char *const *options)
{
	size_t len = strlen(key);
	unsigned i;

	for (i = 0; options[i]; i++)
		if (!strncmp(options[i], key, len) && options[i][len] == '=')
			return n;
	args[n++] = "-o";
	args[n++] = bed_text("%s=%s", key, value);
	return n;
}

/* What systemd passes, from descriptor 3 on. */
static struct {
	int fd[STORE_MOST + BED_ALSO + 2];
	const char *name[STORE_MOST + BED_ALSO + 2];
	unsigned n;
} passed;

static void pass(int fd)
{
	if (fd < 0)
		return;
	passed.fd[passed.n] = fd;
	passed.name[passed.n++] = "bufwriter.socket";
}

/* Up to store_release() the store stays as it is. */
static void list_passed(void)
{
	unsigned i;

	passed.n = 0;
	pass(bed.held);
	for (i = 0; i < bed.also; i++)
		pass(bed.held_also[i]);
	pass(bed.held_lanes);
	passed.n += store_hold(&passed.fd[passed.n], &passed.name[passed.n]);
}

/* In the child, whose standard error is the test's or already the log. */
static void no_start(const char *what)
{
	dprintf(STDERR_FILENO, "the test cannot start the daemon: %s: %s\n",
		what, strerror(errno));
	_exit(126);
}

/* In the child. */
static void pass_descriptors(void)
{
	static char names[STORE_MOST * 32];
	char number[32];
	size_t len = 0;
	unsigned i;

	if (!passed.n)
		return;
	for (i = 0; i < passed.n; i++) {
		passed.fd[i] = fcntl(passed.fd[i], F_DUPFD_CLOEXEC,
				     (int)passed.n + 10);
		if (passed.fd[i] < 0)
			no_start("a descriptor to pass");
		len += (size_t)snprintf(names + len, sizeof(names) - len,
					"%s%s", i ? ":" : "", passed.name[i]);
	}
	for (i = 0; i < passed.n; i++)
		if (dup2(passed.fd[i], 3 + (int)i) < 0)
			no_start("a passed descriptor");
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%u", passed.n);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static void set_environment(void)
{

	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("INVOCATION_ID");
	unsetenv("JOURNAL_STREAM");
	unsetenv("BW_FAILPOINTS");
	unsetenv("BW_FAILPOINTS_LOG");
	if (bed.notify)
		setenv("NOTIFY_SOCKET", bed.notify, 1);
	if (bed.points)
		setenv("BW_FAILPOINTS", bed.points, 1);
	if (bed.points_log)
		setenv("BW_FAILPOINTS_LOG", bed.points_log, 1);
}

static void become_nobody(void)
{
	const struct passwd *pw = getpwnam("nobody");

	if (!pw || setgid(pw->pw_gid) || setuid(pw->pw_uid))
		no_start("nobody");
}

static void limit(int what, rlim_t n)
{
	struct rlimit limit = { n, n };

	if (setrlimit(what, &limit))
		no_start("a limit");
}

static void limit_softly(int what, rlim_t n)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)what, &limit))
		no_start("a limit");
	limit.rlim_cur = n;
	if (setrlimit((__rlimit_resource_t)what, &limit))
		no_start("a limit");
}

static void set_nice(void)
{
	if (bed.nice != getpriority(PRIO_PROCESS, 0) &&
	    setpriority(PRIO_PROCESS, 0, bed.nice))
		no_start("the nice value");
	if (bed.nice_limit >= 0)
		limit(RLIMIT_NICE, (rlim_t)bed.nice_limit);
}

static void child(int binary, const char **args)
{
	int log = open(bed.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	binary = fcntl(binary, F_DUPFD_CLOEXEC, (int)passed.n + 10);
	if (log < 0 || null < 0 ||
	    dup2(bed.standard_error ? bed.standard_error : log, STDERR_FILENO) <
		    0 ||
	    dup2(null, STDIN_FILENO) < 0)
		no_start("the log");
	close(log);
	close(null);
	if (bed.bare)
		close_range(0, 2, 0);
	set_environment();
	pass_descriptors();
	set_nice();
	if (bed.unprivileged && getuid() == 0)
		become_nobody();
	if (bed.descriptors)
		limit(RLIMIT_NOFILE, bed.descriptors);
	if (bed.limit)
		limit_softly(bed.limited, bed.limit);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execveat(binary, "", (char *const *)args, environ, AT_EMPTY_PATH);
	_exit(127);
}

void daemon_spawn_list(const char *const *options)
{
	const char *args[MAX_ARGS];
	unsigned n = 0;
	int binary;

	options++;
	last_signal = 0;
	ck_assert_int_eq(bed.pid, 0);
	args[n++] = "bufwriterd";
	args[n++] = "-c";
	args[n++] = bed.conf;
	n = add_option(args, n, "socket.path", bed.sock, options);
	n = add_option(args, n, "control.path", bed.control, options);
	n = add_option(args, n, "state.path", bed.state, options);
	n = add_option(args, n, "files.path", bed.files, options);
	/* No message is dropped when the machine stands still for a moment. */
	if (!bed.own_timeout)
		n = add_option(args, n, "buffer.timeout", "never", options);
	for (; *options; options++) {
		ck_assert_uint_lt(n, MAX_ARGS - 3);
		args[n++] = "-o";
		args[n++] = *options;
	}
	args[n] = NULL;
	binary = open_binary();
	unlink(bed.log);
	list_passed();
	bed.pid = bed.is_process_1 ?
			  (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0,
					 0, 0, 0) :
			  fork();
	ck_assert_int_ge(bed.pid, 0);
	if (bed.pid == 0)
		child(binary, args);
	store_release();
	close(binary);
}

/* A report of a sanitizer is a failure, whatever the exit status. */
static void require_clean_log(void)
{
	REQUIRE(!log_count("Sanitizer"), "a sanitizer found something");
	REQUIRE(!log_count("runtime error:"), "undefined behaviour");
	REQUIRE(!log_count("Assertion"), "an assertion failed");
}

int daemon_alive(void)
{
	siginfo_t info = { 0 };

	if (!bed.pid)
		return 0;
	/* The daemon stays a zombie, for daemon_wait(). */
	if (waitid(P_PID, (id_t)bed.pid, &info, WEXITED | WNOHANG | WNOWAIT))
		return 0;
	return info.si_pid == 0;
}

/* 1 if the loop thread sleeps. */
static int is_idle(void)
{
	char path[32], state = 'S';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)bed.pid);
	stat = fopen(path, "r");
	if (stat) {
		if (fscanf(stat, "%*d %*s %c", &state) != 1)
			state = 'S';
		fclose(stat);
	}
	return state == 'S';
}

/* True if the log is longer than `*seen`, which becomes its length. */
static bool log_grew(off_t *seen)
{
	struct stat st;

	if (stat(bed.log, &st) || st.st_size == *seen)
		return false;
	*seen = st.st_size;
	return true;
}

int daemon_ready(void)
{
	double since = suite_now();
	off_t seen = 0;

	while (!log_grew(&seen) || !log_count("ready: ")) {
		if (!daemon_alive())
			return log_count("ready: ") > 0;
		suite_waiting(since, "ready line", __FILE__, __LINE__);
	}
	/* See daemon_wait(). */
	if (suite_sanitized())
		UNTIL(is_idle() || !daemon_alive());
	return 1;
}

void daemon_signal(int sig)
{
	ck_assert_int_gt(bed.pid, 0);
	UNTIL(sig == SIGSTOP || sig == SIGCONT ||
	      process_heeds((pid_t)bed.pid, sig));
	kill(bed.pid, sig);
	last_signal = sig;
}

/*
 * The thread sanitizer delays a signal that arrives outside of a system call,
 * and now and then loses it: a program of ten lines that only waits in libuv
 * for SIGTERM hangs as well.  So the test repeats the signal under that
 * sanitizer, and only there.
 */
static int ended_or_asked_again(double *asked)
{
	if (!daemon_alive())
		return 1;
	if (suite_sanitized() && suite_now() - *asked > 5 &&
	    (last_signal == SIGTERM || last_signal == SIGINT)) {
		kill(bed.pid, last_signal);
		*asked = suite_now();
	}
	return 0;
}

int daemon_wait(void)
{
	double asked = suite_now();
	int status = 0;

	ck_assert_int_gt(bed.pid, 0);
	UNTIL(ended_or_asked_again(&asked));
	ck_assert_int_eq(waitpid(bed.pid, &status, 0), bed.pid);
	bed.pid = 0;
	require_clean_log();
	return status;
}

int daemon_reap(void)
{
	int status;

	if (!bed.pid)
		return 0;
	kill(bed.pid, SIGKILL);
	waitpid(bed.pid, &status, 0);
	bed.pid = 0;
	return log_count("Sanitizer") || log_count("runtime error:") ||
	       log_count("Assertion");
}

void daemon_kill(void)
{
	REQUIRE(!daemon_reap(), "the killed daemon had found an error");
}

int daemon_totals(struct totals *t)
{
	char line[4096];
	FILE *log = fopen(bed.log, "r");
	const char *at;
	int found = -1;

	if (!log)
		return -1;
	memset(t, 0, sizeof(*t));
	while (fgets(line, sizeof(line), log)) {
		at = strstr(line, "stopped: received=");
		if (at && sscanf(at,
				 "stopped: received=%" SCNu64
				 " written=%" SCNu64 " dropped=%" SCNu64
				 " (too_large=%" SCNu64 " ring_full=%" SCNu64
				 " sender_rate=%" SCNu64 " lane_lost=%" SCNu64
				 ") files=%" SCNu64 " bytes=%" SCNu64,
				 &t->received, &t->written, &t->dropped,
				 &t->too_large, &t->ring_full, &t->sender_rate,
				 &t->lane_lost, &t->files, &t->bytes) == 9)
			found = 0;
	}
	fclose(log);
	return found;
}

void daemon_stop(struct totals *totals)
{
	struct totals ignored;
	int status;

	daemon_signal(SIGTERM);
	status = daemon_wait();
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"stopped with wait status %#x instead of exit 0", status);
	REQUIRE(!daemon_totals(totals ? totals : &ignored),
		"no `stopped:` line with all numbers");
}
