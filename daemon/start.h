/* SPDX-License-Identifier: MIT */
/*
 * What the daemon needs before its workers, in two steps.
 *
 * start_open() takes what is quick, and without which nothing works: the
 * region's lock and the sockets.  From then on the loop runs, so that nobody
 * is kept waiting (I4) and the control socket answers.
 *
 * start_recover() does what the disk can hold up for as long as it likes, in
 * a thread of its own: it looks at the directories, files what a dead process
 * left in the region, and makes this process's region.
 */
#ifndef BUFWRITER_START_H
#define BUFWRITER_START_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "conf/config.h"
#include "daemon/base/failure.h"
#include "daemon/base/systemd.h"
#include "daemon/base/unix_socket.h"
#include "daemon/filing/flush.h"
#include "daemon/filing/recover.h"
#include "daemon/further.h"
#include "daemon/intake/limits.h"
#include "daemon/region/region.h"

/* Called by the recovery's thread: wakes the loop.  Must not wait. */
typedef void start_notify_fn(void *arg);

struct start {
	/* main thread */
	int region_lock; /* descriptor that holds the region's lock, or -1 */
	struct unix_socket socket;  /* fd -1: systemd passed `fd` */
	int fd;			    /* where datagrams come in */
	int qlen;		    /* see unix_socket_qlen() */
	struct limits limits;	    /* that senders to `fd` learn */
	struct further further;	    /* more sockets for datagrams */
	struct unix_socket control; /* fd -1: control.path is empty */
	struct systemd_passed passed;
	struct unix_socket lanes; /* fd -1: systemd passed it, or there is none */
	int lanes_fd;		  /* the lanes' socket, -1: there is none */
	pthread_t thread;
	/* main thread, empty before start_finish() */
	bool complete;
	struct flush_place place;
	struct region region;
	struct recovered recovered;
	/* the recovery's thread, until it is joined */
	const struct config *cfg;
	start_notify_fn *notify;
	void *arg;
	struct flush_place made_place;
	struct region made;
	struct recovered found;
	struct failure failure; /* err 0: none */
	/* shared, atomic: written by the recovery's thread */
	_Atomic bool done;
	_Atomic int waits_for; /* errno of the disk that refuses, or 0 */
	_Atomic(const char *) waits_remedy; /* for it, see remedy.h */
	_Atomic uint64_t waits_until_ns;    /* CLOCK_MONOTONIC, the next try */
};

/* Lock and sockets.  0, or the exit status after one line in the log. */
int start_open(struct start *s, const struct config *cfg);
/*
 * Starts the recovery; `cfg` stays valid until it is done.  notify(arg) is
 * called when it is done, and each time that it has to wait.  0 or -errno.
 */
int start_recover(struct start *s, const struct config *cfg,
		  start_notify_fn *notify, void *arg);
/* Loop thread: is the recovery done?  Then start_finish() follows. */
bool start_is_done(const struct start *s);
/* Joins the thread.  0, or the exit status after one line in the log. */
int start_finish(struct start *s);
/*
 * Loop thread: the errno for which the recovery waits, and the remedy; 0: it
 * does not.
 */
int start_waits_for(const struct start *s, const char **remedy);
/* Closes the socket for datagrams if start_open() made it, with its files. */
void start_close_socket(struct start *s);
/* Closes the sockets that start_open() made, and removes their files. */
void start_unbind(struct start *s);

#endif
