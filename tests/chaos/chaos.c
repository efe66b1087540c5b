/* SPDX-License-Identifier: MIT */
/*
 * One round of chaos: the program takes a seed, lives through what plan.h
 * makes of it, and counts.
 *
 *	chaos SEED
 *
 * At the end every message is in one file, whole, or in one drop counter; no
 * send took longer than buffer.timeout allows; what the log said is true;
 * and the daemon has the descriptors, threads and memory that it had before.
 * The last line says what was done.  A round that fails keeps its directory.
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
#include <unistd.h>

#include "client/command/json.h"
#include "tests/chaos/crowd.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/plan.h"
#include "tests/chaos/stage.h"
#include "tests/lib/bed.h"

/* A send may take so many times buffer.timeout, and so long: a recovery may. */
#define SLACK_TIMES 10
#define SLACK_S 15
/* What a daemon at rest may hold more than before it had work. */
#define SLACK_KB 1024
/* What such a daemon holds for a moment, it does not hold at each look. */
#define LOOKS 60
#define LOOK_US 5000

static struct plan plan;
static struct sender *senders[PLAN_SENDERS];

static struct {
	unsigned life;	     /* number of the present one */
	uint32_t timeout_ms; /* in effect */
	bool may_drop;	     /* a finite one was in effect in this life */
	bool settled;	     /* `drops` are all drops of this life */
	struct drops drops;
	bool faults; /* something is, or was, wrong with the disk */
	bool path_is_gone;
	/* killed, and no start has looked at what the kill left */
	bool in_doubt;
	bool shipper_held, senders_held;
	double unbounded;      /* seconds in which a send may block */
	double unbounded_from; /* 0: it is bounded now */
	uint32_t longest_ms;   /* of all finite timeouts */
	/* for the last line */
	unsigned kills, faults_on, done[DEEDS], failed_starts;
	double slowest;
} now;

#define CHECK(expression)                                                    \
	do {                                                                 \
		const char *check_wrong = (expression);                      \
		REQUIRE(!check_wrong, "life %u: %s", now.life, check_wrong); \
	} while (0)

/* -- how long a send may block ------------------------------------------- */

/* With `never`, and while no daemon runs, a send has no bound. */
static void set_bound(bool bounded)
{
	double at = suite_now();

	if (now.unbounded_from > 0)
		now.unbounded += at - now.unbounded_from;
	now.unbounded_from = bounded ? 0 : at;
}

static void use_timeout(uint32_t timeout_ms)
{
	now.timeout_ms = timeout_ms;
	if (timeout_ms != PLAN_NEVER) {
		now.may_drop = true;
		if (timeout_ms > now.longest_ms)
			now.longest_ms = timeout_ms;
	}
	set_bound(timeout_ms != PLAN_NEVER);
}

/* -- settings ------------------------------------------------------------ */

static void write_conf(const struct settings *s, const char *wrong)
{
	const char *timeout = s->timeout_ms == PLAN_NEVER ?
				      "never" :
				      bed_text("%ums", s->timeout_ms);

	bed_write_conf(bed_text(
		"[socket]\nmax_message = %u\n"
		"[buffer]\nworkers = %u\nqueue_size = %u\nsize = %s\n"
		"timeout = %s\nforced = %s\nstop_timeout = %s\n"
		"[files]\nframing = %s\nsuffix = %s\ncompression = %s\n"
		"sync = %s\nprefix = %s\npermission = %s\n%s",
		plan.max_message, s->workers, s->queue_size, s->size, timeout,
		s->forced, s->stop_timeout, framing_words[s->framing],
		ledger_suffix[s->framing], s->compression, s->sync, s->prefix,
		s->permission, wrong));
}

static unsigned reloads(void)
{
	return log_count("reload: ", " changed") +
	       log_count("reload: no setting changed") +
	       log_count("reload: the settings stay");
}

static bool reload(const struct settings *s, bool by_signal)
{
	unsigned before = reloads();
	const char *why, *answer;
	double since = suite_now();

	/* From here on a drop is possible, or the bound is gone. */
	if (s->timeout_ms == PLAN_NEVER)
		set_bound(false);
	else
		now.may_drop = true;
	write_conf(s, "");
	if (!by_signal) {
		answer = crowd_ask("reload", &why);
		if (!answer || json_at(answer, "error"))
			return false;
	} else {
		daemon_signal(SIGHUP);
		/* Blocked while the daemon starts. */
		while (reloads() == before && suite_now() - since < 1)
			usleep(1000);
		if (reloads() == before)
			return false;
	}
	use_timeout(s->timeout_ms);
	return true;
}

/* -- deeds --------------------------------------------------------------- */

