/* SPDX-License-Identifier: MIT */
/* See disk_watch.h. */
#include "daemon/control/disk_watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"

int disk_watch_open(struct disk_watch *w, uv_loop_t *uv,
		    const struct workers *workers, unsigned most)
{
	memset(w, 0, sizeof(*w));
	w->workers = workers;
	uv_timer_init(uv, &w->timer);
	w->timer.data = w;
	w->flush = calloc(most, sizeof(*w->flush));
	return w->flush ? 0 : -ENOMEM;
}

void disk_watch_close(struct disk_watch *w)
{
	if (w->timer.data)
		uv_close((uv_handle_t *)&w->timer, NULL);
	w->timer.data = NULL;
	free(w->flush);
	w->flush = NULL;
}

/* When this worker's flush began, 0: it has none, or it is retried. */
static uint64_t flushing_since(const struct worker *w)
{
	/* relaxed, both: a report a little too early or late is no harm */
	return load_relaxed(&w->error) ? 0 :
					 load_relaxed(&w->flushing_since_ns);
}

static void report(struct disk_watch_flush *f, unsigned worker,
		   uint64_t since_ns, uint64_t age_ns)
{
	if (f->since_ns != since_ns) {
		f->since_ns = since_ns;
		f->reported_ns = 0;
	}
	if (age_ns >= DISK_WATCH_HANGS_NS &&
	    f->reported_ns < DISK_WATCH_HANGS_NS)
		log_error(
			"worker %u has been writing one file for %.0f s: the "
			"disk hangs; what arrives is kept as long as there is "
			"room in memory",
			worker, age_ns / 1e9);
	else if (age_ns >= DISK_WATCH_SLOW_NS && !f->reported_ns)
		log_warning("worker %u has been writing one file for %.0f s: "
			    "the disk is slow",
			    worker, age_ns / 1e9);
	else
		return;
	f->reported_ns = age_ns;
}

/* Reports what is due; returns the ms to the next look, 0: nobody flushes. */
static uint64_t look(struct disk_watch *w)
{
	uint64_t now = clock_now(), since_ns, age_ns, next_ns, wait_ns = 0;
	unsigned i;

	for (i = 0; i < w->workers->count; i++) {
		since_ns = flushing_since(&w->workers->list[i]);
		if (!since_ns)
			continue;
		age_ns = now > since_ns ? now - since_ns : 0;
		report(&w->flush[i], i, since_ns, age_ns);
		next_ns = age_ns < DISK_WATCH_SLOW_NS ?
				  DISK_WATCH_SLOW_NS - age_ns :
				  DISK_WATCH_SLOW_NS;
		if (!wait_ns || next_ns < wait_ns)
			wait_ns = next_ns;
	}
	return clock_ms_up(wait_ns);
}

static void on_timer(uv_timer_t *timer)
{
	uint64_t ms = look(timer->data);

	if (ms)
		uv_timer_start(timer, on_timer, ms, 0);
}

void disk_watch_note(struct disk_watch *w)
{
	if (!uv_is_active((uv_handle_t *)&w->timer))
		on_timer(&w->timer);
}
