/* SPDX-License-Identifier: MIT */
/* See lane_clients.h. */
#include "daemon/intake/lane_clients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/clock.h"

/* -- the end of a connection ---------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct lane_client *c = handle->data;

	c->closing = false;
}

void lane_clients_disconnect(struct lane_client *c)
{
	struct workers *workers = c->all->workers;

	uv_close((uv_handle_t *)&c->poll, on_closed);
	c->closing = true;
	close(c->fd);
	c->fd = -1;
	if (c->slot == LANE_NO_SLOT)
		return;
	lanes_end(&workers->lanes, c->slot);
	workers_ring(workers);
	c->slot = LANE_NO_SLOT;
}

static void on_idle_timer(uv_timer_t *timer)
{
	struct lane_clients *cs = timer->data;
	uint64_t now_ns = clock_now();
	struct lane_client *c;
	bool waits = false;

	for (c = cs->list; c < cs->list + cs->most; c++) {
		if (c->fd < 0 || c->slot != LANE_NO_SLOT)
			continue;
		if (c->flush == LANE_CLIENT_NONE &&
		    now_ns - c->idle_ns >= LANE_CLIENTS_IDLE_MS * CLOCK_MS)
			lane_clients_disconnect(c);
		else
			waits = true;
	}
	if (waits)
		uv_timer_start(timer, on_idle_timer, LANE_CLIENTS_IDLE_MS, 0);
}

/* -- packets in ------------------------------------------------------------ */

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_timer(uv_timer_t *timer)
{
	struct lane_clients *cs = timer->data;
	struct lane_client *c;

	for (c = cs->list; c < cs->list + cs->most; c++) {
		if (c->fd < 0 || !c->paused)
			continue;
		c->paused = false;
		if (uv_poll_start(&c->poll, UV_READABLE, on_readable))
			lane_clients_disconnect(c);
	}
}

static void pause_client(struct lane_client *c)
{
	uv_timer_t *timer = &c->all->pause_timer;

	c->paused = true;
	uv_poll_stop(&c->poll);
	if (!uv_is_active((uv_handle_t *)timer))
		uv_timer_start(timer, on_pause_timer, LANE_CLIENTS_PAUSE_MS, 0);
}

/* One packet.  False: there is none, or the connection has ended. */
static bool receive(struct lane_client *c, bool *rang)
{
	struct lane_clients *cs = c->all;
	union {
		struct lane_request request;
		char bytes[64];
	} packet;
	ssize_t n = recv(c->fd, &packet, sizeof(packet), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n == 1) {
		*rang = true;
		return true;
	}
	if (n == sizeof(packet.request) &&
	    packet.request.magic == LANE_WIRE_MAGIC)
		cs->on_request(cs->arg, c, &packet.request);
	else
		lane_clients_disconnect(c);
	return c->fd >= 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct lane_client *c = poll->data;
	bool rang = false;
	unsigned n;

	(void)events;
	if (status < 0) {
		lane_clients_disconnect(c);
		return;
	}
	for (n = 0; n < LANE_CLIENTS_PACKETS; n++)
		if (!receive(c, &rang))
			break;
	if (rang) {
		stats_add(&c->all->stats->lane_rings, 1);
		workers_ring(c->all->workers);
	}
	/* Whoever rings without end costs a bounded share. */
	if (c->fd >= 0 && (rang || n == LANE_CLIENTS_PACKETS))
		pause_client(c);
}

/* -- answers out ----------------------------------------------------------- */

bool lane_clients_answer(struct lane_client *c, int status, uint64_t value1,
			 uint64_t value2, int fd)
{
	struct lane_answer packet = { LANE_WIRE_MAGIC, status, value1, value2 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &packet, sizeof(packet) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *h;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	if (sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		lane_clients_disconnect(c);
		return false;
	}
	return true;
}

/* There is no lane for it. */
static void turn_down(struct lane_client *c, int err)
{
	if (lane_clients_answer(c, err, 0, 0, -1))
		lane_clients_disconnect(c);
}

void lane_clients_put_off(struct lane_client *c)
{
	turn_down(c, -EAGAIN);
}

void lane_clients_refuse(struct lane_client *c, int err)
{
	stats_add(&c->all->stats->lanes_refused, 1);
	lane_report_refused(&c->all->report, c->pid, c->uid, err);
	turn_down(c, err);
}

/* -- all of them ----------------------------------------------------------- */

static struct lane_client *find_free(struct lane_clients *cs)
{
	struct lane_client *c;

	for (c = cs->list; c < cs->list + cs->most; c++)
		if (c->fd < 0 && !c->closing)
			return c;
	return NULL;
}

struct lane_client *lane_clients_add(struct lane_clients *cs, int fd)
{
	struct lane_client *c = find_free(cs);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return NULL;
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->all = cs;
	c->slot = LANE_NO_SLOT;
	c->uid = peer.uid;
	c->pid = peer.pid;
	c->idle_ns = clock_now();
	if (uv_poll_init(cs->pause_timer.loop, &c->poll, fd))
		return NULL;
	c->poll.data = c;
	if (uv_poll_start(&c->poll, UV_READABLE, on_readable)) {
		c->closing = true;
		uv_close((uv_handle_t *)&c->poll, on_closed);
		return NULL;
	}
	c->fd = fd;
	if (!uv_is_active((uv_handle_t *)&cs->idle_timer))
		uv_timer_start(&cs->idle_timer, on_idle_timer,
			       LANE_CLIENTS_IDLE_MS, 0);
	return c;
}

struct lane_client *lane_clients_find(const struct lane_clients *cs,
				      uint32_t slot)
{
	struct lane_client *c;

	for (c = cs->list; c < cs->list + cs->most; c++)
		if (c->fd >= 0 && c->slot == slot)
			return c;
	return NULL;
}

uint64_t lane_clients_count(const struct lane_clients *cs, uid_t uid)
{
	const struct lane_client *c;
	uint64_t n = 0;

	for (c = cs->list; c < cs->list + cs->most; c++)
		n += c->fd >= 0 && c->uid == uid;
	return n;
}

int lane_clients_open(struct lane_clients *cs, uv_loop_t *uv, uint64_t lanes,
		      struct workers *workers, struct stats_listener *stats,
		      lane_clients_request_fn *on_request, void *arg)
{
	struct lane_client *c;

	memset(cs, 0, sizeof(*cs));
	cs->workers = workers;
	cs->stats = stats;
	cs->on_request = on_request;
	cs->arg = arg;
	cs->most = lanes + LANE_CLIENTS_SPARE;
	cs->list = calloc(cs->most, sizeof(*cs->list));
	if (!cs->list)
		return -ENOMEM;
	for (c = cs->list; c < cs->list + cs->most; c++)
		c->fd = -1;
	uv_timer_init(uv, &cs->pause_timer);
	uv_timer_init(uv, &cs->idle_timer);
	cs->pause_timer.data = cs->idle_timer.data = cs;
	lane_report_open(&cs->report, uv);
	return 0;
}

void lane_clients_close(struct lane_clients *cs)
{
	struct lane_client *c;

	for (c = cs->list; c < cs->list + cs->most; c++) {
		c->slot = LANE_NO_SLOT;
		if (c->fd >= 0)
			lane_clients_disconnect(c);
	}
	uv_close((uv_handle_t *)&cs->pause_timer, NULL);
	uv_close((uv_handle_t *)&cs->idle_timer, NULL);
	lane_report_close(&cs->report);
}
