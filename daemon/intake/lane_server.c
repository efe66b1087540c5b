/* SPDX-License-Identifier: MIT */
/* See lane_server.h. */
#include "daemon/intake/lane_server.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/systemd.h"

/* One line a minute of each kind, whatever clients do. */

static struct stats_listener *stats_of(struct lane_server *s)
{
	return &s->listener->stats;
}

void lane_stored_name(char *name, uint64_t id, bool connection)
{
	snprintf(name, SYSTEMD_NAME, SYSTEMD_STORED "%016" PRIx64 "%s", id,
		 connection ? "-c" : "");
}

/* Both descriptors of a lane.  False: systemd's queue is full. */
static bool try_forget(uint64_t id)
{
	char name[SYSTEMD_NAME];

	lane_stored_name(name, id, false);
	if (systemd_forget(name))
		return false;
	lane_stored_name(name, id, true);
	return !systemd_forget(name);
}

static void on_tick(uv_timer_t *timer);

static void start_tick(struct lane_server *s)
{
	if (!uv_is_active((uv_handle_t *)&s->tick))
		uv_timer_start(&s->tick, on_tick, LANE_PAUSE_MS, 0);
}

/* What is still owed is tried again. */
static void forget_owed(struct lane_server *s)
{
	while (s->owed_count && try_forget(s->owed[s->owed_count - 1]))
		s->owed_count--;
	if (s->owed_count)
		start_tick(s);
}

/*
 * A descriptor that stayed in systemd's store would take the place of a later
 * lane's, and that lane would not survive a kill.
 */
void lane_server_forget(struct lane_server *s, uint64_t id)
{
	if (try_forget(id))
		return;
	assert(s->owed_count < s->owed_most);
	s->owed[s->owed_count++] = id;
	start_tick(s);
}

/* -- connections --------------------------------------------------------- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_closed(uv_handle_t *handle)
{
	struct lane_client *c = handle->data;

	c->closing = false;
}

/* Its lane, if it has one, is read to what is written by now. */
static void disconnect(struct lane_client *c)
{
	struct lane_server *s = c->server;

	uv_close((uv_handle_t *)&c->poll, on_closed);
	c->closing = true;
	close(c->fd);
	c->fd = -1;
	if (c->slot == LANE_NO_SLOT)
		return;
	lanes_end(&s->workers->lanes, c->slot);
	workers_ring(s->workers);
	c->slot = LANE_NO_SLOT;
}

static void watch(struct lane_client *c)
{
	c->paused = false;
	if (uv_poll_start(&c->poll, UV_READABLE, on_readable))
		disconnect(c);
}

static void on_tick(uv_timer_t *timer)
{
	struct lane_server *s = timer->data;
	uint64_t i;

	for (i = 0; i < s->clients_most; i++)
		if (s->client[i].fd >= 0 && s->client[i].paused)
			watch(&s->client[i]);
	forget_owed(s);
}

static void pause_client(struct lane_client *c)
{
	c->paused = true;
	uv_poll_stop(&c->poll);
	start_tick(c->server);
}

/* False: the connection cannot take it, and is closed. */
static bool answer(struct lane_client *c, int status, uint64_t value1,
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
		disconnect(c);
		return false;
	}
	return true;
}

struct lane_client *lane_server_connect(struct lane_server *s, int fd)
{
	struct lane_client *c = NULL;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uint64_t i;

	for (i = 0; i < s->clients_most && !c; i++)
		if (s->client[i].fd < 0 && !s->client[i].closing)
			c = &s->client[i];
	if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return NULL;
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->server = s;
	c->slot = LANE_NO_SLOT;
	c->uid = peer.uid;
	c->pid = peer.pid;
	c->idle_ns = clock_now();
	if (uv_poll_init(s->accepts.loop, &c->poll, fd))
		return NULL;
	c->poll.data = c;
	c->fd = fd;
	watch(c);
	return c->fd < 0 ? NULL : c;
}

/* -- quotas -------------------------------------------------------------- */

static uint64_t share_of(const struct lane_server *s, uid_t uid)
{
	uint64_t count = s->count;

	if (!uid || uid == geteuid())
		return count;
	return count >= 8 ? count / 4 : 1;
}

