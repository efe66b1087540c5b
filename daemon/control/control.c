/* SPDX-License-Identifier: MIT */
/*
 * See control.h.  This file has what the loop does: when to look at the
 * connections, when not, and what happens before it sleeps.
 */
#include "daemon/control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/control/show.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/base/systemd.h"

/* A timer's milliseconds for this many nanoseconds, rounded up. */
static uint64_t to_ms(uint64_t ns)
{
	return (ns + 999999) / 1000000;
}

/* -- what systemd is told ------------------------------------------------ */

/* The error of a worker that can not file, 0: all can. */
static int find_error(const struct control *c)
{
	const struct workers *ws = c->from.workers;
	unsigned i;
	int error;

	for (i = 0; i < ws->count; i++) {
		/* acquire: pairs with the release in set_failing() */
		error = atomic_load_explicit(&ws->list[i].error,
					     memory_order_acquire);
		if (error)
			return error;
	}
	return 0;
}

static int send_status(enum control_said what, int error)
{
	switch (what) {
	case SAID_FAILING:
		return systemd_notify("STATUS=Can not write files: %s; %s. The "
				      "data is kept.",
				      strerror(error), remedy(-error));
	case SAID_DROPPING:
		return systemd_notify("STATUS=Dropping datagrams: the ring is "
				      "full.");
	case SAID_OK:
	default:
		return systemd_notify("STATUS=Listening.");
	}
}

static void on_say(uv_timer_t *timer);

/*
 * Each slot that gets free can end the dropping for a moment: what is the case
 * is said now and then, and so is what systemd's queue had no room for.
 */
static void say(struct control *c, enum control_said what, int error)
{
	uint64_t now, missed;
	int err = -EAGAIN;

	if ((c->said == what && c->said_error == error) || c->stopping)
		return;
	now = clock_now();
	if (log_limit(&c->say_limit, now, &missed))
		err = send_status(what, error);
	if (!err) {
		c->said = what;
		c->said_error = error;
	} else if (err == -EAGAIN && !uv_is_active((uv_handle_t *)&c->say)) {
		uv_timer_start(&c->say, on_say,
			       to_ms(c->say_limit.next_ns - now), 0);
	}
}

/* Cheap: called before each sleep when the listener changed, and notified. */
static void say_what_is(struct control *c)
{
	int error = find_error(c);

	if (error)
		say(c, SAID_FAILING, error);
	else if (c->from.listener->state == LISTENER_DROPPING)
		say(c, SAID_DROPPING, 0);
	else
		say(c, SAID_OK, 0);
}

static void on_say(uv_timer_t *timer)
{
	say_what_is(timer->data);
}

/* -- connections --------------------------------------------------------- */

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct control *c)
{
	int err = uv_poll_start(&c->ready, UV_READABLE, on_ready);

	if (err)
		log_error("cannot watch the control socket: %s",
			  uv_strerror(err));
}

static void on_expiry(uv_timer_t *timer)
{
	struct control *c = timer->data;
	uint64_t now = clock_now(), next = server_expire(&c->server, now);

	/* Without a connection there is nothing to wake up for. */
	if (next)
		uv_timer_start(timer, on_expiry,
			       next > now ? to_ms(next - now) : 1, 0);
}

/* What is next may have come nearer: a flush has a deadline of its own. */
static void arm_expiry(struct control *c)
{
	uv_timer_stop(&c->expiry);
	on_expiry(&c->expiry);
}

/* Who is answered late has a nearer deadline from then on. */
static void check_flushes(struct control *c)
{
	control_check_flushes(c);
	if (c->server.open)
		arm_expiry(c);
}