/* SIGHUP and SIGUSR1 end a process that has not blocked them yet. */
static bool takes_signals(void)
{
	const char *path = bed_text("/proc/%d/status", (int)bed.pid);
	FILE *status = fopen(path, "r");
	uint64_t set, all = 0;
	char line[256];

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "SigBlk: %" SCNx64, &set) == 1 ||
		    sscanf(line, "SigCgt: %" SCNx64, &set) == 1)
			all |= set;
	if (status)
		fclose(status);
	return all >> (SIGHUP - 1) & all >> (SIGUSR1 - 1) & 1;
}

static void ask(const char *command)
{
	const char *why, *answer;

	answer = crowd_ask(command, &why);
	REQUIRE(answer || !strstr(why, "time"), "life %u: %s: %s", now.life,
		command, why);
	if (answer && !strcmp(command, "status"))
		CHECK(crowd_check_status(answer));
}

static void hold_senders(bool hold)
{
	unsigned i;

	now.senders_held = hold;
	for (i = 0; i < plan.flows; i++)
		sender_hold(senders[i], hold);
}

static void freeze(unsigned ms)
{
	bool bounded = now.unbounded_from <= 0;

	set_bound(false);
	kill(bed.pid, SIGSTOP);
	suite_sleep_ms(ms);
	kill(bed.pid, SIGCONT);
	set_bound(bounded);
}

static void mend(void)
{
	stage_mend();
	now.path_is_gone = false;
}

static bool has_looked(void)
{
	return log_count("ready: ") || log_count("recovery: ");
}

/*
 * A kill between a rename and the note that it happened leaves one witness,
 * the temp directory without the file: the shipper may have the file itself.
 * Who removes that directory before a start has looked makes a message come
 * twice, and no daemon could know better.  So this deed waits for the start.
 */
static bool may_remove_temp(const struct life *life)
{
	static const char *const between[] = { "rename.done", "flush.renamed",
					       "flush.names" };
	double since = suite_now();
	unsigned i, j;

	while (now.in_doubt && !has_looked() && daemon_alive() &&
	       suite_now() - since < 2)
		usleep(1000);
	if (now.in_doubt && !has_looked())
		return false;
	if (life->end == END_TERM || life->end == END_INT)
		return true;
	/* Faults that make the moment between the two long. */
	for (i = 0; i < life->faults; i++)
		for (j = 0; j < sizeof(between) / sizeof(between[0]); j++)
			if (!strcmp(life->fault[i].point, between[j]))
				return false;
	return true;
}

static void change_disk(const struct life *life, const struct step *step)
{
	now.faults = true;
	now.faults_on++;
	switch (step->deed) {
	case DEED_FAULT:
		stage_fault(step->which);
		break;
	case DEED_FILL:
		stage_fill();
		break;
	case DEED_READ_ONLY:
		stage_read_only();
		break;
	case DEED_REPLACE_PATH:
		stage_remove_path();
		stage_make_path();
		break;
	case DEED_REMOVE_PATH:
		stage_remove_path();
		now.path_is_gone = true;
		break;
	case DEED_REMOVE_TEMP:
	default:
		if (may_remove_temp(life))
			stage_remove_temp();
		break;
	}
}

static void do_step(const struct life *life, const struct step *step)
{
	suite_sleep_ms(step->pause_ms);
	now.done[step->deed]++;
	switch (step->deed) {
	case DEED_CLOCK:
		stage_step_clock(step->clock_ms);
		break;
	case DEED_WAIT:
	case DEEDS:
		break;
	case DEED_FAULT:
	case DEED_FILL:
	case DEED_READ_ONLY:
	case DEED_REPLACE_PATH:
	case DEED_REMOVE_PATH:
	case DEED_REMOVE_TEMP:
		change_disk(life, step);
		break;
	case DEED_MEND:
		mend();
		break;
	case DEED_HOLD_SHIPPER:
		now.shipper_held = plan.ships && !now.shipper_held;
		crowd_hold_shipper(now.shipper_held || !plan.ships);
		break;
	case DEED_HOLD_SENDERS:
		hold_senders(!now.senders_held);
		break;
	case DEED_RELOAD:
		reload(&step->settings, false);
		break;
	case DEED_HUP:
		if (takes_signals())
			reload(&step->settings, true);
		break;
	case DEED_WRONG:
		write_conf(&life->settings, "nonsense = 1\n");
		if (takes_signals())
			daemon_signal(SIGHUP);
		break;
	case DEED_USR1:
		if (takes_signals())
			daemon_signal(SIGUSR1);
		break;
	case DEED_FLUSH:
		ask("flush 200");
		break;
	case DEED_STATUS:
		ask("status");
		break;
	case DEED_METRICS:
		ask("metrics");
		break;
	case DEED_FREEZE:
		freeze(step->which);
		break;
	}
}

