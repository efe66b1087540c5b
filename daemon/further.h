/* SPDX-License-Identifier: MIT */
/*
 * The sockets for datagrams beside the first: those of socket.also, or those
 * that systemd passed beside the first.  Each has a path, a link that tells its
 * limit, and a watch on its path, as the first one has (start.h, sockets.h).
 * The listener reads them all.  Main thread.
 */
#ifndef BUFWRITER_FURTHER_H
#define BUFWRITER_FURTHER_H

#include <stdbool.h>
#include <uv.h>

#include "conf/config.h"
#include "daemon/base/failure.h"
#include "daemon/base/path_watch.h"
#include "daemon/base/unix_socket.h"
#include "daemon/intake/limits.h"
#include "daemon/intake/listener.h"
#include "daemon/reload.h"

#define FURTHER_MOST (RECEIVER_SOCKETS - 1)

struct further_socket {
	struct further *all;	   /* it is one of these */
	int fd;			   /* that of `socket`, or one of systemd's */
	struct unix_socket socket; /* fd -1: systemd passed it */
	struct limits limits;	   /* that senders to `fd` learn */
	struct path_watch watch;
	bool told; /* the log says that its path is taken */
};

struct further {
	struct further_socket at[FURTHER_MOST];
	unsigned n;
	/* from further_watch() on */
	const struct reload *settings;
	struct listener *listener;
	uv_timer_t retry_timer; /* until a path that is taken is tried again */
	bool watching;
};

/*
 * Makes the sockets of socket.also, unless systemd passes the sockets.  0, or
 * -errno with a failure; those that are made are closed by further_close().
 */
int further_bind(struct further *f, const struct config *cfg,
		 struct failure *failure);
/* One that systemd passed beside the first. */
void further_take(struct further *f, int fd);
/* Publishes the limits of senders, see limits.h. */
void further_publish(struct further *f, const struct config *cfg);
/* Gives the sockets to the listener and watches their paths. */
void further_watch(struct further *f, uv_loop_t *uv,
		   const struct reload *settings, struct listener *listener);
/* The path of a socket that programs cannot reach any more, or NULL. */
const char *further_lost(struct further *f);
/* Ends the watch; the loop must run once more.  Fine if it never began. */
void further_unwatch(struct further *f);
/* Closes the sockets that further_bind() made, and removes their files. */
void further_close(struct further *f);

#endif
