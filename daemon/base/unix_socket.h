/* SPDX-License-Identifier: MIT */
/*
 * Unix sockets with a path: makes them, sets mode and group, removes them.
 * A socket file that nobody listens on is replaced.  A socket in use and a
 * file that is not a socket are left as they are.  Main thread.
 */
#ifndef BUFWRITER_UNIX_SOCKET_H
#define BUFWRITER_UNIX_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/failure.h"

struct unix_socket {
	int fd; /* -1: none */
	char path[108];
	/* of the socket file, so that no other file is removed in its place */
	dev_t dev;
	ino_t ino;
	/* set before it is bound: the kernel says who sends (SO_PASSCRED) */
	bool credentials;
};

/*
 * Binds a close-on-exec, non-blocking socket of this type (SOCK_DGRAM,
 * SOCK_STREAM or SOCK_SEQPACKET) to path.  `section` is that of the settings,
 * for the failure.  0, or -errno with a failure; -EADDRINUSE: another process
 * uses the path.
 */
int unix_socket_bind(struct unix_socket *s, int type, const char *path,
		     uint64_t mode, const char *group, const char *section,
		     struct failure *failure);
/*
 * The path that a socket is bound to, whoever bound it; an abstract name
 * begins with '@'.  Empty if the socket has no name.
 */
#define UNIX_SOCKET_NAME 112
void unix_socket_name(int fd, char name[UNIX_SOCKET_NAME]);
/* Closes, and removes the socket file unless another one took its place. */
void unix_socket_close(struct unix_socket *s);

/*
 * From now on the kernel refuses, with EPERM, what carries descriptors to this
 * socket (SCM_RIGHTS), and so for connections that it accepts later.  The last
 * close of a stranger's descriptor can block for as long as the stranger likes
 * (a TCP socket that lingers, a file on FUSE), and it would block the thread
 * that receives the datagram.  SO_PASSRIGHTS is of Linux 6.16; on older
 * kernels this does nothing, see bufwriterd(8).
 */
void unix_socket_refuse_descriptors(int fd);

/*
 * Whether the kernel says of each datagram that is sent from now on who sent it
 * (SO_PASSCRED).  It belongs to the socket and outlives this process.
 */
void unix_socket_ask_sender(int fd, bool ask);

/* What systemd's sysctl.d sets; 10 is the kernel's own default. */
#define UNIX_SOCKET_QLEN_GOOD 512

/*
 * The length that the queue of a socket made now would have, or -errno.  An
 * older socket may have another length, which the kernel does not tell.
 *
 * Under PrivateNetwork= the daemon's own /proc/sys belongs to another network
 * namespace than the socket.  So the unit reads the setting in the host's
 * namespace and passes it as the credential max_dgram_qlen, which is used
 * first.  Where systemd cannot read it, the unit passes a word that is not a
 * number; that counts as no credential.
 */
int unix_socket_qlen(void);

#endif
