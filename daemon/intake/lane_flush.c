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

static bool is_at(const struct lane_client *c, enum lane_client_flush step)
{
	return c->fd >= 0 && c->flush == step;
}

/* True: a client is READ. */
static bool read_queues(struct lane_flush *f)
{
	struct lane_clients *cs = f->clients;
	struct lane_client *c;
	bool found = false;

	for (c = cs->list; c < cs->list + cs->most; c++) {
		/* If the ring is full, a worker that frees a slot notifies. */
		if (is_at(c, LANE_CLIENT_READING) &&
		    listener_catch_up(f->listener, &c->flush_mark))
			c->flush = LANE_CLIENT_READ;
		found |= is_at(c, LANE_CLIENT_READ);
	}
	return found;
}

static void on_timer(uv_timer_t *timer);

static void go_on(struct lane_flush *f)
{
	struct lane_clients *cs = f->clients;
	struct lane_client *c;
	uint64_t request;

	if (!read_queues(f) || uv_is_active((uv_handle_t *)&f->timer))
		return;
	uv_timer_start(&f->timer, on_timer, LANE_FLUSH_PAUSE_MS, 0);
	request = workers_flush(f->workers);
	for (c = cs->list; c < cs->list + cs->most; c++) {
		if (!is_at(c, LANE_CLIENT_READ))
			continue;
		c->flush = LANE_CLIENT_BEGUN;
		c->flush_request = request;
	}
}

static void on_timer(uv_timer_t *timer)
{
	go_on(timer->data);
}

void lane_flush_request(struct lane_flush *f, struct lane_client *c,
			uint64_t number)
{
	if (c->flush != LANE_CLIENT_NONE) {
		lane_clients_refuse(c, -EBUSY);
		return;
	}
	c->flush = LANE_CLIENT_READING;
	c->flush_number = number;
	c->flush_mark = listener_mark(f->listener);
	go_on(f);
}

static void answer(struct lane_client *c, uint64_t drops)
{
	uint64_t told = c->told;

	c->told = drops;
	c->flush = LANE_CLIENT_NONE;
	c->idle_ns = clock_now();
	(void)lane_clients_answer(c, 0, c->flush_number, drops - told, -1);
}

void lane_flush_notified(struct lane_flush *f)
{
	struct lane_clients *cs = f->clients;
	uint64_t drops = drops_of(f);
	struct lane_client *c;

	go_on(f);
	for (c = cs->list; c < cs->list + cs->most; c++)
		if (is_at(c, LANE_CLIENT_BEGUN) &&
		    workers_flushed(f->workers, c->flush_request))
			answer(c, drops);
}
