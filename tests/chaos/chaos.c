/* SPDX-License-Identifier: MIT */
/*
 * One round of chaos: the program takes a seed, lives through what plan.h
 * makes of it, and counts.
 *
 *	chaos SEED
 *
 * At the end every message is in one file, whole, or in one counter, of drops
 * or of deleted files; no send took longer than buffer.timeout allows; what the
 * log said is true; and the daemon has the descriptors, threads and memory that
 * it had before.  The last line says what was done.  A round that fails keeps
 * its directory.
 *
 *	plan		what happens, from the seed alone
 *	conf		the settings, and a reload
 *	life		a daemon from its start to its end
 *	deeds		what is done to it meanwhile
 *	stage		the disk, the failpoints and the clock
 *	crowd		the shipper and the watcher
 *	writers		programs with the library and with lanes
 *	stranger	somebody who passes descriptors, and says nonsense
 *	rest		what a daemon holds that has nothing to do
 *	bound		how long a send may block
 *	said, content, ledger
 *			what the log said, what the files hold, the accounts
 *
 * What cannot be counted is left out:
 *
 * - Without a store of systemd's, a lane is lost when the daemon is killed and
 *   then its program.  So programs are killed only with a store, and without
 *   one their handles wait for ever, also in bw_close(), and lanes.count is not
 *   0, with which nobody could ask the next daemon how far a lane was taken.
 * - A killed daemon takes the counter of deleted files with it, and the keeper
 *   does not say when it has come to rest.  So files are deleted only in lives
 *   that end in order.
 * - A file says in an attribute how many messages it holds.  So none is deleted
 *   on a disk that may have no inode left for that.
 * - A socket of the daemon's own loses its queue in the kernel with a kill.  So
 *   the test holds the sockets for datagrams.
 * - Only in a round in which nothing is dropped or deleted, a message is looked
 *   for in the files after bw_flush().
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/command/json.h"
#include "tests/chaos/bound.h"
#include "tests/chaos/conf.h"
#include "tests/chaos/crowd.h"
#include "tests/chaos/deeds.h"
#include "tests/chaos/life.h"
#include "tests/chaos/rest.h"
#include "tests/chaos/round.h"
#include "tests/chaos/stage.h"
#include "tests/chaos/writers.h"
#include "tests/lib/store.h"

struct round now;

static double slowest; /* send of a datagram, in seconds */

/* -- those around the daemon --------------------------------------------- */

static const char *socket_path(unsigned socket)
{
	return socket ? bed_also(socket - 1) : bed.sock;
}

/* Is each message in a file, and for as long as the round lasts? */
static bool files_stay(const struct plan *plan)
{
	unsigned i, j;

	for (i = 0; i < plan->lives; i++) {
		if (plan->life[i].settings.deletes)
			return false;
		for (j = 0; j < plan->life[i].steps; j++)
			if (plan->life[i].step[j].settings.deletes)
				return false;
	}
	return plan->never;
}

static void open_sockets(void)
{
	bed_hold_socket();
	bed_hold_also(now.plan.also);
	if (now.plan.holds_lanes)
		bed_hold_lanes();
	bed.own_timeout = true;
	bound_set(false);
}

static void start_crowd(const char *shipped)
{
	const struct plan *plan = &now.plan;
	unsigned i;

	crowd_ship(shipped);
	crowd_hold_shipper(!plan->ships);
	if (plan->watches)
		crowd_watch();
	for (i = 0; i < plan->flows; i++)
		now.sender[i] = sender_start_to(socket_path(plan->socket[i]),
						&plan->flow[i]);
	writers_start(plan, files_stay(plan));
	/* Its thread begins after these processes, which do not have it. */
	if (plan->stores)
		store_open();
}

static void end_crowd(void)
{
	double seconds;
	unsigned i;

	deeds_hold_senders(false);
	crowd_hold_shipper(false);
	writers_end();
	for (i = 0; i < now.plan.flows; i++) {
		seconds = sender_slowest(now.sender[i]);
		if (seconds > slowest)
			slowest = seconds;
		sender_finish(now.sender[i]);
		ledger_expect(now.sender[i]);
	}
	CHECK(ledger_expect_others(&now.plan));
}

/* -- the last life ------------------------------------------------------- */

/* What a flush says after the last send. */
static void check_flush(void)
{
	const char *why, *answer = crowd_ask("flush 60000", &why);

	REQUIRE(answer && json_at(answer, "flushed"), "flush: %s",
		answer ? answer : why);
	answer = crowd_ask("status", &why);
	REQUIRE(answer && !json_count(json_at(answer, "messages.in_arenas")) &&
			!json_count(json_at(answer, "messages.in_ring")),
		"after a flush: %s", answer ? answer : why);
	CHECK(crowd_check_status(answer));
}

/* Settings with which everything can be filed. */
static void be_generous(struct settings *s)
{
	s->stop_timeout = "60s";
	s->timeout_ms = PLAN_NEVER;
	s->keep_files = 0;
	s->keep_free = "0";
	s->deletes = false;
	/* A file takes 40 ms with some faults, and a lane has 20,000 messages. */
	if (s->size < 65536)
		s->size = 65536;
}

