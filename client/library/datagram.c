/* SPDX-License-Identifier: MIT */
/*
 * See datagram.h.
 *
 * Why there are no locks and no reference counts.  A handle has one descriptor
 * from bw_open() to bw_close(), and the descriptor always means the same
 * socket: the library never closes it, replaces it or opens a second one.  So
 * no thread can write to a descriptor that another thread has closed.  When
 * the daemon is gone, the socket stays, and connect(2) gives it a new peer.
 * The kernel changes the peer of a datagram socket under the socket's own
 * lock.  This may happen at any time, even while other threads send:
 *
 * - A send that began earlier holds a reference to the old peer.  Either the
 *   old peer receives the datagram, or the send fails with ECONNREFUSED,
 *   ECONNRESET or EPIPE.  It is never both, so sending the message again cannot
 *   duplicate it.
 * - Threads that connect at the same time all name the same path.  The last one
 *   wins, and the others lose nothing, because a connection has no state.  A
 *   thread that looked up the path before a restart may win with the dead
 *   socket; then the next send fails and connects again.
 * - connect(2) on a datagram socket does not wait for the peer.
 *
 * For the same reason, fork(2) can find nothing half done.  Parent and child
 * share the socket, and a connect(2) in one of them serves both.  They also
 * share the socket's send buffer.
 *
 * How a wait ends in time.  On the fast path the kernel keeps the timeout: the
 * socket has SO_SNDTIMEO, and a blocking send into a full queue waits in line
 * with the other senders.  This is one system call.  A signal or a lost
 * connection leads to the slow path.  The slow path uses MSG_DONTWAIT and
 * poll(2) for the rest of the time, because SO_SNDTIMEO belongs to all threads.
 * The start of a call is read from the coarse clock.  That takes a few
 * nanoseconds and no system call, and it is as precise as the kernel's timeout.
 */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/library/datagram.h"
#include "client/library/handle.h"

/*
 * The send buffer that the library requests.  The kernel doubles the value and
 * allows at most twice net.core.wmem_max, 416 KiB by default, see socket(7).  A
 * datagram must be smaller than the result.  With the default of 208 KiB, a
 * message of the daemon's largest max_message (208 KiB) would be 32 bytes too
 * long.
 */
#define SEND_BUFFER_BYTES (512 * 1024)

/* Pauses between two tries to reach a daemon that is gone; each one doubles. */
#define PAUSE_FIRST_MS 1
#define PAUSE_LAST_MS 50

/*
 * The same while the daemon is gone.  All callers share one timeout, which
 * began when one of them found the daemon gone.
 */
static int time_left_for_daemon_ms(struct bw *bw, int64_t start_ms)
{
	/* Relaxed: an old value only makes this wait longer or shorter. */
	int64_t since_ms = atomic_load_explicit(&bw->gone_since_ms,
						memory_order_relaxed);

	return bw_left_ms(bw, since_ms && since_ms < start_ms ? since_ms :
								start_ms);
}

/*
 * Notes that the daemon is gone.  The one send that finds the peer dead gets
 * ECONNREFUSED from the kernel, and all later ones get ENOTCONN.  So
 * ECONNREFUSED begins a new absence, and the others belong to one that may be
 * known already.
 */
static void note_gone(struct bw *bw, int err)
{
	int64_t now_ms = bw_clock_ms(CLOCK_MONOTONIC);
	int64_t none = 0;

	/* Relaxed: of several threads that note an absence, any may win. */
	if (err == -ECONNREFUSED)
		atomic_store_explicit(&bw->gone_since_ms, now_ms,
				      memory_order_relaxed);
	else
		atomic_compare_exchange_strong_explicit(&bw->gone_since_ms,
							&none, now_ms,
							memory_order_relaxed,
							memory_order_relaxed);
}

static void note_back(struct bw *bw)
{
	/* Relaxed: a thread that reads an old value waits too short once. */
	atomic_store_explicit(&bw->gone_since_ms, 0, memory_order_relaxed);
}

/*
 * The first try has sent the message.  If the daemon was gone, it is back, and
 * another thread or process has connected the socket again.
 */
static int sent(struct bw *bw)
{
	/* Relaxed: if this reads an old value, a later call clears it. */
	if (!likely(atomic_load_explicit(&bw->gone_since_ms,
					 memory_order_relaxed) == 0))
		note_back(bw);
	return 0;
}

/*
 * The bare system call: ThreadSanitizer believes that libc's connect() makes a
 * new descriptor, and would report every send of another thread as a race.
 */
static int connect_daemon(const struct bw *bw)
{
	if (syscall(SYS_connect, bw->fd, &bw->address, sizeof(bw->address)))
		return -errno;
	return 0;
}

