/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#define _GNU_SOURCE
#include "tests/chaos/plan.h"

#include <string.h>

#include "client/library/bufwriter.h"
#include "tests/chaos/content.h"
#include "tests/lib/bed.h"
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
	[DEED_KILL_WRITER] = "kill-writer",
	[DEED_STORM] = "storm",
	[DEED_FILE_LIMIT] = "file-limit",
	[DEED_DESCRIPTORS] = "descriptors",
	[DEED_STRANGER] = "stranger",
};

const char *const strip_words[STRIPS] = { "none", "syslog", "tag" };

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

/* What complete files may take; `deletes`: they may be deleted for it. */
static void keep_settings(struct settings *s, bool deletes)
{
	static const unsigned files[] = { 0, 0, 0, 1, 2, 8, 50 };
	static const char *const room[] = { "0", "0", "0", "100K", "1M" };

	s->keep_files = PICK(files);
	s->keep_free = PICK(room);
	s->deletes = deletes && chance(70);
}

/* Those that a reload changes.  `never`: no drop may happen. */
static void change_settings(struct settings *s, bool never, bool deletes)
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
	keep_settings(s, deletes);
}

static void start_settings(struct settings *s, bool never, bool deletes)
{
	static const unsigned workers[] = { 1, 1, 2, 4, 8 };
	static const unsigned queues[] = { 2, 16, 64, 100, 1024 };
	static const unsigned long sizes[] = { 1,     3072,   4096,   9000,
					       65536, 307200, 1048576 };
	static const char *const lane_sizes[] = { "4K", "64K", "256K", "1M" };
	static const unsigned lanes[] = { 0, 1, 4, 64, 64 };
	static const char *const larges[] = { "0", "300K", "64M", "64M" };

	s->workers = PICK(workers);
	s->queue_size = PICK(queues);
	s->size = PICK(sizes);
	s->framing = random_below(3);
	s->strip = random_below(STRIPS);
	s->lane_size = PICK(lane_sizes);
	s->lanes = PICK(lanes);
	s->lane_large = PICK(larges);
	s->compression = "none";
	if (chance(33) && file_can_unpack())
		s->compression = "zstd";
	change_settings(s, never, deletes);
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
		if (!strcmp(f->point, "release.mid"))
			f->point = "release.after";
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
		DEED_CLOCK,	   DEED_KILL_WRITER,  DEED_KILL_WRITER,
	};

	return PICK(deeds);
}

static void plan_step(struct life *life, struct step *step, bool never,
		      bool deletes)
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
	if (step->deed == DEED_KILL_WRITER)
		step->which = random_below(PLAN_WRITERS);
	if (step->deed == DEED_RELOAD || step->deed == DEED_HUP)
		change_settings(&step->settings, never, deletes);
}

static void plan_life(struct life *life, bool never, bool deletes)
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
	/* A kill takes the counters with it, and the log's last line. */
	deletes &= life->end == END_TERM || life->end == END_INT;
	start_settings(&life->settings, never, deletes);
	life->faults = random_below(PLAN_FAULTS + 1);
	for (i = 0; i < life->faults; i++)
		plan_fault(&life->fault[i]);
	life->end_us = random_below(chance(50) ? 3000 : 60000);
	life->kill_point = PICK(points);
	life->kill_nth = 1 + random_below(chance(60) ? 3 : 60);
	life->mends = chance(70);
	life->steps = 1 + random_below(PLAN_DEEDS);
	for (i = 0; i < life->steps; i++)
		plan_step(life, &life->step[i], never, deletes);
}

/* A deed between two others. */
static void insert_step(struct life *life)
{
	static const enum deed deeds[] = { DEED_STORM, DEED_FILE_LIMIT,
					   DEED_FILE_LIMIT, DEED_DESCRIPTORS,
					   DEED_STRANGER };
	unsigned at = random_below(life->steps + 1);
	struct step *step = &life->step[at];

	memmove(step + 1, step, (life->steps - at) * sizeof(*step));
	memset(step, 0, sizeof(*step));
	step->settings = life->settings;
	step->deed = PICK(deeds);
	step->pause_ms = random_below(30);
	step->which = 1 + random_below(chance(50) ? 20 : 150);
	step->more = random_below(4);
	life->steps++;
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
	if (chance(35)) {
		flow->id += PLAN_SYSLOG_FLOW;
		flow->header = CONTENT_HEADER;
		if (flow->min < PLAN_SYSLOG_BYTES)
			flow->min = PLAN_SYSLOG_BYTES;
		if (flow->max < flow->min)
			flow->max = flow->min;
	}
}

/* From a few bytes to what only a lane of its own takes, `most` bytes. */
static void plan_writer(struct plan *plan, struct writer_plan *w, unsigned id,
			uint32_t most)
{
	static const struct flow kinds[] = {
		{ .min = 1, .max = 100, .pause_us = 500, .pause_each = 16 },
		{ .min = 100,
		  .max = 300,
		  .pause_us = 30000,
		  .pause_each = 2000 },
		{ .min = 1, .max = 6000, .pause_us = 500, .pause_each = 8 },
		{ .min = 16, .max = 60000, .pause_us = 2000, .pause_each = 2 },
		{ .min = 1000, .max = 0, .pause_us = 9000 },
	};
	static const int timeouts[] = { 0, 20, 100, -1, -1 };
	static const unsigned flushes[] = { 0, 10, 100, 3000 };

	w->flow = PICK(kinds);
	w->flow.id = PLAN_WRITER_FLOW + id;
	if (!w->flow.max)
		w->flow.max = most;
	w->timeout_ms = PICK(timeouts);
	/* Without a store only a handle that waits loses nothing at its end. */
	if (!plan->stores)
		w->timeout_ms = -1;
	w->lanes = chance(60) ? BW_LANES_ALWAYS : BW_LANES_AUTO;
	w->flush_each = PICK(flushes);
	w->socket = random_below(plan->also + 1);
}

