/* SPDX-License-Identifier: MIT */
/* See conf.h. */
#define _GNU_SOURCE
#include "tests/chaos/conf.h"

#include <signal.h>
#include <unistd.h>

#include "tests/chaos/bound.h"
#include "tests/chaos/content.h"
#include "tests/chaos/crowd.h"
#include "tests/chaos/round.h"
#include "client/command/json.h"

static const char *timeout_text(uint32_t timeout_ms)
{
	return timeout_ms == PLAN_NEVER ? "never" :
					  bed_text("%ums", timeout_ms);
}

/* So many files of the largest size. */
static unsigned long keep_bytes(const struct settings *s)
{
	return s->keep_files * (s->size + now.plan.max_message + 4ul);
}

void conf_write(const struct settings *s, const char *more)
{
	bed_write_conf(bed_text(
		"[socket]\nmax_message = %u\nstrip = %s\n"
		"[buffer]\nworkers = %u\nqueue_size = %u\nsize = %lu\n"
		"timeout = %s\nforced = %s\nstop_timeout = %s\n"
		"[lanes]\nsize = %s\ncount = %u\nlarge = %s\n"
		"[files]\nframing = %s\nsuffix = %s\ncompression = %s\n"
		"sync = %s\nprefix = %s\npermission = %s\n"
		"keep = %lu\nkeep_free = %s\nwhen_full = %s\n%s",
		now.plan.max_message, strip_words[s->strip], s->workers,
		s->queue_size, s->size, timeout_text(s->timeout_ms), s->forced,
		s->stop_timeout, s->lane_size, s->lanes, s->lane_large,
		framing_words[s->framing], content_suffix(s->framing, s->strip),
		s->compression, s->sync, s->prefix, s->permission,
		keep_bytes(s), s->keep_free,
		s->deletes ? "delete-oldest" : "wait", more));
}

void conf_use(const struct settings *s)
{
	now.may_drop |= s->timeout_ms != PLAN_NEVER;
	now.may_delete |= s->deletes;
	bound_use(s->timeout_ms);
}

static unsigned reloads(void)
{
	return log_count("reload: ", " changed") +
	       log_count("reload: no setting changed") +
	       log_count("reload: the settings stay");
}

bool conf_reload(const struct settings *s, bool by_signal)
{
	unsigned before = reloads();
	const char *why, *answer;
	double since = suite_now();

	/* From here on a drop is possible, or the bound is gone. */
	if (s->timeout_ms == PLAN_NEVER)
		bound_set(false);
	else
		now.may_drop = true;
	now.may_delete |= s->deletes;
	conf_write(s, "");
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
	conf_use(s);
	return true;
}
