/* SPDX-License-Identifier: MIT */
/* See server.h. */
#include "daemon/control/server.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Connections accepted in one event. */
#define ACCEPTS 4
/* The pause after accept(2) failed, for example without a free descriptor. */
#define ACCEPT_PAUSE_NS CLOCK_SECOND

struct answer {
	struct connection *owner; /* NULL: free */
	struct text text;
	size_t sent;
};

static int allocate(struct server *s, size_t room)
{
	unsigned i;

	s->connections = calloc(SERVER_CONNECTIONS, sizeof(*s->connections));
	s->answers = calloc(SERVER_ANSWERS, sizeof(*s->answers));
	s->memory = malloc(SERVER_ANSWERS * room);
	if (!s->connections || !s->answers || !s->memory)
		return -ENOMEM;
	/* Touched now, so that a flood of requests needs no new page. */
	memset(s->memory, 0, SERVER_ANSWERS * room);
	for (i = 0; i < SERVER_CONNECTIONS; i++)
		s->connections[i].fd = -1;
	for (i = 0; i < SERVER_ANSWERS; i++)
		text_open(&s->answers[i].text, s->memory + i * room, room);
	return 0;
}

int server_open(struct server *s, int listener, size_t room,
		server_line_fn *on_line, server_late_fn *on_late, void *arg)
{
	struct epoll_event event = { .events = EPOLLIN };
	int err;

	memset(s, 0, sizeof(*s));
	s->listener = listener;
	s->on_line = on_line;
	s->on_late = on_late;
	s->arg = arg;
	s->credit_ns = SERVER_CREDIT_NS;
	s->limit.every_ns = 60 * CLOCK_SECOND;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return -errno;
	err = allocate(s, room);
	if (!err && (listen(listener, SERVER_CONNECTIONS) ||
		     epoll_ctl(s->epoll, EPOLL_CTL_ADD, listener, &event)))
		err = -errno;
	if (err)
		server_close(s);
	return err;
}

int server_replace(struct server *s, int listener)
{
	struct epoll_event event = { .events = EPOLLIN };

	(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->listener, NULL);
	s->listener = listener;
	if (listen(listener, SERVER_CONNECTIONS) ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, listener, &event))
		return -errno;
	return 0;
}

/* -- a connection -------------------------------------------------------- */

static void free_answer(struct connection *c)
{
	if (c->answer)
		c->answer->owner = NULL;
	c->answer = NULL;
}

static void end_connection(struct server *s, struct connection *c)
{
	free_answer(c);
	close(c->fd); /* which removes it from the epoll set */
	c->fd = -1;
	c->waiting = false;
	assert(s->open > 0);
	s->open--;
}

/* At most once a minute, and all of them. */
static void report_no_accepts(struct server *s)
{
	log_error("control socket: accept: %s (%" PRIu64
		  " times since the last report)",
		  strerror(s->no_accept_error), s->no_accepts);
	s->no_accepts = 0;
}

void server_close(struct server *s)
{
	unsigned i;

	if (s->no_accepts)
		report_no_accepts(s);
	for (i = 0; s->connections && i < SERVER_CONNECTIONS; i++)
		if (s->connections[i].fd >= 0)
			end_connection(s, &s->connections[i]);
	close(s->epoll);
	free(s->connections);
	free(s->answers);
	free(s->memory);
	s->connections = NULL;
	s->answers = NULL;
	s->memory = NULL;
}

/* A buffer; if none is free, that of the connection that is slow for longest. */
static struct answer *get_answer(struct server *s)
{
	struct answer *a = s->answers, *slowest = s->answers;

	for (; a < s->answers + SERVER_ANSWERS; a++) {
		if (!a->owner)
			return a;
		if (a->owner->deadline_ns < slowest->owner->deadline_ns)
			slowest = a;
	}
	stats_add(&s->stats.control_expired, 1);
	end_connection(s, slowest->owner);
	return slowest;
}

struct text *server_begin(struct server *s, struct connection *c)
{
	assert(c->fd >= 0 && !c->answer);
	c->answer = get_answer(s);
	c->answer->owner = c;
	c->answer->sent = 0;
	text_clear(&c->answer->text);
	return &c->answer->text;
}

