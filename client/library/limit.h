/* SPDX-License-Identifier: MIT */
/*
 * What the daemon publishes in the target of a symbolic link that belongs to
 * its socket.  /run/bufwriter.sock has /run/bufwriter/limits ->
 *
 *	max_message=65536,lanes=/run/bufwriter/lanes.sock,large=67108864
 *
 * max_message is the longest message that fits a datagram or an ordinary lane,
 * lanes the path of the socket that gives out lanes, and large the longest
 * message for which it gives out a lane.  A daemon without lanes publishes the
 * first only.  Reading a link needs no second descriptor and cannot wait.
 *
 * Any thread.  Of several threads that read the link, any may win, and the
 * values guard no other memory; so every access is relaxed and pairs with
 * none.
 */
#ifndef BUFWRITER_LIMIT_H
#define BUFWRITER_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <sys/un.h>

struct bw_limit {
	_Atomic size_t bytes; /* SIZE_MAX: unknown */
	_Atomic size_t large; /* 0: no message that is longer than `bytes` */
	/* A message of up to so many bytes needs no look at the limit. */
	_Atomic size_t free_bytes;
	_Atomic int64_t read_ms; /* CLOCK_MONOTONIC_COARSE */
};

/* The length of all pieces.  A length that the kernel refuses gives 0. */
size_t bw_limit_length(const struct iovec *iov, size_t iovcnt);

/*
 * Room for the path of the lanes' socket; what does not fit sun_path cannot be
 * connected to.
 */
#define BW_LANES_PATH_BYTES (sizeof(((struct sockaddr_un *)0)->sun_path))

/*
 * Reads from the link that belongs to `socket` where lanes are given out.
 * Returns 0, -EOPNOTSUPP if the daemon gives out none, or -ENOENT if there is
 * no link, so probably no daemon.  `beside` is the same name in the directory
 * of the link: a container may have mounted that directory at another place.
 */
int bw_limit_lanes_path(const char *socket, char path[BW_LANES_PATH_BYTES],
			char beside[BW_LANES_PATH_BYTES]);

/* Reads the link that belongs to the socket.  Without one: unknown. */
void bw_limit_read(struct bw_limit *limit, const char *socket);

/* As far as is known: would the daemon drop a message of this length? */
static inline bool bw_limit_is_exceeded(const struct bw_limit *limit,
					size_t len)
{
	return len > atomic_load_explicit(&limit->bytes, memory_order_relaxed);
}

/* The same after reading the link again, if that is needed. */
bool bw_limit_look(struct bw_limit *limit, const char *socket, size_t len);

/* Must a message of this length be refused?  For most, one comparison. */
static inline bool bw_limit_refuses(struct bw_limit *limit, const char *socket,
				    size_t len)
{
	if (__builtin_expect(len <= atomic_load_explicit(&limit->free_bytes,
							 memory_order_relaxed),
			     1))
		return false;
	return bw_limit_look(limit, socket, len);
}

#endif