/* -- lives --------------------------------------------------------------- */

static void spawn(const struct life *life)
{
	write_conf(&life->settings, "");
	bed.points = stage_points(life);
	now.may_drop = false;
	memset(&now.drops, 0, sizeof(now.drops));
	use_timeout(life->settings.timeout_ms);
	stage_use_clock();
	daemon_spawn();
	unsetenv("LD_PRELOAD");
}

/*
 * Before a kill: nothing is dropped from here on, and what was is known.
 * False: it cannot be known, so this life must not be killed.
 */
static bool settle(const struct life *life)
{
	struct settings s = life->settings;
	const char *status, *why;

	if (!now.may_drop)
		return true;
	s.timeout_ms = PLAN_NEVER;
	if (!reload(&s, false))
		return false;
	status = crowd_ask("status", &why);
	if (!status)
		return false;
	now.drops.too_large = json_count(json_at(status, "dropped.too_large"));
	now.drops.ring_full = json_count(json_at(status, "dropped.ring_full"));
	/* The senders go on for a moment. */
	usleep(life->end_us / 8);
	return true;
}

static int wait_for_end(void)
{
	double since = suite_now();
	int status = 0;

	while (daemon_alive())
		suite_waiting(since, "end of the daemon", __FILE__, __LINE__);
	ck_assert_int_eq(waitpid(bed.pid, &status, 0), bed.pid);
	bed.pid = 0;
	return status;
}

static bool may_be_killed(const struct life *life)
{
	double since = suite_now();

	switch (life->end) {
	case END_KILL_START:
		return true;
	case END_KILL_POINT:
		/* It may never come there. */
		while (daemon_alive() && suite_now() - since < 0.3)
			usleep(1000);
		return true;
	case END_KILL:
		return settle(life);
	case END_TERM:
	case END_INT:
	default:
		return false;
	}
}

static int end_life(const struct life *life)
{
	if (may_be_killed(life)) {
		now.kills++;
		now.in_doubt = true;
		if (daemon_alive())
			kill(bed.pid, SIGKILL);
	} else if (daemon_alive()) {
		daemon_signal(life->end == END_INT ? SIGINT : SIGTERM);
	}
	return wait_for_end();
}

/* The log of each life is kept. */
static void account(const struct life *life, int status)
{
	set_bound(false);
	/* Not of a life that was killed itself: that leaves another doubt. */
	if (!WIFSIGNALED(status) && has_looked())
		now.in_doubt = false;
	REQUIRE(!log_count("Sanitizer") && !log_count("runtime error:") &&
			!log_count("Assertion"),
		"life %u: the daemon found an error", now.life);
	CHECK(ledger_life(life, status, &now.drops, now.faults));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 78)
		now.failed_starts++;
	rename(bed.log, bed_text("%s/log.%u", bed.root, now.life));
}

static void live(const struct life *life)
{
	unsigned i;

	now.faults |= life->faults > 0;
	spawn(life);
	if (life->end == END_KILL_START)
		usleep(life->end_us);
	else
		for (i = 0; i < life->steps && daemon_alive(); i++)
			do_step(life, &life->step[i]);
	account(life, end_life(life));
	/* A stall or an error that is still switched on is of this life. */
	for (i = 0; i < PLAN_FAULTS; i++)
		unlink(bed_text("%s/fault.%u", bed.root, i));
	if (life->mends) {
		mend();
		now.faults = false;
	}
	now.life++;
}

/* -- the last life ------------------------------------------------------- */

struct held {
	unsigned descriptors, threads;
	uint64_t memory_kb;
};

static unsigned count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static void measure(struct held *held)
{
	int pid = bed.pid;
	FILE *status = fopen(bed_text("/proc/%d/status", pid), "r");
	char line[256];

	held->descriptors = count_entries(bed_text("/proc/%d/fd", pid));
	held->threads = count_entries(bed_text("/proc/%d/task", pid));
	held->memory_kb = 0;
	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "RssAnon: %" SCNu64, &held->memory_kb);
	if (status)
		fclose(status);
}

static struct held held;

/*
 * Of a daemon that has filed what it found, and that nobody is connected to:
 * the least of a few looks.
 */
static void measure_before(struct held *before)
{
	unsigned i;

	UNTIL(bed_queue_empty());
	ask("flush 60000");
	crowd_hold_watcher(true);
	measure(before);
	for (i = 0; i < LOOKS; i++) {
		usleep(LOOK_US);
		measure(&held);
		if (held.descriptors < before->descriptors)
			*before = held;
	}
	crowd_hold_watcher(false);
}

