/* SPDX-License-Identifier: MIT */
/* See news.h. */
#include "client/ship/news.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/format.h"
#include "client/ship/say.h"

/* The files with the numbers are at most this old. */
#define WRITE_MS 1000
#define PROGRESS_AFTER_MS 500
#define PROGRESS_EVERY_MS 200
/* Another failure is told after a minute, the same one after an hour. */
#define OTHER_MS 60000
#define SAME_MS 3600000

static int64_t clock_ms(void)
{
	return cmd_clock_ms(CLOCK_MONOTONIC);
}

static double now_s(void)
{
	return cmd_clock_ms(CLOCK_REALTIME) / 1e3;
}

int news_open(struct news *news, const struct config *cfg, bool once)
{
	const char *slash = strrchr(cfg->control_path, '/');

	*news = (struct news){ .cfg = cfg, .once = once };
	news->numbers.stream = cfg->instance;
	news->started_ms = clock_ms();
	names_init(&news->named, NEWS_NAMES);
	if (slash &&
	    asprintf(&news->status_file, "%.*s/ship.prom",
		     (int)(slash - cfg->control_path), cfg->control_path) < 0)
		return -ENOMEM;
	return 0;
}

/* --- files --------------------------------------------------------------- */

static void write_one(struct news *news, const char *path, unsigned which)
{
	int err = export_write(&news->numbers, path);

	if (err && !news->write_failed[which])
		say(SAY_WARNING, "%s: cannot be written: %s", path,
		    strerror(-err));
	news->write_failed[which] = err ? path : NULL;
}

static void write_files(struct news *news)
{
	news->written_ms = clock_ms();
	if (news->status_file)
		write_one(news, news->status_file, 0);
	if (*news->cfg->ship_metrics_file)
		write_one(news, news->cfg->ship_metrics_file, 1);
}

/* A service that has ended has no numbers; a run by a timer leaves them. */
void news_close(struct news *news)
{
	const struct export *n = &news->numbers;

	say_progress_end();
	if (news->once) {
		write_files(news);
	} else {
		if (news->status_file)
			unlink(news->status_file);
		if (*news->cfg->ship_metrics_file)
			unlink(news->cfg->ship_metrics_file);
	}
	say(SAY_INFO,
	    "ended: %" PRIu64 " files shipped, %s; %" PRIu64 " files wait, %s",
	    n->files, format_bytes((double)n->bytes), n->backlog.files,
	    format_bytes((double)n->backlog.bytes));
	free(news->status_file);
	names_free(&news->named);
}

/* --- the directory ------------------------------------------------------- */

void news_start(struct news *news, const struct order *order)
{
	say(SAY_INFO, "takes files from %s%s%s with %s", news->cfg->files_path,
	    *order->destination ? " to " : "", order->destination,
	    order->argv[0]);
}

void news_locked(struct news *news)
{
	say(SAY_WARNING,
	    "%s: another shipper works on this directory, or a command of one "
	    "that was killed; %s",
	    news->cfg->files_path,
	    news->once ? "nothing is shipped now" : "waiting for its end");
}

static const char *why_left(enum odd odd)
{
	switch (odd) {
	case ODD_FOREIGN:
		return "the daemon makes no such name; the shipper leaves it";
	case ODD_PREFIX:
		return "without this host's prefix another host could have the "
		       "name; the shipper leaves it";
	case ODD_DIRECTORY:
		return "a directory; the shipper leaves it";
	case ODD_LINK:
		return "a symbolic link; the shipper leaves it";
	case ODD_SPECIAL:
		return "not a file; the shipper leaves it";
	default:
		return "may not be read; the shipper leaves it until its owner "
		       "or mode changes";
	}
}

void news_scan(struct news *news, const struct scan *scan)
{
	size_t i;

	news->numbers.backlog = scan->total;
	news->unreadable = scan->odd[ODD_UNREADABLE];
	for (news->numbers.odd = 0, i = 0; i < ODD_REASONS; i++)
		news->numbers.odd += scan->odd[i];
	for (i = 0; i < scan->odd_n; i++)
		if (names_add(&news->named, scan->odd_names[i].name))
			say(SAY_WARNING, "%s/%s: %s", news->cfg->files_path,
			    scan->odd_names[i].name,
			    why_left(scan->odd_names[i].why));
	if (news->numbers.odd > scan->odd_n && !news->has_many)
		say(SAY_WARNING, "%s: %" PRIu64 " names are left in all",
		    news->cfg->files_path, news->numbers.odd);
	news->has_many = news->numbers.odd > scan->odd_n;
}