/* What does not go with the rest of the round. */
static void bend_settings(const struct plan *plan, struct settings *s)
{
	/* See the head of chaos.c. */
	if (!plan->stores && !s->lanes)
		s->lanes = 2;
	/* A file for each message, and 20 files at a time, would take hours. */
	if (strstr(plan->disk, "inodes") && s->size < 4096)
		s->size = 4096;
}

void plan_make(struct plan *plan, uint64_t seed)
{
	static const uint32_t limits[] = { 208 * 1024, 208 * 1024, 208 * 1024,
					   64 * 1024,  3000,	   100 };
	static const char *const disks[] = { "2M", "8M", "64M",
					     "64M,nr_inodes=20" };
	unsigned i, more;
	bool deletes, is_small;

	memset(plan, 0, sizeof(*plan));
	plan->seed = seed;
	random_seed = random_mix(seed);
	plan->also = chance(40) ? 1 + random_below(BED_ALSO) : 0;
	plan->flows = 1 + random_below(PLAN_SENDERS);
	for (i = 0; i < plan->flows; i++) {
		plan_flow(&plan->flow[i], i);
		plan->socket[i] = random_below(plan->also + 1);
	}
	plan->max_message = PICK(limits);
	plan->disk = PICK(disks);
	is_small = strcmp(plan->disk, "64M") != 0;
	plan->stores = chance(60);
	plan->holds_lanes = plan->stores || chance(50);
	plan->writers = chance(70) ? 1 + random_below(PLAN_WRITERS) : 0;
	for (i = 0; i < plan->writers; i++)
		plan_writer(plan, &plan->writer[i], i,
			    is_small ? FLOW_LARGEST : 1 << 20);
	plan->ships = chance(70);
	plan->watches = chance(50);
	plan->never = chance(40);
	/* Each file must have room for the note of its number of messages. */
	deletes = chance(40) && !strstr(plan->disk, "inodes");
	plan->lives = 2 + random_below(PLAN_LIVES - 1);
	for (i = 0; i < plan->lives; i++) {
		plan_life(&plan->life[i], plan->never, deletes);
		bend_settings(plan, &plan->life[i].settings);
	}
	/* Drawn last, so that the rest of a seed's plan is as it was. */
	for (i = 0; i < plan->lives; i++)
		for (more = random_below(PLAN_MORE_DEEDS + 1); more; more--)
			insert_step(&plan->life[i]);
}

/* -- in words ------------------------------------------------------------ */

static void print_settings(const struct settings *s, FILE *to)
{
	fprintf(to, "timeout %d ms, forced %s, stop %s, sync %s, prefix '%s'",
		(int)s->timeout_ms, s->forced, s->stop_timeout, s->sync,
		s->prefix);
	if (s->keep_files)
		fprintf(to, ", keep %u files", s->keep_files);
	if (strcmp(s->keep_free, "0"))
		fprintf(to, ", keep_free %s", s->keep_free);
	fprintf(to, "%s\n", s->deletes ? ", delete-oldest" : "");
}

static void print_life(const struct life *life, FILE *to)
{
	static const char *const ends[] = { "TERM", "INT", "KILL",
					    "KILL at the start", "KILL at" };
	const struct settings *s = &life->settings;
	const struct fault *f;
	unsigned i;

	fprintf(to, "  workers %u, queue %u, size %lu, framing %s, %s, ",
		s->workers, s->queue_size, s->size, framing_words[s->framing],
		s->compression);
	fprintf(to, "strip %s, %u lanes of %s, large %s, ",
		strip_words[s->strip], s->lanes, s->lane_size, s->lane_large);
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

static void print_writer(const struct writer_plan *w, FILE *to)
{
	fprintf(to,
		"writer: %u to %u bytes to socket %u, timeout %d ms, lanes %s, "
		"flush each %u\n",
		w->flow.min, w->flow.max, w->socket, w->timeout_ms,
		w->lanes == BW_LANES_ALWAYS ? "always" : "auto", w->flush_each);
}

void plan_print(const struct plan *plan, FILE *to)
{
	unsigned i;

	fprintf(to, "disk %s, max_message %u, %s, %u more sockets, %s%s\n",
		plan->disk, plan->max_message,
		plan->ships ? "shipper" : "no shipper", plan->also,
		plan->stores ? "a store" : "no store",
		plan->holds_lanes ? "" : ", the lanes' socket is the daemon's");
	for (i = 0; i < plan->flows; i++)
		fprintf(to, "sender %u: %u to %u bytes to socket %u%s\n", i,
			plan->flow[i].min, plan->flow[i].max, plan->socket[i],
			plan->flow[i].header ? ", syslog" : "");
	for (i = 0; i < plan->writers; i++)
		print_writer(&plan->writer[i], to);
	for (i = 0; i < plan->lives; i++) {
		fprintf(to, "life %u:\n", i);
		print_life(&plan->life[i], to);
	}
}
