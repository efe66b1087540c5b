/* SPDX-License-Identifier: MIT */
/*
 * What the two yardstick readers (discard, writev) have in common: a bound
 * socket, buffers for a batch, and a way to stop that loses nothing.
 * Single-threaded.
 */
#ifndef BENCH_READER_H
#define BENCH_READER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct reader {
	int fd;
	unsigned batch;	     /* datagrams asked for at once */
	unsigned slots;	     /* buffers used in turn, >= batch */
	size_t size;	     /* bytes of one buffer */
	unsigned next;	     /* slot of the next batch */
	struct mmsghdr *hdr; /* slots of them */
	uint64_t calls, taken, bytes;
};

/* Binds the socket, reserves and touches the buffers.  Exits on failure. */
void reader_open(struct reader *r, const char *path, unsigned batch,
		 unsigned slots, size_t size);

/*
 * Receives a batch into r->hdr[*first ...].  Waits for the first datagram
 * until SIGTERM or SIGINT; after that, takes what is still queued.  Returns
 * how many, 0 when stopped and empty.  Exits on failure.
 */
unsigned reader_take(struct reader *r, unsigned *first, int flags);

/* One line: datagrams, bytes, calls, and the CPU time of this process. */
void reader_report(const struct reader *r);

#endif
