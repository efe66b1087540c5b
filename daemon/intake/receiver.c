/* SPDX-License-Identifier: MIT */
/* See receiver.h. */
#include "daemon/intake/receiver.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>

#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/unix_socket.h"
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

bool receiver_open(struct receiver *r, int fd, bool identify,
		   struct stats_listener *stats, struct drops *drops)
{
	memset(r, 0, sizeof(*r));
	r->identify = identify;
	unix_socket_ask_sender(fd, identify);
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
	unix_socket_ask_sender(fd, r->identify);
	r->socket[r->sockets++].fd = fd;
	receiver_ring_full(r);
}

void receiver_replace(struct receiver *r, unsigned i, int fd)
{
	unix_socket_ask_sender(fd, r->identify);
	r->socket[i].fd = fd;
	(void)make_blocking(fd);
}

void receiver_identify(struct receiver *r, struct senders *senders)
{
	assert(r->identify);
	r->senders = senders;
}

void receiver_shut(struct receiver *r, unsigned i)
{
	shutdown(r->socket[i].fd, SHUT_RD);
}

/* -- datagrams ------------------------------------------------------------ */

/*
 * The kernel changes msg_controllen with each datagram.  With SO_PASSCRED it
 * writes the credentials of each one, first of all, and they use up the room
 * (net/core/scm.c: scm_recv(), put_cmsg()).  So a descriptor that comes along
 * has no room: scm_detach_fds() installs none, and the kernel drops it as it
 * does without a control buffer, see unix_socket_refuse_descriptors().
 */
static void give_control(struct receiver *r, struct mmsghdr *msgs, unsigned n)
{
	unsigned i;

	assert(n <= RING_BATCH);
	for (i = 0; i < n; i++) {
		msgs[i].msg_hdr.msg_control = r->control[i];
		msgs[i].msg_hdr.msg_controllen = RECEIVER_CONTROL;
	}
}

struct sender_id receiver_sender(const struct mmsghdr *msg)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(&msg->msg_hdr);
	struct ucred from;

	/* Another kind has come first, or the kernel had nothing to say. */
	if (!head || head->cmsg_level != SOL_SOCKET ||
	    head->cmsg_type != SCM_CREDENTIALS ||
	    head->cmsg_len < CMSG_LEN(sizeof(from)))
		return (struct sender_id){ 0, UINT32_MAX };
	memcpy(&from, CMSG_DATA(head), sizeof(from));
	return (struct sender_id){ (uint32_t)from.pid, from.uid };
}

unsigned receiver_take(struct receiver *r, struct mmsghdr *msgs, unsigned n,
		       int flags)
{
	struct receiver_socket *from = &r->socket[r->turn];
	int got;

	if (r->senders)
		give_control(r, msgs, n);
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

static void count_dropped(struct receiver *r, const struct mmsghdr *msgs,
			  unsigned n)
{
	uint64_t now = clock_now();
	struct sender_id id;
	unsigned i;

	for (i = 0; i < n; i++) {
		id = receiver_sender(&msgs[i]);
		senders_count(r->senders, &id, msgs[i].msg_len, true, now);
	}
}

unsigned receiver_drop(struct receiver *r)
{
	struct mmsghdr msgs[RING_BATCH];
	unsigned got, i;

	memset(msgs, 0, sizeof(msgs));
	got = receiver_take(r, msgs, RING_BATCH, MSG_DONTWAIT);
	for (i = 0; i < got; i++)
		stats_add(&r->stats->received_bytes, msgs[i].msg_len);
	if (r->senders)
		count_dropped(r, msgs, got);
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
