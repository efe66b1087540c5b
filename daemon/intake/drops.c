/* SPDX-License-Identifier: MIT */
/* See drops.h. */
#include "daemon/intake/drops.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/base/clock.h"

static void on_report_timer(uv_timer_t *timer);

void drops_open(struct drops *d, uv_loop_t *uv)
{
	memset(d, 0, sizeof(*d));
	d->limit_large.every_ns = DROPS_EVERY_NS;
	d->limit_error.every_ns = DROPS_EVERY_NS;
	d->limit_dropping.every_ns = DROPS_EVERY_NS;
	d->limit_resumed.every_ns = DROPS_EVERY_NS;
	uv_timer_init(uv, &d->report_timer);
	d->report_timer.data = d;
}

/*
 * May this kind of report go now?  Else the timer looks again when the first
 * of all limits that hold something back allows it.
 */
static bool may_report(struct drops *d, struct log_limit *limit)
{
	uint64_t now = clock_now(), missed, ms;

	if (log_limit(limit, now, &missed))
		return true;
	ms = clock_ms_up(limit->next_ns - now);
	if (!uv_is_active((uv_handle_t *)&d->report_timer) ||
	    uv_timer_get_due_in(&d->report_timer) > ms) {
		uv_update_time(d->report_timer.loop);
		uv_timer_start(&d->report_timer, on_report_timer, ms, 0);
	}
	return false;
}

/* -- each kind ----------------------------------------------------------- */

static void log_large(struct drops *d)
{
	const struct drops_large *l = &d->large;

	if (l->count == 1)
		log_warning("a datagram of %" PRIu64 " bytes is larger than "
			    "socket.max_message (%" PRIu64 ") and was dropped; "
			    "raise it, or send smaller ones",
			    l->largest, d->allowed_bytes);
	else
		log_warning("%" PRIu64 " datagrams were larger than "
			    "socket.max_message (%" PRIu64 ") and were "
			    "dropped, since the last report: %" PRIu64
			    " bytes, the largest of %" PRIu64 "; raise it, or "
			    "send smaller ones",
			    l->count, d->allowed_bytes, l->bytes, l->largest);
	memset(&d->large, 0, sizeof(d->large));
}

void drops_too_large(struct drops *d, const struct drops_large *some,
		     uint64_t allowed_bytes)
{
	d->large.count += some->count;
	d->large.bytes += some->bytes;
	if (some->largest > d->large.largest)
		d->large.largest = some->largest;
	d->allowed_bytes = allowed_bytes;
	if (may_report(d, &d->limit_large))
		log_large(d);
}

static void log_errors(struct drops *d)
{
	log_error("recvmmsg on the socket: %s (%" PRIu64
		  " times since the last report)",
		  strerror(d->error), d->errors);
	d->errors = 0;
}

void drops_receive_failed(struct drops *d, int error)
{
	d->error = error;
	d->errors++;
	if (may_report(d, &d->limit_error))
		log_errors(d);
}

void drops_ring_full(struct drops *d)
{
	if (!d->full)
		d->full_since_ns = clock_now();
	d->waiting = true;
}

void drops_dropping(struct drops *d, unsigned dropped, bool recovering)
{
	uint64_t missed;

	d->full += dropped;
	/* A report of their number follows, from drops_resumed(). */
	if (!log_limit(&d->limit_dropping, clock_now(), &missed))
		return;
	if (recovering)
		log_warning("the recovery takes longer than buffer.timeout: "
			    "datagrams are dropped until it is complete; see "
			    "the messages before this one");
	else
		log_warning("the ring is full for longer than buffer.timeout: "
			    "datagrams are dropped until a worker makes room; "
			    "see the messages before this one, or raise "
			    "buffer.queue_size");
}

static void log_resumed(struct drops *d)
{
	log_warning("reading again after %.1f s; %" PRIu64
		    " datagrams were dropped",
		    (d->read_since_ns - d->full_since_ns) / 1e9, d->full);
	d->full = 0;
}

/*
 * Each slot that comes free can end the dropping for a moment, so the report
 * comes now and then, and covers everything dropped since the one before.
 */
void drops_resumed(struct drops *d)
{
	d->waiting = false;
	d->read_since_ns = clock_now();
	if (d->full && may_report(d, &d->limit_resumed))
		log_resumed(d);
}

/* -- later --------------------------------------------------------------- */

static void on_report_timer(uv_timer_t *timer)
{
	struct drops *d = timer->data;

	if (d->large.count && may_report(d, &d->limit_large))
		log_large(d);
	if (d->errors && may_report(d, &d->limit_error))
		log_errors(d);
	/* While the listener waits for a slot, drops_resumed() will report. */
	if (!d->waiting && d->full && may_report(d, &d->limit_resumed))
		log_resumed(d);
}

void drops_close(struct drops *d)
{
	if (d->large.count)
		log_large(d);
	if (d->errors)
		log_errors(d);
	uv_close((uv_handle_t *)&d->report_timer, NULL);
}
