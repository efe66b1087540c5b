/* SPDX-License-Identifier: MIT */
/* See loop.h. */
#include "daemon/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* What uv_loop_init() opens up to its pipe for signals: that and epoll's. */
#define UV_DESCRIPTORS 3

/* 0, or -errno where so many descriptors cannot be opened. */
static int try_descriptors(void)
{
	int fds[UV_DESCRIPTORS], err = 0;
	unsigned n = 0;

	while (!err && n < UV_DESCRIPTORS) {
		fds[n] = eventfd(0, EFD_CLOEXEC);
		if (fds[n] < 0)
			err = -errno;
		else
			n++;
	}
	while (n)
		close(fds[--n]);
	return err;
}

int loop_open(struct loop *l)
{
	int err;

	l->listener = NULL;
	/* libuv aborts where it cannot make its pipe for signals. */
	err = try_descriptors();
	return err ? err : uv_loop_init(&l->uv);
}

void loop_start(struct loop *l, struct listener *listener)
{
	l->listener = listener;
	/*
	 * libuv registers what it watches in its first run only, and before
	 * 1.44 uv_backend_timeout() does not know that something waits for
	 * that: without this run loop_turn() would sleep, deaf to signals,
	 * workers and the control socket, until a datagram or a timer.
	 */
	uv_run(&l->uv, UV_RUN_NOWAIT);
}

/* Waits in poll(2) for the sockets and for libuv, loop_ms at most. */
static enum pace_end wait_in_poll(struct loop *l, int loop_ms, bool *readable)
{
	const struct receiver *from = &l->listener->receiver;
	struct pollfd fds[1 + RECEIVER_SOCKETS];
	unsigned i, sockets = listener_polls(l->listener) ? from->sockets : 0;
	int n;

	fds[0] = (struct pollfd){ uv_backend_fd(&l->uv), POLLIN, 0 };
	for (i = 0; i < sockets; i++)
		fds[1 + i] = (struct pollfd){ from->socket[i].fd, POLLIN, 0 };
	n = poll(fds, 1 + sockets, loop_ms);
	*readable = false;
	if (n <= 0)
		return PACE_END_EARLY;
	*readable = n > (fds[0].revents ? 1 : 0);
	return fds[0].revents ? PACE_END_HANDLE : PACE_END_DATAGRAM;
}

/* Waits for libuv only, for the length of a pause at most. */
static enum pace_end pause_reading(struct loop *l, int loop_ms)
{
	struct pollfd fd = { .fd = uv_backend_fd(&l->uv), .events = POLLIN };
	struct timespec span = { .tv_nsec = loop_ms ? PACE_PAUSE_NS : 0 };
	int n = ppoll(&fd, 1, &span, NULL);

	if (n > 0)
		return PACE_END_HANDLE;
	return n < 0 || !loop_ms ? PACE_END_EARLY : PACE_END_PAUSED;
}

/*
 * A sleep in recvmmsg(2) is only for READING: a socket that was shut down has
 * an endless number of empty datagrams for it, and what is dropped needs no
 * sleep.
 */
static enum pace_wait next_wait(struct loop *l, int loop_ms)
{
	struct listener *from = l->listener;
	bool reading = from->state == LISTENER_READING;

	if (reading)
		pace_turn(&from->pace, stats_get(&from->stats.received),
			  uv_now(&l->uv));
	return pace_next(&from->pace, reading, loop_ms);
}

void loop_turn(struct loop *l)
{
	struct pace *pace = &l->listener->pace;
	enum pace_wait wait;
	enum pace_end end;
	bool readable;
	int loop_ms;

	uv_update_time(&l->uv);
	loop_ms = uv_backend_timeout(&l->uv);
	wait = next_wait(l, loop_ms);
	switch (wait) {
	case PACE_RECEIVE:
		end = listener_read(l->listener, MSG_WAITFORONE) ?
			      PACE_END_DATAGRAM :
			      PACE_END_EARLY;
		pace_ended(pace, wait, end);
		/* The next check serves the handles. */
		return;
	case PACE_PAUSE:
		end = pause_reading(l, loop_ms);
		readable = listener_polls(l->listener);
		break;
	case PACE_POLL:
	default:
		end = wait_in_poll(l, loop_ms, &readable);
		break;
	}
	pace_ended(pace, wait, end);
	if (readable)
		listener_read(l->listener, MSG_DONTWAIT);
	/* With nothing but datagrams, libuv has nothing to do. */
	if (end == PACE_END_HANDLE || end == PACE_END_EARLY || !loop_ms)
		uv_run(&l->uv, UV_RUN_NOWAIT);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void loop_close(struct loop *l)
{
	uv_walk(&l->uv, close_handle, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	uv_loop_close(&l->uv);
}
