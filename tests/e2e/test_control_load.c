/* SPDX-License-Identifier: MIT */
/*
 * The control socket under hostile load, and without any: it does not disturb
 * the way of a message, does not grow, and does not wake an idle daemon.  And
 * `top`, which asks for ever.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"
#include "tests/lib/threads.h"

#define CROWD 1000

/* --- an idle daemon ------------------------------------------------------ */

/* How often the threads of the daemon went to sleep. */
static uint64_t switches(void)
{
	const char *tasks = bed_text("/proc/%d/task", (int)bed.pid);
	DIR *dir = opendir(tasks);
	unsigned long long n, all = 0;
	struct dirent *entry;
	char line[256];
	FILE *f;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		f = fopen(bed_text("%s/%s/status", tasks, entry->d_name), "r");
		ck_assert_ptr_nonnull(f);
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) ==
			    1)
				all += n;
		fclose(f);
	}
	closedir(dir);
	return all;
}

/*
 * It has done what there was to do, and then no thread wakes up for longer than
 * any interval of the daemon.  The threads of a sanitizer wake up.
 */
static bool is_idle(void)
{
	uint64_t before = switches();

	suite_sleep_ms(2500);
	return suite_sanitized() ||
	       (threads_sleep((int)bed.pid, "") && switches() == before);
}

START_TEST(an_idle_daemon_is_not_woken)
{
	int fd;

	daemon_start("buffer.forced=10ms");
	/* The daemon has worked before it is idle. */
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(ask_number("messages.written") == 1);
	UNTIL(ask_number("gauges.control_open") == 1);
	UNTIL(is_idle());
	daemon_stop(NULL);
}
END_TEST

/* --- hostile load -------------------------------------------------------- */

/* A sanitizer keeps records, so its memory grows. */
static void require_no_growth(long rss)
{
	long now = process_resident(bed.pid);

	REQUIRE(suite_sanitized() || now <= rss + 64,
		"grew from %ld to %ld pages", rss, now);
}

static const struct flow flow = { .id = 1,
				  .count = 20000,
				  .min = 10,
				  .max = 1000 };

/* Everything that was sent is in files, once. */
static void require_all(struct sender *sender)
{
	struct tally tally;

	sender_wait(sender);
	ck_assert_int_eq(command("flush"), 0);
	tally_open(&tally);
	tally_expect_sender(&tally, sender);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}

START_TEST(a_thousand_idle_connections_are_refused_beyond_the_bound)
{
	struct flow some = flow;
	unsigned refused = 0, fds, i;
	struct sender *sender;
	struct rlimit limit;
	int crowd[CROWD];
	const char *line;
	long rss;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	some.count = suite_scale(flow.count);
	daemon_start("buffer.timeout=never");
	require_all(sender_start(&some));
	fds = process_descriptors(bed.pid);
	rss = process_resident(bed.pid);
	some.id = 2;
	sender = sender_start(&some);
	for (i = 0; i < CROWD; i++)
		crowd[i] = ask_open();
	/* The connections beyond the bound get a reason. */
	for (i = 0; i < CROWD; i++) {
		struct pollfd p = { .fd = crowd[i], .events = POLLIN };

		if (i < 64)
			continue;
		UNTIL(poll(&p, 1, 0) == 1);
		line = ask_receive(crowd[i]);
		ck_assert_str_eq(line, "{\"error\":\"too many connections\","
				       "\"code\":\"busy\"}");
		ck_assert_ptr_null(ask_receive(crowd[i]));
		refused++;
	}
	ck_assert_uint_eq(refused, CROWD - 64);
	/* Workers may have a few files open. */
	ck_assert_uint_le(process_descriptors(bed.pid), fds + 64 + 6);
	require_no_growth(rss);
	ck_assert_int_eq(command("status"), 75);
	sender_wait(sender);
	/* A connection within the bound is answered. */
	ck_assert_ptr_nonnull(json_at(ask_on(crowd[3], "ping"), "pong"));
	for (i = 0; i < CROWD; i++)
		close(crowd[i]);
	UNTIL(process_descriptors(bed.pid) <= fds);
	ck_assert_int_eq(command("status --check"), 0);
	daemon_stop(NULL);
}
END_TEST

