/* SPDX-License-Identifier: MIT */
/*
 * The library's lanes with the real daemon: programs write with one handle from
 * many threads while the daemon works, stops, is killed, and comes back.  Each
 * message for which a write returned 0 is in files once, and no write fails.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/handle.h"
#include "tests/lib/random.h"
#include "tests/lib/store.h"
#include "tests/lib/tally.h"

#define PROGRAMS 3
#define THREADS 8

static struct tally tally;

/* What the programs have written, in memory that they share with the test. */
static struct progress {
	_Atomic uint64_t written[PROGRAMS][THREADS];
	atomic_int failed; /* an error of a write */
	atomic_int go;
} * progress;

static struct bw *client(int timeout_ms, int lanes)
{
	return handle_open(bed.sock, timeout_ms, lanes);
}

static size_t text_of(char *to, unsigned program, unsigned thread, uint64_t n)
{
	int len = sprintf(to, "%u %u %" PRIu64 " ", program, thread, n);
	size_t all = (size_t)len + n * 7919 % 200;

	memset(to + len, 'a' + (int)(n % 26), all - (size_t)len);
	return all;
}

/* --- a program, in a process of its own ------------------------------------- */

static struct writer {
	struct bw *bw;
	unsigned program, thread;
	uint64_t most;
} writers[THREADS];

static void *write_all(void *arg)
{
	const struct writer *w = arg;
	char text[512];
	uint64_t n;
	size_t len;
	int err;

	for (n = 0; n < w->most; n++) {
		len = text_of(text, w->program, w->thread, n);
		err = bw_write(w->bw, text, len);
		if (err) {
			atomic_store(&progress->failed, err);
			return NULL;
		}
		atomic_store(&progress->written[w->program][w->thread], n + 1);
	}
	return NULL;
}

static void be_program(unsigned program, uint64_t most, int lanes)
{
	struct bw *bw = client(60000, lanes);
	pthread_t thread[THREADS];
	unsigned i;

	for (i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){ bw, program, i, most };
		if (pthread_create(&thread[i], NULL, write_all, &writers[i]))
			_exit(1);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	bw_close(bw);
	_exit(0);
}

static pid_t program[PROGRAMS];

