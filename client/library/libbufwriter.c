/* SPDX-License-Identifier: MIT */
/*
 * The client library: one message, one datagram, one system call.
 *
 * Runs in the threads of its callers and has none of its own.  It knows
 * nothing of the daemon but the path of its socket.
 *
 * Why no lock and no counted connections.  A handle has one descriptor from
 * bw_open() to bw_close(), and its number always means the same socket: the
 * library never closes it, replaces it or makes another one.  So no thread
 * can ever write to a descriptor that was closed or used again, whatever the
 * others do.  When the daemon is gone, the socket stays and connect(2) gives
 * it a new peer.  The kernel exchanges the peer of a datagram socket under
 * the socket's own lock, at any time, also while other threads send:
 *
 * - A send that began earlier holds a reference to the old peer.  It ends in
 *   ECONNREFUSED, ECONNRESET or EPIPE, or the old peer took the datagram.
 *   Never both, so that sending again cannot send twice.
 * - Several threads that connect at once all name the same path.  The last
 *   one wins and nothing is lost by the others: a connection has no state.
 *   One whose path lookup was overtaken by a restart may win with the dead
 *   socket; then the next send fails and connects again.
 * - connect(2) on a datagram socket does not wait for the peer.
 *
 * For the same reason there is nothing that a fork(2) could find half done.
 * Parent and child share the socket, and whoever connects it again does so
 * for both.  (Sends of both wait for the same send buffer, too.)
 *
 * How the wait ends in time.  The kernel keeps the timeout: the socket has
 * SO_SNDTIMEO, and a blocking send into a full queue is put in line behind
 * the other senders; that is the fast path, one system call.  Everything
 * else, a signal or a lost connection, goes to the slow path with what is
 * left of the time and uses MSG_DONTWAIT and poll(2), since SO_SNDTIMEO
 * belongs to all threads.  The time of the start is the coarse clock, which
 * is read without a system call in a few nanoseconds and is as precise as
 * the kernel's timeout.
 */
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include "bufwriter.h"

#define likely(x) __builtin_expect(!!(x), 1)

/*
 * The kernel doubles this and takes at most twice net.core.wmem_max, 416 KiB
 * by default.  A datagram must be smaller than the result, so without asking
 * (208 KiB) it would fall 32 bytes short of the daemon's largest max_message.
 */
#define SEND_BUFFER (512 * 1024)

/* Milliseconds between two tries to reach a daemon that is gone. */
#define PAUSE_FIRST 1
#define PAUSE_LAST 50

struct bw {
	/*
	 * Shared, atomic: when the daemon was found gone, in milliseconds of
	 * the monotonic clock, or 0.  Only a bound for waiting, it guards no
	 * other memory, so every access is relaxed.  Each call reads it, and
	 * it changes only when the daemon comes or goes: it may share a cache
	 * line with the rest.
	 */
	_Atomic int64_t gone_since;

	/* constant after bw_open() */
	int fd;
	int flags; /* for send(2): MSG_DONTWAIT if nothing may wait */
	int timeout;
	int slack; /* milliseconds that the coarse clock may be behind */
	struct sockaddr_un address;
};

static int64_t clock_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The beginning of a call; nobody asks for it without a time limit. */
static int64_t call_start(const struct bw *bw)
{
	return bw->timeout > 0 ? clock_ms(CLOCK_MONOTONIC_COARSE) : 0;
}

/*
 * The same from the precise clock.  The coarse one is behind by up to two
 * ticks and a little.  A call that seems to have taken no more has not waited
 * yet and begins now; for others, rather a little too late than too early.
 */
static int64_t call_start_precise(const struct bw *bw, int64_t start)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC);

	return now - start < bw->slack ? now : start + bw->slack;
}

/* Milliseconds left of the timeout, -1 for no limit. */
static int time_left(const struct bw *bw, int64_t start)
{
	int64_t left;

	if (bw->timeout <= 0)
		return bw->timeout == 0 ? 0 : -1;
	left = start + bw->timeout + 1 - clock_ms(CLOCK_MONOTONIC);
	if (left <= 0)
		return 0;
	return left <= bw->timeout ? (int)left : bw->timeout;
}

/* The same for a daemon that is gone: all callers share one timeout. */
static int time_left_for_daemon(struct bw *bw, int64_t start)
{
	int64_t since = atomic_load_explicit(&bw->gone_since,
					     memory_order_relaxed);

	return time_left(bw, since != 0 && since < start ? since : start);
}

