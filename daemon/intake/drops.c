/* SPDX-License-Identifier: MIT */
/* See drops.h. */
#include "daemon/intake/drops.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/base/clock.h"

/* At most one line of a kind in this time. */
#define EVERY_NS (10 * CLOCK_SECOND)

static void on_report_timer(uv_timer_t *timer);

void drops_open(struct drops *d, uv_loop_t *uv, const stats_counter *ring_full)
{
	memset(d, 0, sizeof(*d));
	d->ring_full = ring_full;
	d->limit_large.every_ns = EVERY_NS;
	d->limit_dropping.every_ns = EVERY_NS;
	d->limit_resumed.every_ns = EVERY_NS;
	uv_timer_init(uv, &d->report_timer);
	d->report_timer.data = d;
}

void drops_close(struct drops *d)
{
	uv_close((uv_handle_t *)&d->report_timer, NULL);
}

void drops_too_large(struct drops *d, uint64_t bytes, uint64_t allowed)
{
	uint64_t missed;

	if (!log_limit(&d->limit_large, clock_now(), &missed))
		return;
	log_warning("a datagram of %" PRIu64 " bytes is larger than "
		    "socket.max_message (%" PRIu64 ") and was dropped; raise "
		    "it, or send smaller ones (%" PRIu64 " more since the last "
		    "report)",
		    bytes, allowed, missed);
}

static uint64_t unreported(const struct drops *d)
{
	return stats_get(d->ring_full) - d->reported;
}

void drops_ring_full(struct drops *d)
{
	if (!unreported(d))
		d->full_since_ns = clock_now();
	d->full = true;
}

void drops_dropping(struct drops *d)
{
	uint64_t missed;

	if (log_limit(&d->limit_dropping, clock_now(), &missed))
		log_warning("the ring is full for longer than buffer.timeout: "
			    "datagrams are dropped until a worker makes room; "
			    "see the messages before this one, or raise "
			    "buffer.queue_size");
}

/*
 * Each slot that comes free can end the dropping for a moment, so the report
 * comes now and then, and covers everything dropped since the one before.
 */
static void report(struct drops *d)
{
	uint64_t dropped = unreported(d), now = clock_now(), missed;

	if (!dropped)
		return;
	if (log_limit(&d->limit_resumed, now, &missed)) {
		log_warning("reading again after %.1f s; %" PRIu64
			    " datagrams were dropped",
			    (d->read_since_ns - d->full_since_ns) / 1e9,
			    dropped);
		d->reported += dropped;
	} else if (!uv_is_active((uv_handle_t *)&d->report_timer)) {
		uv_timer_start(
			&d->report_timer, on_report_timer,
			1 + clock_ms_down(d->limit_resumed.next_ns - now), 0);
	}
}

static void on_report_timer(uv_timer_t *timer)
{
	struct drops *d = timer->data;

	/* While the ring is full, drops_resumed() will report. */
	if (!d->full)
		report(d);
}

void drops_resumed(struct drops *d)
{
	d->full = false;
	d->read_since_ns = clock_now();
	report(d);
}
