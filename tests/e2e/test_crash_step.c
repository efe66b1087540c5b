/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at every named step, and again while recovering from that: nothing
 * lost, nothing doubled, nothing torn.
 *
 * The steps are not listed here: a daemon under load says which ones it
 * passes.  The test holds the socket as systemd would, so that what nobody
 * had taken yet waits in the kernel for the next daemon.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
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

#define SENDERS 3
#define MAX_POINTS 100

static char points[MAX_POINTS][40];
static unsigned npoints;
static struct sender *senders[SENDERS];

/* Sizes so small that the daemon takes each step often. */
#define SMALL                                                           \
	"buffer.workers=2", "buffer.queue_size=8", "buffer.forced=5ms", \
		"buffer.timeout=never", "files.sync=data"

/* Files are compressed, as far as the daemon can. */
static bool compressed;

static void spawn_small(int changed)
{
	const char *zstd = compressed && file_can_unpack() ? "zstd" : "none";

	daemon_spawn(SMALL, bed_text("buffer.size=%s", changed ? "8K" : "4K"),
		     bed_text("files.compression=%s", zstd));
}

/* From one byte to beyond an arena and beyond a slot's own buffer. */
static void start_senders(uint64_t count)
{
	struct flow flow = { .count = count, .min = 1, .max = 6000 };
	unsigned i;

	for (i = 0; i < SENDERS; i++) {
		flow.id = i;
		senders[i] = sender_start(&flow);
	}
}

static int all_taken(void)
{
	unsigned i;

	for (i = 0; i < SENDERS; i++)
		if (sender_running(senders[i]))
			return 0;
	return bed_queue_empty();
}

/*
 * Waits until the daemon is dead, or has nothing left to do; 1: it was killed.
 */
static int killed_or_done(void)
{
	int status;

	UNTIL(!daemon_alive() || all_taken());
	if (daemon_alive()) {
		/* A flush and a stop pass more failpoints. */
		daemon_signal(SIGTERM);
	}
	status = daemon_wait();
	REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
			(WIFEXITED(status) && WEXITSTATUS(status) == 0),
		"wait status %#x", status);
	return WIFSIGNALED(status);
}

/* A last daemon files the rest; the test counts everything. */
static void finish_and_count(void)
{
	struct tally tally;
	unsigned i;

	bed.points = NULL;
	spawn_small(0);
	REQUIRE(daemon_ready(), "no start after a kill");
	tally_open(&tally);
	for (i = 0; i < SENDERS; i++) {
		sender_wait(senders[i]);
		tally_expect_sender(&tally, senders[i]);
	}
	UNTIL(bed_queue_empty());
	daemon_stop(NULL);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	REQUIRE(dir_empty(bed.temp), "temp files are left behind");
	tally_close(&tally);
}

static void fresh_bed(void)
{
	bed_close();
	bed_open();
	bed_hold_socket();
}

static void add_points(void)
{
	FILE *log = fopen(bed.points_log, "r");
	char name[40];
	unsigned i;

	ck_assert_ptr_nonnull(log);
	while (fscanf(log, "%39s", name) == 1) {
		for (i = 0; i < npoints && strcmp(points[i], name); i++)
			;
		ck_assert_uint_lt(i, MAX_POINTS);
		if (i == npoints)
			strcpy(points[npoints++], name);
	}
	fclose(log);
}

static int have_points(const char *start)
{
	unsigned i, n = 0;

	for (i = 0; i < npoints; i++)
		n += !strncmp(points[i], start, strlen(start));
	return (int)n;
}

/* Ways to die that together make the recovery take all of its steps. */
static const char *const deaths[] = {
	"release.mid=kill@20",	"publish.metas=kill@9", "append.after=kill@17",
	"commit.after=kill@12", "flush.marked=kill@3",	"flush.renamed=kill@4",
	"flush.write=kill@5",
};

/* Lists the failpoints, once, before the tests. */
static void list_points(void)
{
	unsigned i;

	if (npoints)
		return;
	for (i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		fresh_bed();
		bed.points_log = bed_text("%s/points", bed.root);
		bed.points = deaths[i];
		/* One of them compresses: it passes points of its own. */
		compressed = i == 2;
		spawn_small(0);
		compressed = false;
		start_senders(100);
		REQUIRE(killed_or_done(), "%s did not kill", deaths[i]);
		bed.points = NULL;
		spawn_small(i % 2);
		killed_or_done();
		add_points();
		bed.points_log = NULL;
		finish_and_count();
	}
}

START_TEST(a_daemon_under_load_passes_points_in_every_part)
{
	static const char *const parts[] = { "recv.",	"publish.", "claim.",
					     "append.", "commit.",  "release.",
					     "flush.",	"recover.", "region." };
	unsigned i;

	list_points();
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		ck_assert_msg(have_points(parts[i]), "no point %s*", parts[i]);
	ck_assert_uint_ge(npoints, 25);
}
END_TEST

/*
 * Takes the steps of a flush once more, with compressed files.  At most every
 * third daemon compresses, so what the one before took is filed as it was then.
 */
