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
 * A message is on its way when bw_write() has returned 0: the library buffers
 * nothing.  It takes one of two roads.
 *
 * - A datagram: one system call.  The message is in the daemon's queue in the
 *   kernel, and it arrives even if the process dies right after.
 * - A lane: memory that the process shares with the daemon, which costs a copy
 *   and no system call.  The library asks for a lane by itself when a process
 *   writes much.  The message is in the daemon's memory, and it arrives even if
 *   the process dies right after.  If the daemon is killed first, the next
 *   daemon finds the lane with the help of systemd.  Without systemd, the next
 *   call with the handle, or bw_close(), hands the messages over again; only
 *   when the daemon and then the process are killed are they lost.  See
 *   libbufwriter(3).
 *
 * Each message arrives once, whatever road it takes.
 *
 * Threads: one handle serves the whole process.  Any number of threads may
 * write with the same handle at the same time.  A thread never waits for
 * another thread, only for the daemon; the exceptions are large messages, for
 * which the daemon gives out one lane at a time.  bw_close() must be the last
 * call with a handle.  A thread may be cancelled during a call, except between
 * bw_reserve() and bw_commit(): a call is cancelled only where it waits or
 * makes a system call, and then no lock is held.  A write to a lane that has
 * room does neither, so it is no cancellation point.  Signal handlers must not
 * call any of these functions.
 *
 * Fork: after fork(2), parent and child may both use a handle that was opened
 * before.  Each of them closes its own.  The child has none of its parent's
 * lanes, and asks for its own when it writes much.  What the parent has
 * written stays the parent's: the child neither sends nor loses it.  A place
 * that bw_reserve() gave to the parent must not be used by the child.
 *
 * Signals: the library never raises SIGPIPE.  A signal handler that runs while
 * a call waits neither ends the wait nor makes it longer.  If a handler forks
 * while the thread is in a call, the child must not return from the handler.
 *
 * Errors: functions that return int return 0 or a negative error.  When a
 * write has returned an error, the daemon has not received the message and
 * never will.
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
	BW_CLOSED = -EBADF,
	/* The daemon has no socket for lanes: it is older, or lanes are off. */
	BW_NOT_SUPPORTED = -EOPNOTSUPP,
	/* bw_write_fd(): the input has fewer bytes than the program said. */
	BW_INPUT_ENDED = -ENODATA
};

/* The path of the daemon's socket: the default of its setting socket.path. */
#define BW_SOCKET "/run/bufwriter.sock"
/* Values of bw_options.timeout, in milliseconds. */
#define BW_DEFAULT_TIMEOUT 100
#define BW_FOREVER (-1)
/* Values of bw_options.lanes. */
#define BW_LANES_AUTO 0
#define BW_LANES_ALWAYS 1
#define BW_LANES_NEVER 2
/* bw_commit(): no message. */
#define BW_DISCARD ((size_t)-1)
/* bw_write_fd(): up to the end of the input. */
#define BW_TO_END ((size_t)-1)

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
	 * daemon's queue, or first a lane that ends and then the queue.
	 */
	int timeout;
	/*
	 * Nothing.  Programs that were compiled before the next field may have
	 * any value here.
	 */
	int padding;
	/*
	 * When the handle takes lanes.  BW_LANES_AUTO: when it has sent 2,000
	 * datagrams within a tenth of a second.  BW_LANES_ALWAYS: from
	 * bw_open() on, which then waits for the daemon's answer, at most for
	 * the timeout and about a second.  BW_LANES_NEVER: not at all; then a
	 * message cannot be longer than a datagram.  With the first two a
	 * message for which there is no lane goes as a datagram, so they never
	 * cause an error.
	 */
	int lanes;
	int reserved; /* must be 0 */
};

