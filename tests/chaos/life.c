/* SPDX-License-Identifier: MIT */
/* See life.h. */
#define _GNU_SOURCE
#include "tests/chaos/life.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/command/json.h"
#include "tests/chaos/bound.h"
#include "tests/chaos/conf.h"
#include "tests/chaos/crowd.h"
#include "tests/chaos/deeds.h"
#include "tests/chaos/round.h"
#include "tests/chaos/stage.h"

void life_begin(const struct life *life)
{
	conf_write(&life->settings, "");
	bed.points = stage_points(life);
	now.may_drop = now.may_delete = false;
	memset(&now.drops, 0, sizeof(now.drops));
	conf_use(&life->settings);
	stage_use_clock();
	daemon_spawn();
	unsetenv("LD_PRELOAD");
}

/* -- the end ------------------------------------------------------------- */

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
	if (!conf_reload(&s, false))
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

int life_wait(void)
{
	double since = suite_now();
	int status = 0;

	while (daemon_alive())
		suite_waiting(since, "end of the daemon", __FILE__, __LINE__);
	ck_assert_int_eq(waitpid(bed.pid, &status, 0), bed.pid);
	bed.pid = 0;
	return status;
}

static int end(const struct life *life)
{
	if (may_be_killed(life)) {
		now.kills++;
		now.in_doubt = true;
		if (daemon_alive())
			kill(bed.pid, SIGKILL);
	} else if (daemon_alive()) {
		daemon_signal(life->end == END_INT ? SIGINT : SIGTERM);
	}
	return life_wait();
}

/* The log of each life is kept. */
void life_account(int status)
{
	bound_set(false);
	/* Not of a life that was killed itself: that leaves another doubt. */
	if (!WIFSIGNALED(status) && deeds_has_looked())
		now.in_doubt = false;
	REQUIRE(!log_count("Sanitizer") && !log_count("runtime error:") &&
			!log_count("Assertion"),
		"life %u: the daemon found an error", now.life);
	CHECK(ledger_life(status, &now.drops, now.faults, now.may_delete));
	if (WIFEXITED(status) && (WEXITSTATUS(status) == EX_CONFIG ||
				  WEXITSTATUS(status) == EX_OSERR))
		now.failed_starts++;
	rename(bed.log, bed_text("%s/log.%u", bed.root, now.life));
}

void life_live(const struct life *life)
{
	unsigned i;

	now.faults |= life->faults > 0;
	life_begin(life);
	if (life->end == END_KILL_START)
		usleep(life->end_us);
	else
		for (i = 0; i < life->steps && daemon_alive(); i++)
			deeds_do(life, &life->step[i]);
	life_account(end(life));
	/* A stall or an error that is still switched on is of this life. */
	stage_end_faults();
	if (life->mends) {
		deeds_mend();
		now.faults = false;
	}
	now.life++;
}
