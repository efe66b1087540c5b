/* SPDX-License-Identifier: MIT */
/*
 * See control.h.  This file decides which event of the loop serves
 * connections, reports to systemd or writes the metrics file.  The files that
 * control.h includes do the work.
 */
#include "daemon/control/control.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/systemd.h"
#include "daemon/control/show.h"

/* How soon the status line has the number of later drops. */
#define DROPPED_MS 1000

/* -- the status line in systemd ------------------------------------------ */

static int send_status(enum control_status status, int error,
		       const char *remedy, const struct dropped *dropped)
{
	char text[HEALTH_ERROR], drops[HEALTH_DROPS];

	health_explain_drops(drops, dropped);

	switch (status) {
	case CONTROL_FAILING:
		health_explain_error(text, error, remedy);
		return systemd_notify("STATUS=Failing: %s%s.", text, drops);
	case CONTROL_DROPPING:
		return systemd_notify("STATUS=Dropping datagrams: the ring is "
				      "full%s.",
				      drops);
	case CONTROL_LISTENING:
	default:
		return systemd_notify("STATUS=Listening.");
	}
}

static void on_report_timer(uv_timer_t *timer);

/*
 * Each slot that becomes free can end the dropping for a moment, so a status
 * is sent at most once a second, and again later if systemd's queue is full.
 */
static void report(struct control *c, enum control_status status, int error,
		   const char *remedy)
{
	struct dropped dropped;
	uint64_t now, missed, sum;
	int err = -EAGAIN;

	dropped_read(&dropped, &c->commands.from.listener->stats);
	sum = status == CONTROL_LISTENING ? 0 : dropped_sum(&dropped);
	if ((c->reported == status && c->reported_error == error &&
	     c->reported_remedy == remedy && c->reported_dropped == sum) ||
	    c->stopping)
		return;
	now = clock_now();
	if (log_limit(&c->report_limit, now, &missed))
		err = send_status(status, error, remedy, &dropped);
	if (!err) {
		c->reported = status;
		c->reported_error = error;
		c->reported_remedy = remedy;
		c->reported_dropped = sum;
	} else if (err == -EAGAIN &&
		   !uv_is_active((uv_handle_t *)&c->report_timer)) {
		uv_timer_start(&c->report_timer, on_report_timer,
			       clock_ms_up(c->report_limit.next_ns - now), 0);
	}
}

/* Cheap; called when a worker notified, or the listener changed its state. */
static void report_status(struct control *c)
{
	const struct sources *from = &c->commands.from;
	const char *remedy = NULL;
	int error = health_error(from, &remedy);

	/* During the start main.c reports. */
	if (!from->start->complete)
		return;
	if (error)
		report(c, CONTROL_FAILING, error, remedy);
	else if (from->listener->state == LISTENER_DROPPING)
		report(c, CONTROL_DROPPING, 0, NULL);
	else
		report(c, CONTROL_LISTENING, 0, NULL);
	/* Their number grows without a change of the state. */
	if (from->listener->state == LISTENER_DROPPING &&
	    !uv_is_active((uv_handle_t *)&c->report_timer))
		uv_timer_start(&c->report_timer, on_report_timer, DROPPED_MS,
			       0);
}

static void on_report_timer(uv_timer_t *timer)
{
	report_status(timer->data);
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
	uint64_t now = clock_now();
	uint64_t next = server_expire(&c->commands.server, now);

	/* Without a connection the timer does not wake the loop. */
	if (next)
		uv_timer_start(timer, on_expiry,
			       next > now ? clock_ms_up(next - now) : 1, 0);
}

/* A command or an answer may have brought the next deadline nearer. */
static void check_flushes(struct control *c)
{
	commands_check_flushes(&c->commands);
	if (!c->commands.server.open && !c->commands.server.no_accepts)
		return;
	uv_timer_stop(&c->expiry_timer);
	on_expiry(&c->expiry_timer);
}

