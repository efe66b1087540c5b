/* SPDX-License-Identifier: MIT */
/*
 * The socket: datagrams into the ring, back-pressure, and the end of it.  These
 * are its states; receiver.h has the system calls, feed.h what becomes of a
 * message in the ring, pace.h where the loop waits, drops.h the reports.
 * Loop thread only.
 *
 *	         READING <-- queue read empty ------+------------------+
 *	          |   |                             |                  |
 *	          |   +- full -> WAITING <- full - RESUMING            |
 *	          |     start ----^   +-- slot free --^  |             |
 *	          |               +------ time ----------+-> DROPPING -+
 *	         stop
 *	          v
 *	         DRAINING --- full -> DRAIN_WAITING
 *	          |     <- slot free --   |
 *	          +-----> STOPPED <-------+
 *
 * READING	reads the socket into free slots of the ring.
 * WAITING	does not read, because the ring is full, or because the start
 *		still recovers and there is no ring: the kernel's queue fills,
 *		and then the senders block.  wait_timer runs, unless
 *		buffer.timeout is `never`.
 * RESUMING	reads again, because a slot came free.  wait_timer still runs:
 *		a sender may block since before WAITING, until the queue has
 *		been read empty once (I4).
 * DROPPING	reads; what finds no slot is dropped and counted, so that no
 *		sender blocks for longer than buffer.timeout (I4).
 * DRAINING	the daemon stops: the listener takes what is in the queue, at
 *		most drain_left datagrams.
 * DRAIN_WAITING the same with a full ring.  Only with a socket of our own,
 *		which takes no new datagrams: no timer runs, because no sender
 *		waits for longer than the stop.
 * STOPPED	is the end: the listener never touches the socket again.
 *
 *	FROM		TO		[function]
 *			WAITING		[listener_start]
 *	READING		WAITING		[ring_is_full: buffer.timeout is not 0]
 *	READING		DROPPING	[ring_is_full: buffer.timeout is 0]
 *	WAITING		RESUMING	[ring_has_room]
 *	WAITING		DROPPING	[on_wait_timer]
 *	RESUMING	WAITING		[ring_is_full]
 *	RESUMING	READING		[queue_is_empty]
 *	RESUMING	DROPPING	[on_wait_timer]
 *	DROPPING	READING		[queue_is_empty: into the ring]
 *	DROPPING	RESUMING	[listener_configure: another timeout]
 *	READING		DRAINING	[listener_stop]
 *	RESUMING	DRAINING	[listener_stop]
 *	DROPPING	DRAINING	[listener_stop]
 *	WAITING		DRAIN_WAITING	[listener_stop: a socket of our own]
 *	WAITING		STOPPED		[listener_stop: systemd's socket]
 *	DRAINING	DRAIN_WAITING	[ring_is_full: a socket of our own]
 *	DRAINING	STOPPED		[ring_is_full: systemd's socket;
 *					 goes_on: the queue is empty, or
 *					 drain_left is used up;
 *					 listener_abandon]
 *	DRAIN_WAITING	DRAINING	[ring_has_room]
 *	DRAIN_WAITING	STOPPED		[listener_abandon]
 *
 * There may be several sockets (receiver.h).  They share the ring and these
 * states.  "The queue was read empty" then means that the queue of each was,
 * since the ring was full last: until that is so, a sender at one of them may
 * have waited since then (I4).
 *
 * The queue of a socket that systemd holds outlives this process, so a stop
 * leaves there what the ring has no room for, and the next start reads it.
 */
#ifndef BUFWRITER_LISTENER_H
#define BUFWRITER_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "conf/config.h"
#include "daemon/base/log.h"
#include "daemon/base/stats.h"
#include "daemon/intake/drops.h"
#include "daemon/intake/feed.h"
#include "daemon/intake/pace.h"
#include "daemon/intake/receiver.h"
#include "daemon/intake/sender_names.h"
#include "daemon/region/ring.h"
#include "daemon/worker/workers.h"

enum listener_state {
	LISTENER_READING,
	LISTENER_WAITING,
	LISTENER_RESUMING,
	LISTENER_DROPPING,
	LISTENER_DRAINING,
	LISTENER_DRAIN_WAITING,
	LISTENER_STOPPED
};

/* A moment: what was in the sockets' queues then, see listener_catch_up(). */
struct listener_mark {
	uint64_t emptied; /* of struct listener */
	uint64_t received;
};