/* How many connections this user has. */
static uint64_t count_clients(const struct lane_server *s, uid_t uid)
{
	uint64_t i, n = 0;

	for (i = 0; i < s->clients_most; i++)
		n += s->client[i].fd >= 0 && s->client[i].uid == uid;
	return n;
}

/* -- OPEN ---------------------------------------------------------------- */

/* The program asks again; its message waits in its own memory. */
static bool is_large_free(const struct lane_server *s, uid_t uid)
{
	unsigned all = 0, own = 0;
	const struct lane_entry *e;

	for (e = s->table->entry; e < s->table->entry + s->table->entries;
	     e++) {
		if (load_relaxed(&e->state) != LANE_ENTRY_OPEN || !e->large)
			continue;
		all++;
		own += e->uid == uid;
	}
	return all < LANE_LARGE_MOST && own < LANE_LARGE_SHARE;
}

static int check_open(struct lane_server *s, const struct lane_client *c,
		      uint64_t large)
{
	if (s->stopping || c->slot != LANE_NO_SLOT)
		return -EBUSY;
	/* Bounds what is owed to the lanes that are open. */
	if (s->owed_count)
		return -EAGAIN;
	if (large > s->large)
		return -EMSGSIZE;
	if (large && !is_large_free(s, c->uid))
		return -EAGAIN;
	if (lane_table_count(s->table, c->uid) >= share_of(s, c->uid))
		return -EDQUOT;
	return s->lanes < s->count ? 0 : -ENOSPC;
}

/*
 * systemd has the memory before the client does: what the client writes
 * survives this process.
 */
static int store(const struct lane_client *c, int memory, uint64_t id)
{
	char name[SYSTEMD_NAME];
	int err;

	lane_stored_name(name, id, false);
	err = systemd_store(memory, name, false);
	if (err)
		return err;
	(void)FAILPOINT("lane.stored");
	lane_stored_name(name, id, true);
	return systemd_store(c->fd, name, true);
}

/* The memory of a new lane, which is OPEN then.  The descriptor or -errno. */
static int make_lane(struct lane_server *s, struct lane_client *c,
		     struct lane_entry *e)
{
	struct lane lane;
	int fd = lane_make(e), err;

	if (fd < 0)
		return fd;
	err = store(c, fd, e->id);
	if (!err)
		err = lane_map(&lane, fd, e);
	if (err) {
		lane_server_forget(s, e->id);
		close(fd);
		return err;
	}
	(void)FAILPOINT("lane.mapped");
	lanes_add(&s->workers->lanes, &lane);
	s->lanes++;
	c->slot = lane_entry_index(s->table, e);
	return fd;
}

static int give_out(struct lane_server *s, struct lane_client *c,
		    uint64_t large)
{
	int err = check_open(s, c, large), fd;
	struct lane_entry *e;

	if (err)
		return err;
	e = lane_table_room(s->table);
	if (!e ||
	    !lanes_is_free(&s->workers->lanes, lane_entry_index(s->table, e)))
		return -ENOSPC;
	lane_entry_open(e, lane_table_new_id(s->table),
			large ? lane_large_size(large) : s->size, large, c->uid,
			(uint32_t)c->pid, 0);
	fd = make_lane(s, c, e);
	if (fd < 0) {
		lane_entry_close(e);
		return fd;
	}
	(void)FAILPOINT("lane.made");
	stats_add(&stats_of(s)->lanes_opened, 1);
	(void)answer(c, 0, e->id, e->size, fd);
	close(fd);
	return 0;
}

static void refuse(struct lane_client *c, int err)
{
	struct lane_server *s = c->server;

	stats_add(&stats_of(s)->lanes_refused, 1);
	lane_report_refused(&s->report, c->pid, c->uid, err);
	if (answer(c, err, 0, 0, -1))
		disconnect(c);
}

/* -- ASK ----------------------------------------------------------------- */

static struct lane_client *client_of(const struct lane_server *s, uint32_t slot)
{
	uint64_t i;

	for (i = 0; i < s->clients_most; i++)
		if (s->client[i].fd >= 0 && s->client[i].slot == slot)
			return &s->client[i];
	return NULL;
}

