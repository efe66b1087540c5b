/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#define _GNU_SOURCE
#include "tests/chaos/plan.h"

#include <string.h>

#include "tests/lib/random.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define PICK(list) ((list)[random_below(COUNT(list))])

const char *const plan_deed_words[DEEDS] = {
	[DEED_WAIT] = "wait",
	[DEED_FAULT] = "fault",
	[DEED_MEND] = "mend",
	[DEED_FILL] = "fill",
	[DEED_READ_ONLY] = "read-only",
	[DEED_REPLACE_PATH] = "replace-path",
	[DEED_REMOVE_PATH] = "remove-path",
	[DEED_REMOVE_TEMP] = "remove-temp",
	[DEED_HOLD_SHIPPER] = "hold-shipper",
	[DEED_HOLD_SENDERS] = "hold-senders",
	[DEED_RELOAD] = "reload",
	[DEED_HUP] = "hup",
	[DEED_WRONG] = "wrong",
	[DEED_USR1] = "usr1",
	[DEED_FLUSH] = "flush",
	[DEED_STATUS] = "status",
	[DEED_METRICS] = "metrics",
	[DEED_FREEZE] = "freeze",
	[DEED_CLOCK] = "clock",
};

/* Found in the source by chaos.mk. */
static const char *const points[] = {
#define POINT(name) name,
#include "points.def"
#undef POINT
};
static const char *const points_that_fail[] = {
#define POINT_FAILS(name) name,
#include "points.def"
#undef POINT_FAILS
};

static bool chance(unsigned percent)
{
	return random_below(100) < percent;
}

/* -- settings ------------------------------------------------------------ */

/* Those that a reload changes.  `never`: no drop may happen. */
static void change_settings(struct settings *s, bool never)
{
	static const uint32_t timeouts[] = { 0, 1, 20, 100, 100, 500 };
	static const char *const forced[] = { "0", "2ms", "20ms", "200ms",
					      "5s" };
	static const char *const stops[] = { "0", "100ms", "1s", "3s" };
	static const char *const syncs[] = { "none", "none", "data" };
	static const char *const prefixes[] = { "", "", "a-", "%H_" };
	static const char *const permissions[] = { "0400", "0400", "0440",
						   "0644" };

	s->timeout_ms = PICK(timeouts);
	if (never)
		s->timeout_ms = PLAN_NEVER;
	s->forced = PICK(forced);
	s->stop_timeout = PICK(stops);
	s->sync = PICK(syncs);
	s->prefix = PICK(prefixes);
	s->permission = PICK(permissions);
}

static void start_settings(struct settings *s, bool never)
{
	static const unsigned workers[] = { 1, 1, 2, 4, 8 };
	static const unsigned queues[] = { 2, 16, 64, 100, 1024 };
	static const char *const sizes[] = { "1",   "3K",   "4K", "9000",
					     "64K", "300K", "1M" };

	s->workers = PICK(workers);
	s->queue_size = PICK(queues);
	s->size = PICK(sizes);
	s->framing = random_below(3);
	s->compression = "none";
	if (chance(33) && file_can_unpack())
		s->compression = "zstd";
	change_settings(s, never);
}

/* -- a life -------------------------------------------------------------- */

static void plan_fault(struct fault *f)
{
	static const char *const errors[] = { "ENOSPC", "EIO",	  "EDQUOT",
					      "EINTR",	"EMFILE", "EROFS",
					      "ENOENT", "ESTALE", "EACCES" };
	static const char *const delays[] = { "sleep:1", "sleep:5", "sleep:40",
					      "stall" };

	f->point = PICK(points_that_fail);
	f->nth = chance(25) ? 1 + random_below(9) : 0;
	f->always = f->nth;
	f->action = PICK(errors);
	if (chance(30))
		f->action = PICK(delays);
	else if (chance(20)) {
		f->point = "flush.write";
		f->action = "short";
	}
	/* The moment in which a kill does harm lasts longer, so one may hit. */
	if (chance(35)) {
		f->point = PICK(points);
		f->action = "sleep:1";
		f->nth = 0;
		/* For each message it would be too long. */
		if (!strcmp(f->point, "append.after"))
			f->point = "commit.before";
	}
	/* Only an error and a stall depend on a file. */
	if (!strncmp(f->action, "sleep", 5) || !strcmp(f->action, "short"))
		f->always = true;
	if (!strcmp(f->action, "stall")) {
		f->nth = 0;
		f->always = false;
	}
}

static enum deed pick_deed(void)
{
	/* as often as they stand here */
	static const enum deed deeds[] = {
		DEED_WAIT,	   DEED_FAULT,	      DEED_FAULT,
		DEED_FAULT,	   DEED_FAULT,	      DEED_MEND,
		DEED_MEND,	   DEED_MEND,	      DEED_FILL,
		DEED_FILL,	   DEED_READ_ONLY,    DEED_REPLACE_PATH,
		DEED_REMOVE_PATH,  DEED_REMOVE_TEMP,  DEED_HOLD_SHIPPER,
		DEED_HOLD_SHIPPER, DEED_HOLD_SENDERS, DEED_RELOAD,
		DEED_HUP,	   DEED_WRONG,	      DEED_USR1,
		DEED_USR1,	   DEED_FLUSH,	      DEED_FLUSH,
		DEED_STATUS,	   DEED_METRICS,      DEED_FREEZE,
		DEED_CLOCK,
	};

	return PICK(deeds);
}

