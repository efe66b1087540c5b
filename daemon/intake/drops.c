/* SPDX-License-Identifier: MIT */
/* See drops.h. */
#include "daemon/intake/drops.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/base/clock.h"

enum { LARGE, LIMITED, ERRORS, RESUMED };

/* -- each kind ----------------------------------------------------------- */

static void say_large(void *arg)
{
	struct drops *d = arg;
	const struct drops_large *l = &d->large;

	if (l->count == 1)
		log_warning("a message of %" PRIu64 " bytes is larger than "
			    "socket.max_message (%" PRIu64 ") and was dropped; "
			    "raise it, or send smaller ones",
			    l->largest, d->allowed_bytes);
	else
		log_warning("%" PRIu64 " messages were larger than "
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
	report_due(&d->report, LARGE);
}

static void say_limited(void *arg)
{
	struct drops *d = arg;
	uint64_t of_worst;
	const struct sender *worst = senders_worst(d->senders, &of_worst);
	const char *unit = worst ? senders_unit(d->senders, worst) : NULL;

	if (worst)
		log_warning("messages above senders.rate were dropped: %" PRIu64
			    " since the last report, %" PRIu64
			    " of them from process %" PRIu32
			    " (%s) of user %" PRIu32 ", unit %s",
			    d->limited, of_worst, worst->id.pid,
			    *worst->command ? worst->command : "-",
			    worst->id.uid, unit ? unit : "unknown");
	else
		log_warning("messages above senders.rate were dropped: %" PRIu64
			    " since the last report, from more processes than "
			    "the daemon has rows for",
			    d->limited);
	d->limited = 0;
}

void drops_limited(struct drops *d, uint64_t count, struct senders *senders)
{
	d->limited += count;
	d->senders = senders;
	report_due(&d->report, LIMITED);
}

static void say_errors(void *arg)
{
	struct drops *d = arg;

	log_error("recvmmsg on the socket: %s (%" PRIu64
		  " times since the last report)",
		  strerror(d->error), d->errors);
	d->errors = 0;
}

void drops_receive_failed(struct drops *d, int error)
{
	d->error = error;
	d->errors++;
	report_due(&d->report, ERRORS);
}

void drops_ring_full(struct drops *d)
{
	if (!d->full)
		d->full_since_ns = clock_now();
	/* drops_resumed() says it all. */
	report_withdraw(&d->report, RESUMED);
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

static void say_resumed(void *arg)
{
	struct drops *d = arg;

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
	d->read_since_ns = clock_now();
	if (d->full)
		report_due(&d->report, RESUMED);
}

/* -- all kinds ----------------------------------------------------------- */

void drops_open(struct drops *d, uv_loop_t *uv)
{
	static report_fn *const say[REPORT_LINES] = {
		[LARGE] = say_large,
		[LIMITED] = say_limited,
		[ERRORS] = say_errors,
		[RESUMED] = say_resumed,
	};

	memset(d, 0, sizeof(*d));
	d->limit_dropping.every_ns = REPORT_EVERY_NS;
	report_open(&d->report, uv, say, d);
}

void drops_say(struct drops *d)
{
	report_say(&d->report);
}

void drops_close(struct drops *d)
{
	report_close(&d->report);
}