void news_scan_failed(struct news *news, int err)
{
	say(SAY_ERROR, "%s: cannot be read: %s", news->cfg->files_path,
	    strerror(-err));
}

static void forget(struct news *news, const struct ship_file *file)
{
	struct backlog *b = &news->numbers.backlog;

	b->files -= b->files > 0;
	b->bytes -= b->bytes < file->bytes ? b->bytes : file->bytes;
	if (!b->files)
		b->oldest_ns = 0;
	else if (file->time_ns > b->oldest_ns)
		b->oldest_ns = file->time_ns;
}

void news_moved(struct news *news, const struct ship_file *file)
{
	news->numbers.files++;
	news->numbers.bytes += file->bytes;
	forget(news, file);
}

void news_missing(struct news *news, const struct ship_file *file)
{
	forget(news, file);
}

/* --- runs ---------------------------------------------------------------- */

void news_progress(struct news *news)
{
	const struct export *n = &news->numbers;
	int64_t now = clock_ms();
	double s = (double)(now - news->started_ms) / 1e3;

	if (now - news->written_ms >= WRITE_MS)
		write_files(news);
	if (!say_has_progress() || now - news->started_ms < PROGRESS_AFTER_MS ||
	    now - news->shown_ms < PROGRESS_EVERY_MS)
		return;
	news->shown_ms = now;
	say_progress("%" PRIu64 " files shipped, %s, %s/s; %" PRIu64
		     " files wait, %s%s",
		     n->files, format_bytes((double)n->bytes),
		     format_bytes(s > 0 ? (double)n->bytes / s : 0),
		     n->backlog.files, format_bytes((double)n->backlog.bytes),
		     n->is_failing ? "; failing" : "");
}

static void tell_failure(struct news *news, const struct verdict *v,
			 size_t files, size_t moved, uint64_t ms)
{
	int64_t now = clock_ms();
	int64_t since = now - news->told_ms;
	char went[64] = "", later[64] = "";

	if (!news->numbers.is_failing)
		news->failing_ms = now;
	else if (since < OTHER_MS ||
		 (since < SAME_MS && !strcmp(v->line, news->told)))
		return;
	news->told_ms = now;
	snprintf(news->told, sizeof(news->told), "%s", v->line);
	if (moved)
		snprintf(went, sizeof(went), "; %zu of %zu files went", moved,
			 files);
	if (ms)
		snprintf(later, sizeof(later), "; next run in %s",
			 format_time((double)ms / 1e3));
	say(v->is_broken ? SAY_ERROR : SAY_WARNING, "%s%s%s", v->line, went,
	    later);
}

void news_run(struct news *news, enum export_result result,
	      const struct verdict *v, size_t files, size_t moved, uint64_t ms)
{
	struct export *n = &news->numbers;

	n->runs[result]++;
	if (v->has_failed) {
		tell_failure(news, v, files, moved, ms);
		snprintf(n->why, sizeof(n->why), "%s", v->line);
	} else if (n->is_failing) {
		say(SAY_NOTICE, "ships again, after %s of failures",
		    format_time((double)(clock_ms() - news->failing_ms) / 1e3));
	}
	n->is_failing = v->has_failed;
	n->next_run = v->has_failed && ms ? now_s() + (double)ms / 1e3 : 0;
	if (moved)
		n->last_success = now_s();
	news_progress(news);
	/* a state that lasts is told at once */
	if (ms)
		write_files(news);
}

void news_aside(struct news *news, const struct ship_file *file,
		const char *why)
{
	say(SAY_ERROR,
	    "%s/%s: does not pass in a run of its own, and others do; it is "
	    "tried again when nothing else waits: %s",
	    news->cfg->files_path, file->name, why);
}

void news_passed(struct news *news, const char *name)
{
	say(SAY_NOTICE, "%s/%s: has passed after all", news->cfg->files_path,
	    name);
}

void news_idle(struct news *news, uint64_t aside)
{
	news->numbers.aside = aside;
	if (!news->numbers.is_failing)
		news->numbers.last_success = now_s();
	write_files(news);
	say_progress_end();
}
