/* SPDX-License-Identifier: MIT */
/*
 * What the daemon needs before its first thread, and without which it does
 * not start: directories for the files, the region with what a dead process
 * left in it, the sockets.  Main thread.
 */
#ifndef BUFWRITER_START_H
#define BUFWRITER_START_H

#include <stdbool.h>

#include "conf/config.h"
#include "daemon/base/unix_socket.h"
#include "daemon/filing/recover.h"
#include "daemon/region/region.h"

struct start {
	bool beside;	 /* as in struct flush */
	int region_lock; /* descriptor that holds the region's lock, or -1 */
	struct region region;
	struct recovered recovered;
	struct unix_socket socket;  /* fd -1: systemd passed `fd` */
	int fd;			    /* where datagrams come in */
	int qlen;		    /* see unix_socket_qlen() */
	struct unix_socket control; /* fd -1: control.path is empty */
};

/* Opens all of it.  0, or the exit status after one line in the log. */
int start_open(struct start *s, const struct config *cfg);
/* Closes the sockets that start_open() made, and removes their files. */
void start_unbind(struct start *s);

#endif
