/* SPDX-License-Identifier: MIT */
/* See lane_flush.h. */
#include "daemon/intake/lane_flush.h"

#include <errno.h>
#include <string.h>

#include "daemon/base/clock.h"

void lane_flush_open(struct lane_flush *f, uv_loop_t *uv,
		     struct lane_clients *clients, struct listener *listener,
		     struct workers *workers)
{
	memset(f, 0, sizeof(*f));
	f->clients = clients;
	f->listener = listener;
	f->workers = workers;
	uv_timer_init(uv, &f->timer);
	f->timer.data = f;
}

void lane_flush_stop(struct lane_flush *f)
{
	uv_timer_stop(&f->timer);
}

void lane_flush_close(struct lane_flush *f)
{
	uv_close((uv_handle_t *)&f->timer, NULL);
}

static uint64_t drops_of(const struct lane_flush *f)
{
	const struct stats_listener *st = &f->listener->stats;
	uint64_t n = 0;

#define DROPPED(name, doc) n += stats_get(&st->name);
#include "daemon/base/stats.def"
	return n;
}

void lane_flush_greet(const struct lane_flush *f, struct lane_client *c)
{
	c->told = drops_of(f);
}

/* Does it wait for a flush that has not begun? */
static bool wants_flush(const struct lane_client *c)
{
	return c->fd >= 0 && c->flushes && !c->flush_request;
}

static bool is_flush_wanted(const struct lane_flush *f)
{
	const struct lane_clients *cs = f->clients;
	const struct lane_client *c;

	for (c = cs->list; c < cs->list + cs->most; c++)
		if (wants_flush(c))
			return true;
	return false;
}

/* One flush for all clients that wait. */
static void begin(struct lane_flush *f)
{
	struct lane_clients *cs = f->clients;
	struct lane_client *c;
	uint64_t request;

	/* The ring is full: a worker that frees a slot notifies. */
	if (!listener_catch_up(f->listener, &f->mark))
		return;
	f->catching_up = false;
	request = workers_flush(f->workers);
	for (c = cs->list; c < cs->list + cs->most; c++)
		if (wants_flush(c))
			c->flush_request = request;
}

static void on_timer(uv_timer_t *timer)
{
	struct lane_flush *f = timer->data;

	if (!is_flush_wanted(f))
		return;
	uv_timer_start(timer, on_timer, LANE_FLUSH_PAUSE_MS, 0);
	f->catching_up = true;
	f->mark = listener_mark(f->listener);
	begin(f);
}

void lane_flush_request(struct lane_flush *f, struct lane_client *c,
			uint64_t number)
{
	if (c->flushes) {
		lane_clients_refuse(c, -EBUSY);
		return;
	}
	c->flushes = true;
	c->flush_number = number;
	c->flush_request = 0;
	/* Else the timer ends the pause after the last one. */
	if (!uv_is_active((uv_handle_t *)&f->timer))
		on_timer(&f->timer);
}

static void answer(struct lane_client *c, uint64_t drops)
{
	uint64_t told = c->told;

	c->told = drops;
	c->flushes = false;
	c->idle_ns = clock_now();
	(void)lane_clients_answer(c, 0, c->flush_number, drops - told, -1);
}

void lane_flush_notified(struct lane_flush *f)
{
	struct lane_clients *cs = f->clients;
	uint64_t drops = drops_of(f);
	struct lane_client *c;

	if (f->catching_up)
		begin(f);
	for (c = cs->list; c < cs->list + cs->most; c++)
		if (c->fd >= 0 && c->flushes && c->flush_request &&
		    workers_flushed(f->workers, c->flush_request))
			answer(c, drops);
}