/*
 * Notes that the daemon is gone.  The kernel says ECONNREFUSED to the one
 * send that finds the peer dead and ENOTCONN to all after it, so the first
 * begins a new absence, and the others belong to one that is known.
 */
static void note_gone(struct bw *bw, int err)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC);
	int64_t none = 0;

	if (err == -ECONNREFUSED)
		atomic_store_explicit(&bw->gone_since, now,
				      memory_order_relaxed);
	else
		atomic_compare_exchange_strong_explicit(&bw->gone_since, &none,
							now,
							memory_order_relaxed,
							memory_order_relaxed);
}

static void note_back(struct bw *bw)
{
	atomic_store_explicit(&bw->gone_since, 0, memory_order_relaxed);
}

/*
 * The first try succeeded: if the daemon was gone, it is back, and another
 * thread or process has connected the socket again.
 */
static int sent(struct bw *bw)
{
	if (!likely(atomic_load_explicit(&bw->gone_since,
					 memory_order_relaxed) == 0))
		note_back(bw);
	return 0;
}

/*
 * The bare system call, because ThreadSanitizer takes libc's connect() for the
 * making of a new descriptor and reports every send of another thread.
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

/* The connection is lost, and by itself it will not come back. */
static int is_lost(int err)
{
	return err == -ECONNREFUSED || err == -ECONNRESET || err == -ENOTCONN ||
	       err == -EPIPE;
}

/*
 * A connection may help, now or soon.  EACCES and EPERM are among these: a
 * daemon that starts binds its socket first and gives it its group and mode
 * after that.
 */
static int needs_connect(int err)
{
	return is_lost(err) || err == -ENOENT || err == -ENOTDIR ||
	       err == -EACCES || err == -EPERM;
}

/* From the kernel's many errors to the few that a caller can act upon. */
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

/* Waits for room in the send buffer and the queue.  0: no time is left. */
static int wait_room(const struct bw *bw, int64_t start)
{
	struct pollfd pfd = { .fd = bw->fd, .events = POLLOUT };
	int left = time_left(bw, start);

	/* whatever poll says, the next send finds out what is the matter */
	if (left != 0)
		poll(&pfd, 1, left);
	return left;
}

/* Waits for a daemon or for memory.  0: no time is left. */
static int wait_pause(struct bw *bw, int64_t start, int *pause)
{
	struct timespec ts = { 0, 0 };
	int left = time_left_for_daemon(bw, start);
	int ms = left > 0 && left < *pause ? left : *pause;

	if (left == 0)
		return 0;
	ts.tv_nsec = (long)ms * 1000000;
	/* cut short by a signal: the next try comes a little earlier */
	nanosleep(&ts, NULL);
	*pause = *pause * 2 < PAUSE_LAST ? *pause * 2 : PAUSE_LAST;
	return left;
}

/*
 * Everything that does not happen each time.  err is what the first try has
 * ended in.  A lost connection is made again at once; the pauses begin when
 * that does not help.
 */
static int write_slowly(struct bw *bw, const struct msghdr *msg, int err,
			int64_t start)
{
	int pause = PAUSE_FIRST;
	int tried = 0;
	int ready;

	start = call_start_precise(bw, start);
	if (is_lost(err))
		note_gone(bw, err);
	while (err != 0) {
		if (err == -EINTR)
			ready = 1;
		else if (err == -EAGAIN)
			ready = wait_room(bw, start);
		else if (needs_connect(err) || err == -ENOBUFS)
			ready = !tried++ || wait_pause(bw, start, &pause);
		else
			ready = 0;
		if (!ready)
			return public_error(err);

		if (needs_connect(err))
			err = connect_daemon(bw);
		else
			err = 0;
		if (err == 0)
			err = send_now(bw, msg);
		/*
		 * All three need a peer.  (Newer kernels say EMSGSIZE without
		 * one, but then to the first try, and nothing is connected.)
		 */
		if (err == 0 || err == -EAGAIN || err == -EMSGSIZE)
			note_back(bw);
	}
	return 0;
}

int bw_write(struct bw *bw, const void *data, size_t len)
{
	int64_t start = call_start(bw);
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (likely(send(bw->fd, data, len, bw->flags) >= 0))
		return sent(bw);
	return write_slowly(bw, &msg, -errno, start);
}

int bw_writev(struct bw *bw, const struct iovec *iov, int iovcnt)
{
	int64_t start = call_start(bw);
	struct msghdr msg = { .msg_iov = (struct iovec *)iov };

	/* the kernel would call too many pieces too large */
	if (iovcnt < 0 || iovcnt > IOV_MAX)
		return BW_INVALID;
	msg.msg_iovlen = (size_t)iovcnt;
	if (likely(sendmsg(bw->fd, &msg, bw->flags) >= 0))
		return sent(bw);
	return write_slowly(bw, &msg, -errno, start);
}