static void on_pause_over(uv_timer_t *timer)
{
	watch(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct control *c = poll->data;
	uint64_t pause_ns = server_turn(&c->commands.server, clock_now());

	(void)status;
	(void)events;
	check_flushes(c);
	if (!pause_ns)
		return;
	uv_poll_stop(&c->ready);
	uv_timer_start(&c->pause_timer, on_pause_over, clock_ms_up(pause_ns),
		       0);
}

void control_notified(struct control *c)
{
	check_flushes(c);
	report_status(c);
	disk_watch_note(&c->disk);
}

/* -- before the loop sleeps ---------------------------------------------- */

void control_note(struct control *c)
{
	enum listener_state state = c->commands.from.listener->state;

	commands_note(&c->commands);
	if (c->listener_seen == state)
		return;
	c->listener_seen = state;
	report_status(c);
}

/* -- metrics file -------------------------------------------------------- */

static void on_file_timer(uv_timer_t *timer)
{
	struct control *c = timer->data;
	struct text *text = metrics_file_begin(&c->file);

	/* NULL: the disk hangs, and the writer still has the last text. */
	if (!text)
		return;
	commands_metrics(&c->commands, text);
	metrics_file_write(&c->file);
}

static int open_file(struct control *c, const struct sources *from)
{
	const struct config *cfg = from->settings->cfg;
	size_t room = show_room(from->workers_most, from->senders);
	uint64_t ms = clock_ms_up(cfg->control_metrics_interval_ns);
	int err;

	if (!cfg->control_metrics_file[0])
		return 0;
	err = metrics_file_open(&c->file, cfg->control_metrics_file, room);
	if (!err)
		uv_timer_start(&c->file_timer, on_file_timer, 0, ms);
	return err;
}

/* -- open and close ------------------------------------------------------ */

static void init_timer(struct control *c, uv_loop_t *loop, uv_timer_t *timer)
{
	uv_timer_init(loop, timer);
	timer->data = c;
}

static int watch_server(struct control *c, uv_loop_t *loop)
{
	int err;

	if (!c->commands.serving)
		return 0;
	err = uv_poll_init(loop, &c->ready, c->commands.server.epoll);
	c->ready.data = c;
	return err ? err : uv_poll_start(&c->ready, UV_READABLE, on_ready);
}

int control_open(struct control *c, uv_loop_t *loop, int listener,
		 const struct sources *from)
{
	int err;

	memset(c, 0, sizeof(*c));
	c->listener_seen = from->listener->state;
	c->reported = CONTROL_LISTENING; /* main reports it with READY=1 */
	c->report_limit.every_ns = CLOCK_SECOND;
	init_timer(c, loop, &c->report_timer);
	init_timer(c, loop, &c->pause_timer);
	init_timer(c, loop, &c->expiry_timer);
	init_timer(c, loop, &c->file_timer);
	err = disk_watch_open(&c->disk, loop, from->workers,
			      from->workers_most);
	if (err)
		return err;
	err = commands_open(&c->commands, listener, from);
	if (!err)
		err = watch_server(c, loop);
	return err ? err : open_file(c, from);
}

void control_replace(struct control *c, int listener)
{
	int err = server_replace(&c->commands.server, listener);

	if (err)
		log_error("cannot watch the control socket: %s",
			  strerror(-err));
}

void control_stopping(struct control *c)
{
	assert(!c->stopping);
	c->stopping = true;
	c->commands.stopping = true;
}

static void close_handle(void *handle)
{
	uv_handle_t *h = handle;

	if (h->loop && !uv_is_closing(h))
		uv_close(h, NULL);
}

void control_close(struct control *c, bool flushed)
{
	close_handle(&c->ready);
	close_handle(&c->report_timer);
	close_handle(&c->pause_timer);
	close_handle(&c->expiry_timer);
	close_handle(&c->file_timer);
	disk_watch_close(&c->disk);
	commands_close(&c->commands, flushed);
	metrics_file_close(&c->file);
}