/* They wait for progress->go. */
static void fork_programs(uint64_t most, int lanes)
{
	unsigned i;

	for (i = 0; i < PROGRAMS; i++) {
		program[i] = fork();
		ck_assert_int_ge(program[i], 0);
		if (program[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!atomic_load(&progress->go))
			suite_sleep_ms(1);
		be_program(i, most, lanes);
	}
}

static void start_programs(uint64_t most, int lanes)
{
	fork_programs(most, lanes);
	atomic_store(&progress->go, 1);
}

static int programs_run(void)
{
	return waitid(P_ALL, 0, &(siginfo_t){ 0 },
		      WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       kill(program[0], 0) == 0;
}

/* Waits for their end, and expects what they have written. */
static void end_programs(void)
{
	char text[512];
	unsigned i, t;
	uint64_t n;
	int status;

	for (i = 0; i < PROGRAMS; i++) {
		ck_assert_int_eq(waitpid(program[i], &status, 0), program[i]);
		REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			"program %u ended with %#x", i, status);
	}
	REQUIRE(progress->failed == 0, "a write failed: %s",
		bw_strerror(progress->failed));
	for (i = 0; i < PROGRAMS; i++)
		for (t = 0; t < THREADS; t++)
			for (n = 0; n < progress->written[i][t]; n++)
				tally_expect(&tally, text,
					     text_of(text, i, t, n));
}

static void open_test(void)
{
	bed_open();
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(progress, MAP_FAILED);
	tally_open(&tally);
}

static void close_test(void)
{
	munmap(progress, sizeof(*progress));
	tally_close(&tally);
	bed_close();
}

static void require_all(void)
{
	daemon_stop(NULL);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
}

/* --- the tests -------------------------------------------------------------- */

START_TEST(programs_with_many_threads_lose_nothing)
{
	daemon_start();
	start_programs(suite_scale(20000),
		       _i ? BW_LANES_ALWAYS : BW_LANES_AUTO);
	end_programs();
	/*
	 * Programs that are instrumented, or share a busy machine, may be too
	 * slow to want a lane by themselves: see test_client_lanes.
	 */
	if (_i)
		ck_assert_double_gt(ask_number("counters.lanes_opened"), 0);
	require_all();
}
END_TEST

START_TEST(an_orderly_restart_fails_no_write)
{
	unsigned i;

	bed_hold_socket();
	bed_hold_lanes();
	daemon_start();
	start_programs(suite_scale(20000), BW_LANES_ALWAYS);
	for (i = 0; i < 10 && programs_run(); i++) {
		suite_sleep_ms(50);
		daemon_stop(NULL);
		daemon_start();
	}
	end_programs();
	require_all();
}
END_TEST

START_TEST(reloads_fail_no_write)
{
	unsigned i;

	bed_write_conf("[buffer]\nforced = 1ms\n");
	daemon_start();
	start_programs(suite_scale(20000), BW_LANES_ALWAYS);
	for (i = 0; i < 40 && programs_run(); i++) {
		bed_write_conf(
			bed_text("[buffer]\nforced = %ums\n", 2 + i % 2));
		daemon_signal(SIGHUP);
		suite_sleep_ms(5);
	}
	end_programs();
	UNTIL(log_count("reload: buffer.forced changed") > 0);
	require_all();
}
END_TEST

/* No lanes, fewer than the programs ask for, and no socket to ask on. */
START_TEST(where_lanes_are_refused_datagrams_go)
{
	const char *const refusals[] = {
		"lanes.count=0",
		"lanes.count=1",
		bed_text("lanes.path=%s/plain/lanes", bed.root),
	};

	ck_assert_int_eq(system(bed_text("touch %s/plain", bed.root)), 0);

	daemon_start(refusals[_i]);
	start_programs(suite_scale(3000), BW_LANES_ALWAYS);
	end_programs();
	if (_i != 1)
		ck_assert_double_eq(ask_number("counters.lanes_opened"), 0);
	ck_assert_double_gt(ask_number("counters.received"), 0);
	require_all();
}
END_TEST

/* _i: is there a store that keeps the lanes? */
START_TEST(a_killed_daemon_loses_nothing)
{
	unsigned i;

	bed_hold_socket();
	bed_hold_lanes();
	/*
	 * Before the store has its thread: under ThreadSanitizer the child of a
	 * process with threads can make none.
	 */
	fork_programs(suite_scale(20000), BW_LANES_ALWAYS);
	if (_i)
		store_open();
	daemon_start();
	atomic_store(&progress->go, 1);
	for (i = 0; i < suite_scale(30) && programs_run(); i++) {
		suite_sleep_ms(1 + (unsigned)random_below(60));
		daemon_kill();
		daemon_start();
	}
	end_programs();
	require_all();
}
END_TEST

/*
 * The steps in which the daemon makes a lane that a program asks for.  Each
 * program asks for several, so some have a lane and some wait for the answer.
 */
static const char *const making[] = { "lane.entry", "lane.stored",
				      "lane.mapped", "lane.made" };

#define MAKING (sizeof(making) / sizeof(making[0]))
#define PASSES 3

static void die_while_making(const char *step, unsigned pass)
{
	int status;

	bed.points = bed_text("%s=kill@%u", step, pass);
	daemon_start();
	atomic_store(&progress->go, 1);
	UNTIL(!daemon_alive());
	status = daemon_wait();
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"%s was not passed %u times: %#x", step, pass, status);
	bed.points = NULL;
	daemon_start();
}

static void kill_while_making(int which, bool stores)
{
	bed_hold_socket();
	bed_hold_lanes();
	/* See above. */
	fork_programs(suite_scale(5000), BW_LANES_ALWAYS);
	if (stores)
		store_open();
	die_while_making(making[which / PASSES], 1 + (unsigned)which % PASSES);
	end_programs();
	UNTIL(ask_number("gauges.lanes_open") == 0);
	if (stores)
		UNTIL(store_count() == 0);
	require_all();
}

START_TEST(a_daemon_that_dies_while_it_makes_a_lane_loses_nothing)
{
	kill_while_making(_i, true);
}
END_TEST

START_TEST(nor_does_one_without_a_store)
{
	kill_while_making(_i, false);
}
END_TEST

