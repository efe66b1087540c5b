/* SPDX-License-Identifier: MIT */
/* See stop.h. */
#include "daemon/stop.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/systemd.h"
#include "daemon/end_limit.h"
#include "daemon/intake/lane_restore.h"

/* After buffer.stop_timeout, workers have so long to give up. */
#define ABANDON_MS 500
/* What the stop may take beyond buffer.stop_timeout, as systemd is told. */
#define STOP_SLACK_MS 30000
/* How long the socket is read on because lanes are not at their end. */
#define LANES_MS 500
/* How long systemd's queue may be full before STOPPING=1 is given up. */
#define STOPPING_MS 50

static void on_stop_timeout(uv_timer_t *timer);

void stop_open(struct daemon *d)
{
	uv_timer_init(&d->loop.uv, &d->stop_timer);
	d->stop_timer.data = d;
	uv_timer_init(&d->loop.uv, &d->lanes_timer);
	d->lanes_timer.data = d;
}

static void on_drained(void *arg)
{
	struct daemon *d = arg;

	/* A sender that still waits for room in the queue gets an error. */
	start_close_socket(&d->res);
	workers_stop(&d->workers);
}

static void drain(struct daemon *d)
{
	if (d->draining)
		return;
	d->draining = true;
	uv_timer_stop(&d->lanes_timer);
	listener_stop(&d->listener, on_drained, d);
}

static void on_lanes_timeout(uv_timer_t *timer)
{
	drain(timer->data);
}

/*
 * The lanes first: what a client wrote too late for its lane comes as a
 * datagram, and the socket still takes that.
 */
void stop_drain(struct daemon *d)
{
	lane_server_stop(&d->lanes);
	if (!lane_server_lanes(&d->lanes))
		drain(d);
	else
		uv_timer_start(&d->lanes_timer, on_lanes_timeout, LANES_MS, 0);
}

void stop_notified(struct daemon *d)
{
	if (!d->stopping)
		return;
	if (d->draining)
		listener_drain(&d->listener);
	else if (!lane_server_lanes(&d->lanes))
		drain(d);
	if (workers_exited(&d->workers))
		d->stopped = true;
}

void stop_begin(struct daemon *d, const char *why)
{
	uint64_t ms = clock_ms_up(d->settings.cfg->buffer_stop_timeout_ns);

	if (d->stopping)
		return;
	d->stopping = true;
	log_info("stopping: %s", why);
	control_stopping(&d->control);
	/* The stop may take longer than TimeoutStopSec=. */
	systemd_insist(
		STOPPING_MS,
		"STOPPING=1\nSTATUS=Writing what is in memory to files.\n"
		"EXTEND_TIMEOUT_USEC=%" PRIu64,
		(ms + STOP_SLACK_MS) * 1000);
	uv_update_time(&d->loop.uv);
	uv_timer_start(&d->stop_timer, on_stop_timeout, ms, 0);
	/* A start that is not complete goes on until then. */
	if (d->running)
		stop_drain(d);
}

/* The workers had buffer.stop_timeout; now they have ABANDON_MS to give up. */
static void on_stop_timeout(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	if (d->abandoned) {
		d->stopped = true;
		return;
	}
	d->abandoned = true;
	drain(d);
	if (!d->running)
		d->stopped = true;
	listener_abandon(&d->listener);
	workers_abandon(&d->workers);
	uv_timer_start(timer, on_stop_timeout, ABANDON_MS, 0);
}

/* -- the end ------------------------------------------------------------- */

/* Returns how many messages are in memory still: the rest of the sum (I2). */
static uint64_t report_end(struct daemon *d,
			   const struct workers_totals *totals)
{
	const struct stats_listener *l = &d->listener.stats;
	uint64_t limited = stats_get(&l->sender_rate);
	uint64_t lost = stats_get(&l->lane_lost);
	uint64_t dropped = stats_get(&l->too_large) + stats_get(&l->ring_full) +
			   limited + lost;
	uint64_t received = stats_get(&l->received) + totals->lane_messages +
			    d->listener.lane_too_large;

	/* A start that failed may have dropped datagrams, too. */
	if (d->failed && !dropped)
		return 0;
	log_info("stopped: received=%" PRIu64 " written=%" PRIu64
		 " dropped=%" PRIu64 " (too_large=%" PRIu64
		 " ring_full=%" PRIu64 " sender_rate=%" PRIu64
		 " lane_lost=%" PRIu64 ") files=%" PRIu64 " bytes=%" PRIu64,
		 received, totals->written, dropped, stats_get(&l->too_large),
		 stats_get(&l->ring_full), limited, lost, totals->files,
		 totals->files_bytes);
	assert(totals->written + dropped <= received);
	return received - totals->written - dropped;
}

