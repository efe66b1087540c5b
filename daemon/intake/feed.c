/* SPDX-License-Identifier: MIT */
/* See feed.h. */
#include "daemon/intake/feed.h"

#include <string.h>

#include "daemon/base/clock.h"

void feed_open(struct feed *f, uv_loop_t *uv)
{
	memset(f, 0, sizeof(*f));
	uv_timer_init(uv, &f->wake_timer);
	uv_timer_init(uv, &f->deadline_timer);
	f->wake_timer.data = f->deadline_timer.data = f;
}

void feed_begin(struct feed *f, struct workers *workers)
{
	f->workers = workers;
}

void feed_close(struct feed *f)
{
	uv_close((uv_handle_t *)&f->wake_timer, NULL);
	uv_close((uv_handle_t *)&f->deadline_timer, NULL);
}

static void on_deadline_timer(uv_timer_t *timer)
{
	struct feed *f = timer->data;
	uint64_t next = workers_due(f->workers), now = clock_now();

	/* Rounded down: better early, see WORKERS_EARLY_NS. */
	if (next)
		uv_timer_start(timer, on_deadline_timer,
			       next > now ? clock_ms_down(next - now) : 0, 0);
}

void feed_arenas(struct feed *f)
{
	uint64_t waiting = ring_waiting(f->workers->ring);

	if (waiting > f->ring_high)
		f->ring_high = waiting;
	/* If the timer is already running it fires sooner; it stays. */
	if (workers_take(f->workers) &&
	    !uv_is_active((uv_handle_t *)&f->deadline_timer))
		on_deadline_timer(&f->deadline_timer);
}

static void on_wake_timer(uv_timer_t *timer)
{
	struct feed *f = timer->data;

	workers_wake(f->workers);
	if (ring_waiting(f->workers->ring))
		uv_timer_start(timer, on_wake_timer, FEED_WAKE_MS, 0);
}

void feed_workers(struct feed *f)
{
	if (!f->workers || !ring_waiting(f->workers->ring))
		return;
	if (!uv_is_active((uv_handle_t *)&f->wake_timer))
		uv_timer_start(&f->wake_timer, on_wake_timer, FEED_WAKE_MS, 0);
}

void feed_wake(struct feed *f)
{
	workers_wake(f->workers);
}

void feed_configure(struct feed *f)
{
	uv_timer_stop(&f->deadline_timer);
}