/* True: the whole answer is out.  False: a part is left, or c is closed. */
static bool send_answer(struct server *s, struct connection *c)
{
	struct answer *a = c->answer;
	ssize_t n = send(c->fd, a->text.data + a->sent, a->text.len - a->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		end_connection(s, c);
		return false;
	}
	if (n > 0)
		a->sent += n;
	assert(a->sent <= a->text.len);
	if (a->sent < a->text.len)
		return false;
	free_answer(c);
	if (!c->last)
		return true;
	end_connection(s, c);
	return false;
}

static void end_answer(struct text *t)
{
	/* An answer that fills its room leaves none for the newline. */
	if (t->cut || t->len + 1 >= t->room) {
		text_clear(t);
		text_add(t, "{\"error\":\"the answer is too long\","
			    "\"code\":\"internal\"}");
	}
	text_add(t, "\n");
}

/* See the states in server.h. */
static void check_connection(const struct connection *c)
{
	assert(c->fd >= 0);
	assert(c->len <= SERVER_LINE);
	assert(!c->waiting || !c->answer);
	assert(!c->answer || c->answer->owner == c);
}

static bool has_line(const struct connection *c)
{
	return memchr(c->line, '\n', c->len);
}

static void watch(struct server *s, struct connection *c)
{
	struct epoll_event event = { .data.ptr = c };

	check_connection(c);
	/* EPOLLHUP is always reported. */
	if (c->waiting)
		event.events = c->ended ? 0 : EPOLLRDHUP;
	else if (c->answer || has_line(c) || c->ended)
		event.events = EPOLLOUT;
	else
		event.events = EPOLLIN;
	if (event.events == c->events)
		return;
	c->events = event.events;
	if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &event))
		end_connection(s, c);
}

/* The answer is complete: sends as much of it as the peer takes. */
static void begin_sending(struct server *s, struct connection *c, uint64_t now)
{
	end_answer(&c->answer->text);
	c->waiting = false;
	c->deadline_ns = now + SERVER_TAKE_NS;
	if (send_answer(s, c))
		c->deadline_ns = now + SERVER_IDLE_NS;
}

void server_send(struct server *s, struct connection *c, uint64_t now)
{
	begin_sending(s, c, now);
	if (c->fd >= 0)
		watch(s, c);
}

/* Takes what the peer sent.  False: the connection is broken. */
static bool receive(struct connection *c)
{
	ssize_t n = recv(c->fd, c->line + c->len, SERVER_LINE - c->len,
			 MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		c->ended = true;
	c->len += n;
	return true;
}

static void take_line(struct server *s, struct connection *c, uint64_t now)
{
	char *end = memchr(c->line, '\n', c->len);
	size_t len = end ? (size_t)(end - c->line) : c->len;
	struct text *out = server_begin(s, c);
	bool answered;

	if (!end && !c->ended) {
		stats_add(&s->stats.control_wrong, 1);
		text_add(out,
			 "{\"error\":\"the line is longer than %d bytes\""
			 ",\"code\":\"command\"}",
			 SERVER_LINE);
		c->last = true;
		begin_sending(s, c, now);
		return;
	}
	c->line[len] = 0;
	answered = s->on_line(s->arg, c, c->line, len, out);
	/* What was sent ahead moves to the front. */
	if (end)
		len++;
	c->len -= len;
	memmove(c->line, c->line + len, c->len);
	if (answered) {
		begin_sending(s, c, now);
		return;
	}
	c->waiting = true;
	free_answer(c);
}

static void step(struct server *s, struct connection *c, uint32_t events,
		 uint64_t now)
{
	check_connection(c);
	if (events & (EPOLLHUP | EPOLLERR) && (c->waiting || c->answer)) {
		end_connection(s, c);
		return;
	}
	if (c->waiting)
		c->ended = true; /* EPOLLRDHUP */
	else if (c->answer && send_answer(s, c))
		c->deadline_ns = now + SERVER_IDLE_NS;
	if (c->fd >= 0 && !c->waiting && !c->answer) {
		if (!has_line(c) && !c->ended && !receive(c))
			end_connection(s, c);
		else if (has_line(c) || c->len == SERVER_LINE ||
			 (c->ended && c->len))
			take_line(s, c, now);
		else if (c->ended)
			end_connection(s, c);
	}
	if (c->fd >= 0)
		watch(s, c);
}

/* -- new connections ----------------------------------------------------- */

static struct connection *find_free(struct server *s, bool trusted)
{
	unsigned i, most = SERVER_CONNECTIONS;

	if (!trusted)
		most -= SERVER_RESERVED;
	assert(s->open <= SERVER_CONNECTIONS);
	if (s->open >= most)
		return NULL;
	for (i = 0; i < SERVER_CONNECTIONS; i++)
		if (s->connections[i].fd < 0)
			return &s->connections[i];
	return NULL;
}

static void refuse(struct server *s, int fd)
{
	static const char line[] = "{\"error\":\"too many connections\","
				   "\"code\":\"busy\"}\n";

	stats_add(&s->stats.control_refused, 1);
	(void)!send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void add_connection(struct server *s, int fd, uint64_t now)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	struct connection *c;
	bool trusted;

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	trusted = peer.uid == 0 || peer.uid == geteuid();
	c = find_free(s, trusted);
	event.data.ptr = c;
	if (!c || epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event)) {
		refuse(s, fd);
		return;
	}
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->uid = peer.uid;
	c->trusted = trusted;
	c->events = EPOLLIN;
	c->deadline_ns = now + SERVER_IDLE_NS;
	s->open++;
	stats_add(&s->stats.control_connections, 1);
}