/* Where the messages are that a stop leaves in memory. */
static const char *where_left(struct daemon *d)
{
	if (d->res.region.anonymous)
		return "they are lost, because state.path is empty";
	path_watch_check(&d->sockets.region);
	if (d->sockets.region.lost)
		return "they are lost, because the file at state.path was "
		       "removed or replaced";
	return "they stay in the state region, and the next start files them";
}

/* What a stop leaves in lanes. */
static void report_rest(const struct lane_rest *rest)
{
	const char *why = rest->error == -EOPNOTSUPP ? "state.path is empty" :
						       strerror(-rest->error);

	if (rest->kept)
		log_error("%" PRIu64 " messages in lanes could not be filed "
			  "within buffer.stop_timeout; there are copies of "
			  "them beside state.path, and the next start files "
			  "them",
			  rest->kept);
	if (rest->clients)
		log_error("%" PRIu64 " messages in lanes could neither be "
			  "filed within buffer.stop_timeout nor copied to "
			  "state.path: %s; their programs send them to the "
			  "next start, if they still run",
			  rest->clients, why);
	if (rest->unkept)
		log_error("%" PRIu64 " messages in lanes of programs that have "
			  "ended could neither be filed within "
			  "buffer.stop_timeout nor copied to state.path: %s; "
			  "they are lost, unless systemd keeps the lanes for "
			  "the next start",
			  rest->unkept, why);
	if (rest->unread)
		log_error("%u copies of lanes beside state.path could not be "
			  "read; the next start tries again",
			  rest->unread);
}

/* What a stop leaves in memory.  Returns the exit status. */
static int report_left(struct daemon *d, uint64_t left,
		       const struct lane_rest *rest)
{
	report_rest(rest);
	if (!left && !lane_rest_is_any(rest)) {
		region_set_clean(&d->res.region, true);
		return 0;
	}
	if (!left)
		return EX_TEMPFAIL;
	log_error("%" PRIu64 " messages could not be filed within "
		  "buffer.stop_timeout; %s",
		  left, where_left(d));
	return EX_TEMPFAIL;
}

/* The region is complete, and the log has the sum.  Returns the exit status. */
static int report(struct daemon *d, uint64_t *left)
{
	struct workers_totals totals;
	struct lane_rest rest;

	lane_server_notified(&d->lanes);
	lane_server_keep(&d->lanes, &rest);
	lane_server_close(&d->lanes);
	workers_sum(&d->workers, &totals);
	*left = report_end(d, &totals);
	if (d->running)
		return report_left(d, *left, &rest);
	if (d->failed)
		return d->failed;
	lane_restore_keep(d->res.passed.stored, d->settings.cfg->state_path,
			  &rest);
	report_rest(&rest);
	log_error("the recovery was not complete within buffer.stop_timeout; "
		  "what is not filed stays in the state region, and the next "
		  "start files it");
	return EX_TEMPFAIL;
}

/*
 * What the daemon does has an end already.  When libuv lets go of a signal, its
 * default action is back: a second SIGTERM, or a reload that comes too late,
 * would kill the daemon after a stop without a fault.
 */
static void ignore_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int stop_end(struct daemon *d)
{
	uint64_t left;
	int status;

	ignore_signals();
	status = report(d, &left);
	end_limit_start(status);
	end_limit_step("closing the sockets");
	sockets_close(&d->sockets);
	control_close(&d->control, d->running && !left);
	start_unbind(&d->res);
	systemd_close();
	if (!keeper_end(&d->workers.keeper) || !workers_exited(&d->workers) ||
	    (!d->running && !d->failed)) {
		drops_say(&d->listener.drops);
		/* A thread that hangs at the disk cannot be joined. */
		log_stop();
		fflush(NULL);
		_exit(status);
	}
	end_limit_step("the end of the workers");
	workers_join(&d->workers);
	end_limit_step("closing the loop");
	listener_close(&d->listener);
	sender_names_close(&d->names);
	loop_close(&d->loop);
	senders_close(&d->senders);
	end_limit_step("closing the region");
	region_close(&d->res.region);
	end_limit_step("the exit");
	return status;
}
