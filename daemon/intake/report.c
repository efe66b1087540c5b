/* SPDX-License-Identifier: MIT */
/* See report.h. */
#include "daemon/intake/report.h"

#include <string.h>

#include "daemon/base/clock.h"

static void on_timer(uv_timer_t *timer);

void report_open(struct report *r, uv_loop_t *uv,
		 report_fn *const say[REPORT_LINES], void *arg)
{
	unsigned i;

	memset(r, 0, sizeof(*r));
	memcpy(r->say, say, sizeof(r->say));
	r->arg = arg;
	for (i = 0; i < REPORT_LINES; i++)
		r->limit[i].every_ns = REPORT_EVERY_NS;
	uv_timer_init(uv, &r->timer);
	r->timer.data = r;
}

void report_due(struct report *r, unsigned line)
{
	uint64_t now = clock_now(), missed, ms;

	r->waits[line] = !log_limit(&r->limit[line], now, &missed);
	if (!r->waits[line]) {
		r->say[line](r->arg);
		return;
	}
	ms = clock_ms_up(r->limit[line].next_ns - now);
	if (uv_is_active((uv_handle_t *)&r->timer) &&
	    uv_timer_get_due_in(&r->timer) <= ms)
		return;
	uv_update_time(r->timer.loop);
	uv_timer_start(&r->timer, on_timer, ms, 0);
}

void report_withdraw(struct report *r, unsigned line)
{
	r->waits[line] = false;
}

/* Those that may not go yet start the timer again. */
static void on_timer(uv_timer_t *timer)
{
	struct report *r = timer->data;
	unsigned i;

	for (i = 0; i < REPORT_LINES; i++)
		if (r->waits[i])
			report_due(r, i);
}

void report_say(struct report *r)
{
	unsigned i;

	for (i = 0; i < REPORT_LINES; i++)
		if (r->waits[i])
			r->say[i](r->arg);
	memset(r->waits, 0, sizeof(r->waits));
}

void report_close(struct report *r)
{
	report_say(r);
	uv_close((uv_handle_t *)&r->timer, NULL);
}
