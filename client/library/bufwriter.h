/* SPDX-License-Identifier: MIT */
/*
 * libbufwriter sends messages to bufwriterd, the logging daemon.
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
 * One message is one datagram, and one datagram is one system call: the library
 * buffers nothing.  When bw_write() has returned 0, the message is in the
 * daemon's queue in the kernel.  It arrives even if the process dies right
 * after.
 *
 * Threads: one handle serves the whole process.  Any number of threads may
 * write with the same handle at the same time.  A thread never waits for
 * another thread, only for the daemon.  bw_close() must be the last call with a
 * handle.  A thread may be cancelled during a call, because no call holds a
 * lock.  Signal handlers must not call any of these functions.
 *
 * Fork: after fork(2), parent and child may both use a handle that was opened
 * before.  Each of them closes its own.
 *
 * Signals: the library never raises SIGPIPE.  A signal handler that runs while
 * a call waits neither ends the wait nor makes it longer.
 *
 * Errors: bw_open(), bw_write() and bw_writev() return 0 or a negative error.
 * When a write has returned an error, the daemon has not received the message
 * and never will.
 */
#ifndef BUFWRITER_H
#define BUFWRITER_H

#include <errno.h>
#include <stddef.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Each error is a negative errno(3) value.  Functions can return other negative
 * errno values as well.
 */
enum {
	/* The daemon's queue stayed full for the whole timeout. */
	BW_TIMEOUT = -ETIMEDOUT,
	/*
	 * The message is larger than the daemon accepts, or than a datagram can
	 * be on this system.
	 */
	BW_TOO_LARGE = -EMSGSIZE,
	/* No daemon listens on the socket. */
	BW_NO_DAEMON = -ECONNREFUSED,
	/* This user may not write to the daemon's socket. */
	BW_NOT_PERMITTED = -EACCES,
	/* The path leads to a socket of another type. */
	BW_WRONG_SOCKET = -EPROTOTYPE,
	/* The path is longer than 107 bytes, see unix(7). */
	BW_PATH_TOO_LONG = -ENAMETOOLONG,
	/* An argument or option has a value that is not allowed. */
	BW_INVALID = -EINVAL,
	/* This process or the kernel is out of memory. */
	BW_NO_MEMORY = -ENOMEM,
	/* The program has closed the handle's file descriptor. */
	BW_CLOSED = -EBADF
};

/* The path of the daemon's socket: the default of its setting socket.path. */
#define BW_SOCKET "/run/bufwriter.sock"
/* Values of bw_options.timeout, in milliseconds. */
#define BW_DEFAULT_TIMEOUT 100
#define BW_FOREVER (-1)

/*
 * Options begin with their defaults, and the program then changes some of them:
 *
 *	struct bw_options options = BW_OPTIONS;
 *
 *	options.timeout = BW_FOREVER;
 *	err = bw_open(&bw, &options);
 */
struct bw_options {
	/*
	 * sizeof(struct bw_options).  BW_OPTIONS sets it.  It tells the library
	 * which fields the program knows, because later versions may add some.
	 */
	size_t size;
	/*
	 * The path of the socket.  NULL means the environment variable
	 * BUFWRITER_SOCKET, or BW_SOCKET if the variable is not set or empty.
	 * A set-user-ID or set-group-ID program ignores the variable.  If the
	 * path does not begin with a slash, each new connection looks it up
	 * from the working directory.
	 */
	const char *socket;
	/*
	 * How long a write may wait, in milliseconds, while the daemon's queue
	 * is full or the daemon is gone.  0: a write never waits.
	 * BW_FOREVER: a write waits until the message is sent.  The kernel
	 * rounds the time up to its clock tick.  A write can take up to twice
	 * as long if it finds first its own send buffer full and then the
	 * daemon's queue.
	 */
	int timeout;
};

#define BW_OPTIONS                                                  \
	{                                                           \
		sizeof(struct bw_options), NULL, BW_DEFAULT_TIMEOUT \
	}

struct bw;

/*
 * Makes a handle and stores it in *bw.  The caller owns the handle and closes
 * it with bw_close().  `options` may be NULL, for the defaults.  The library
 * copies the struct and the path in it.
 *
 * A program may start before the daemon: bw_open() succeeds even if the daemon
 * does not run, or if the program may not write to its socket.  Each write
 * then tries to connect again and returns the error if it cannot.
 *
 * The handle holds one file descriptor.  The descriptor is close-on-exec and
 * never 0, 1 or 2.  A program that closes all its descriptors to become a
 * daemon must open the handle after that.
 *
 * Any thread may call this function.  After an error, *bw is NULL.
 *
 * BW_INVALID		options.size is not the size of a struct bw_options, the
 *			timeout is below BW_FOREVER, the path is empty, or a
 *			field is set that this version does not know
 * BW_PATH_TOO_LONG	the path has more than 107 bytes
 * BW_NO_MEMORY		the process is out of memory
 * -EMFILE, -ENFILE	the process or the system has no file descriptor left
 */
int bw_open(struct bw **bw, const struct bw_options *options);

/*
 * Sends the len bytes at data as one message.  A message may contain any bytes
 * and may be empty.  The library does not change them; the daemon's setting
 * files.framing says what ends a message in the files.  The caller may reuse
 * the bytes as soon as the function returns.
 *
 * If the daemon has been restarted, the same call connects again and sends.  If
 * there is no daemon, the call tries again, with growing pauses, until the
 * daemon has been gone for the timeout.  From then on each write tries once and
 * fails at once, so that a daemon that stays away does not slow its callers.
 *
 * Any thread may call this function, many threads at the same time.
 *
 * BW_TIMEOUT		the daemon's queue stayed full for the timeout
 * BW_NO_DAEMON		no daemon listens on the socket
 * BW_NOT_PERMITTED	this user may not write to the socket.  The kernel
 *			checks this when a connection is made, so after a
 *			restart of the daemon it checks the rights of that time
 * BW_WRONG_SOCKET	the path leads to a socket of another type
 * BW_TOO_LARGE		the message is longer than the daemon's setting
 *			socket.max_message, or the kernel sends no datagram of
 *			this size.  208 KiB always fit, unless
 *			net.core.wmem_max was lowered.  libbufwriter(3) says
 *			how the library learns the setting
 * BW_NO_MEMORY		the kernel had no memory for the datagram until the
 *			timeout
 * BW_CLOSED		the program has closed the handle's descriptor
 * -EFAULT		data is not a valid pointer
 */
int bw_write(struct bw *bw, const void *data, size_t len);

/*
 * Sends one message that consists of iovcnt pieces.  All else is as in
 * bw_write(), with one more error:
 *
 * BW_INVALID		iovcnt is negative or above IOV_MAX (1024), or a length
 *			is above SSIZE_MAX
 */
int bw_writev(struct bw *bw, const struct iovec *iov, int iovcnt);

/*
 * Closes the handle and frees it, without waiting.  Messages that were sent
 * stay sent.  No other thread may be in a call with this handle.  bw may be
 * NULL.
 */
void bw_close(struct bw *bw);

/*
 * Describes an error in English: what it means and what can be done.  The text
 * has no newline.  It is never NULL, constant, and valid for ever; the caller
 * does not free it.  Any thread may call this function.
 */
const char *bw_strerror(int error);

#ifdef __cplusplus
}
#endif

#endif
