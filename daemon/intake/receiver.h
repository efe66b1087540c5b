/* SPDX-License-Identifier: MIT */
/*
 * The sockets of the listener: recvmmsg(2) on one after the other, and which of
 * their queues have been read empty.  What to read, when, and where to is the
 * listener's business.
 *
 * There may be several sockets.  They are read in turn, a batch from each, so
 * that a flood at one of them does not keep the others waiting.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_RECEIVER_H
#define BUFWRITER_RECEIVER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "daemon/base/stats.h"
#include "daemon/intake/drops.h"
#include "daemon/intake/senders.h"
#include "daemon/region/ring_layout.h"

/* Most sockets. */
#define RECEIVER_SOCKETS 16

/* Room for one control message with the sender's credentials. */
#define RECEIVER_CONTROL CMSG_SPACE(sizeof(struct ucred))

/* One socket.  The first is that of socket.path; more are rare. */
struct receiver_socket {
	int fd;		   /* see receiver_replace() */
	uint64_t received; /* datagrams */
	uint64_t emptied;  /* times that its queue was read empty */
};

struct receiver {
	struct receiver_socket socket[RECEIVER_SOCKETS];
	unsigned sockets; /* of these, those that there are */
	unsigned turn;	  /* the socket that is read next */
	/*
	 * A bit for each socket.  unread: its queue was not read empty into the
	 * ring since the ring was full last, so a sender may wait since then.
	 * nonempty: it was not found empty in this turn of reading.
	 */
	uint32_t unread;
	uint32_t nonempty;
	/* constant after receiver_open() */
	struct stats_listener *stats;
	struct drops *drops;
	bool identify; /* the sockets ask for credentials */
	/* constant after receiver_identify(), NULL before */
	struct senders *senders;
	/*
	 * With senders: where the kernel puts the credentials of a batch.  The
	 * room is for them alone, so that no descriptor finds any.
	 */
	alignas(struct cmsghdr) char control[RING_BATCH][RECEIVER_CONTROL];
};

/*
 * Receives from `fd` (SOCK_DGRAM, the caller's); counts in `stats` and reports
 * failures to `drops`, which outlive it.  True: the socket is blocking now,
 * with a timeout of PACE_RECEIVE_MS, so that a sleep in recvmmsg(2) ends.
 * `identify`: this socket and later ones say who sends.
 */
bool receiver_open(struct receiver *r, int fd, bool identify,
		   struct stats_listener *stats, struct drops *drops);
/*
 * From now on each datagram comes with its sender; the table outlives this.
 * Before the first datagram is taken.
 */
void receiver_identify(struct receiver *r, struct senders *senders);
/* One more socket. */
void receiver_add(struct receiver *r, int fd);
/* Another one in place of the i-th. */
void receiver_replace(struct receiver *r, unsigned i, int fd);
/*
 * Nobody can send to the i-th any more: senders get EPIPE.  The queue can still
 * be read: af_unix.c, unix_dgram_sendmsg().
 */
void receiver_shut(struct receiver *r, unsigned i);

/*
 * One system call on the socket in turn, with these flags for recvmmsg(2).
 * Returns how many datagrams it took.
 */
unsigned receiver_take(struct receiver *r, struct mmsghdr *msgs, unsigned n,
		       int flags);
/*
 * Who sent a datagram of the last batch, after receiver_identify().  Process 0
 * and no user (UINT32_MAX) where the kernel did not say it.
 */
struct sender_id receiver_sender(const struct mmsghdr *msg);
/*
 * The same into nothing: at most RING_BATCH datagrams are dropped, and counted
 * as ring_full.
 */
unsigned receiver_drop(struct receiver *r);
/* Drops all that is in the queue of the i-th. */
void receiver_drop_queue(struct receiver *r, unsigned i);

/* -- turns ---------------------------------------------------------------- */

/* A turn of reading begins. */
void receiver_begin(struct receiver *r);
/* The next batch is of the next socket. */
void receiver_next(struct receiver *r);
/*
 * The queue in turn was found empty, so the next batch is of the next socket.
 * True: all were found empty in this turn.
 */
bool receiver_found_empty(struct receiver *r);
/* The same after reading; `dropped`: into nothing. */
bool receiver_emptied(struct receiver *r, bool dropped);
/* The ring is full: from now on a sender may wait at any socket. */
void receiver_ring_full(struct receiver *r);
/* Was each queue read empty into the ring since then? */
static inline bool receiver_is_read(const struct receiver *r)
{
	return !r->unread;
}

#endif
