/* SPDX-License-Identifier: MIT */
/*
 * The longest message that the daemon accepts, as it publishes it in the
 * target of a symbolic link that belongs to its socket: /run/bufwriter.sock
 * has /run/bufwriter/limits -> max_message=65536.  Reading a link needs no
 * second descriptor and cannot wait.
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

struct bw_limit {
	_Atomic size_t bytes; /* SIZE_MAX: unknown */
	/* A message of up to so many bytes needs no look at the limit. */
	_Atomic size_t free_bytes;
	_Atomic int64_t read_ms; /* CLOCK_MONOTONIC_COARSE */
};

/* The length of all pieces.  A length that the kernel refuses gives 0. */
size_t bw_limit_length(const struct iovec *iov, size_t iovcnt);

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
