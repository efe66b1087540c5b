/* SPDX-License-Identifier: MIT */
/* See further.h. */
#include "daemon/further.h"

#include <sys/socket.h>

#include "conf/value.h"
#include "daemon/base/log.h"

#define RETRY_MS 5000

_Static_assert(FURTHER_MOST == CONFIG_ALSO_MOST, "one socket for each path");

static struct further_socket *add(struct further *f)
{
	struct further_socket *s = &f->at[f->n++];

	s->all = f;
	s->fd = s->socket.fd = -1;
	return s;
}

int further_bind(struct further *f, const struct config *cfg,
		 struct failure *failure)
{
	const char *at = cfg->socket_also;
	char path[VALUE_SOCKET_PATH];
	struct further_socket *s;
	int err = 0;

	while (!err && value_next_path(&at, path)) {
		s = add(f);
		s->socket.credentials = cfg->senders_identify == SWITCH_YES;
		err = unix_socket_bind(&s->socket, SOCK_DGRAM, path,
				       cfg->socket_mode, cfg->socket_group,
				       "socket", failure);
		s->fd = s->socket.fd;
		f->n -= err != 0;
	}
	return err;
}

void further_take(struct further *f, int fd)
{
	add(f)->fd = fd;
}

void further_publish(struct further *f, const struct config *cfg)
{
	char name[UNIX_SOCKET_NAME];
	unsigned i;

	for (i = 0; i < f->n; i++) {
		unix_socket_name(f->at[i].fd, name);
		limits_open(&f->at[i].limits, name, cfg);
		limits_publish(&f->at[i].limits, -1, cfg);
	}
}

/* -- the paths ------------------------------------------------------------ */

/* As the first socket, see sockets.c. */
static int renew(struct further_socket *s, struct failure *failure)
{
	const struct config *cfg = s->all->settings->cfg;
	struct unix_socket old = s->socket;
	int err = unix_socket_bind(&s->socket, SOCK_DGRAM, s->watch.path,
				   cfg->socket_mode, cfg->socket_group,
				   "socket", failure);

	if (err) {
		s->socket = old;
		return err;
	}
	s->fd = s->socket.fd;
	listener_replace(s->all->listener, (unsigned)(s - s->all->at) + 1,
			 s->fd);
	unix_socket_close(&old);
	path_watch_renew(&s->watch);
	s->told = false;
	log_warning("socket.also: %s had been removed; it is there again",
		    s->watch.path);
	return 0;
}

static void renew_all(struct further *f);

static void on_retry_timer(uv_timer_t *timer)
{
	renew_all(timer->data);
}

static void renew_all(struct further *f)
{
	struct failure failure;
	unsigned i;

	for (i = 0; i < f->n; i++) {
		struct further_socket *s = &f->at[i];

		if (!s->watch.lost || s->socket.fd < 0 || !renew(s, &failure))
			continue;
		/* The retries that fail the same way are silent. */
		if (!s->told)
			log_error("%s; it is tried again", failure.text);
		s->told = true;
		uv_timer_start(&f->retry_timer, on_retry_timer, RETRY_MS, 0);
	}
}

static void on_lost(void *arg)
{
	struct further_socket *s = arg;

	/* The stop closes a socket of our own, and removes its file. */
	if (listener_is_stopping(s->all->listener))
		return;
	if (s->socket.fd >= 0)
		renew_all(s->all);
	else
		log_error("%s was removed, or another socket is in its place: "
			  "programs cannot reach the daemon; restart the "
			  "socket unit, for example with 'systemctl restart "
			  "bufwriter.socket'",
			  s->watch.path);
}

void further_watch(struct further *f, uv_loop_t *uv,
		   const struct reload *settings, struct listener *listener)
{
	char name[UNIX_SOCKET_NAME];
	unsigned i;

	f->settings = settings;
	f->listener = listener;
	uv_timer_init(uv, &f->retry_timer);
	f->retry_timer.data = f;
	f->watching = true;
	for (i = 0; i < f->n; i++) {
		listener_add(listener, f->at[i].fd);
		unix_socket_name(f->at[i].fd, name);
		path_watch_open(&f->at[i].watch, uv, name, on_lost, &f->at[i]);
	}
}

const char *further_lost(struct further *f)
{
	unsigned i;

	for (i = 0; i < f->n; i++) {
		path_watch_check(&f->at[i].watch);
		if (f->at[i].watch.lost)
			return f->at[i].watch.path;
	}
	return NULL;
}

void further_unwatch(struct further *f)
{
	unsigned i;

	if (!f->watching)
		return;
	f->watching = false;
	uv_close((uv_handle_t *)&f->retry_timer, NULL);
	for (i = 0; i < f->n; i++)
		path_watch_close(&f->at[i].watch);
}

void further_close(struct further *f)
{
	unsigned i;

	for (i = 0; i < f->n; i++) {
		if (f->at[i].socket.fd < 0)
			continue;
		/* First, so that it is not that of the next daemon. */
		limits_remove(&f->at[i].limits);
		unix_socket_close(&f->at[i].socket);
	}
}
