/* SPDX-License-Identifier: MIT */
/*
 * The daemon's sockets keep their paths: when the file of a socket of our own
 * is gone, or another one is in its place, the socket is made again.  A socket
 * of systemd can only be reported, in the log and by the status, and so can the
 * region's file and its lock file.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_SOCKETS_H
#define BUFWRITER_SOCKETS_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/control/control.h"
#include "daemon/intake/listener.h"
#include "daemon/base/path_watch.h"
#include "daemon/reload.h"
#include "daemon/start.h"

struct sockets {
	/* constant after start */
	struct start *start;
	const struct reload *settings;
	struct listener *listener;
	struct control *control;
	/* loop thread */
	struct path_watch data;
	struct path_watch commands;
	struct path_watch region;
	struct path_watch lock;
	uv_timer_t retry_timer; /* until a path that is taken is tried again */
	bool data_told, commands_told; /* the log says that it is taken */
	bool open;
};

/* Watches the sockets of `start`.  All arguments outlive it. */
void sockets_open(struct sockets *s, uv_loop_t *uv, struct start *start,
		  const struct reload *settings, struct listener *listener,
		  struct control *control);
/* The region is there: watches its file and its lock file. */
void sockets_watch_region(struct sockets *s, uv_loop_t *uv);
/* The loop must run once more.  Fine if never opened. */
void sockets_close(struct sockets *s);

#endif
