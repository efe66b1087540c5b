/* SPDX-License-Identifier: MIT */
/*
 * How the loop thread waits: a policy that makes no system call and reads no
 * clock.  loop.c asks it where to wait next, and tells it how the wait ended.
 *
 *	the flow of datagrams			next wait	    ends by
 *
 *	128 or more since the last decision,	PACE_PAUSE: 0.1 ms  time, or
 *	200,000/s or more, 1 KiB or less on	without the socket  another
 *	average, and pausing is allowed				    handle
 *
 *	2 reads and 2 datagrams or more a ms	PACE_RECEIVE: in    a datagram,
 *	over the last 10 ms, fewer than		recvmmsg(2), 4 ms   time, or a
 *	200,000/s, no timer within 50 ms, and	at most		    signal
 *	no other handle had something
 *
 *	any other				PACE_POLL: poll(2)  either, or a
 *						on socket and loop  timer
 *
 * Why pause.  During the pause no sender has to wake this thread, what comes
 * is taken in full batches, and a sender on the same processor keeps running,
 * so that its data is in this processor's cache when the batch is taken.  It
 * saves a fifth of the daemon's time a datagram at full speed.
 *
 * Why sleep in recvmmsg(2).  The first datagram removes this thread from the
 * socket's wait queue.  poll(2) stays there until the thread runs, and each
 * send up to then wakes it again; and it takes one call more to sleep and one
 * to read.  It saves 10 to 16 % of the daemon's time a datagram between
 * 20,000/s and 170,000/s.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_PACE_H
#define BUFWRITER_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Length of a pause.  In effect it is 0.15 ms: the kernel adds its timer slack
 * of 50 us.  A sender of 200 bytes sends some 80 datagrams meanwhile; its send
 * buffer has room for 277, or for 90 of 1000 bytes.
 */
#define PACE_PAUSE_NS 100000
/* The loop pauses after so many datagrams or more ... */
#define PACE_PAUSE_AFTER 128
/* ... if their average is so many bytes or less ... */
#define PACE_PAUSE_BYTES 1024
/* ... and if one came each so many ns, or faster. */
#define PACE_FAST_NS 5000
/*
 * A pause that yields fewer datagrams than PACE_PAUSE_LEAST means that the
 * kernel's queue is shorter than assumed (a socket can be older than the
 * sysctl).  Each such pause doubles the distance to the next one, up to
 * PACE_PAUSE_RARELY datagrams; each better one halves it again.
 */
#define PACE_PAUSE_LEAST 32
#define PACE_PAUSE_RARELY 65536
/*
 * The shortest kernel queue with which pausing is allowed: a shorter one would
 * fill up during a pause and block senders.
 */
#define PACE_PAUSE_QLEN 256

/* A flow is steady with so many reads, and datagrams, a millisecond. */
#define PACE_STEADY 2
/*
 * While the flow is steady, one wait each PACE_CHECK_MS is poll(2), so that
 * the loop's other handles are served.
 */
#define PACE_CHECK_MS 10
/* The longest sleep in recvmmsg(2); the kernel rounds it up to its tick. */
#define PACE_RECEIVE_MS 4
/* With a timer of the loop due sooner than this, the wait is poll(2). */
#define PACE_TIMER_MS 50

enum pace_wait { PACE_POLL, PACE_PAUSE, PACE_RECEIVE };

enum pace_end {
	PACE_END_DATAGRAM, /* the socket had something */
	PACE_END_HANDLE,   /* another handle of the loop had something */
	PACE_END_PAUSED,   /* the pause ran its full length */
	PACE_END_EARLY	   /* a timer, a signal, or nothing came */
};

struct pace {
	/* constant after start */
	bool may_pause;
	bool may_receive;
	/* the pause */
	bool pausing;		/* the next wait is one */
	bool paused;		/* one ran its full length, not judged yet */
	uint64_t pause_after;	/* fewest datagrams between two pauses */
	uint64_t base_received; /* the counters at the last decision ... */
	uint64_t base_bytes;
	uint64_t base_ns; /* ... and its time */
	/* the sleep in recvmmsg(2) */
	bool steady;	     /* as of the last check */
	bool checking;	     /* the next wait is poll(2), to serve the loop */
	uint64_t checked_ms; /* time of the last check ... */
	uint64_t checked_received; /* ... and the counter then */
	uint64_t turns;		   /* that read the socket, since then */
};

/* may_receive: the socket blocks, with a timeout of PACE_RECEIVE_MS. */
void pace_open(struct pace *p, bool may_receive);
/*
 * Pausing is allowed from now on: the kernel's queue holds PACE_PAUSE_QLEN
 * datagrams or more, and this thread runs at a higher priority than the
 * senders, so that it gets its processor back in time.
 */
void pace_allow_pauses(struct pace *p);

/*
 * A turn of the loop begins, in which the listener reads: counts it, and each
 * PACE_CHECK_MS decides whether the flow is steady.  `received` is the counter
 * of datagrams, now_ms the time of the loop.
 */
void pace_turn(struct pace *p, uint64_t received, uint64_t now_ms);
/*
 * Where to wait.  `reading`: the listener reads into the ring.  loop_ms: until
 * the next timer of the loop, -1: there is none.
 */
enum pace_wait pace_next(const struct pace *p, bool reading, int loop_ms);
/* That wait ended. */
void pace_ended(struct pace *p, enum pace_wait wait, enum pace_end end);

/*
 * The socket's queue was read empty: decides whether to pause.  The counters
 * of datagrams and of their bytes, and the time of the last datagram.
 */
void pace_emptied(struct pace *p, uint64_t received, uint64_t bytes,
		  uint64_t now_ns);
/*
 * Is the socket to be read once more before the wait?  While there was
 * something there may be more; but a sleep in recvmmsg(2) finds that without
 * another call.
 */
bool pace_reads_on(const struct pace *p);

#endif
