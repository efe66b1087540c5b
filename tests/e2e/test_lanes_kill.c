/* SPDX-License-Identifier: MIT */
/*
 * The library and the daemon with lanes, and SIGKILL for both: each message for
 * which bw_write() has returned is in one file, whole.  The test keeps the
 * daemon's descriptors as systemd does.
 *
 * BW_LANE_MESSAGES  messages of each of two processes (default 150000)
 * BW_LANE_KILLS     kills of the daemon meanwhile (default 15)
 * BW_LANE_WRITERS   writers that are killed (default 40)
 * BW_SEED           repeats the random choices
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/ledger.h"
#include "tests/lib/random.h"
#include "tests/lib/store.h"

static struct ledger ledger;

static struct bw *open_handle(int lanes)
{
	struct bw_options options = BW_OPTIONS;
	struct bw *bw;

	options.socket = bed.sock;
	options.timeout = BW_FOREVER;
	options.lanes = lanes;
	return bw_open(&bw, &options) ? NULL : bw;
}

/* A process that writes `most` messages of a line, and closes its handle. */
static pid_t start_writer(unsigned line, uint64_t most)
{
	pid_t pid = fork();
	struct bw *bw;
	uint64_t n;

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
	bw = open_handle(BW_LANES_ALWAYS);
	if (!bw)
		_exit(1);
	for (n = 0; n < most; n++)
		ledger_write(&ledger, line, bw);
	bw_close(bw);
	_exit(0);
}

static void end_writer(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	REQUIRE(WIFEXITED(status) && !WEXITSTATUS(status),
		"a writer ended with %#x", (unsigned)status);
}

