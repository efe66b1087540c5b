/* SPDX-License-Identifier: MIT */
/* See sockets.h. */
#include "daemon/sockets.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/log.h"

#define RETRY_MS 5000

static void on_retry_timer(uv_timer_t *timer);

/* The path is taken, or its directory refuses: it is tried again. */
static void retry_later(struct sockets *s, bool *told,
			const struct failure *failure)
{
	/* The retries that fail the same way are silent. */
	if (!*told)
		log_error("%s; it is tried again", failure->text);
	*told = true;
	uv_timer_start(&s->retry_timer, on_retry_timer, RETRY_MS, 0);
}

/*
 * Programs that are connected to the old socket get an error with their next
 * send, as after a restart, and connect again.
 */
static int renew_data(struct sockets *s, struct failure *failure)
{
	const struct config *cfg = s->settings->cfg;
	struct unix_socket old = s->start->socket;
	int err = unix_socket_bind(&s->start->socket, SOCK_DGRAM,
				   cfg->socket_path, cfg->socket_mode,
				   cfg->socket_group, "socket", failure);

	if (err) {
		s->start->socket = old;
		return err;
	}
	s->start->fd = s->start->socket.fd;
	listener_replace(s->listener, 0, s->start->fd);
	unix_socket_close(&old);
	path_watch_renew(&s->data);
	s->data_told = false;
	log_warning("socket.path: %s had been removed; it is there again",
		    cfg->socket_path);
	return 0;
}

static int renew_commands(struct sockets *s, struct failure *failure)
{
	const struct config *cfg = s->settings->cfg;
	struct unix_socket old = s->start->control;
	int err = unix_socket_bind(&s->start->control, SOCK_STREAM,
				   cfg->control_path, cfg->control_mode,
				   cfg->control_group, "control", failure);

	if (err) {
		s->start->control = old;
		return err;
	}
	control_replace(s->control, s->start->control.fd);
	unix_socket_close(&old);
	path_watch_renew(&s->commands);
	s->commands_told = false;
	log_warning("control.path: %s had been removed; it is there again",
		    cfg->control_path);
	return 0;
}

/* Each of the two by itself: neither waits for the other's path. */
static void renew(struct sockets *s)
{
	struct failure failure;

	if (listener_is_stopping(s->listener))
		return;
	if (s->data.lost && s->start->socket.fd >= 0 && renew_data(s, &failure))
		retry_later(s, &s->data_told, &failure);
	if (s->commands.lost && renew_commands(s, &failure))
		retry_later(s, &s->commands_told, &failure);
}

static void on_retry_timer(uv_timer_t *timer)
{
	renew(timer->data);
}

static void on_data_lost(void *arg)
{
	struct sockets *s = arg;

	/* The stop closes a socket of our own, and removes its file. */
	if (listener_is_stopping(s->listener))
		return;
	if (s->start->socket.fd >= 0)
		renew(s);
	else
		log_error("%s was removed, or another socket is in its place: "
			  "programs cannot reach the daemon; restart the "
			  "socket unit, for example with 'systemctl restart "
			  "bufwriter.socket'",
			  s->data.path);
}

static void on_commands_lost(void *arg)
{
	renew(arg);
}

void sockets_open(struct sockets *s, uv_loop_t *uv, struct start *start,
		  const struct reload *settings, struct listener *listener,
		  struct control *control)
{
	char path[UNIX_SOCKET_NAME];

	memset(s, 0, sizeof(*s));
	s->start = start;
	s->settings = settings;
	s->listener = listener;
	s->control = control;
	uv_timer_init(uv, &s->retry_timer);
	s->retry_timer.data = s;
	s->open = true;
	unix_socket_name(start->fd, path);
	path_watch_open(&s->data, uv, path, on_data_lost, s);
	further_watch(&start->further, uv, settings, listener);
	path[0] = 0;
	if (start->control.fd >= 0)
		unix_socket_name(start->control.fd, path);
	path_watch_open(&s->commands, uv, path, on_commands_lost, s);
}

static void on_region_lost(void *arg)
{
	struct sockets *s = arg;

	log_error("state.path: %s was removed, or another file is in its "
		  "place: a crash loses the messages in memory; restart the "
		  "daemon",
		  s->region.path);
}

static void on_lock_lost(void *arg)
{
	struct sockets *s = arg;

	log_error("state.path: the lock file %s was removed, or another file "
		  "is in its place; restart the daemon",
		  s->lock.path);
}

void sockets_watch_region(struct sockets *s, uv_loop_t *uv)
{
	const char *state = s->settings->cfg->state_path;
	char path[PATH_MAX] = "";

	path_watch_open(&s->region, uv, state, on_region_lost, s);
	if (state[0])
		snprintf(path, sizeof(path), "%s.lock", state);
	path_watch_open(&s->lock, uv, path, on_lock_lost, s);
}

void sockets_close(struct sockets *s)
{
	if (!s->open)
		return;
	s->open = false;
	uv_close((uv_handle_t *)&s->retry_timer, NULL);
	path_watch_close(&s->data);
	further_unwatch(&s->start->further);
	path_watch_close(&s->commands);
	path_watch_close(&s->region);
	path_watch_close(&s->lock);
}