/*
 * Takes options of a caller that was compiled with an older or a newer
 * header: a field that it does not have gets its default, one that it has and
 * we do not must be zero.
 */
static int options_read(struct bw_options *to, const struct bw_options *from)
{
	const unsigned char *bytes = (const unsigned char *)from;
	const size_t first = offsetof(struct bw_options, timeout) + sizeof(int);
	size_t n;

	*to = (struct bw_options)BW_OPTIONS;
	if (from == NULL)
		return 0;
	/* a page at most, or it was not set at all */
	if (from->size < first || from->size > 4096)
		return BW_INVALID;
	for (n = sizeof(*to); n < from->size; n++)
		if (bytes[n] != 0)
			return BW_INVALID;
	memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
	return to->timeout < BW_FOREVER ? BW_INVALID : 0;
}

static int address_set(struct sockaddr_un *address, const char *path)
{
	if (path == NULL) {
		path = secure_getenv("BUFWRITER_SOCKET");
		if (path == NULL || path[0] == '\0')
			path = BW_SOCKET;
	}
	if (path[0] == '\0')
		return BW_INVALID;
	if (strlen(path) >= sizeof(address->sun_path))
		return BW_PATH_TOO_LONG;
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, path);
	return 0;
}

static int socket_open(int timeout)
{
	const int wanted = SEND_BUFFER;
	struct timeval tv = { 0, 0 };
	socklen_t len = sizeof(int);
	int buffer = 0;
	int high;
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (fd <= STDERR_FILENO) {
		/* or what the program prints would become messages */
		high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (high < 0)
			high = -errno;
		close(fd);
		if (high < 0)
			return high;
		fd = high;
	}
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &len);
	if (buffer < wanted)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	if (timeout > 0) {
		tv.tv_sec = timeout / 1000;
		tv.tv_usec = timeout % 1000 * 1000;
	}
	/* zero: no limit */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0)
		return fd;
	high = -errno;
	close(fd);
	return high;
}

int bw_open(struct bw **out, const struct bw_options *options)
{
	struct bw_options opt;
	struct timespec tick;
	struct bw *bw;
	int err;

	*out = NULL;
	err = options_read(&opt, options);
	if (err != 0)
		return err;
	bw = calloc(1, sizeof(*bw));
	if (bw == NULL)
		return BW_NO_MEMORY;
	err = address_set(&bw->address, opt.socket);
	if (err == 0)
		err = bw->fd = socket_open(opt.timeout);
	if (err < 0) {
		free(bw);
		return err;
	}
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	bw->timeout = opt.timeout;
	bw->slack = (int)(3 * tick.tv_nsec / 1000000) + 1;
	bw->flags = MSG_NOSIGNAL | (opt.timeout == 0 ? MSG_DONTWAIT : 0);
	/* now, while the rights are there; the first write tells of errors */
	connect_daemon(bw);
	*out = bw;
	return 0;
}

void bw_close(struct bw *bw)
{
	if (bw == NULL)
		return;
	close(bw->fd);
	free(bw);
}

const char *bw_strerror(int error)
{
	const char *text;

	switch (error) {
	case 0:
		return "success";
	case BW_TIMEOUT:
		return "timed out: the daemon took nothing in time; "
		       "is its disk slow or full?";
	case BW_TOO_LARGE:
		return "message too large for a datagram; split it";
	case BW_NO_DAEMON:
		return "no daemon listens on the socket; "
		       "is bufwriterd running, with this path?";
	case BW_NOT_PERMITTED:
		return "not permitted to write to the daemon's socket; "
		       "is this user in its group?";
	case BW_WRONG_SOCKET:
		return "not a datagram socket; does the path lead to "
		       "bufwriterd?";
	case BW_PATH_TOO_LONG:
		return "socket path too long; at most 107 bytes are possible";
	case BW_INVALID:
		return "invalid argument or option; "
		       "do the options begin as BW_OPTIONS?";
	case BW_NO_MEMORY:
		return "out of memory, in this process or in the kernel";
	case BW_CLOSED:
		return "the handle's file descriptor was closed; "
		       "open the handle after closing all descriptors";
	}
	text = error < 0 && error != INT_MIN ? strerrordesc_np(-error) : NULL;
	return text != NULL ? text : "unknown error";
}
