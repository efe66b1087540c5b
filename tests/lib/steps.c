/* SPDX-License-Identifier: MIT */
/* See steps.h. */
#include "tests/lib/steps.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

#define SENDERS 3

char steps[STEPS_MOST][40];
unsigned steps_count;
static struct sender *senders[SENDERS];

/* Sizes so small that the daemon takes each step often. */
#define SMALL                                                           \
	"buffer.workers=2", "buffer.queue_size=8", "buffer.forced=5ms", \
		"buffer.timeout=never", "files.sync=data"

bool steps_compressed;

void steps_spawn(int changed)
{
	const char *zstd = steps_compressed && file_can_unpack() ? "zstd" :
								   "none";

	daemon_spawn(SMALL, bed_text("buffer.size=%s", changed ? "8K" : "4K"),
		     bed_text("files.compression=%s", zstd));
}

void steps_send(uint64_t count)
{
	struct flow flow = { .count = count, .min = 1, .max = 6000 };
	unsigned i;

	for (i = 0; i < SENDERS; i++) {
		flow.id = i;
		senders[i] = sender_start(&flow);
	}
}

bool steps_all_taken(void)
{
	unsigned i;

	for (i = 0; i < SENDERS; i++)
		if (sender_running(senders[i]))
			return false;
	return bed_queue_empty();
}

int steps_killed_or_done(void)
{
	double since = suite_now();
	int status;

	/* The stop has to come while the workers have something to do. */
	while (daemon_alive() && !steps_all_taken()) {
		suite_heed_limit(since, "all taken", __FILE__, __LINE__);
		usleep(200);
	}
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

void steps_finish(void)
{
	struct tally tally;
	unsigned i;

	bed.points = NULL;
	steps_spawn(0);
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

void steps_bed(void)
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
		for (i = 0; i < steps_count && strcmp(steps[i], name); i++)
			;
		ck_assert_uint_lt(i, STEPS_MOST);
		if (i == steps_count)
			strcpy(steps[steps_count++], name);
	}
	fclose(log);
}

const char *const steps_deaths[STEPS_DEATHS] = {
	"release.mid=kill@20",	"publish.metas=kill@9", "append.after=kill@17",
	"commit.after=kill@12", "flush.marked=kill@3",	"flush.renamed=kill@4",
	"flush.write=kill@5",
};

void steps_list(void)
{
	unsigned i;

	if (steps_count)
		return;
	for (i = 0; i < STEPS_DEATHS; i++) {
		steps_bed();
		bed.points_log = bed_text("%s/points", bed.root);
		bed.points = steps_deaths[i];
		/* One of them compresses: it passes points of its own. */
		steps_compressed = i == 2;
		steps_spawn(0);
		steps_compressed = false;
		steps_send(100);
		REQUIRE(steps_killed_or_done(), "%s did not kill",
			steps_deaths[i]);
		bed.points = NULL;
		steps_spawn(i % 2);
		steps_killed_or_done();
		add_points();
		bed.points_log = NULL;
		steps_finish();
	}
}

bool steps_is_elsewhere(const char *name)
{
	return !strncmp(name, "compress.", 9) || !strncmp(name, "lanes.", 6);
}

bool steps_is_start(const char *name)
{
	return !strncmp(name, "recover.", 8) || !strncmp(name, "region.", 7) ||
	       !strcmp(name, "socket.stale");
}
