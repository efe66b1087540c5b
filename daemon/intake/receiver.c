/* SPDX-License-Identifier: MIT */
/* See receiver.h. */
#include "daemon/intake/receiver.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>

#include "daemon/base/failpoint.h"
#include "daemon/intake/pace.h"

/* A bit for each socket. */
static uint32_t all_sockets(const struct receiver *r)
{
	assert(r->sockets >= 1 && r->sockets <= RECEIVER_SOCKETS);
	return (UINT32_C(1) << r->sockets) - 1;
}

/* -- sockets -------------------------------------------------------------- */

/*
 * The socket was non-blocking, as all sockets here; from now on the calls that
 * must not wait have MSG_DONTWAIT.  Flag and timeout belong to the socket and
 * outlive this process if it is systemd's: fcntl(2), socket(7).
 */
static bool make_blocking(int fd)
{
	struct timeval most = { .tv_usec = PACE_RECEIVE_MS * 1000 };
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) &&
	       !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
}

bool receiver_open(struct receiver *r, int fd, struct stats_listener *stats,
		   struct drops *drops)
{
	memset(r, 0, sizeof(*r));
	r->socket[0].fd = fd;
	r->sockets = 1;
	r->stats = stats;
	r->drops = drops;
	receiver_ring_full(r);
	return make_blocking(fd);
}

void receiver_add(struct receiver *r, int fd)
{
	assert(r->sockets < RECEIVER_SOCKETS);
	r->socket[r->sockets++].fd = fd;
	receiver_ring_full(r);
}

void receiver_replace(struct receiver *r, unsigned i, int fd)
{
	r->socket[i].fd = fd;
	(void)make_blocking(fd);
}

void receiver_shut(struct receiver *r, unsigned i)
{
	shutdown(r->socket[i].fd, SHUT_RD);
}

/* -- datagrams ------------------------------------------------------------ */

unsigned receiver_take(struct receiver *r, struct mmsghdr *msgs, unsigned n,
		       int flags)
{
	struct receiver_socket *from = &r->socket[r->turn];
	int got;

	(void)FAILPOINT("recv.before");
	/*
	 * MSG_TRUNC: msg_len is the datagram's own length, so that a too
	 * large one is recognised (recv(2)).
	 */
	got = recvmmsg(from->fd, msgs, n, flags | MSG_TRUNC, NULL);
	(void)FAILPOINT("recv.after");
	if (got > 0) {
		stats_add(&r->stats->batches, 1);
		stats_add(&r->stats->received, got);
		from->received += got;
		return got;
	}
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		drops_receive_failed(r->drops, errno);
	return 0;
}

unsigned receiver_drop(struct receiver *r)
{
	struct mmsghdr msgs[RING_BATCH];
	unsigned got, i;

	memset(msgs, 0, sizeof(msgs));
	got = receiver_take(r, msgs, RING_BATCH, MSG_DONTWAIT);
	for (i = 0; i < got; i++)
		stats_add(&r->stats->received_bytes, msgs[i].msg_len);
	stats_add(&r->stats->ring_full, got);
	return got;
}

void receiver_drop_queue(struct receiver *r, unsigned i)
{
	r->turn = i;
	while (receiver_drop(r))
		;
}

/* -- turns ---------------------------------------------------------------- */

void receiver_begin(struct receiver *r)
{
	r->nonempty = all_sockets(r);
}

void receiver_next(struct receiver *r)
{
	if (++r->turn == r->sockets)
		r->turn = 0;
}

bool receiver_found_empty(struct receiver *r)
{
	if (r->sockets == 1)
		return true;
	r->nonempty &= ~(UINT32_C(1) << r->turn);
	receiver_next(r);
	return !r->nonempty;
}

bool receiver_emptied(struct receiver *r, bool dropped)
{
	r->socket[r->turn].emptied++;
	if (!dropped)
		r->unread &= ~(UINT32_C(1) << r->turn);
	return receiver_found_empty(r);
}

void receiver_ring_full(struct receiver *r)
{
	r->unread = all_sockets(r);
}