struct listener {
	/* constant after listener_start() */
	bool ours; /* bound by this process: no later one reads its queue */
	int qlen;  /* most datagrams in a queue, or below 0: not known */
	/* constant after listener_begin(), NULL before */
	struct ring *ring;
	/* loop thread */
	const struct config *cfg;
	enum listener_state state;
	struct receiver receiver;   /* the sockets */
	struct senders *senders;    /* who sends; NULL: not asked for */
	struct sender_names *names; /* the same */
	struct feed feed;	    /* from the ring to the workers */
	struct pace pace;
	struct drops drops;
	uv_timer_t wait_timer; /* until WAITING, RESUMING -> DROPPING */
	uint64_t received_ns;  /* when the last batch was received */
	uint64_t emptied;      /* times that all queues were found empty */
	struct stats_listener stats;
	uint64_t lane_too_large; /* of stats.too_large, those in lanes */
	bool hurried;		 /* see listener_recovery_waits() */
	/* loop thread, DRAINING */
	uint64_t drain_left; /* datagrams that may still be taken */
	void (*drained)(void *arg);
	void *drained_arg;
};

/*
 * Starts the listener on `fd` (SOCK_DGRAM; it stays the caller's, and so do
 * all other arguments).  The socket is made blocking, with a timeout for
 * receiving.  There is no ring yet: after buffer.timeout, and at least 5 s,
 * datagrams are dropped and counted.
 */
void listener_start(struct listener *l, uv_loop_t *uv, int fd, bool ours,
		    const struct config *cfg);
/*
 * One more socket, as the first: all of them feed one ring and have the states
 * in common.  Before the loop runs; at most RECEIVER_SOCKETS in all.  From now
 * on the loop waits for them in poll(2) only, because a sleep in recvmmsg(2)
 * would see one socket.
 */
void listener_add(struct listener *l, int fd);
/*
 * With senders.identify: counts who sends, and holds them to senders.rate.
 * Table and thread are the caller's.  Before the loop runs.
 */
void listener_identify(struct listener *l, struct senders *senders,
		       struct sender_names *names);
/*
 * The disk refuses what the start has to recover, which may take for ever: from
 * now on senders wait for buffer.timeout and no longer.
 */
void listener_recovery_waits(struct listener *l);
/* The start is complete: from now on datagrams go into the ring. */
void listener_begin(struct listener *l, struct ring *ring,
		    struct workers *workers);
/* Closes the timers; the loop must run once more for that. */
void listener_close(struct listener *l);

/* Is the socket to be polled for reading? */
bool listener_polls(const struct listener *l);
/*
 * Reads a bounded number of datagrams; returns how many.  `flags`:
 * MSG_DONTWAIT, or MSG_WAITFORONE to sleep in recvmmsg(2) until a datagram
 * comes, or its timeout, or a signal.  Does nothing in a state that does not
 * read, unless a slot came free.
 */
unsigned listener_read(struct listener *l, int flags);
/* What unix_socket_qlen() has returned; without it, it is not known. */
void listener_know_qlen(struct listener *l, int qlen);
/* This moment, for listener_catch_up(). */
struct listener_mark listener_mark(const struct listener *l);
/*
 * For a flush: reads now, as much as listener_read() does.  True: every datagram
 * is taken that was in the sockets' queues at the mark.  False: more is there,
 * and the workers' notify function was called, so that the loop comes back; or
 * the listener does not read at this time, because the ring is full or the
 * daemon stops.  The caller asks again when a worker has notified.
 */
bool listener_catch_up(struct listener *l, const struct listener_mark *mark);
/*
 * So many messages in lanes were dropped by now because they were too large;
 * those since the last call had so many bytes, and the largest so many.
 */
void listener_lanes_dropped(struct listener *l, uint64_t too_large,
			    uint64_t bytes, uint64_t largest);
/* A worker released a slot that the listener waits for. */
void listener_resume(struct listener *l);
/*
 * Goes on with another socket of our own, `fd`, in place of the i-th, because
 * that has lost its path.  What is in the old one's queue is taken as far as
 * the ring has room, and else dropped and counted.  Not while it stops.
 */
void listener_replace(struct listener *l, unsigned i, int fd);
/* New settings, of which buffer.timeout and those of [senders] count here. */
void listener_configure(struct listener *l, const struct config *cfg);
/*
 * Takes what is in the socket's queue, a bounded number, then stops and calls
 * drained(arg), once, perhaps before this returns.  A socket of our own first
 * refuses new datagrams, so that none is accepted and then lost.
 */
void listener_stop(struct listener *l, void (*drained)(void *arg), void *arg);
/*
 * Takes the next part of a queue that is systemd's; nothing else.  The stop of
 * a listener took the first part and called the workers' notify function, as
 * each part does that leaves some: so the loop has its other work in between,
 * and buffer.stop_timeout can end a drain.
 */
void listener_drain(struct listener *l);
/*
 * Ends a drain that takes too long.  What is still in the queue of a socket of
 * our own is counted as dropped; systemd's queue stays as it is.
 */
void listener_abandon(struct listener *l);

static inline bool listener_is_stopping(const struct listener *l)
{
	return l->state >= LISTENER_DRAINING;
}

/*
 * The state in a word, for the status: reading, waiting, dropping or stopped.
 * RESUMING and a drain are shown as what they do; that the daemon stops is
 * said by its health.
 */
const char *listener_state_word(enum listener_state state);

#endif