static void kill_writer(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void begin(unsigned lines)
{
	ledger_open(&ledger, lines);
	bed_hold_socket();
	bed_hold_lanes();
	store_open();
	daemon_start("buffer.timeout=never");
}

/* The daemon stops, and every message is counted. */
static void judge_within(uint64_t may_lose)
{
	UNTIL(bed_queue_empty());
	daemon_stop(NULL);
	ck_assert_uint_eq(ledger_failed(&ledger), 0);
	ledger_require(&ledger, may_lose);
	ledger_close(&ledger);
}

static void judge(void)
{
	judge_within(0);
}

/* All lanes are read to their ends before. */
static void finish(void)
{
	UNTIL(ask_number("gauges.lanes_open") == 0);
	/* systemd would hold the memory of a lane that is left for ever. */
	UNTIL(store_count() == 0);
	judge();
}

static void kill_daemon(const char *size)
{
	daemon_kill();
	daemon_spawn("buffer.timeout=never", size);
	/* Every third one is killed while it starts, maybe. */
	if (random_below(3))
		REQUIRE(daemon_ready(), "no start after a kill");
}

/* Two processes write, and the daemon is killed again and again meanwhile. */
static void kill_below_two_writers(void)
{
	uint64_t most = suite_scale(suite_number("BW_LANE_MESSAGES", 150000));
	uint64_t kills = suite_scale(suite_number("BW_LANE_KILLS", 15)), i;
	pid_t pid[2];
	unsigned w;

	for (w = 0; w < 2; w++)
		pid[w] = start_writer(w, most);
	/* They are spread over the messages, so that each finds some. */
	for (i = 0; i < kills; i++) {
		UNTIL(ledger_returned(&ledger) >= 2 * most / (kills + 1) * i);
		usleep((useconds_t)random_below(3000));
		kill_daemon("lanes.size=1M");
	}
	REQUIRE(daemon_ready(), "no last start");
	for (w = 0; w < 2; w++)
		end_writer(pid[w]);
	printf("%" PRIu64 " kills of the daemon: ", kills);
}

START_TEST(kills_of_the_daemon_cost_two_writing_processes_nothing)
{
	begin(2);
	kill_below_two_writers();
	finish();
}
END_TEST

START_TEST(a_writer_that_is_killed_loses_nothing_that_had_returned)
{
	uint64_t writers = suite_scale(suite_number("BW_LANE_WRITERS", 40)), i;
	pid_t pid[4];
	unsigned w;

	begin((unsigned)writers + 4);
	for (i = 0; i < writers; i += 4) {
		for (w = 0; w < 4; w++)
			pid[w] = start_writer((unsigned)i + w, UINT64_MAX);
		if (random_below(4))
			UNTIL(atomic_load(&ledger.line[i].returned) > 0);
		for (w = 0; w < 4; w++) {
			usleep((useconds_t)random_below(3000));
			kill_writer(pid[w]);
		}
	}
	printf("%" PRIu64 " writers killed: ", i);
	finish();
}
END_TEST

/* In each round two new writers; `size`: the setting of the next daemon. */
static void kill_both(uint64_t rounds, const char *size)
{
	pid_t pid[2];
	uint64_t i;
	unsigned w;

	for (i = 0; i < rounds; i++) {
		for (w = 0; w < 2; w++)
			pid[w] = start_writer(2 * (unsigned)i + w, UINT64_MAX);
		if (random_below(4))
			UNTIL(atomic_load(&ledger.line[2 * i].returned) > 0);
		usleep((useconds_t)random_below(3000));
		switch (random_below(3)) {
		case 0: /* the daemon, and then a writer while none is there */
			daemon_kill();
			usleep((useconds_t)random_below(1000));
			kill_writer(pid[0]);
			daemon_spawn("buffer.timeout=never", size);
			kill_writer(pid[1]);
			break;
		case 1:
			kill_writer(pid[0]);
			kill_daemon(size);
			kill_writer(pid[1]);
			break;
		default:
			kill_writer(pid[0]);
			kill_writer(pid[1]);
			kill_daemon(size);
		}
		REQUIRE(daemon_ready(), "no start");
	}
	printf("%" PRIu64 " rounds: ", rounds);
}

START_TEST(daemon_and_writers_are_killed_in_any_order)
{
	uint64_t rounds = suite_scale(suite_number("BW_LANE_WRITERS", 40)) / 2;

	begin(2 * (unsigned)rounds);
	kill_both(rounds, "lanes.size=1M");
	finish();
}
END_TEST

/* Without a store a lane ends with its writer: its size is lost, at most. */
START_TEST(without_a_store_no_more_is_lost_of_both_than_a_lane_holds)
{
	const uint64_t size = 16384;
	uint64_t rounds = suite_scale(suite_number("BW_LANE_WRITERS", 40)) / 2;

	ledger_open(&ledger, 2 * (unsigned)rounds);
	bed_hold_socket();
	bed_hold_lanes();
	daemon_start("buffer.timeout=never", "lanes.size=16K");
	kill_both(rounds, "lanes.size=16K");
	judge_within(size / LEDGER_BYTES);
}
END_TEST

/* Without a store a writer that lives hands over what the daemon had not. */
START_TEST(without_a_store_writers_that_live_lose_nothing)
{
	ledger_open(&ledger, 2);
	bed_hold_socket();
	bed_hold_lanes();
	daemon_start("buffer.timeout=never");
	kill_below_two_writers();
	judge();
}
END_TEST

START_TEST(orderly_stops_cost_two_writing_processes_nothing)
{
	uint64_t most = suite_scale(suite_number("BW_LANE_MESSAGES", 150000));
	uint64_t stops = suite_scale(suite_number("BW_LANE_KILLS", 15)), i;
	pid_t pid[2];
	unsigned w;

	begin(2);
	for (w = 0; w < 2; w++)
		pid[w] = start_writer(w, most);
	for (i = 0; i < stops; i++) {
		UNTIL(ledger_returned(&ledger) >= 2 * most / (stops + 1) * i);
		daemon_stop(NULL);
		daemon_start("buffer.timeout=never");
	}
	for (w = 0; w < 2; w++)
		end_writer(pid[w]);
	finish();
}
END_TEST

#define THREADS 64

struct thread {
	struct bw *bw;
	unsigned line;
	uint64_t most;
};

static void *write_line(void *arg)
{
	struct thread *t = arg;
	uint64_t n;

	for (n = 0; n < t->most; n++)
		ledger_write(&ledger, t->line, t->bw);
	return NULL;
}

/* 64 threads on one handle, and children that go on with it after a fork. */
START_TEST(threads_and_forks_on_one_handle_write_each_message_once)
{
	uint64_t most = suite_scale(4000);
	struct thread thread[THREADS];
	pthread_t id[THREADS];
	pid_t child[8];
	struct bw *bw;
	unsigned i;

	begin(THREADS + 8);
	bw = open_handle(BW_LANES_ALWAYS);
	ck_assert_ptr_nonnull(bw);
	for (i = 0; i < THREADS; i++) {
		thread[i] = (struct thread){ bw, i, most };
		ck_assert_int_eq(pthread_create(&id[i], NULL, write_line,
						&thread[i]),
				 0);
	}
	for (i = 0; i < 8; i++) {
		usleep((useconds_t)random_below(3000));
		child[i] = fork();
		if (child[i])
			continue;
		thread[0] = (struct thread){ bw, THREADS + i, most };
		write_line(&thread[0]);
		bw_close(bw);
		_exit(0);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	for (i = 0; i < 8; i++)
		end_writer(child[i]);
	bw_close(bw);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kills with lanes");
	TCase *t = bed_case(suite, "kills");

	random_seed = suite_number("BW_SEED",
				   (uint64_t)time(NULL) ^ (uint64_t)getpid());
	printf("BW_SEED=%" PRIu64 "\n", random_seed);
	tcase_add_test(t,
		       kills_of_the_daemon_cost_two_writing_processes_nothing);
	tcase_add_test(t,
		       a_writer_that_is_killed_loses_nothing_that_had_returned);
	tcase_add_test(t, daemon_and_writers_are_killed_in_any_order);
	tcase_add_test(t, without_a_store_writers_that_live_lose_nothing);
	tcase_add_test(
		t, without_a_store_no_more_is_lost_of_both_than_a_lane_holds);
	tcase_add_test(t, orderly_stops_cost_two_writing_processes_nothing);
	tcase_add_test(t,
		       threads_and_forks_on_one_handle_write_each_message_once);
	return suite_run(suite, CK_NOFORK);
}
