/* SPDX-License-Identifier: MIT */
/*
 * Is the path of a socket still the name of that socket?  Somebody may remove
 * the file, or another program may take its place: the socket stays open, but
 * no new connection reaches it.
 *
 * inotify(7) tells when the file's number of links changes, so an idle daemon
 * is not woken.  Loop thread only.
 */
#ifndef BUFWRITER_SOCKET_WATCH_H
#define BUFWRITER_SOCKET_WATCH_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/base/unix_socket.h"

/* The path has lost its socket.  Called once, until socket_watch_renew(). */
typedef void socket_watch_fn(void *arg);

struct socket_watch {
	char path[UNIX_SOCKET_NAME]; /* empty: nothing to watch */
	bool lost;
	/* private */
	bool open;
	uv_fs_event_t event;
	dev_t dev;
	ino_t ino;
	socket_watch_fn *on_lost;
	void *arg;
};

/*
 * Watches the socket file at `path`, which is the right one now.  An abstract
 * name or none is not watched.  Where inotify cannot be had, only
 * socket_watch_check() looks.
 */
void socket_watch_open(struct socket_watch *w, uv_loop_t *uv, const char *path,
		       socket_watch_fn *on_lost, void *arg);
/* Looks now, and calls on_lost() if the path is lost. */
void socket_watch_check(struct socket_watch *w);
/* The path names the right socket again. */
void socket_watch_renew(struct socket_watch *w);
/* The loop must run once more.  Fine if never opened. */
void socket_watch_close(struct socket_watch *w);

#endif
