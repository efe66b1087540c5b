/* SPDX-License-Identifier: MIT */
/* See shipper.h. */
#include "client/ship/shipper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

#include "client/ship/backoff.h"
#include "client/ship/news.h"
#include "client/ship/plan.h"
#include "client/ship/run.h"
#include "client/ship/say.h"
#include "client/ship/scan.h"
#include "client/ship/verdict.h"

/* Files that one scan keeps: so many batches, within these bounds. */
#define WINDOW_BATCHES 16
#define WINDOW_MIN 1024
#define WINDOW_MAX 65536

#define LOCK_MS 1000
/* How often a file that was set aside gets another run. */
#define RETRY_MS 60000
/* With `once`: give up after so many runs in a row that moved nothing. */
#define ONCE_PAUSES 2

enum state { LOCK, SCAN, RUN, PAUSE, END };

struct shipper {
	const struct config *cfg;
	const struct order *order;
	int dir;
	bool once;

	uv_loop_t loop;
	uv_signal_t term, interrupt;
	uv_timer_t timer;
	uv_work_t work;
	enum state state;
	int signal; /* that came, or 0 */
	int status; /* the exit status so far */

	struct plan plan;
	struct scan scan;
	struct names known; /* by the plan, for the scan */
	bool has_scanned;
	bool is_more; /* the last scan found more than the plan has room for */
	bool is_all;  /* it added nothing */
	uint64_t once_left; /* files of the first scan that are to go */

	struct run run;
	int start_error;
	size_t look_next; /* the file of the batch to look at next */
	size_t moved;	  /* files of this run that have gone */
	unsigned pauses;  /* in a row, since something moved */
	uint64_t retried_ms;
	struct news news;
};

static void next(struct shipper *s);
static void begin_scan(struct shipper *s);
static void on_run_end(void *arg);

/* --- the end ------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void end(struct shipper *s)
{
	s->state = END;
	uv_walk(&s->loop, close_handle, NULL);
}

static void end_with(struct shipper *s, int status)
{
	s->status = status;
	end(s);
}

static void on_signal(uv_signal_t *handle, int sig)
{
	struct shipper *s = handle->data;

	s->signal = sig;
	switch (s->state) {
	case SCAN:
		/* A flag that nothing else depends on. */
		atomic_store_explicit(&s->scan.stop, true,
				      memory_order_relaxed);
		break;
	case RUN:
		run_stop(&s->run);
		break;
	case END:
		break;
	default:
		end(s);
		break;
	}
}

/* --- pauses -------------------------------------------------------------- */

static void on_scan_time(uv_timer_t *timer)
{
	begin_scan(timer->data);
}

static void on_next_time(uv_timer_t *timer)
{
	next(timer->data);
}

static void pause_for(struct shipper *s, uint64_t ms, uv_timer_cb then)
{
	s->state = PAUSE;
	uv_update_time(&s->loop);
	uv_timer_start(&s->timer, then, ms, 0);
}

static void idle(struct shipper *s)
{
	uint64_t ms = s->cfg->ship_interval_ns / 1000000;

	news_idle(&s->news, s->plan.retries);
	if (s->once)
		end_with(s, s->plan.retries || s->news.unreadable ? EX_DATAERR :
								    0);
	else
		pause_for(s, backoff_spread(ms, backoff_random()),
			  on_scan_time);
}

/* --- a run --------------------------------------------------------------- */

/* Looks whether files of the batch have gone, where it stopped last time. */
static void look_at_files(struct shipper *s, size_t most)
{
	struct ship_file *file;
	struct stat st;
	size_t i;

	for (i = 0; i < most; i++) {
		file = s->plan.batch[s->look_next++ % s->plan.batch_n];
		if (file->is_gone ||
		    !fstatat(s->dir, file->name, &st, AT_SYMLINK_NOFOLLOW) ||
		    errno != ENOENT)
			continue;
		file->is_gone = true;
		s->moved++;
		news_moved(&s->news, file);
	}
}

static uint64_t on_look(void *arg)
{
	struct shipper *s = arg;

	look_at_files(s, s->plan.batch_n);
	news_progress(&s->news);
	return s->moved;
}

/* The names of the batch, each with its NUL. */
static char *make_list(const struct plan *plan, size_t *bytes)
{
	size_t i, len = 0;
	char *list, *end;

	for (i = 0; i < plan->batch_n; i++)
		len += strlen(plan->batch[i]->name) + 1;
	*bytes = len;
	list = end = malloc(len);
	for (i = 0; list && i < plan->batch_n; i++)
		end = stpcpy(end, plan->batch[i]->name) + 1;
	return list;
}

