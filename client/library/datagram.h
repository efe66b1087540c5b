/* SPDX-License-Identifier: MIT */
/*
 * The road of datagrams: one message, one datagram, one system call.  It is
 * the road of every process that writes little, and the way out when there is
 * no lane.
 *
 * Any thread.  Errors are those of bufwriter.h.
 */
#ifndef BUFWRITER_DATAGRAM_H
#define BUFWRITER_DATAGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct bw;

/*
 * Makes the handle's socket and tries to connect it.  bw->address and
 * bw->timeout_ms are set.  Returns 0 or -errno.
 */
int bw_datagram_open(struct bw *bw);

/* Sends one message and waits as bw_write() promises; start_ms: bw_start_ms() */
int bw_datagram_write(struct bw *bw, const void *data, size_t len,
		      int64_t start_ms);
int bw_datagram_writev(struct bw *bw, const struct msghdr *msg,
		       int64_t start_ms);

/*
 * Sends one message if that can be done without a wait; a lost connection is
 * made again.  Returns 0, or an error of bufwriter.h with which nothing was
 * sent.
 */
int bw_datagram_try(struct bw *bw, void *data, size_t len);

#endif
