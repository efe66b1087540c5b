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

/*
 * The datagram socket that systemd passed, made close-on-exec and
 * non-blocking.  Returns its descriptor; -ENOENT: none was passed; or -EINVAL
 * with a failure: something else was passed (more than one descriptor, not
 * AF_UNIX, not SOCK_DGRAM, no address).
 * Unsets LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
 */
int systemd_socket(struct failure *failure);
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
