/* SPDX-License-Identifier: MIT */
/*
 * systemd's protocols for services, without libsystemd: readiness and status
 * (sd_notify(3)), the watchdog, and passed sockets (sd_listen_fds(3)).
 * Loop thread only.  Without systemd every call does nothing.
 */
#ifndef BUFWRITER_SYSTEMD_H
#define BUFWRITER_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/failure.h"
#include "daemon/base/unix_socket.h"

/* Takes NOTIFY_SOCKET from the environment and unsets it. */
void systemd_open(void);
void systemd_close(void);

/*
 * Sends one state such as "READY=1", "STOPPING=1", "WATCHDOG=1" or "STATUS=..."
 * (printf style); never waits.  systemd_reloading() adds the MONOTONIC_USEC
 * that Type=notify-reload requires.  0, or -errno, which the caller may
 * ignore; -EAGAIN: systemd's queue is full.
 */
int systemd_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int systemd_reloading(void);
/*
 * The same for a state that systemd must not miss: while its queue is full,
 * this tries again, for `ms` milliseconds at most.
 */
int systemd_insist(unsigned ms, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The interval of systemd's watchdog over this process in ns, 0: there is
 * none.  From WATCHDOG_USEC and WATCHDOG_PID.
 */
uint64_t systemd_watchdog(void);

/* Most datagram sockets that systemd may pass. */
#define SYSTEMD_SOCKETS 16

/* What systemd passed: close-on-exec, the sockets non-blocking. */
struct systemd_passed {
	int lanes;	  /* the listening SOCK_SEQPACKET socket, or -1 */
	unsigned stored;  /* descriptors from its store, see systemd_stored() */
	unsigned further; /* datagram sockets behind the first one */
	int also[SYSTEMD_SOCKETS - 1];
};

/*
 * The datagram sockets that systemd passed.  Returns the descriptor of the
 * first one; -ENOENT: none was passed; or -EINVAL with a failure: something
 * else was passed (too many datagram sockets, not AF_UNIX, another type, no
 * address).
 * Unsets LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
 */
int systemd_socket(struct systemd_passed *passed, struct failure *failure);

/* The names of stored descriptors begin so. */
#define SYSTEMD_STORED "lane-"
#define SYSTEMD_NAME 64

/*
 * Takes the i-th descriptor out of what systemd had stored, with its name.
 * Returns the descriptor, from now on the caller's; -1: it was taken before.
 */
int systemd_stored(unsigned i, char name[SYSTEMD_NAME]);
/* How many there were, since systemd_socket(); 0 before that. */
unsigned systemd_stored_count(void);

/*
 * systemd keeps a copy of this descriptor, under this name, and passes it to
 * the next life, also after a SIGKILL; with `stays`, although its other end is
 * closed.  systemd_forget() ends that for all of the name.
 * 0: done, or there is no systemd; -errno; -EAGAIN: its queue is full.
 */
int systemd_store(int fd, const char *name, bool stays);
int systemd_forget(const char *name);

/*
 * A datagram socket that this process has inherited, and that was passed to
 * another process, or without the environment that says so.
 */
struct systemd_missed {
	char name[UNIX_SOCKET_NAME];
	uint64_t pid; /* of LISTEN_PID; 0: it is not set */
};

/* After systemd_socket() has returned -ENOENT: is there such a socket? */
bool systemd_missed(struct systemd_missed *missed);

#endif
