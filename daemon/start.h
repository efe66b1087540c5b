/* SPDX-License-Identifier: MIT */
/*
 * What the daemon needs before its first thread, and without which it does
 * not start: directories that take files, the region with what a dead
 * process left in it, the sockets.  Main thread.
 */
#ifndef BUFWRITER_START_H
#define BUFWRITER_START_H

#include <stdbool.h>

#include "conf/config.h"
#include "daemon/base/unix_socket.h"
#include "daemon/filing/recover.h"
#include "daemon/region/region.h"

struct resources {
	bool beside; /* as in struct flush */
	int lock;    /* descriptor that holds the region's lock, or -1 */
	struct region state;
	struct recovered recovered;
	struct unix_socket socket; /* fd -1: systemd passed `fd` */
	int fd;
	int qlen;		    /* see unix_socket_qlen() */
	struct unix_socket control; /* fd -1: there is to be none */
};

/*
 * Opens all of it.  0, or after one line in the log the exit status.
 */
int start_open(struct resources *r, const struct config *cfg);
/* Closes the sockets made here, and takes their files away. */
void start_unbind(struct resources *r);

#endif