static bool is_as_before(const struct held *before)
{
	measure(&held);
	return held.descriptors <= before->descriptors &&
	       held.threads <= before->threads &&
	       (suite_sanitized() ||
		held.memory_kb <= before->memory_kb + SLACK_KB);
}

/* What a flush says after the last send. */
static void check_rest(void)
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

/* Faults and all, and then everything is as it was. */
static void last_life(void)
{
	struct life life = plan.life[0];
	struct held before;
	unsigned i;
	int status;

	life.end = END_TERM;
	life.settings.stop_timeout = "60s";
	life.settings.timeout_ms = PLAN_NEVER;
	mend();
	crowd_hold_shipper(false);
	hold_senders(true);
	spawn(&life);
	REQUIRE(daemon_ready(), "the last life did not start");
	measure_before(&before);
	hold_senders(false);
	now.faults = true;
	for (i = 0; i < life.steps; i++)
		do_step(&life, &life.step[i]);
	mend();
	hold_senders(false);
	crowd_hold_shipper(false);
	for (i = 0; i < plan.flows; i++) {
		if (sender_slowest(senders[i]) > now.slowest)
			now.slowest = sender_slowest(senders[i]);
		sender_finish(senders[i]);
		ledger_expect(senders[i]);
	}
	UNTIL(bed_queue_empty());
	check_rest();
	crowd_hold_watcher(true);
	/* Connections end, and old settings are freed, within moments. */
	for (i = 0; i < 5000 && !is_as_before(&before); i++)
		usleep(1000);
	REQUIRE(is_as_before(&before),
		"descriptors %u, then %u; threads %u, then %u; memory %" PRIu64
		" K, then %" PRIu64 " K",
		before.descriptors, held.descriptors, before.threads,
		held.threads, before.memory_kb, held.memory_kb);
	daemon_signal(SIGTERM);
	status = wait_for_end();
	REQUIRE(WIFEXITED(status) && !WEXITSTATUS(status),
		"the last life ended with status %#x", status);
	account(&life, status);
}

static void print_result(void)
{
	unsigned i;

	printf("round: seed %" PRIu64 ": %u lives, %u kills, %u faults, "
	       "%u failures, %" PRIu64 " messages, %" PRIu64 " files, %" PRIu64
	       " dropped, longest send %.2f s;",
	       plan.seed, plan.lives + 1, now.kills, now.faults_on,
	       ledger.failures, ledger.sent, ledger.files, ledger.dropped,
	       now.slowest);
	for (i = 0; i < DEEDS; i++)
		if (now.done[i])
			printf(" %s %u", plan_deed_words[i], now.done[i]);
	printf(" watched %u shipped %u", crowd_watched(), crowd_shipped());
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
	plan_print(&plan, to);
	fclose(to);
}

START_TEST(every_message_is_in_one_file_or_in_one_drop_counter)
{
	const char *wrong, *shipped = bed_text("%s/shipped", bed.root);
	char to[BED_PATH];
	unsigned i;

	snprintf(to, sizeof(to), "%s", shipped);
	/*
	 * libcheck's handlers end the whole group.  A process that is not the
	 * daemon yet, between fork and exec, would run them.
	 */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	ck_assert_int_eq(mkdir(to, 0777), 0);
	write_plan();
	stage_open(plan.disk);
	ledger_open(&plan);
	bed_hold_socket();
	bed.own_timeout = true;
	set_bound(false);
	crowd_ship(to);
	crowd_hold_shipper(!plan.ships);
	if (plan.watches)
		crowd_watch();
	for (i = 0; i < plan.flows; i++)
		senders[i] = sender_start(&plan.flow[i]);
	for (i = 0; i < plan.lives; i++)
		live(&plan.life[i]);
	last_life();
	wrong = crowd_end();
	REQUIRE(!wrong, "%s", wrong);
	ledger.litter = stage_each_file(ledger_file);
	read_shipped(to);
	wrong = ledger_judge();
	print_result();
	REQUIRE(!wrong, "%s", wrong);
	REQUIRE(!ledger.misnamed && !ledger.litter,
		"%" PRIu64 " files with another framing than they say, %" PRIu64
		" unfinished files",
		ledger.misnamed, ledger.litter);
	REQUIRE(now.slowest < now.longest_ms * SLACK_TIMES / 1e3 + SLACK_S +
				      now.unbounded,
		"a send took %.2f s: timeouts up to %u ms, %.2f s without one",
		now.slowest, now.longest_ms, now.unbounded);
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
	plan_make(&plan, strtoull(argv[1], NULL, 10));
	tcase_add_test(t, every_message_is_in_one_file_or_in_one_drop_counter);
	return suite_run(suite, CK_NOFORK);
}
