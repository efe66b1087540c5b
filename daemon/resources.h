/* SPDX-License-Identifier: MIT */
/*
 * What the daemon needs before its first thread, and without which it does
 * not start: directories that take files, the region with what a dead
 * process left in it, the sockets.  Main thread.
 */
#ifndef BUFWRITER_RESOURCES_H
#define BUFWRITER_RESOURCES_H

#include <stdbool.h>

#include "../conf/config.h"
#include "bind.h"
#include "recover.h"
#include "state.h"

struct resources {
	bool dot; /* as in struct flush */
	int lock; /* descriptor that holds the region's lock, or -1 */
	struct state state;
	struct recovered recovered;
	struct bound socket; /* fd -1: systemd passed `fd` */
	int fd;
	int qlen;	      /* see qlen_read() */
	struct bound control; /* fd -1: there is to be none */
};

/*
 * Opens all of it.  0, or after one line in the log the exit status.
 */
int resources_open(struct resources *r, const struct config *cfg);
/* Closes the sockets made here, and takes their files away. */
void resources_unbind(struct resources *r);

#endif