/* Faults and all, and then everything is as it was. */
static void last_life(void)
{
	struct life life = now.plan.life[0];
	unsigned i;
	int status;

	life.end = END_TERM;
	be_generous(&life.settings);
	deeds_mend();
	crowd_hold_shipper(false);
	deeds_hold_senders(true);
	life_begin(&life);
	REQUIRE(daemon_ready(), "the last life did not start");
	/* A program that runs has its connection. */
	writers_end();
	rest_begin();
	writers_start(&now.plan, files_stay(&now.plan));
	deeds_hold_senders(false);
	now.faults = true;
	for (i = 0; i < life.steps; i++)
		deeds_do(&life, &life.step[i]);
	deeds_mend();
	REQUIRE(conf_reload(&life.settings, false), "no reload");
	end_crowd();
	UNTIL(bed_queue_empty());
	check_flush();
	rest_end();
	/* systemd would hold what is left there for ever. */
	UNTIL(!now.plan.stores || !store_count());
	daemon_signal(SIGTERM);
	status = life_wait();
	REQUIRE(WIFEXITED(status) && !WEXITSTATUS(status),
		"the last life ended with status %#x", (unsigned)status);
	life_account(status);
}

/* -- the round ----------------------------------------------------------- */

static void print_writers(const struct writers_sum *w)
{
	printf(" wrote %" PRIu64 " refused %" PRIu64 " unknown %" PRIu64
	       " flushed %" PRIu64 " looked %" PRIu64 " killed %" PRIu64,
	       w->taken, w->refused, w->unknown, w->flushes, w->found,
	       w->kills);
}

static void print_result(void)
{
	unsigned i;

	printf("round: seed %" PRIu64 ": %u lives, %u kills, %u faults, "
	       "%u failures, %" PRIu64 " messages, %" PRIu64 " files, %" PRIu64
	       " dropped, %" PRIu64 " deleted, longest send %.2f s, "
	       "growth %ld K;",
	       now.plan.seed, now.plan.lives + 1, now.kills, now.faults_on,
	       ledger.failures, ledger.sent, ledger.files, ledger.dropped,
	       ledger.deleted, slowest, rest_growth());
	for (i = 0; i < DEEDS; i++)
		if (now.done[i])
			printf(" %s %u", plan_deed_words[i], now.done[i]);
	printf(" watched %u shipped %u", crowd_watched(), crowd_shipped());
	if (now.plan.writers)
		print_writers(&ledger.writers);
	if (now.failed_starts)
		printf(" failed starts %u", now.failed_starts);
	if (ledger.misnamed)
		printf(" misnamed %" PRIu64, ledger.misnamed);
	if (ledger.litter)
		printf(" litter %" PRIu64, ledger.litter);
	printf("\n");
}

static void read_shipped(const char *dir)
{
	const struct dirent *entry;
	DIR *shipped = opendir(dir);

	while ((entry = readdir(shipped)))
		if (entry->d_name[0] != '.')
			ledger_file(bed_text("%s/%s", dir, entry->d_name),
				    entry->d_name);
	closedir(shipped);
}

static void write_plan(void)
{
	FILE *to = fopen(bed_text("%s/plan", bed.root), "w");

	ck_assert_ptr_nonnull(to);
	plan_print(&now.plan, to);
	fclose(to);
}

static void judge(const char *shipped)
{
	const char *wrong = crowd_end();

	REQUIRE(!wrong, "%s", wrong);
	ledger.litter = stage_each_file(ledger_file);
	read_shipped(shipped);
	wrong = ledger_judge();
	print_result();
	if (wrong)
		ledger_list(&now.plan, now.sender);
	REQUIRE(!wrong, "%s", wrong);
	REQUIRE(!ledger.misnamed && !ledger.litter,
		"%" PRIu64 " files with something else than they say, %" PRIu64
		" unfinished files",
		ledger.misnamed, ledger.litter);
	wrong = bound_judge(slowest);
	REQUIRE(!wrong, "%s", wrong);
}

START_TEST(every_message_is_in_one_file_or_in_one_counter)
{
	char shipped[BED_PATH];
	unsigned i;

	snprintf(shipped, sizeof(shipped), "%s",
		 bed_text("%s/shipped", bed.root));
	/*
	 * libcheck's handlers end the whole group.  A process that is not the
	 * daemon yet, between fork and exec, would run them.
	 */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	ck_assert_int_eq(mkdir(shipped, 0777), 0);
	write_plan();
	stage_open(now.plan.disk);
	ledger_open(&now.plan);
	open_sockets();
	start_crowd(shipped);
	for (i = 0; i < now.plan.lives; i++)
		life_live(&now.plan.life[i]);
	last_life();
	judge(shipped);
	/* It passed: bed_close() removes the directory. */
	unsetenv("BW_KEEP");
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("chaos");
	TCase *t = bed_case(suite, "round");

	if (argc != 2) {
		fprintf(stderr, "usage: chaos SEED\n");
		return 64;
	}
	setenv("BW_KEEP", "1", 1);
	plan_make(&now.plan, strtoull(argv[1], NULL, 10));
	tcase_add_test(t, every_message_is_in_one_file_or_in_one_counter);
	return suite_run(suite, CK_NOFORK);
}