/* Bytes of no meaning, lines of no meaning, commands without a reader. */
static void attack(unsigned kind)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	static char bytes[4096];
	unsigned i;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", bed.control);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(kind == 0  ? (int)random_below(255) + 1 :
				  i % 8 == 7 ? '\n' :
					       "statusx"[i % 8]);
	for (i = 0; kind == 2 && i < sizeof(bytes); i += 8)
		memcpy(bytes + i, "\nstatus\n", 8);
	for (;;) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(fd, (void *)&addr, sizeof(addr)) == 0)
			for (i = 0; i < 8; i++)
				(void)!send(fd, bytes, sizeof(bytes),
					    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (kind == 2)
			usleep(1000);
		close(fd);
	}
}

START_TEST(a_flood_changes_nothing_for_messages)
{
	const double since = suite_now();
	struct flow some = flow;
	struct sender *sender;
	unsigned fds, i;
	pid_t pids[3];
	long rss;

	some.count = suite_scale(flow.count);
	daemon_start("buffer.timeout=never");
	require_all(sender_start(&some));
	command("status");
	command("metrics");
	fds = process_descriptors(bed.pid);
	rss = process_resident(bed.pid);
	some.id = 2;
	sender = sender_start(&some);
	/* A slow machine may need more than one flood until commands pause. */
	do {
		for (i = 0; i < 3; i++) {
			pids[i] = fork();
			if (!pids[i])
				attack(i);
		}
		UNTIL(!sender_running(sender));
		suite_sleep_ms(500);
		REQUIRE(process_descriptors(bed.pid) <= fds + 64 + 6,
			"%u descriptors, %u before",
			process_descriptors(bed.pid), fds);
		require_no_growth(rss);
		for (i = 0; i < 3; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
		/* The daemon has read all that they sent, and is as before. */
		UNTIL(command("status --check") == 0);
		suite_heed_limit(since, "a pause", __FILE__, __LINE__);
	} while (ask_number("counters.control_pauses") == 0);
	sender_wait(sender);
	ck_assert_double_gt(ask_number("counters.control_wrong"), 0);
	UNTIL(process_descriptors(bed.pid) <= fds);
	daemon_stop(NULL);
}
END_TEST

/* --- top ----------------------------------------------------------------- */

struct terminal {
	int fd;
	pid_t pid;
	char screen[128 * 1024];
	size_t len;
};

static void open_terminal(struct terminal *t, const char *args)
{
	struct winsize size = { .ws_row = 30, .ws_col = 100 };
	const char *build = getenv("BW_BUILD");

	t->len = 0;
	t->pid = forkpty(&t->fd, NULL, NULL, &size);
	ck_assert_int_ge(t->pid, 0);
	if (t->pid)
		return;
	setenv("TERM", "xterm", 1);
	execl("/bin/sh", "sh", "-c",
	      bed_text("trap : INT; stty -a; %s/bufwriter top -s %s %s; echo status=$?; "
		       "stty -a; echo the end",
		       build ? build : "build", bed.control, args),
	      NULL);
	_exit(127);
}

static int shows(struct terminal *t, const char *part)
{
	ssize_t n;
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	const size_t half = sizeof(t->screen) / 2;

	while (poll(&p, 1, 0) > 0) {
		/* Who waits for long needs what came last. */
		if (t->len > half + half / 2) {
			memmove(t->screen, t->screen + t->len - half, half);
			t->len = half;
		}
		n = read(t->fd, t->screen + t->len,
			 sizeof(t->screen) - t->len - 1);
		if (n <= 0)
			break;
		t->len += (size_t)n;
	}
	t->screen[t->len] = 0;
	return strstr(t->screen, part) != NULL;
}

/* A whole picture has come, with the first part and without the second. */
static bool shows_without(struct terminal *t, const char *part,
			  const char *missing)
{
	static const char home[] = "\033[H";
	char *begin, *end;
	bool is_so;

	shows(t, "");
	begin = strstr(t->screen, home);
	end = begin ? strstr(begin + 1, home) : NULL;
	if (!end)
		return false;
	*end = '\0';
	is_so = strstr(begin, part) && !strstr(begin, missing);
	*end = home[0];
	/* The next look begins with the next picture. */
	t->len -= (size_t)(end - t->screen);
	memmove(t->screen, end, t->len);
	return is_so;
}

/* The terminal has the same settings before and after. */
static void require_restored(struct terminal *t)
{
	const char *first, *last, *end;

	/* the second list of settings has come in full */
	UNTIL(shows(t, "the end"));
	first = strstr(t->screen, "speed ");
	ck_assert_ptr_nonnull(first);
	last = strstr(first + 1, "speed ");
	ck_assert_ptr_nonnull(last);
	end = strstr(first, "\033");
	ck_assert_ptr_nonnull(end);
	REQUIRE(strncmp(first, last, (size_t)(end - first)) == 0,
		"the terminal was not given back: %s", t->screen);
	/* So are the screen and the cursor. */
	ck_assert_ptr_nonnull(strstr(t->screen, "\033[?25h\033[?1049l"));
}

static void close_terminal(struct terminal *t)
{
	close(t->fd);
	waitpid(t->pid, NULL, 0);
}

START_TEST(top_shows_and_gives_the_terminal_back)
{
	static struct terminal t;
	struct winsize size = { .ws_row = 6, .ws_col = 40 };
	int fd;

	daemon_start("buffer.forced=1ms");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(ask_number("messages.written") == 1);
	open_terminal(&t, "-d 100ms");
	UNTIL(shows(&t, "nothing is wrong"));
	UNTIL(shows(&t, "flush latency"));
	UNTIL(shows(&t, " 3 idle"));
	/* A smaller terminal: the lines are cut at once. */
	t.len = 0;
	ck_assert_int_eq(ioctl(t.fd, TIOCSWINSZ, &size), 0);
	UNTIL(shows_without(&t, "received", "flush latency"));
	close_terminal(&t);
	daemon_stop(NULL);
}
END_TEST

START_TEST(top_ends_with_q_and_with_a_signal)
{
	static struct terminal t;

	daemon_start();
	open_terminal(&t, "");
	UNTIL(shows(&t, "nothing is wrong"));
	ck_assert_int_eq(write(t.fd, _i ? "\x03" : "q", 1), 1);
	UNTIL(shows(&t, _i ? "status=130" : "status=0"));
	UNTIL(shows(&t, "status=") &&
	      strstr(strstr(t.screen, "status="), "-echoprt"));
	require_restored(&t);
	close_terminal(&t);
	daemon_stop(NULL);
}
END_TEST

START_TEST(top_goes_on_when_the_daemon_comes_back)
{
	static struct terminal t;

	daemon_start();
	open_terminal(&t, "-d 100ms");
	UNTIL(shows(&t, bed_text("process %d ", (int)bed.pid)));
	daemon_kill();
	UNTIL(shows(&t, "no daemon answers"));
	daemon_start();
	UNTIL(shows(&t, bed_text("process %d ", (int)bed.pid)));
	ck_assert_int_eq(write(t.fd, "q", 1), 1);
	UNTIL(shows(&t, "status=0"));
	close_terminal(&t);
	daemon_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control under load");
	TCase *t = bed_case(suite, "load");

	tcase_add_test(t, an_idle_daemon_is_not_woken);
	tcase_add_test(
		t, a_thousand_idle_connections_are_refused_beyond_the_bound);
	tcase_add_test(t, a_flood_changes_nothing_for_messages);
	t = bed_case(suite, "top");
	tcase_add_test(t, top_shows_and_gives_the_terminal_back);
	tcase_add_loop_test(t, top_ends_with_q_and_with_a_signal, 0, 2);
	tcase_add_test(t, top_goes_on_when_the_daemon_comes_back);
	return suite_run(suite, CK_NOFORK);
}
