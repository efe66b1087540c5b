/* SPDX-License-Identifier: MIT */
/* See dropped.h. */
#include "daemon/control/dropped.h"

void dropped_read(struct dropped *d, const struct stats_listener *from)
{
#define DROPPED(name, doc) d->name = stats_get(&from->name);
#include "daemon/base/stats.def"
}

struct dropped dropped_since(const struct dropped *before,
			     const struct dropped *now)
{
	struct dropped difference = { 0 };

#define DROPPED(name, doc) difference.name = now->name - before->name;
#include "daemon/base/stats.def"
	return difference;
}

uint64_t dropped_sum(const struct dropped *d)
{
	uint64_t sum = 0;

#define DROPPED(name, doc) sum += d->name;
#include "daemon/base/stats.def"
	return sum;
}

static bool is_recent(const struct dropped_run *run, uint64_t now_ns)
{
	return run->first_ns && now_ns - run->last_ns < DROPPED_RECENT_NS;
}

void dropped_note(struct dropped_run *run, const struct stats_listener *from,
		  uint64_t now_ns)
{
	struct dropped now;

	dropped_read(&now, from);
	if (dropped_sum(&now) == dropped_sum(&run->noted))
		return;
	if (!is_recent(run, now_ns)) {
		run->before = run->noted;
		run->first_ns = now_ns;
	}
	run->last_ns = now_ns;
	run->noted = now;
}

struct dropped dropped_recent(const struct dropped_run *run, uint64_t now_ns)
{
	struct dropped none = { 0 };

	return is_recent(run, now_ns) ?
		       dropped_since(&run->before, &run->noted) :
		       none;
}