static void begin_run(struct shipper *s)
{
	size_t bytes;
	char *list = make_list(&s->plan, &bytes);

	if (!list) {
		end_with(s, EX_OSERR);
		return;
	}
	s->state = RUN;
	s->moved = s->look_next = 0;
	s->run.loop = &s->loop;
	s->run.argv = s->order->argv;
	s->run.cwd = s->cfg->files_path;
	s->run.lock = s->dir;
	s->run.stall_ms = s->cfg->ship_stall_ns / 1000000;
	s->run.look = on_look;
	s->run.end = on_run_end;
	s->run.arg = s;
	s->start_error = run_start(&s->run, list, bytes);
}

static enum export_result result_of(const struct shipper *s,
				    const struct verdict *v)
{
	if (s->start_error)
		return EXPORT_not_started;
	if (s->run.has_stalled)
		return EXPORT_stalled;
	if (!v->has_failed)
		return EXPORT_passed;
	return s->moved ? EXPORT_partial : EXPORT_failed;
}

static void judge(struct shipper *s, struct verdict *v)
{
	const struct ending ending = {
		.program = s->order->argv[0],
		.start_error = s->start_error,
		.status = s->run.status,
		.signal = s->run.signal,
		.has_stalled = s->run.has_stalled,
		.stall_s = (unsigned)(s->cfg->ship_stall_ns / 1000000000),
		.files = s->plan.batch_n,
		.left = s->plan.batch_n - s->moved,
		.said = s->run.said,
	};

	verdict_make(v, &ending);
}

/* How long to wait after a step, and what to count. */
static uint64_t pause_after(struct shipper *s, enum plan_step step)
{
	unsigned pauses = step == PLAN_PAUSE ? s->pauses : 0;

	s->pauses = step == PLAN_PAUSE ? s->pauses + 1 : 0;
	return step == PLAN_GO_ON ? 0 : backoff_ms(pauses, backoff_random());
}

/* With `once`: whether the centre is away, so that nothing more will go. */
static bool gives_up(const struct shipper *s)
{
	return s->once && (s->pauses >= ONCE_PAUSES ||
			   (s->pauses && s->plan.suspects == 0));
}

static void on_run_end(void *arg)
{
	struct shipper *s = arg;
	const struct ship_file *aside;
	struct verdict v;
	enum plan_step step;
	size_t files = s->plan.batch_n;
	char *retried = NULL;
	uint64_t ms;

	s->look_next = 0;
	look_at_files(s, files);
	if (s->signal) {
		end(s);
		return;
	}
	judge(s, &v);
	if (s->plan.is_retry && s->moved)
		retried = strdup(s->plan.batch[0]->name);
	step = plan_result(&s->plan, v.blame, &aside);
	s->once_left -= s->moved < s->once_left ? s->moved : s->once_left;
	ms = pause_after(s, step);
	s->news.numbers.aside = s->plan.retries;
	news_run(&s->news, result_of(s, &v), &v, files, s->moved,
		 gives_up(s) ? 0 : ms);
	if (aside)
		news_aside(&s->news, aside, v.line);
	if (retried)
		news_passed(&s->news, retried);
	free(retried);
	if (gives_up(s))
		end_with(s, s->start_error ? EX_UNAVAILABLE : EX_TEMPFAIL);
	else if (ms)
		pause_for(s, ms,
			  step == PLAN_PAUSE ? on_scan_time : on_next_time);
	else
		next(s);
}

/* --- what comes next ----------------------------------------------------- */

/* Files that somebody else has removed were not shipped. */
static bool has_files(struct shipper *s)
{
	struct stat st;
	size_t i;

	for (i = 0; i < s->plan.batch_n; i++) {
		struct ship_file *file = s->plan.batch[i];

		file->is_gone = fstatat(s->dir, file->name, &st,
					AT_SYMLINK_NOFOLLOW) &&
				errno == ENOENT;
		if (file->is_gone)
			news_missing(&s->news, file);
	}
	plan_drop_missing(&s->plan);
	return s->plan.batch_n;
}

/* A file that was set aside gets another try, if it is time for that. */
static bool retries(struct shipper *s)
{
	uint64_t now = uv_now(&s->loop);

	if (s->once || now - s->retried_ms < RETRY_MS || !plan_retry(&s->plan))
		return false;
	s->retried_ms = now;
	return has_files(s);
}