static void plan_step(struct life *life, struct step *step, bool never)
{
	static const int clocks[] = {
		-3600000, -1000, -1, 0, 1, 1000, 86400000
	};

	step->deed = pick_deed();
	step->pause_ms = random_below(chance(70) ? 30 : 200);
	step->which = random_below(life->faults ? life->faults : 1);
	step->clock_ms = PICK(clocks);
	step->settings = life->settings;
	if (step->deed == DEED_FREEZE)
		step->which = 1 + random_below(100);
	if (step->deed == DEED_RELOAD || step->deed == DEED_HUP)
		change_settings(&step->settings, never);
}

static void plan_life(struct life *life, bool never)
{
	static const enum end ends[] = { END_TERM,	 END_TERM,
					 END_INT,	 END_KILL,
					 END_KILL,	 END_KILL_START,
					 END_KILL_POINT, END_KILL_POINT };
	unsigned i;

	memset(life, 0, sizeof(*life));
	life->end = PICK(ends);
	/* What such a kill interrupts must not have dropped anything. */
	if (life->end == END_KILL_START || life->end == END_KILL_POINT)
		never = true;
	start_settings(&life->settings, never);
	life->faults = random_below(PLAN_FAULTS + 1);
	for (i = 0; i < life->faults; i++)
		plan_fault(&life->fault[i]);
	life->end_us = random_below(chance(50) ? 3000 : 60000);
	life->kill_point = PICK(points);
	life->kill_nth = 1 + random_below(chance(60) ? 3 : 60);
	life->mends = chance(70);
	life->steps = 1 + random_below(PLAN_DEEDS);
	for (i = 0; i < life->steps; i++)
		plan_step(life, &life->step[i], never);
}

/* -- the round ----------------------------------------------------------- */

/* From bytes at full speed to the largest messages, a few of them. */
static void plan_flow(struct flow *flow, unsigned id)
{
	static const struct flow kinds[] = {
		{ .min = 1, .max = 100, .pause_us = 100, .pause_each = 16 },
		{ .min = 1, .max = 6000, .pause_us = 200, .pause_each = 8 },
		{ .min = 1, .max = 3, .pause_us = 500, .pause_each = 8 },
		{ .min = 2000, .max = 2100, .pause_us = 200, .pause_each = 4 },
		{ .min = 1, .max = FLOW_LARGEST, .pause_us = 2000 },
		{ .min = 50000, .max = FLOW_LARGEST, .pause_us = 9000 },
	};

	*flow = PICK(kinds);
	flow->id = id;
}

void plan_make(struct plan *plan, uint64_t seed)
{
	static const uint32_t limits[] = { 208 * 1024, 208 * 1024, 208 * 1024,
					   64 * 1024,  3000,	   100 };
	static const char *const disks[] = { "2M", "8M", "64M",
					     "64M,nr_inodes=20" };
	unsigned i;
	bool never;

	memset(plan, 0, sizeof(*plan));
	plan->seed = seed;
	random_seed = random_mix(seed);
	plan->flows = 1 + random_below(PLAN_SENDERS);
	for (i = 0; i < plan->flows; i++)
		plan_flow(&plan->flow[i], i);
	plan->max_message = PICK(limits);
	plan->disk = PICK(disks);
	plan->ships = chance(70);
	plan->watches = chance(50);
	never = chance(40);
	plan->lives = 2 + random_below(PLAN_LIVES - 1);
	for (i = 0; i < plan->lives; i++)
		plan_life(&plan->life[i], never);
}

/* -- in words ------------------------------------------------------------ */

static void print_settings(const struct settings *s, FILE *to)
{
	fprintf(to, "timeout %d ms, forced %s, stop %s, sync %s, prefix '%s'\n",
		(int)s->timeout_ms, s->forced, s->stop_timeout, s->sync,
		s->prefix);
}

static void print_life(const struct life *life, FILE *to)
{
	static const char *const ends[] = { "TERM", "INT", "KILL",
					    "KILL at the start", "KILL at" };
	const struct settings *s = &life->settings;
	const struct fault *f;
	unsigned i;

	fprintf(to, "  workers %u, queue %u, size %s, framing %s, %s, ",
		s->workers, s->queue_size, s->size, framing_words[s->framing],
		s->compression);
	print_settings(s, to);
	for (i = 0; i < life->faults; i++) {
		f = &life->fault[i];
		fprintf(to, "  fault %u: %s=%s@%u%s\n", i, f->point, f->action,
			f->nth, f->always ? " from the start" : "");
	}
	for (i = 0; i < life->steps; i++) {
		fprintf(to, "  after %u ms %s %u ", life->step[i].pause_ms,
			plan_deed_words[life->step[i].deed],
			life->step[i].which);
		print_settings(&life->step[i].settings, to);
	}
	fprintf(to, "  end: %s", ends[life->end]);
	if (life->end == END_KILL_POINT)
		fprintf(to, " %s@%u", life->kill_point, life->kill_nth);
	fprintf(to, "%s\n", life->mends ? ", and all is mended" : "");
}

void plan_print(const struct plan *plan, FILE *to)
{
	unsigned i;

	fprintf(to, "disk %s, max_message %u, %s\n", plan->disk,
		plan->max_message, plan->ships ? "shipper" : "no shipper");
	for (i = 0; i < plan->flows; i++)
		fprintf(to, "sender %u: %u to %u bytes\n", i, plan->flow[i].min,
			plan->flow[i].max);
	for (i = 0; i < plan->lives; i++) {
		fprintf(to, "life %u:\n", i);
		print_life(&plan->life[i], to);
	}
}
