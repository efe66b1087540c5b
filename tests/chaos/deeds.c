/* SPDX-License-Identifier: MIT */
/* See deeds.h. */
#define _GNU_SOURCE
#include "tests/chaos/deeds.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/chaos/bound.h"
#include "tests/chaos/conf.h"
#include "tests/chaos/crowd.h"
#include "tests/chaos/rest.h"
#include "tests/chaos/round.h"
#include "tests/chaos/stage.h"
#include "tests/chaos/stranger.h"
#include "tests/chaos/writers.h"

/* Are SIGHUP and SIGUSR1 in this set of /proc/PID/status? */
static bool has_signals(const char *field)
{
	const char *path = bed_text("/proc/%d/status", (int)bed.pid);
	FILE *status = fopen(path, "r");
	size_t len = strlen(field);
	uint64_t set = 0;
	char line[256];

	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, field, len))
			set = strtoull(line + len, NULL, 16);
	if (status)
		fclose(status);
	return set >> (SIGHUP - 1) & set >> (SIGUSR1 - 1) & 1;
}

/* The loop of libuv catches them. */
static bool has_loop(void)
{
	return has_signals("SigCgt:");
}

/* These signals end a process that has not blocked them yet. */
static bool takes_signals(void)
{
	return has_signals("SigBlk:") || has_loop();
}

void deeds_ask(const char *command)
{
	const char *why, *answer;

	answer = crowd_ask(command, &why);
	REQUIRE(answer || !strstr(why, "time"), "life %u: %s: %s", now.life,
		command, why);
	if (answer && !strcmp(command, "status"))
		CHECK(crowd_check_status(answer));
}

void deeds_hold_senders(bool hold)
{
	unsigned i;

	now.senders_held = hold;
	for (i = 0; i < now.plan.flows; i++)
		sender_hold(now.sender[i], hold);
	writers_hold(hold);
}

static void hold_shipper(void)
{
	bool ships = now.plan.ships;

	now.shipper_held = ships && !now.shipper_held;
	crowd_hold_shipper(now.shipper_held || !ships);
}

static void freeze(unsigned ms)
{
	bool bounded = bound_is_set();

	bound_set(false);
	kill(bed.pid, SIGSTOP);
	suite_sleep_ms(ms);
	kill(bed.pid, SIGCONT);
	bound_set(bounded);
}

/*
 * A stop and a signal end the system call in which a thread waits.  Fewer of
 * SIGUSR1, because each has a line in the log, whose queue has an end.
 */
static void storm(unsigned ms)
{
	bool bounded = bound_is_set(), blocked = !takes_signals();
	double since = suite_now();
	unsigned n;

	bound_set(false);
	for (n = 0; suite_now() - since < ms / 1e3; n++) {
		kill(bed.pid, SIGSTOP);
		kill(bed.pid, SIGCONT);
		if (!blocked && n % 8 == 0)
			kill(bed.pid, SIGUSR1);
		usleep(50);
	}
	bound_set(bounded);
}

/* -- its limits ---------------------------------------------------------- */

static void limit_for(int what, rlim_t most, unsigned ms)
{
	struct rlimit before, lower;

	/* Before that it is not the daemon yet. */
	if (!takes_signals() || prlimit(bed.pid, what, NULL, &before))
		return;
	now.faults = true;
	now.faults_on++;
	lower = (struct rlimit){ most, before.rlim_max };
	prlimit(bed.pid, what, &lower, NULL);
	suite_sleep_ms(ms);
	prlimit(bed.pid, what, &before, NULL);
}

/* Its log is a file, too, and must not lack a line. */
static void limit_files(unsigned ms)
{
	struct stat log = { 0 };

	stat(bed.log, &log);
	limit_for(RLIMIT_FSIZE, (rlim_t)log.st_size + 32768, ms);
}

/*
 * libuv aborts if it cannot make its pipe.  The daemon looks whether it can, and
 * a limit that comes right after that look is nobody's fault.
 */
static void limit_descriptors(unsigned more, unsigned ms)
{
	if (has_loop())
		limit_for(RLIMIT_NOFILE, rest_descriptors() + more, ms);
}

/* -- a program ----------------------------------------------------------- */

/*
 * Without a store the memory of a lane ends with the daemon and its client: one
 * that is killed could lose what the manual says that it may lose.
 */
static void kill_writer(unsigned i)
{
	if (now.plan.stores)
		writers_kill(i);
}

/* -- the disk ------------------------------------------------------------ */

void deeds_mend(void)
{
	stage_mend();
}

bool deeds_has_looked(void)
{
	return log_count("ready: ") > 0;
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

	while (now.in_doubt && !deeds_has_looked() && daemon_alive() &&
	       suite_now() - since < 2)
		usleep(1000);
	if (now.in_doubt && !deeds_has_looked())
		return false;
	/* It may be dead since a moment ago. */
	if (life->end == END_KILL_POINT)
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
		break;
	case DEED_REMOVE_TEMP:
	default:
		if (may_remove_temp(life))
			stage_remove_temp();
		break;
	}
}

/* -- all of them --------------------------------------------------------- */

void deeds_do(const struct life *life, const struct step *step)
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
		deeds_mend();
		break;
	case DEED_HOLD_SHIPPER:
		hold_shipper();
		break;
	case DEED_HOLD_SENDERS:
		deeds_hold_senders(!now.senders_held);
		break;
	case DEED_KILL_WRITER:
		kill_writer(step->which);
		break;
	case DEED_STORM:
		storm(step->which);
		break;
	case DEED_FILE_LIMIT:
		limit_files(step->which);
		break;
	case DEED_DESCRIPTORS:
		limit_descriptors(step->more, step->which);
		break;
	case DEED_STRANGER:
		stranger_calls();
		break;
	case DEED_RELOAD:
		conf_reload(&step->settings, false);
		break;
	case DEED_HUP:
		if (takes_signals())
			conf_reload(&step->settings, true);
		break;
	case DEED_WRONG:
		conf_write(&life->settings, "nonsense = 1\n");
		if (takes_signals())
			daemon_signal(SIGHUP);
		break;
	case DEED_USR1:
		if (takes_signals())
			daemon_signal(SIGUSR1);
		break;
	case DEED_FLUSH:
		deeds_ask("flush 200");
		break;
	case DEED_STATUS:
		deeds_ask("status");
		break;
	case DEED_METRICS:
		deeds_ask("metrics");
		break;
	case DEED_FREEZE:
		freeze(step->which);
		break;
	}
}