/*
 * Only for a lane of this user from which nothing more is taken.  -EAGAIN: a
 * lane without a connection is read to its end first.
 */
static int find_position(struct lane_server *s, const struct lane_client *c,
			 uint64_t id, uint64_t *position)
{
	struct lane_entry *e = lane_table_find(s->table, id);

	if (!e || e->uid != c->uid)
		return -ENOENT;
	/* pairs with lane_entry_close(): the position is final */
	if (load_acquire(&e->state) == LANE_ENTRY_CLOSED) {
		*position = load_relaxed(&e->position);
		return 0;
	}
	return client_of(s, lane_entry_index(s->table, e)) ? -EBUSY : -EAGAIN;
}

static void answer_ask(struct lane_client *c)
{
	uint64_t position = 0;
	int err = find_position(c->server, c, c->asks, &position);

	/* lane_server_notified() tries again. */
	if (err != -EAGAIN && answer(c, err, c->asks, position, -1))
		disconnect(c);
}

/* -- FLUSH --------------------------------------------------------------- */

static uint64_t drops_of(const struct lane_server *s)
{
	const struct stats_listener *st = &s->listener->stats;
	uint64_t n = 0;

#define DROPPED(name, doc) n += stats_get(&st->name);
#include "daemon/base/stats.def"
	return n;
}

static void on_flush_timer(uv_timer_t *timer);

/* One flush for all clients that wait. */
static void begin_flush(struct lane_server *s)
{
	uint64_t request, i;

	/* The datagrams that were in the socket's queue are read first. */
	if (!listener_catch_up(s->listener, &s->mark))
		return; /* a worker that frees a slot notifies */
	s->catching_up = false;
	request = workers_flush(s->workers);
	for (i = 0; i < s->clients_most; i++)
		if (s->client[i].fd >= 0 && s->client[i].flushes &&
		    !s->client[i].flush_request)
			s->client[i].flush_request = request;
}

static bool is_flush_wanted(const struct lane_server *s)
{
	uint64_t i;

	for (i = 0; i < s->clients_most; i++)
		if (s->client[i].fd >= 0 && s->client[i].flushes &&
		    !s->client[i].flush_request)
			return true;
	return false;
}

static void on_flush_timer(uv_timer_t *timer)
{
	struct lane_server *s = timer->data;

	if (s->stopping || !is_flush_wanted(s))
		return;
	uv_timer_start(timer, on_flush_timer, LANE_FLUSH_PAUSE_MS, 0);
	s->catching_up = true;
	s->mark = listener_mark(s->listener);
	begin_flush(s);
}

static void ask_flush(struct lane_client *c, uint64_t number)
{
	struct lane_server *s = c->server;

	if (c->flushes || s->stopping) {
		refuse(c, -EBUSY);
		return;
	}
	c->flushes = true;
	c->flush_number = number;
	c->flush_request = 0;
	/* Else the timer ends the pause after the last one. */
	if (!uv_is_active((uv_handle_t *)&s->flush_timer))
		on_flush_timer(&s->flush_timer);
}

/* The answers that came later. */
static void answer_waiting(struct lane_server *s)
{
	uint64_t i, drops = drops_of(s), told;
	struct lane_client *c;

	if (s->catching_up)
		begin_flush(s);
	for (i = 0; i < s->clients_most; i++) {
		c = &s->client[i];
		if (c->fd >= 0 && c->asks)
			answer_ask(c);
		if (c->fd < 0 || !c->flushes || !c->flush_request ||
		    !workers_flushed(s->workers, c->flush_request))
			continue;
		told = c->told;
		c->told = drops;
		c->flushes = false;
		c->idle_ns = clock_now();
		(void)answer(c, 0, c->flush_number, drops - told, -1);
	}
}

/* -- packets ------------------------------------------------------------- */

static void serve(struct lane_client *c, const struct lane_request *request)
{
	int err;

	switch (request->type) {
	case LANE_WIRE_OPEN:
		err = give_out(c->server, c, request->value);
		if (err)
			refuse(c, err);
		break;
	case LANE_WIRE_ASK:
		c->asks = request->value;
		answer_ask(c);
		break;
	case LANE_WIRE_FLUSH:
		ask_flush(c, request->value);
		break;
	default:
		refuse(c, -EINVAL);
	}
}