static void note_no_accept(struct server *s, int error, uint64_t now)
{
	uint64_t missed;

	s->no_accepts++;
	s->no_accept_error = error;
	if (log_limit(&s->limit, now, &missed))
		report_no_accepts(s);
}

static void accept_some(struct server *s, uint64_t now)
{
	int fd, i;

	for (i = 0; i < ACCEPTS; i++) {
		fd = accept4(s->listener, NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			add_connection(s, fd, now);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		/* epoll would report it again at once, so pause instead. */
		s->credit_ns = -(int64_t)(ACCEPT_PAUSE_NS / SERVER_SHARE);
		note_no_accept(s, errno, now);
		return;
	}
}

/* -- turns --------------------------------------------------------------- */

/* Processor time: preemption by others must not count as time used. */
static int64_t busy_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * (int64_t)CLOCK_SECOND + ts.tv_nsec;
}

static void refill(struct server *s, uint64_t now)
{
	uint64_t share = (now - s->refilled_ns) / SERVER_SHARE;

	if (share > 2 * (uint64_t)SERVER_CREDIT_NS)
		share = 2 * SERVER_CREDIT_NS;
	s->refilled_ns = now;
	s->credit_ns += share;
	if (s->credit_ns > SERVER_CREDIT_NS)
		s->credit_ns = SERVER_CREDIT_NS;
}

uint64_t server_turn(struct server *s, uint64_t now)
{
	struct epoll_event events[SERVER_TURN];
	int64_t began = busy_ns();
	int i, n;

	refill(s, now);
	n = epoll_wait(s->epoll, events, SERVER_TURN, 0);
	for (i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		if (!c)
			accept_some(s, now);
		else if (c->fd >= 0)
			step(s, c, events[i].events, now);
	}
	s->credit_ns -= busy_ns() - began;
	if (s->credit_ns >= 0)
		return 0;
	stats_add(&s->stats.control_pauses, 1);
	return -s->credit_ns * SERVER_SHARE;
}

static void expire(struct server *s, struct connection *c, uint64_t now)
{
	if (c->waiting) {
		s->on_late(s->arg, c, server_begin(s, c));
		server_send(s, c, now);
		return;
	}
	stats_add(&s->stats.control_expired, 1);
	if (c->answer) {
		end_connection(s, c);
		return;
	}
	text_add(server_begin(s, c),
		 "{\"error\":\"no command for %d seconds\",\"code\":\"idle\"}",
		 (int)(SERVER_IDLE_NS / CLOCK_SECOND));
	c->last = true;
	server_send(s, c, now);
}

uint64_t server_expire(struct server *s, uint64_t now)
{
	uint64_t next = 0, missed;
	unsigned i;

	if (s->no_accepts && log_limit(&s->limit, now, &missed))
		report_no_accepts(s);
	if (s->no_accepts)
		next = s->limit.next_ns;
	for (i = 0; i < SERVER_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];

		if (c->fd >= 0 && c->deadline_ns <= now)
			expire(s, c, now);
		if (c->fd >= 0 && (!next || c->deadline_ns < next))
			next = c->deadline_ns;
	}
	return next;
}