START_TEST(a_kill_in_a_compressed_flush_loses_and_doubles_nothing)
{
	static const unsigned passes[] = { 1, 2, 7 };
	unsigned i, j, kills;
	bool found = false;

	if (!file_can_unpack()) {
		suite_skip("built without libzstd");
		return;
	}
	list_points();
	for (i = 0; i < npoints; i++) {
		if (strncmp(points[i], "flush.", 6) &&
		    strcmp(points[i], "compress.piece"))
			continue;
		found |= points[i][0] == 'c';
		for (j = kills = 0; j < 3; j++) {
			fresh_bed();
			bed.points = bed_text("%s=kill@%u", points[i],
					      passes[j]);
			compressed = true;
			spawn_small(0);
			start_senders(100);
			kills += (unsigned)killed_or_done();
			compressed = j == 1;
			finish_and_count();
		}
		compressed = false;
		REQUIRE(kills > 0, "never killed at %s", points[i]);
	}
	ck_assert(found);
}
END_TEST

/* Passed with compression only, which has a test of its own. */
static int is_compression_point(const char *name)
{
	return !strncmp(name, "compress.", 9);
}

/* Passed by a start only, or only after another life. */
static int is_start_point(const char *name)
{
	return !strncmp(name, "recover.", 8) || !strncmp(name, "region.", 7) ||
	       !strcmp(name, "socket.stale");
}

START_TEST(a_kill_at_any_step_of_a_life_loses_and_doubles_nothing)
{
	static const unsigned passes[] = { 1, 2, 7, 40 };
	unsigned i, j, kills, all = 0;

	list_points();
	for (i = 0; i < npoints; i++) {
		if (is_start_point(points[i]) ||
		    is_compression_point(points[i]))
			continue;
		for (j = kills = 0; j < 4; j++) {
			fresh_bed();
			bed.points = bed_text("%s=kill@%u", points[i],
					      passes[j]);
			spawn_small(0);
			start_senders(100);
			kills += (unsigned)killed_or_done();
			finish_and_count();
		}
		REQUIRE(kills > 0, "never killed at %s", points[i]);
		all += kills;
	}
	printf("%u kills at %u points: all once\n", all, npoints);
}
END_TEST

/* Kills a daemon, then the next one in its recovery; 1 if that one died. */
static int die_twice(const char *first, const char *second, int changed)
{
	int killed;

	fresh_bed();
	bed.points = first;
	spawn_small(0);
	start_senders(60);
	killed_or_done();
	bed.points = second;
	spawn_small(changed);
	killed = killed_or_done();
	finish_and_count();
	return killed;
}

START_TEST(a_kill_at_any_step_of_a_recovery_loses_and_doubles_nothing)
{
	unsigned n = sizeof(deaths) / sizeof(deaths[0]);
	/* With a sanitizer all of them would take minutes. */
	unsigned each = (unsigned)suite_scale(n);
	unsigned i, j, kills, all = 0;
	char point[64], once[64];

	list_points();
	for (i = 0; i < npoints; i++) {
		if (is_compression_point(points[i]))
			continue;
		snprintf(point, sizeof(point), "%s=kill@%u", points[i],
			 1 + i % 2);
		snprintf(once, sizeof(once), "%s=kill@1", points[i]);
		for (j = kills = 0; j < each; j++)
			kills += (unsigned)die_twice(deaths[(i + j) % n], point,
						     0);
		/*
		 * Some steps are only taken with another geometry or after
		 * another death.
		 */
		for (j = 0; j < n && !kills; j++)
			kills += (unsigned)die_twice(
				deaths[j], bed_text("%s=kill@1", points[i]), 1);
		for (j = 0; j < n && !kills; j++)
			kills += (unsigned)die_twice(
				deaths[j], bed_text("%s=kill@1", points[i]), 0);
		REQUIRE(kills > 0, "never killed at %s", points[i]);
		all += kills;
	}
	printf("%u kills while recovering: all once\n", all);
}
END_TEST

START_TEST(a_kill_at_the_first_start_is_followed_by_a_good_one)
{
	unsigned i;

	list_points();
	for (i = 0; i < npoints; i++) {
		if (strncmp(points[i], "region.", 7))
			continue;
		fresh_bed();
		bed.points = bed_text("%s=kill@1", points[i]);
		spawn_small(0);
		start_senders(50);
		killed_or_done();
		finish_and_count();
	}
}
END_TEST

/* One worker waits for its disk, with an old claim, while others die. */
START_TEST(a_kill_beside_a_stuck_worker_loses_and_doubles_nothing)
{
	unsigned i;

	list_points();
	for (i = 0; i < npoints; i++) {
		if (is_start_point(points[i]))
			continue;
		fresh_bed();
		bed_block();
		bed.points = bed_text("flush.write=stall:%s@1;%s=kill@20",
				      bed.block, points[i]);
		spawn_small(0);
		start_senders(60);
		UNTIL(!daemon_alive() || all_taken());
		bed_release();
		killed_or_done();
		finish_and_count();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash at every step");
	TCase *t = bed_case(suite, "steps");

	tcase_add_test(t, a_daemon_under_load_passes_points_in_every_part);
	tcase_add_test(t,
		       a_kill_at_any_step_of_a_life_loses_and_doubles_nothing);
	tcase_add_test(
		t, a_kill_at_any_step_of_a_recovery_loses_and_doubles_nothing);
	tcase_add_test(t, a_kill_at_the_first_start_is_followed_by_a_good_one);
	tcase_add_test(t,
		       a_kill_beside_a_stuck_worker_loses_and_doubles_nothing);
	t = bed_case(suite, "compressed");
	tcase_add_test(t,
		       a_kill_in_a_compressed_flush_loses_and_doubles_nothing);
	return suite_run(suite, CK_NOFORK);
}