#define BW_OPTIONS                                                      \
	{                                                               \
		sizeof(struct bw_options), NULL, BW_DEFAULT_TIMEOUT, 0, \
			BW_LANES_AUTO, 0                                \
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
 * The handle holds one file descriptor, and one more for each lane, of which a
 * handle has at most six.  The descriptors are close-on-exec and never 0, 1 or
 * 2.  A program that closes all its descriptors to become a daemon must open
 * the handle after that.
 *
 * Any thread may call this function.  After an error, *bw is NULL.
 *
 * BW_INVALID		options.size is not the size of a struct bw_options, the
 *			timeout is below BW_FOREVER, the path is empty, lanes
 *			has none of its values, reserved is not 0, or a field is
 *			set that this version does not know
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
 * While the lane is full, as when the daemon's disk is slow, the call waits for
 * room, at most for the timeout.
 *
 * If the daemon has been restarted, the same call connects again and sends.  If
 * there is no daemon, the call tries again, with growing pauses, until the
 * daemon has been gone for the timeout.  From then on each write tries once and
 * fails at once, so that a daemon that stays away does not slow its callers.
 *
 * A process with a lane notices within a tenth of a second that its daemon was
 * killed.  Messages that it wrote until then stay in the lane, and the handle
 * settles them with the next daemon: it sends those that the first one did not
 * take.
 *
 * A message that is longer than the setting socket.max_message has a lane of
 * its own, if the setting lanes.large allows its length, and becomes a file of
 * its own.  The call waits until the daemon has taken it, at most for the
 * timeout.  A message that is in its lane by then is sent, and the call returns
 * 0; it waits for the daemon's consent to such a lane for the timeout as well,
 * and returns BW_TIMEOUT if that does not come.  If the daemon is killed
 * meanwhile, and nobody keeps its lanes, the call waits for the next daemon.
 *
 * Any thread may call this function, many threads at the same time.
 *
 * BW_TIMEOUT		the daemon's queue, or the lane, stayed full for the
 *			timeout
 * BW_NO_DAEMON		no daemon listens on the socket
 * BW_NOT_PERMITTED	this user may not write to the socket.  The kernel
 *			checks this when a connection is made, so after a
 *			restart of the daemon it checks the rights of that time
 * BW_WRONG_SOCKET	the path leads to a socket of another type
 * BW_TOO_LARGE		the message is longer than the daemon's settings
 *			socket.max_message and lanes.large, or the kernel sends
 *			no datagram of this size.  208 KiB always fit, unless
 *			net.core.wmem_max was lowered.  libbufwriter(3) says
 *			how the library learns the settings
 * BW_NO_MEMORY		the kernel had no memory for the datagram until the
 *			timeout
 * BW_CLOSED		the program has closed the handle's descriptor
 * -EFAULT		data is not a valid pointer.  A process with a lane
 *			reads the bytes itself, and gets SIGSEGV
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
 * Gives a place to build a message of at most len bytes in, and stores its
 * address in *place.  The program writes there and then calls bw_commit().  The
 * place is in a lane if there is one with room, and the message is then sent
 * without a copy.  Otherwise it is in memory of the handle.
 *
 * The bytes at the place have any value at first.  The address is a multiple of
 * 8.  Until bw_commit() the thread holds the lane: other threads take other
 * lanes or send datagrams, and bw_flush() waits for the place, for a second at
 * most.  So the program should not wait in between, and must not be cancelled.
 * A thread may hold several places at a time.
 *
 * Waits for room as bw_write() does.  After an error, *place is NULL.  Any
 * thread may call this function.
 *
 * BW_TIMEOUT		every lane stayed full for the timeout
 * BW_TOO_LARGE		bw_write() would not take a message of len bytes
 * BW_NO_MEMORY		the process is out of memory
 */
int bw_reserve(struct bw *bw, size_t len, void **place);

/*
 * Sends the first len bytes of a place that bw_reserve() gave with the same
 * handle, as bw_write() does, and gives the place back.  With BW_DISCARD
 * nothing is sent.  After BW_INVALID the place is still the caller's.  After
 * any other result it must not be used any more.
 *
 * The errors are those of bw_write(), and:
 *
 * BW_INVALID		len is more than was reserved, or the place was not
 *			given by bw_reserve()
 */
int bw_commit(struct bw *bw, void *place, size_t len);

/*
 * Returns 0 when every message that was written with this handle before is in a
 * complete file, except for those that the daemon has dropped and counted: see
 * `bufwriter flush` in bufwriter(1).  The daemon writes what it has of other
 * processes as well.
 *
 * Waits for at most the timeout of the handle.  Writing files can take longer
 * than the default of 100 ms.  The daemon goes on after a timeout, so a program
 * may call again.
 *
 * Any thread may call this function.
 *
 * BW_TIMEOUT		not everything was in files in time
 * BW_TOO_LARGE		everything is in files but for messages that are lost: a
 *			daemon was killed with them in its lanes, nobody kept
 *			these, and the next daemon takes no messages of their
 *			length.  Told once
 * BW_NO_DAEMON		no daemon listens on its socket for lanes
 * BW_NOT_PERMITTED	this user may not connect to that socket
 * BW_NOT_SUPPORTED	the daemon has no such socket
 * -EMFILE, -ENFILE	the process or the system has no file descriptor left
 */
int bw_flush(struct bw *bw);

/*
 * Sends one message whose bytes are read from the descriptor fd: len bytes, or
 * with BW_TO_END all up to the end of the input.  The library reads the whole
 * message before it sends it, and keeps it in memory until then.  It reads no
 * byte behind the message, unless the message is too long.  The descriptor
 * stays open.
 *
 * The call waits for input without a limit, and then for the daemon as
 * bw_write() does.  Any thread may call this function.
 *
 * The errors are those of bw_write() and read(2), and two more.  After an error
 * nothing was sent, and what was read from a pipe or a socket is gone.
 *
 * BW_INPUT_ENDED	the input ended before len bytes
 * BW_TOO_LARGE		len, or what was read, is more than the daemon takes
 */
int bw_write_fd(struct bw *bw, int fd, size_t len);

/*
 * Closes the handle and frees it.  Messages that were sent stay sent.  No other
 * thread may be in a call with this handle.  bw may be NULL.
 *
 * A handle without a lane is closed without a wait.  With a lane, the call
 * waits until the daemon has taken what is in it, which it does at once unless
 * its disk is slow.  If the daemon was killed, and its lanes were not kept by
 * systemd, the call waits for the next daemon and hands the messages over.
 * Either wait takes at most the timeout.  What the daemon has not taken until
 * then, it still takes from the lane; what could not be handed over to the next
 * daemon is lost.
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