/* One packet.  False: there is none, or the connection has ended. */
static bool receive(struct lane_client *c, bool *rang)
{
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
		serve(c, &packet.request);
	else
		disconnect(c);
	return c->fd >= 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct lane_client *c = poll->data;
	struct lane_server *s = c->server;
	bool rang = false;
	unsigned n;

	(void)events;
	if (status < 0) {
		disconnect(c);
		return;
	}
	for (n = 0; n < LANE_PACKETS; n++)
		if (!receive(c, &rang))
			break;
	if (rang) {
		stats_add(&stats_of(s)->lane_rings, 1);
		workers_ring(s->workers);
	}
	/* Whoever rings without end costs a bounded share. */
	if (c->fd >= 0 && (rang || n == LANE_PACKETS))
		pause_client(c);
}

/* -- accepting ----------------------------------------------------------- */

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

static void on_idle_timer(uv_timer_t *timer)
{
	struct lane_server *s = timer->data;
	uint64_t now_ns = clock_now(), i;
	struct lane_client *c;
	bool waits = false;

	for (i = 0; i < s->clients_most; i++) {
		c = &s->client[i];
		if (c->fd < 0 || c->slot != LANE_NO_SLOT || c->flushes)
			continue;
		if (now_ns - c->idle_ns >= LANE_IDLE_MS * CLOCK_MS)
			disconnect(c);
		else
			waits = true;
	}
	if (waits)
		uv_timer_start(timer, on_idle_timer, LANE_IDLE_MS, 0);
}

static void turn_away(int fd, int err)
{
	struct lane_answer packet = { LANE_WIRE_MAGIC, err, 0, 0 };

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
	c = lane_server_connect(s, fd);
	if (!c) {
		stats_add(&stats_of(s)->lanes_refused, 1);
		turn_away(fd, -ENOSPC);
		return true;
	}
	c->told = drops_of(s);
	/* One more for ASK, and one for FLUSH without a lane. */
	if (count_clients(s, c->uid) > share_of(s, c->uid) + 2)
		refuse(c, -EDQUOT);
	else if (!uv_is_active((uv_handle_t *)&s->idle_timer))
		uv_timer_start(&s->idle_timer, on_idle_timer, LANE_IDLE_MS, 0);
	return true;
}

static void on_accepts(uv_poll_t *poll, int status, int events)
{
	struct lane_server *s = poll->data;
	unsigned n;

	(void)status;
	(void)events;
	for (n = 0; n < LANE_ACCEPTS; n++)
		if (!accept_one(s))
			break;
	if (n == LANE_ACCEPTS) {
		pause_accepting(s, LANE_ACCEPT_PAUSE_MS);
	} else if (!n && errno != EAGAIN) {
		lane_report_no_accept(&s->report, errno);
		pause_accepting(s, LANE_NO_ACCEPT_PAUSE_MS);
	}
}

/* -- the end of lanes ---------------------------------------------------- */

/* False: a worker still looks at it. */
static bool settle(struct lane_server *s, uint32_t slot)
{
	struct lanes *ls = &s->workers->lanes;
	const struct lane_entry *e = &s->table->entry[slot];
	struct lane_client *c = client_of(s, slot);
	bool broken = ls->slot[slot].broken;

	if (!lanes_remove(ls, slot))
		return false;
	if (broken) {
		stats_add(&stats_of(s)->lanes_broken, 1);
		lane_report_broken(&s->report, e->pid, e->uid);
	}
	stats_add(&stats_of(s)->lanes_closed, 1);
	s->lanes--;
	lane_server_forget(s, e->id);
	if (c) {
		/* Its lane has ended already. */
		c->slot = LANE_NO_SLOT;
		disconnect(c);
	}
	return true;
}

static void settle_lanes(struct lane_server *s)
{
	struct lanes *ls = &s->workers->lanes;
	/* pairs with end_lane(), lanes.c */
	uint64_t ended = load_acquire(&ls->ended);
	uint32_t i;

	if (ended == s->ended)
		return;
	for (i = 0; i < ls->slots; i++)
		if (load_acquire(&ls->slot[i].state) == LANES_ENDED &&
		    !settle(s, i))
			/* It notifies nobody when it gives the claim back. */
			ended = s->ended;
	s->ended = ended;
}