static int send_now(const struct bw *bw, const struct msghdr *msg)
{
	if (sendmsg(bw->fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	return -errno;
}

/* Connects to what may be another daemon, with another limit. */
static int connect_for(struct bw *bw, const struct msghdr *msg)
{
	size_t len = bw_limit_length(msg->msg_iov, msg->msg_iovlen);
	int err = connect_daemon(bw);

	if (err)
		return err;
	bw_limit_read(&bw->limit, bw->address.sun_path);
	return bw_limit_is_exceeded(&bw->limit, len) ? -EMSGSIZE : 0;
}

/* The connection is lost; only connect(2) brings it back. */
static bool is_lost(int err)
{
	return err == -ECONNREFUSED || err == -ECONNRESET || err == -ENOTCONN ||
	       err == -EPIPE;
}

/*
 * A new connection may help, now or soon.  This includes EACCES and EPERM: a
 * daemon that starts first binds its socket and then sets group and mode.
 */
static bool needs_connect(int err)
{
	return is_lost(err) || err == -ENOENT || err == -ENOTDIR ||
	       err == -EACCES || err == -EPERM;
}

/* Maps the kernel's errors to the few that a caller can act upon. */
static int public_error(int err)
{
	switch (-err) {
	case EAGAIN:
		return BW_TIMEOUT;
	case ENOENT:
	case ENOTDIR:
	case ENOTCONN:
	case ECONNRESET:
	case EPIPE:
		return BW_NO_DAEMON;
	case EPERM:
		return BW_NOT_PERMITTED;
	case ENOBUFS:
		return BW_NO_MEMORY;
	case ENOTSOCK:
		return BW_CLOSED;
	default:
		return err;
	}
}

/* Waits for room in send buffer and queue.  False: no time is left. */
static bool wait_room(const struct bw *bw, int64_t start_ms)
{
	struct pollfd pfd = { .fd = bw->fd, .events = POLLOUT };
	int left_ms = bw_left_ms(bw, start_ms);

	/* The result does not matter: the next send finds out. */
	if (left_ms)
		poll(&pfd, 1, left_ms);
	return left_ms != 0;
}

/*
 * Waits for a daemon or for memory, and doubles the pause.  False: no time is
 * left.
 */
static bool wait_pause(struct bw *bw, int64_t start_ms, int *pause_ms)
{
	struct timespec ts = { 0, 0 };
	int left_ms = time_left_for_daemon_ms(bw, start_ms);
	int ms = *pause_ms;

	if (left_ms == 0)
		return false;
	if (left_ms > 0 && left_ms < ms)
		ms = left_ms;
	assert(ms > 0 && ms <= PAUSE_LAST_MS);
	ts.tv_nsec = ms * 1000000L;
	/* If a signal cuts this short, the next try comes a little earlier. */
	nanosleep(&ts, NULL);
	*pause_ms *= 2;
	if (*pause_ms > PAUSE_LAST_MS)
		*pause_ms = PAUSE_LAST_MS;
	return true;
}

/*
 * The slow path: the first try has failed with err.  A lost connection is made
 * again at once.  The pauses begin when that does not help.
 */
static int write_slowly(struct bw *bw, const struct msghdr *msg, int err,
			int64_t start_ms)
{
	int pause_ms = PAUSE_FIRST_MS;
	bool tried = false;
	bool ready;

	start_ms = bw_precise_ms(bw, start_ms);
	if (is_lost(err))
		note_gone(bw, err);
	while (err) {
		if (err == -EINTR) {
			ready = true;
		} else if (err == -EAGAIN) {
			ready = wait_room(bw, start_ms);
		} else if (needs_connect(err) || err == -ENOBUFS) {
			ready = !tried || wait_pause(bw, start_ms, &pause_ms);
			tried = true;
		} else {
			ready = false;
		}
		if (!ready)
			return public_error(err);

		if (needs_connect(err))
			err = connect_for(bw, msg);
		else
			err = 0;
		if (!err)
			err = send_now(bw, msg);
		/*
		 * Each of the three shows that there is a peer.  Newer kernels
		 * return EMSGSIZE without a peer as well, but then the first
		 * try got it, and this loop has not connected.
		 */
		if (!err || err == -EAGAIN || err == -EMSGSIZE)
			note_back(bw);
	}
	return 0;
}

int bw_datagram_write(struct bw *bw, const void *data, size_t len,
		      int64_t start_ms)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (likely(send(bw->fd, data, len, bw->flags) >= 0))
		return sent(bw);
	return write_slowly(bw, &msg, -errno, start_ms);
}

int bw_datagram_writev(struct bw *bw, const struct msghdr *msg,
		       int64_t start_ms)
{
	if (likely(sendmsg(bw->fd, msg, bw->flags) >= 0))
		return sent(bw);
	return write_slowly(bw, msg, -errno, start_ms);
}

int bw_datagram_try(struct bw *bw, void *data, size_t len)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	const struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int err;

	do
		err = send_now(bw, &msg);
	while (err == -EINTR);
	if (needs_connect(err) && !connect_daemon(bw))
		err = send_now(bw, &msg);
	return err ? public_error(err) : sent(bw);
}

/*
 * Moves a descriptor above the standard ones.  Otherwise the text that the
 * program prints could become messages.  Returns the new descriptor or -errno;
 * the old one is closed.
 */
static int above_standard(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (high < 0)
		high = -errno;
	close(fd);
	return high;
}

/* Returns a descriptor or -errno. */
static int socket_open(int timeout_ms)
{
	const int wanted = SEND_BUFFER_BYTES;
	struct timeval tv = { 0, 0 }; /* for SO_SNDTIMEO: no limit */
	socklen_t len = sizeof(int);
	int buffer = 0;
	int err;
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (fd <= STDERR_FILENO)
		fd = above_standard(fd);
	if (fd < 0)
		return fd;
	assert(fd > STDERR_FILENO);
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &len);
	if (buffer < wanted)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	if (timeout_ms > 0) {
		tv.tv_sec = timeout_ms / 1000;
		tv.tv_usec = timeout_ms % 1000 * 1000;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int bw_datagram_open(struct bw *bw)
{
	int fd = socket_open(bw->timeout_ms);

	if (fd < 0)
		return fd;
	bw->fd = fd;
	bw->flags = MSG_NOSIGNAL | (bw->timeout_ms == 0 ? MSG_DONTWAIT : 0);
	/*
	 * The program may drop its rights later, so connect now.  The first
	 * write returns the error if this fails.
	 */
	connect_daemon(bw);
	return 0;
}
