/* SPDX-License-Identifier: MIT */
/*
 * Unix sockets with a path: made, given mode and group, and taken away.
 * A socket file that nobody listens on is replaced; one that is in use, or a
 * file that is no socket, never.  Main thread.
 */
#ifndef BUFWRITER_BIND_H
#define BUFWRITER_BIND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bound {
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
int bind_socket(struct bound *b, int type, const char *path, uint64_t mode,
		const char *group, const char *key, char *why, size_t n);
/*
 * The path a socket is bound to, also one that systemd made; an abstract name
 * has an '@' in front.  Empty if there is none.
 */
#define BIND_NAME 112
void bind_name(int fd, char name[BIND_NAME]);
/* Closes, and removes the socket file if it is still the one made here. */
void bind_close(struct bound *b);

#endif
