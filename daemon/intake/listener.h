/* SPDX-License-Identifier: MIT */
/*
 * The socket: datagrams into the ring, back-pressure, drops.
 *
 *	READING --ring full--> WAITING --timeout--> DROPPING
 *	   ^                      |  slot free         |  slot free
 *	   +----------------------+--------------------+
 *
 * WAITING does not read: the kernel's queue fills, and then the senders
 * wait.  DROPPING reads and counts, so that no sender waits longer than
 * `timeout`.  Loop thread only.
 */
#ifndef BUFWRITER_LISTENER_H
#define BUFWRITER_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "conf/config.h"
#include "daemon/base/log.h"
#include "daemon/region/ring.h"
#include "daemon/base/stats.h"
#include "daemon/worker/workers.h"

/* A shorter queue would be full, and senders wait, while the listener rests. */
#define LISTENER_QLEN 256

enum listener_state {
	LISTENER_READING,
	LISTENER_WAITING,
	LISTENER_DROPPING,
	LISTENER_STOPPED
};

struct listener {
	uv_loop_t *loop;
	uv_timer_t kick;     /* until workers look at what is waiting */
	uv_timer_t due;	     /* until a worker must see to its arena */
	uv_timer_t patience; /* until WAITING becomes DROPPING */
	uv_timer_t tell;     /* until drops may be told that were held back */
	int fd;
	bool ours; /* bound here, so no later process reads its queue */
	struct ring *ring;
	struct workers *workers;
	const struct config *cfg;
	enum listener_state state;
	uint64_t full_since; /* CLOCK_MONOTONIC, when drops not told began */
	uint64_t read_since; /* the same, when it last began to read again */
	uint64_t told;	     /* of ring_full, in the log */
	uint64_t ring_high;  /* most messages that waited in the ring */
	uint64_t emptied;    /* times that the socket's queue was read empty */
	/* see sleeps_in_socket() in listener.c */
	bool may_sleep;
	bool steady;		/* sleeps are in recvmmsg(2) */
	uint64_t looked;	/* ms, uv_now() at the last look at the loop */
	uint64_t look_received; /* the counter, then */
	uint64_t turns;		/* since then, in which it reads */
	/* see rest() in listener.c */
	bool may_rest;
	bool resting;	     /* the socket is left alone in the next turn */
	bool rested;	     /* it was in the last, and to the end */
	uint64_t rest_after; /* datagrams from one rest to the next, at least */
	/* counters, and CLOCK_MONOTONIC, when it last decided */
	uint64_t base_received, base_bytes, base_time;
	/* stop: how many datagrams may still be taken, and whom to tell */
	bool draining;
	uint64_t drain_left;
	void (*drained)(void *arg);
	void *drained_arg;
	struct log_limit limit_large;
	struct log_limit limit_drop;
	struct log_limit limit_again;
	struct log_limit limit_error;
	struct stats_listener stats;
};

/*
 * Starts reading `fd` (SOCK_DGRAM; stays the caller's), in listener_turn().
 * It is made blocking, with a timeout for receiving.
 */
void listener_start(struct listener *l, uv_loop_t *loop, int fd, bool ours,
		    struct ring *ring, struct workers *workers,
		    const struct config *cfg);
/*
 * The socket may be left alone for 0.1 ms at a time: its queue holds
 * LISTENER_QLEN or more, and this thread goes before its senders, so that it
 * gets its processor back in time.
 */
void listener_may_rest(struct listener *l);
/*
 * One turn of the loop, instead of uv_run(): waits for datagrams and for
 * whatever else the loop has, and deals with it.
 *
 * The socket is no handle of the loop, because a socket in an epoll set makes
 * every send call the set, also while nobody sleeps on it: 10 % of what a
 * send costs its sender.  poll(2) is on the socket's list only while it
 * sleeps, recvmmsg(2), which is used when datagrams come steadily, only until
 * the first comes; the loop's other handles then wait for 30 ms at most.
 * For loops inside loops see uv_backend_fd() in libuv's manual.
 */
void listener_turn(struct listener *l);
/*
 * Takes a bounded number of datagrams now, as if the loop had seen them.
 * False: it does not read at this time, because the ring is full or because
 * it stops.
 */
bool listener_read(struct listener *l);
/* A worker released a slot that was waited for. */
void listener_resume(struct listener *l);
/* New settings: timeout. */
void listener_configure(struct listener *l, const struct config *cfg);
/*
 * Takes what is in the socket's queue, a bounded number, then stops and
 * calls drained(), once, perhaps before this returns.  A socket bound here
 * first refuses new datagrams, so that none is accepted and then lost.
 */
void listener_stop(struct listener *l, void (*drained)(void *arg), void *arg);
/*
 * Ends a drain that does not get on: what is still in the queue of a socket
 * bound here is counted as dropped, else it stays there.
 */
void listener_abandon(struct listener *l);
/* Closes the handles; the loop must run once more for that. */
void listener_close(struct listener *l);

const char *listener_state_word(enum listener_state state);

#endif
