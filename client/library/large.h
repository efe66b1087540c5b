/* SPDX-License-Identifier: MIT */
/*
 * Messages that are too long for a datagram: each has a lane of its own, and
 * the daemon makes a file of it.
 *
 * Any thread.
 */
#ifndef BUFWRITER_LARGE_H
#define BUFWRITER_LARGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct bw;

/*
 * Writes a message that is longer than the daemon takes as a datagram, as
 * bw_writev() promises; start_ms: bw_start_ms().
 */
int bw_large_write(struct bw *bw, const struct iovec *iov, size_t iovcnt,
		   size_t len, int64_t start_ms);

#endif
