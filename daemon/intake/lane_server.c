/* SPDX-License-Identifier: MIT */
/* See lane_server.h. */
#include "daemon/intake/lane_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/intake/lane_restore.h"

/* -- requests ------------------------------------------------------------- */

/* lane_clients_request_fn */
static void on_request(void *arg, struct lane_client *c,
		       const struct lane_request *request)
{
	struct lane_server *s = arg;

	switch (request->type) {
	case LANE_WIRE_OPEN:
		if (s->stopping)
			lane_clients_refuse(c, -EBUSY);
		else
			lane_handout_request(&s->handout, c, request->value);
		break;
	case LANE_WIRE_ASK:
		lane_end_request(&s->end, c, request->value);
		break;
	case LANE_WIRE_FLUSH:
		if (s->stopping)
			lane_clients_refuse(c, -EBUSY);
		else
			lane_flush_request(&s->flush, c, request->value);
		break;
	default:
		lane_clients_refuse(c, -EINVAL);
	}
}

void lane_server_notified(struct lane_server *s)
{
	if (!s->open)
		return;
	lane_end_notified(&s->end);
	lane_flush_notified(&s->flush);
}

/* -- accepting ------------------------------------------------------------ */

static void turn_away(struct lane_server *s, int fd, int err)
{
	struct lane_answer packet = { LANE_WIRE_MAGIC, err, 0, 0 };

	stats_add(&s->clients.stats->lanes_refused, 1);
	(void)send(fd, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* False: nobody waits. */
static bool accept_one(struct lane_server *s)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct lane_client *c;

	if (fd < 0)
		return false;
	c = lane_clients_add(&s->clients, fd);
	if (!c) {
		turn_away(s, fd, -ENOSPC);
		return true;
	}
	lane_flush_greet(&s->flush, c);
	/* One more for ASK, and one for FLUSH without a lane. */
	if (lane_clients_count(&s->clients, c->uid) >
	    lane_handout_share(&s->handout, c->uid) + LANE_HANDOUT_LARGE_SHARE +
		    2)
		lane_clients_refuse(c, -EDQUOT);
	return true;
}

static void on_accepts(uv_poll_t *poll, int status, int events);

static void on_accept_timer(uv_timer_t *timer)
{
	struct lane_server *s = timer->data;

	if (!s->stopping)
		(void)uv_poll_start(&s->accepts, UV_READABLE, on_accepts);
}

static void pause_accepting(struct lane_server *s, unsigned ms)
{
	uv_poll_stop(&s->accepts);
	uv_timer_start(&s->accept_timer, on_accept_timer, ms, 0);
}

static void on_accepts(uv_poll_t *poll, int status, int events)
{
	struct lane_server *s = poll->data;
	unsigned n;

	(void)status;
	(void)events;
	for (n = 0; n < LANE_SERVER_ACCEPTS; n++)
		if (!accept_one(s))
			break;
	if (n == LANE_SERVER_ACCEPTS) {
		pause_accepting(s, LANE_SERVER_PAUSE_MS);
	} else if (!n && errno != EAGAIN) {
		lane_report_no_accept(&s->clients.report, errno);
		pause_accepting(s, LANE_SERVER_ERROR_PAUSE_MS);
	}
}

/* -- open and close ------------------------------------------------------- */

/* The parts, from the bottom up. */
static int open_parts(struct lane_server *s, uv_loop_t *uv,
		      struct workers *workers, struct lane_table *table,
		      struct listener *listener, const struct config *cfg,
		      unsigned stored)
{
	int err;

	err = lane_clients_open(&s->clients, uv, cfg->lanes_count, workers,
				&listener->stats, on_request, s);
	if (err)
		return err;
	/* Each lane of this life, of a former one, and one that failed. */
	err = lane_store_open(&s->store, uv, table->entries + stored + 1);
	if (err)
		return err;
	lane_handout_open(&s->handout, &s->clients, &s->store, workers, table,
			  cfg);
	lane_end_open(&s->end, uv, &s->handout, listener);
	lane_flush_open(&s->flush, uv, &s->clients, listener, workers);
	return 0;
}

int lane_server_open(struct lane_server *s, uv_loop_t *uv, int fd,
		     struct workers *workers, struct lane_table *table,
		     struct listener *listener, const struct config *cfg,
		     unsigned stored)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	/* Without a socket there may still be lanes of a former life. */
	if (fd < 0 && !table->entries)
		return 0;
	err = open_parts(s, uv, workers, table, listener, cfg, stored);
	if (err)
		return err;
	uv_timer_init(uv, &s->accept_timer);
	s->accepts.data = s->accept_timer.data = s;
	s->open = true;
	lane_restore(&s->handout, stored);
	if (fd < 0)
		return 0;
	err = uv_poll_init(uv, &s->accepts, fd);
	s->accepting = !err;
	return err ? err : uv_poll_start(&s->accepts, UV_READABLE, on_accepts);
}

static void stop_accepting(struct lane_server *s)
{
	if (s->accepting)
		uv_close((uv_handle_t *)&s->accepts, NULL);
	s->accepting = false;
}

void lane_server_stop(struct lane_server *s)
{
	struct lanes *ls;
	uint32_t i;

	if (!s->open)
		return;
	s->stopping = true;
	stop_accepting(s);
	ls = &s->handout.workers->lanes;
	for (i = 0; i < ls->slots; i++)
		if (load_acquire(&ls->slot[i].state) == LANES_OPEN)
			lanes_end(ls, i);
	workers_ring(s->handout.workers);
}

void lane_server_keep(struct lane_server *s, struct lane_rest *rest)
{
	memset(rest, 0, sizeof(*rest));
	if (s->open)
		lane_rest_keep(&s->handout, rest);
}

void lane_server_close(struct lane_server *s)
{
	if (!s->open)
		return;
	s->open = false;
	stop_accepting(s);
	uv_close((uv_handle_t *)&s->accept_timer, NULL);
	lane_flush_close(&s->flush);
	lane_end_close(&s->end);
	lane_store_close(&s->store);
	lane_clients_close(&s->clients);
}
