/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at any moment: 0 lost, 0 doubled, 0 torn.
 *
 * The test holds the socket as systemd would, three processes send messages
 * from 1 byte to beyond the arena, and the daemon is killed at random moments
 * of start, recovery and work.  BW_KILLS says how often in all (default 300),
 * BW_SEED repeats the random choices.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/random.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

#define SENDERS 3

struct round {
	enum framing framing;
	const char *sync;
	const char *workers;
	int big;     /* arenas of 64 KiB instead of 4 */
	int changes; /* another geometry at each start */
	int ships;   /* files are taken away as they appear */
	int packs;   /* files are compressed: 1, or some of them: 2 */
};

static const struct round rounds[] = {
	{ NEWLINE, "none", "1", 0, 0, 0, 0 },
	{ NEWLINE, "none", "8", 1, 0, 0, 0 },
	{ LENGTH, "none", "8", 0, 0, 0, 0 },
	{ LENGTH, "data", "1", 1, 0, 1, 0 },
	{ NONE, "none", "4", 1, 0, 1, 0 },
	{ NONE, "data", "8", 0, 0, 0, 0 },
	{ NEWLINE, "none", "8", 0, 1, 0, 0 },
	{ LENGTH, "none", "1", 1, 1, 1, 0 },
	{ NONE, "data", "8", 0, 1, 1, 0 },
	{ NEWLINE, "data", "2", 0, 1, 1, 0 },
	{ NEWLINE, "none", "2", 1, 0, 1, 1 },
	{ LENGTH, "data", "4", 0, 1, 0, 2 },
};
#define ROUNDS (sizeof(rounds) / sizeof(rounds[0]))

/* Delays that make the rare states last long enough to be hit. */
static const char *const delays[] = {
	NULL,
	NULL,
	"flush.write=sleep:2",
	"compress.piece=sleep:1",
	"flush.marked=sleep:2;flush.renamed=sleep:2",
	"publish.metas=sleep:1;commit.before=sleep:1",
	"flush.write=short",
	"recover.message=sleep:1",
	"release.mid=sleep:1",
	"recover.*=sleep:1;commit.after=sleep:1",
	"flush.rename=EIO@2;flush.write=ENOSPC@3",
};

static void spawn(const struct round *r)
{
	static const char *const workers[] = { "1", "2", "8" };
	static const char *const queues[] = { "2", "16", "64", "100" };
	static const char *const small[] = { "1", "3K", "4K", "9000" };
	static const char *const big[] = { "20K", "64K", "80K" };
	const char *w = r->workers;
	const char *q = "64";
	const char *size = r->big ? "64K" : "4K";
	bool packs = r->packs == 1 || (r->packs == 2 && random_below(2));

	if (r->changes) {
		w = workers[random_below(3)];
		q = queues[random_below(4)];
		size = r->big ? big[random_below(3)] : small[random_below(4)];
	}
	daemon_spawn(bed_text("buffer.workers=%s", w),
		     bed_text("buffer.queue_size=%s", q),
		     bed_text("buffer.size=%s", size),
		     bed_text("files.sync=%s", r->sync),
		     bed_text("files.framing=%s", framing_words[r->framing]),
		     packs && file_can_unpack() ? "files.compression=zstd" :
						  "files.compression=none",
		     random_below(2) ? "buffer.forced=2ms" : "buffer.forced=0",
		     "buffer.timeout=never", "socket.max_message=100K");
}

static void start_senders(struct sender *s[SENDERS], const struct round *r)
{
	struct flow flow = { .min = 1,
			     .max = r->big ? 100000 : 6000,
			     .binary = r->framing == LENGTH,
			     .pause_us = 50,
			     .pause_each = 8 };
	unsigned i;

	for (i = 0; i < SENDERS; i++) {
		flow.id = i;
		s[i] = sender_start(&flow);
	}
}

/* Starts that recovered something. */
static unsigned recoveries;

static void live_and_die(const struct round *r)
{
	bed.points = delays[random_below(sizeof(delays) / sizeof(delays[0]))];
	spawn(r);
	/* Every third daemon dies while it starts or recovers. */
	if (random_below(3))
		REQUIRE(daemon_ready(), "no start after a kill");
	usleep(random_below(random_below(2) ? 2000 : 20000));
	REQUIRE(daemon_alive(), "it ended by itself");
	recoveries += log_count("recovered: ");
	daemon_kill();
}

static void count(struct sender *s[SENDERS], const struct round *r,
		  const char *shipped)
{
	struct tally tally;
	unsigned i;

	tally_open(&tally);
	for (i = 0; i < SENDERS; i++) {
		sender_finish(s[i]);
		tally_expect_sender(&tally, s[i]);
	}
	UNTIL(bed_queue_empty());
	daemon_stop(NULL);
	if (r->ships)
		shipper_finish();
	tally_read(&tally, r->ships ? shipped : bed.files, r->framing);
	tally_require_exact(&tally);
	REQUIRE(dir_empty(bed.temp), "temp files are left behind");
	printf("round %d: %" PRIu64 " messages, %" PRIu64
	       " files, %u recoveries: all once\n",
	       (int)(r - rounds), tally.expected, tally.files, recoveries);
	/* Kills of an empty daemon would prove nothing. */
	ck_assert_uint_gt(recoveries, 0);
	tally_close(&tally);
}

START_TEST(a_kill_at_any_moment_loses_doubles_and_tears_nothing)
{
	const struct round *r = &rounds[_i];
	const char *shipped = bed_text("%s/shipped", bed.root);
	uint64_t kills = suite_scale(suite_number("BW_KILLS", 300)) / ROUNDS +
			 1;
	struct sender *s[SENDERS];
	char files[BED_PATH];
	uint64_t n;

	ck_assert_int_eq(mkdir(shipped, 0777), 0);
	snprintf(files, sizeof(files), "%s", shipped);
	recoveries = 0;
	bed_hold_socket();
	start_senders(s, r);
	if (r->ships)
		shipper_start(files);
	/*
	 * A slow daemon may be empty each time: then it is killed more often.
	 */
	for (n = 0; n < kills || (!recoveries && n < kills + 100); n++)
		live_and_die(r);
	bed.points = NULL;
	spawn(r);
	REQUIRE(daemon_ready(), "no last start");
	count(s, r, files);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash at any moment");
	TCase *t = bed_case(suite, "rounds");

	random_seed = suite_number("BW_SEED",
				   (uint64_t)time(NULL) ^ (uint64_t)getpid());
	printf("BW_SEED=%" PRIu64 "\n", random_seed);
	tcase_add_loop_test(
		t, a_kill_at_any_moment_loses_doubles_and_tears_nothing, 0,
		ROUNDS);
	return suite_run(suite, CK_NOFORK);
}