/* What a program had written before SIGKILL is in files, and nothing torn. */
START_TEST(a_killed_program_loses_nothing_it_had_written)
{
	char text[512];
	unsigned round, t;
	uint64_t n;
	size_t len;
	pid_t pid;

	daemon_start();
	for (round = 0; round < suite_scale(30); round++) {
		memset(progress, 0, sizeof(*progress));
		pid = fork();
		if (pid == 0)
			be_program(0, UINT64_MAX, BW_LANES_ALWAYS);
		suite_sleep_ms(1 + (unsigned)random_below(30));
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		UNTIL(ask_number("gauges.lanes_open") == 0);
		daemon_stop(NULL);
		for (t = 0; t < THREADS; t++)
			for (n = 0; n < progress->written[0][t]; n++) {
				len = text_of(text, 0, t, n);
				tally_expect(&tally, text, len);
			}
		tally_read(&tally, bed.files, NEWLINE);
		tally_judge(&tally);
		REQUIRE(tally.lost == 0 && tally.doubled == 0,
			"lost %" PRIu64 ", doubled %" PRIu64 ": %s", tally.lost,
			tally.doubled, tally.first);
		/* The write that was under way may be there or not. */
		REQUIRE(tally.found <= tally.expected + THREADS,
			"%" PRIu64 " messages of %" PRIu64, tally.found,
			tally.expected);
		tally_close(&tally);
		tally_open(&tally);
		dir_remove(bed.files);
		ck_assert_int_eq(mkdir(bed.files, 0777), 0);
		daemon_start();
	}
	daemon_stop(NULL);
}
END_TEST

START_TEST(what_was_flushed_is_in_files)
{
	struct bw *bw;
	char text[512];
	uint64_t n;
	size_t len;

	daemon_start("buffer.forced=0");
	bw = client(20000, _i ? BW_LANES_ALWAYS : BW_LANES_NEVER);
	for (n = 0; n < suite_scale(50); n++) {
		len = text_of(text, 0, 0, n);
		ck_assert_int_eq(bw_write(bw, text, len), 0);
		tally_expect(&tally, text, len);
		ck_assert_int_eq(bw_flush(bw), 0);
		ck_assert_double_eq(ask_number("messages.written"),
				    (double)n + 1);
	}
	bw_close(bw);
	require_all();
}
END_TEST

/* A line, a file and a pipe through the command. */
START_TEST(lines_of_a_pipe_are_in_files_once)
{
	const unsigned lines = (unsigned)suite_scale(1000000);
	char text[32];
	unsigned n;

	daemon_start();
	ck_assert_int_eq(
		system(bed_text(
			"seq %u | %s/bufwriter send -s %s -t 60s", lines,
			getenv("BW_BUILD") ? getenv("BW_BUILD") : "build",
			bed.sock)),
		0);
	for (n = 1; n <= lines; n++)
		tally_expect(&tally, text, (size_t)sprintf(text, "%u", n));
	if (!suite_sanitized())
		ck_assert_double_gt(ask_number("counters.lanes_opened"), 0);
	require_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lanes_client");
	TCase *tc = suite_case(suite, "lanes_client", open_test, close_test);

	tcase_add_loop_test(tc, programs_with_many_threads_lose_nothing, 0, 2);
	tcase_add_test(tc, an_orderly_restart_fails_no_write);
	tcase_add_test(tc, reloads_fail_no_write);
	tcase_add_loop_test(tc, where_lanes_are_refused_datagrams_go, 0, 3);
	tcase_add_loop_test(tc, a_killed_daemon_loses_nothing, 0, 2);
	tcase_add_loop_test(
		tc, a_daemon_that_dies_while_it_makes_a_lane_loses_nothing, 0,
		MAKING * PASSES);
	tcase_add_loop_test(tc, nor_does_one_without_a_store, 0,
			    MAKING * PASSES);
	tcase_add_test(tc, a_killed_program_loses_nothing_it_had_written);
	tcase_add_loop_test(tc, what_was_flushed_is_in_files, 0, 2);
	tcase_add_test(tc, lines_of_a_pipe_are_in_files_once);
	return suite_run(suite, CK_NOFORK);
}