static void note_too_large(struct lane_server *s)
{
	struct lanes *ls = &s->workers->lanes;
	struct workers_totals totals;

	workers_sum(s->workers, &totals);
	if (totals.lane_too_large == s->listener->lane_too_large)
		return;
	/* pairs with lanes.c, note_too_large() */
	atomic_thread_fence(memory_order_acquire);
	listener_lanes_dropped(s->listener, totals.lane_too_large,
			       atomic_exchange_explicit(&ls->large_bytes, 0,
							memory_order_relaxed),
			       atomic_exchange_explicit(&ls->large_most, 0,
							memory_order_relaxed));
}

static void on_settle_tick(uv_timer_t *timer)
{
	lane_server_notified(timer->data);
	on_tick(timer);
}

void lane_server_notified(struct lane_server *s)
{
	if (!s->open)
		return;
	settle_lanes(s);
	note_too_large(s);
	answer_waiting(s);
	if (s->ended != load_acquire(&s->workers->lanes.ended))
		uv_timer_start(&s->tick, on_settle_tick, LANE_PAUSE_MS, 0);
}

/* -- open and close ------------------------------------------------------ */

static void init_timer(struct lane_server *s, uv_loop_t *uv, uv_timer_t *timer)
{
	uv_timer_init(uv, timer);
	timer->data = s;
}

static int make_clients(struct lane_server *s, unsigned stored)
{
	uint64_t i;

	s->clients_most = s->count + LANE_SPARE;
	s->client = calloc(s->clients_most, sizeof(*s->client));
	/* Each lane of this life, of a former one, and one that failed. */
	s->owed_most = s->table->entries + stored + 1;
	s->owed = calloc(s->owed_most, sizeof(*s->owed));
	if (!s->client || !s->owed)
		return -ENOMEM;
	for (i = 0; i < s->clients_most; i++)
		s->client[i].fd = -1;
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
	s->workers = workers;
	s->table = table;
	s->listener = listener;
	s->count = cfg->lanes_count;
	s->size = cfg->lanes_size_bytes;
	s->large = cfg->lanes_large_bytes;
	if (fd < 0 || !table->entries)
		return 0;
	err = make_clients(s, stored);
	if (err)
		return err;
	err = uv_poll_init(uv, &s->accepts, fd);
	if (err)
		return err;
	s->accepts.data = s;
	init_timer(s, uv, &s->tick);
	init_timer(s, uv, &s->accept_timer);
	init_timer(s, uv, &s->flush_timer);
	init_timer(s, uv, &s->idle_timer);
	lane_report_open(&s->report, uv);
	s->open = true;
	lane_restore(s, stored);
	return uv_poll_start(&s->accepts, UV_READABLE, on_accepts);
}

void lane_server_stop(struct lane_server *s)
{
	struct lanes *ls = &s->workers->lanes;
	uint32_t i;

	if (!s->open)
		return;
	s->stopping = true;
	uv_close((uv_handle_t *)&s->accepts, NULL);
	for (i = 0; i < ls->slots; i++)
		if (load_acquire(&ls->slot[i].state) == LANES_OPEN)
			lanes_end(ls, i);
	workers_ring(s->workers);
}

void lane_server_close(struct lane_server *s)
{
	uint64_t i;

	if (!s->open)
		return;
	s->open = false;
	for (i = 0; i < s->clients_most; i++) {
		s->client[i].slot = LANE_NO_SLOT;
		if (s->client[i].fd >= 0)
			disconnect(&s->client[i]);
	}
	if (!s->stopping)
		uv_close((uv_handle_t *)&s->accepts, NULL);
	uv_close((uv_handle_t *)&s->tick, NULL);
	uv_close((uv_handle_t *)&s->accept_timer, NULL);
	uv_close((uv_handle_t *)&s->flush_timer, NULL);
	uv_close((uv_handle_t *)&s->idle_timer, NULL);
	lane_report_close(&s->report);
}