static void on_pause_over(uv_timer_t *timer)
{
	watch(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct control *c = poll->data;
	uint64_t pause = server_turn(&c->server, clock_now());

	(void)status;
	(void)events;
	check_flushes(c);
	if (!pause)
		return;
	uv_poll_stop(&c->ready);
	uv_timer_start(&c->pause, on_pause_over, to_ms(pause), 0);
}

void control_notified(struct control *c)
{
	if (c->serving)
		check_flushes(c);
	say_what_is(c);
}

/* -- before the loop sleeps ---------------------------------------------- */

void control_note(struct control *c)
{
	const struct stats_listener *l = &c->from.listener->stats;
	uint64_t now = clock_now();
	struct rate_sample sample;

	if (rate_is_due(&c->rate, now)) {
		snapshot_sample(&c->from, &sample);
		rate_advance(&c->rate, now, &sample);
	}
	c->rate.latest.received = stats_get(&l->received);
	c->rate.latest.received_bytes = stats_get(&l->received_bytes);
#define DROPPED(name, doc) c->rate.latest.name = stats_get(&l->name);
#include "daemon/base/stats.def"
	if (c->seen != c->from.listener->state) {
		c->seen = c->from.listener->state;
		say_what_is(c);
	}
}

/* -- metrics file -------------------------------------------------------- */

static void on_interval(uv_timer_t *timer)
{
	struct control *c = timer->data;
	struct text *text = metrics_file_begin(&c->file);

	if (!text)
		return; /* the disk hangs; what it writes is from before */
	control_look(c);
	show_metrics(text, &c->snapshot, &c->from, SHOW_PROMETHEUS);
	metrics_file_write(&c->file);
}

static int open_file(struct control *c, const struct config *cfg, size_t room)
{
	uint64_t ms = to_ms(cfg->control_metrics_interval_ns);
	int err;

	if (!cfg->control_metrics_file[0])
		return 0;
	err = metrics_file_open(&c->file, cfg->control_metrics_file, room);
	if (!err)
		uv_timer_start(&c->interval, on_interval, 0, ms);
	return err;
}

/* -- open and close ------------------------------------------------------ */

static void init_handles(struct control *c, uv_loop_t *loop)
{
	uv_timer_init(loop, &c->say);
	uv_timer_init(loop, &c->pause);
	uv_timer_init(loop, &c->expiry);
	uv_timer_init(loop, &c->interval);
	c->ready.data = c->say.data = c->pause.data = c;
	c->expiry.data = c->interval.data = c;
}

static int open_server(struct control *c, uv_loop_t *loop, int listener,
		       size_t room)
{
	int err;

	if (listener < 0)
		return 0;
	err = server_open(&c->server, listener, room, control_line,
			  control_late, c);
	if (err)
		return err;
	c->serving = true;
	err = uv_poll_init(loop, &c->ready, c->server.epoll);
	return err ? err : uv_poll_start(&c->ready, UV_READABLE, on_ready);
}

int control_open(struct control *c, uv_loop_t *loop, int listener,
		 const struct sources *from)
{
	size_t room = show_room(from->workers->count);
	int err;

	memset(c, 0, sizeof(*c));
	c->from = *from;
	c->seen = from->listener->state;
	c->said = SAID_OK; /* main says so with READY=1 */
	c->say_limit.every_ns = CLOCK_SECOND;
	rate_open(&c->rate, from->started_mono);
	init_handles(c, loop);
	err = snapshot_open(&c->snapshot, &c->from);
	if (err)
		return err;
	c->memory = malloc(room);
	if (!c->memory)
		return -ENOMEM;
	/* Touched now, so that no page is missing later. */
	memset(c->memory, 0, room);
	text_open(&c->scratch, c->memory, room);
	err = open_server(c, loop, listener, room);
	return err ? err : open_file(c, from->settings->cfg, room);
}

void control_stopping(struct control *c)
{
	c->stopping = true;
}

static void close_handle(void *handle)
{
	uv_handle_t *h = handle;

	if (h->loop && !uv_is_closing(h))
		uv_close(h, NULL);
}

void control_close(struct control *c, bool filed)
{
	close_handle(&c->ready);
	close_handle(&c->say);
	close_handle(&c->pause);
	close_handle(&c->expiry);
	close_handle(&c->interval);
	if (c->serving) {
		control_end_flushes(c, filed);
		server_close(&c->server);
	}
	c->serving = false;
	metrics_file_close(&c->file);
	snapshot_close(&c->snapshot);
	free(c->memory);
	c->memory = NULL;
}