static void next(struct shipper *s)
{
	if (s->once && s->has_scanned && !s->once_left) {
		idle(s);
		return;
	}
	while (plan_next(&s->plan, s->is_all)) {
		if (has_files(s)) {
			begin_run(s);
			return;
		}
	}
	if (s->plan.n || s->is_more)
		begin_scan(s);
	else if (retries(s))
		begin_run(s);
	else
		idle(s);
}

/* --- the scan ------------------------------------------------------------ */

static void on_scan_work(uv_work_t *work)
{
	struct shipper *s = work->data;

	scan_run(&s->scan);
}

static void take_scan(struct shipper *s)
{
	s->is_more = s->scan.is_more;
	s->is_all = !s->scan.n;
	news_scan(&s->news, &s->scan);
	if (!s->has_scanned)
		s->once_left = s->scan.total.files;
	s->has_scanned = true;
	if (plan_fill(&s->plan, s->scan.files, s->scan.n))
		say(SAY_ERROR, "out of memory");
	s->scan.n = 0; /* the plan has them */
}

static void on_scan_end(uv_work_t *work, int status)
{
	struct shipper *s = work->data;
	int err = status ? status : s->scan.err;

	if (!err)
		take_scan(s);
	scan_clear(&s->scan);
	names_free(&s->known);
	if (s->signal || err == -ECANCELED) {
		end(s);
	} else if (err) {
		news_scan_failed(&s->news, err);
		end_with(s, EX_IOERR);
	} else {
		next(s);
	}
}

static size_t window(const struct shipper *s)
{
	size_t most = s->cfg->ship_batch_files * WINDOW_BATCHES;

	most = most < WINDOW_MIN ? WINDOW_MIN : most;
	most = most > WINDOW_MAX ? WINDOW_MAX : most;
	return most > s->plan.n ? most - s->plan.n : 0;
}

/* Somebody may have put another directory in its place. */
static bool has_moved_away(const struct shipper *s)
{
	struct stat a, b;

	return stat(s->cfg->files_path, &a) || fstat(s->dir, &b) ||
	       a.st_dev != b.st_dev || a.st_ino != b.st_ino;
}

static void begin_scan(struct shipper *s)
{
	if (has_moved_away(s)) {
		say(SAY_ERROR, "%s: is not the directory that it was",
		    s->cfg->files_path);
		end_with(s, EX_NOINPUT);
		return;
	}
	s->state = SCAN;
	names_init(&s->known, WINDOW_MAX + PLAN_ASIDE);
	plan_known(&s->plan, &s->known);
	/* The first run of a large backlog does not wait for all of it. */
	s->scan.is_quick = !s->has_scanned && !s->once;
	s->scan.room = s->scan.is_quick ? s->cfg->ship_batch_files : window(s);
	uv_queue_work(&s->loop, &s->work, on_scan_work, on_scan_end);
}

/* --- the start ----------------------------------------------------------- */

static void on_lock_time(uv_timer_t *timer)
{
	struct shipper *s = timer->data;
	bool is_first = !s->status;

	if (!flock(s->dir, LOCK_EX | LOCK_NB)) {
		s->status = 0;
		news_start(&s->news, s->order);
		begin_scan(s);
		return;
	}
	s->status = EX_TEMPFAIL;
	if (is_first)
		news_locked(&s->news);
	if (s->once) {
		end(s);
		return;
	}
	s->state = LOCK;
	uv_timer_start(&s->timer, on_lock_time, LOCK_MS, 0);
}

static void listen_for(struct shipper *s, uv_signal_t *handle, int sig)
{
	uv_signal_init(&s->loop, handle);
	handle->data = s;
	uv_signal_start(handle, on_signal, sig);
}

int shipper_run(const struct shipper_options *options)
{
	struct shipper s = {
		.cfg = options->cfg,
		.order = options->order,
		.dir = options->dir,
		.once = options->once,
	};

	if (uv_loop_init(&s.loop) ||
	    plan_init(&s.plan, s.cfg->ship_batch_files,
		      s.cfg->ship_batch_bytes_bytes) ||
	    news_open(&s.news, s.cfg, s.once))
		return EX_OSERR;
	s.scan.dir = s.dir;
	s.scan.prefix = s.order->prefix;
	s.scan.known = &s.known;
	s.work.data = &s;
	listen_for(&s, &s.term, SIGTERM);
	listen_for(&s, &s.interrupt, SIGINT);
	uv_timer_init(&s.loop, &s.timer);
	s.timer.data = &s;
	uv_timer_start(&s.timer, on_lock_time, 0, 0);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	assert(s.state == END);
	uv_loop_close(&s.loop);
	news_close(&s.news);
	plan_free(&s.plan);
	if (s.signal)
		return s.once ? 128 + s.signal : 0;
	return s.status;
}
