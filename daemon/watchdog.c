/* SPDX-License-Identifier: MIT */
/* See watchdog.h. */
#include "daemon/watchdog.h"

#include <errno.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/systemd.h"

/* A keep-alive that systemd's queue had no room for is sent again after it. */
#define RETRY_MS 1000

static void on_timer(uv_timer_t *timer);

/*
 * A lost keep-alive can trip the watchdog, so it is sent again soon instead of
 * at the next interval.
 */
static void keep_alive(uv_timer_t *timer)
{
	uint64_t interval_ms = uv_timer_get_repeat(timer);

	if (systemd_notify("WATCHDOG=1") == -EAGAIN && interval_ms > RETRY_MS)
		uv_timer_start(timer, keep_alive, RETRY_MS, interval_ms);
	else
		uv_timer_start(timer, on_timer, interval_ms, interval_ms);
}

static void on_timer(uv_timer_t *timer)
{
	struct watchdog *w = timer->data;

	if (workers_alive(w->workers))
		keep_alive(timer);
	else
		log_error("a worker thread is stuck; not sending the watchdog "
			  "keep-alive");
}

void watchdog_start(struct watchdog *w, uv_loop_t *uv, struct workers *workers)
{
	uint64_t interval_ms = clock_ms_down(systemd_watchdog()) / 2;

	if (!interval_ms)
		return;
	w->workers = workers;
	uv_timer_init(uv, &w->timer);
	w->timer.data = w;
	uv_timer_start(&w->timer, on_timer, interval_ms, interval_ms);
}
