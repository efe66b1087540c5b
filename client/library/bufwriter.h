/* SPDX-License-Identifier: MIT */
/*
 * libbufwriter hands messages to bufwriterd, the logging daemon.
 *
 * A complete program (cc example.c $(pkg-config --cflags --libs bufwriter)):
 *
 *	#include <bufwriter.h>
 *	#include <stdio.h>
 *
 *	int main(void)
 *	{
 *		static const char message[] = "the answer is 42";
 *		struct bw *bw;
 *		int err;
 *
 *		err = bw_open(&bw, NULL);
 *		if (err == 0) {
 *			err = bw_write(bw, message, sizeof(message) - 1);
 *			bw_close(bw);
 *		}
 *		if (err != 0)
 *			fprintf(stderr, "example: %s\n", bw_strerror(err));
 *		return err != 0;
 *	}
 *
 * One message is one datagram, and one datagram is one system call: nothing
 * is buffered here.  A message that bw_write() has taken is in the daemon's
 * queue in the kernel, also when this process dies a moment later.
 *
 * Threads: a handle is one for the whole process.  Any number of threads may
 * write with one handle at the same time; none of them ever waits for another
 * one, only for the daemon.  bw_close() must come after all of them.  The
 * calls may be used where a thread can be cancelled; they hold no lock.  They
 * may not be used in signal handlers.
 *
 * Fork: parent and child may both go on with a handle that was opened before
 * fork(2), and each closes its own.
 *
 * Signals: SIGPIPE is never raised.  A signal that is handled while a call
 * waits does not end the wait and does not make it longer.
 *
 * Errors: every call returns 0 or one of the negative numbers below.  A
 * message for which a call returned an error has not been taken: it is in no
 * file and never will be.
 */
#ifndef BUFWRITER_H
#define BUFWRITER_H

#include <errno.h>
#include <stddef.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each is a negative errno(3); other negative errno values can come too. */
enum {
	/* The daemon took nothing for the whole timeout. */
	BW_TIMEOUT = -ETIMEDOUT,
	/* More than a datagram on this system can carry. */
	BW_TOO_LARGE = -EMSGSIZE,
	/* No daemon listens on the socket. */
	BW_NO_DAEMON = -ECONNREFUSED,
	/* The daemon's socket may not be written to by this user. */
	BW_NOT_PERMITTED = -EACCES,
	/* The path leads to a socket, but of another type. */
	BW_WRONG_SOCKET = -EPROTOTYPE,
	/* The path is longer than a socket address can hold. */
	BW_PATH_TOO_LONG = -ENAMETOOLONG,
	/* An argument or option makes no sense. */
	BW_INVALID = -EINVAL,
	/* This process or the kernel is out of memory. */
	BW_NO_MEMORY = -ENOMEM,
	/* The program closed the handle's file descriptor behind its back. */
	BW_CLOSED = -EBADF
};

/* Where the daemon listens. */
#define BW_SOCKET "/run/bufwriter.sock"
/* bw_options.timeout, in milliseconds */
#define BW_DEFAULT_TIMEOUT 100
#define BW_FOREVER (-1)

/*
 * Options are set after all of them got their defaults:
 *
 *	struct bw_options options = BW_OPTIONS;
 *
 *	options.timeout = BW_FOREVER;
 *	err = bw_open(&bw, &options);
 */
struct bw_options {
	/* sizeof(struct bw_options): later versions may add fields */
	size_t size;
	/*
	 * Path of the socket.  NULL: the environment variable
	 * BUFWRITER_SOCKET, or BW_SOCKET without it.  The variable is not
	 * looked at in a set-user-ID or set-group-ID program.  A path that
	 * does not begin with a slash is looked up again from the working
	 * directory each time a connection is made.
	 */
	const char *socket;
	/*
	 * How long a write may wait, in milliseconds, for room in a full
	 * queue or for a daemon that is gone.  0: never; BW_FOREVER: until
	 * the message is taken.  The kernel rounds up to its clock tick, and
	 * a write that finds first its own send buffer and then the daemon's
	 * queue full can take up to twice as long.
	 */
	int timeout;
};

#define BW_OPTIONS                                                  \
	{                                                           \
		sizeof(struct bw_options), NULL, BW_DEFAULT_TIMEOUT \
	}

struct bw;

/*
 * Makes a handle and stores it in *bw; the caller gives it back with
 * bw_close().  options may be NULL: defaults.  The struct and the path in it
 * are copied.
 *
 * That the daemon is not there, or may not be written to, is no error here:
 * every write tries again, and says so.  A program may start before the
 * daemon does.  The handle holds one file descriptor, close-on-exec and never
 * 0, 1 or 2; a program that closes all its descriptors to become a daemon
 * opens its handle after that.
 *
 * Any thread.  BW_INVALID: size is not that of a struct bw_options, a timeout
 * below BW_FOREVER, an empty path, or a field set that this version of the
 * library does not know.  BW_PATH_TOO_LONG.  BW_NO_MEMORY.  -EMFILE or
 * -ENFILE: no file descriptor left.  *bw is NULL after an error.
 */
int bw_open(struct bw **bw, const struct bw_options *options);

/*
 * Sends one message of len bytes, any bytes, 0 too.  Bytes are not changed;
 * what ends a message in the files is the daemon's setting.
 *
 * When the daemon was restarted, the same call connects again and sends.
 * When no daemon is there, it tries again with growing pauses until the
 * daemon has been gone for the timeout; after that, writes fail at once, each
 * after one try, so that a daemon that stays away does not slow its callers.
 *
 * Any thread, many at a time.
 *
 * BW_TIMEOUT: the queue stayed full.  BW_NO_DAEMON, BW_NOT_PERMITTED,
 * BW_WRONG_SOCKET: about the socket; permission is checked when a connection
 * is made, so after a restart of the daemon by the rights of then.
 * BW_TOO_LARGE: above what the kernel takes as a datagram, which is at least
 * 208 KiB unless net.core.wmem_max was lowered.  (A message below that, but
 * above the daemon's max_message, is taken and then dropped by the daemon,
 * which counts it.)  BW_NO_MEMORY: the kernel had no memory for the datagram
 * until the timeout.  BW_CLOSED.  -EFAULT: data is no valid pointer.
 */
int bw_write(struct bw *bw, const void *data, size_t len);

/*
 * The same, with one message gathered from iovcnt pieces.  BW_INVALID also:
 * iovcnt is negative or above IOV_MAX (1024), or a length is above SSIZE_MAX.
 */
int bw_writev(struct bw *bw, const struct iovec *iov, int iovcnt);

/*
 * Gives the handle back.  Messages that were taken stay taken.  No thread may
 * be in a call with this handle.  NULL is allowed.
 */
void bw_close(struct bw *bw);

/*
 * What a return value means and what can be done, as one sentence in English
 * without a newline.  Never NULL, constant, valid for ever.  Any thread.
 */
const char *bw_strerror(int error);

#ifdef __cplusplus
}
#endif

#endif
