/* SPDX-License-Identifier: MIT */
/*
 * Tells senders how large a datagram may be.  A datagram has no answer, so a
 * sender must know before it sends; and most senders may not ask the control
 * socket.
 *
 * The daemon publishes the limit as the target of a symbolic link that leads
 * nowhere, beside the socket or in the directory that belongs to it:
 *
 *	/run/bufwriter.sock	/run/bufwriter/limits ->
 *					max_message=65536,lanes=/run/...
 *	/srv/log/socket		/srv/log/socket.limits
 *
 * A link needs no descriptor, no right but that to search the directory, and
 * one readlink(2), which never waits and sees the old text or the new one.
 * The daemon makes it by symlink(2) and rename(2), which follow no link and
 * write to no file that exists.
 *
 * The link lives as long as the socket: with a socket of systemd's it stays
 * when the daemon stops.  Main thread, at start and stop.
 */
#ifndef BUFWRITER_LIMITS_H
#define BUFWRITER_LIMITS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/config.h"

struct limits {
	char path[PATH_MAX]; /* empty: nothing is published */
	dev_t dev;	     /* of the link, to tell it from another's */
	ino_t ino;
	bool made_directory;
};

/*
 * For senders to the socket of this name.  Makes the directory of the link,
 * where the socket for lanes may be, too.
 */
void limits_open(struct limits *l, const char *socket,
		 const struct config *cfg);
/*
 * Publishes socket.max_message, and the name of the lanes' socket if there is
 * one, or -1.  Both in one step: until then the link is that of the process
 * before, and a client that finds no lanes in it takes it that this daemon
 * knows none of its lanes.  A failure is one line in the log.
 */
void limits_publish(struct limits *l, int lanes, const struct config *cfg);
/* Removes what limits_publish() made, if it is still there. */
void limits_remove(struct limits *l);

#endif
