/* SPDX-License-Identifier: MIT */
/*
 * Unix sockets with a path: made, given mode and group, and taken away.
 * A socket file that nobody listens on is replaced; one that is in use, or a
 * file that is no socket, never.  Main thread.
 */
#ifndef BUFWRITER_UNIX_SOCKET_H
#define BUFWRITER_UNIX_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct unix_socket {
	int fd; /* -1: none */
	char path[108];
	/* of the socket file, so that only our own is removed */
	dev_t dev;
	ino_t ino;
};

/*
 * Binds a close-on-exec, non-blocking socket of this type (SOCK_DGRAM or
 * SOCK_STREAM) to path.  `key` is the settings' section for messages.
 * 0, or -errno with one line in why[n]; -EADDRINUSE: somebody uses it.
 */
int unix_socket_bind(struct unix_socket *b, int type, const char *path,
		     uint64_t mode, const char *group, const char *key,
		     char *why, size_t n);
/*
 * The path a socket is bound to, also one that systemd made; an abstract name
 * has an '@' in front.  Empty if there is none.
 */
#define UNIX_SOCKET_NAME 112
void unix_socket_name(int fd, char name[UNIX_SOCKET_NAME]);
/* Closes, and removes the socket file if it is still the one made here. */
void unix_socket_close(struct unix_socket *b);

/* What systemd's sysctl.d sets; 10 is the kernel's own default. */
#define UNIX_SOCKET_QLEN_GOOD 512

/*
 * The length that the queue of a socket made now would have, or -errno.  An
 * older socket may have another one, which nobody can ask it for.  Under
 * systemd it is the credential max_dgram_qlen, which the unit takes from the
 * host's namespace, where the socket was made: under PrivateNetwork= the
 * daemon's own /proc/sys is another namespace's.  A credential that is no
 * number, the unit's default for where systemd can not read it either, is
 * none.  Main thread.
 */
int unix_socket_qlen(void);

#endif
