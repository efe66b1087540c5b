/* SPDX-License-Identifier: MIT */
/*
 * The loop thread: it waits here, and nowhere else.
 *
 * The socket is not registered with libuv: epoll keeps a permanent wake-up
 * callback on it, which costs every sender 10 % of a send even while nobody
 * sleeps.  poll(2) registers only while it sleeps, and recvmmsg(2) only until
 * the first datagram.  So each turn waits for the socket and for libuv's own
 * descriptor, as pace.h decides, and then lets libuv do what it has.  For
 * loops inside loops see uv_backend_fd() in libuv's manual.
 *
 * While datagrams come steadily, the loop's other handles wait for 30 ms at
 * most.
 */
#ifndef BUFWRITER_LOOP_H
#define BUFWRITER_LOOP_H

#include <uv.h>

#include "daemon/intake/listener.h"

struct loop {
	uv_loop_t uv;
	struct listener *listener;
};

/* 0 or -errno.  The handles are the callers', on &l->uv. */
int loop_open(struct loop *l);
/* Before the first turn, when all handles are started. */
void loop_start(struct loop *l, struct listener *listener);
/* Waits once, reads the socket if it has datagrams, and serves the handles. */
void loop_turn(struct loop *l);
/* Closes every handle that is still open, and the loop. */
void loop_close(struct loop *l);

#endif
