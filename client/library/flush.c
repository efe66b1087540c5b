/* SPDX-License-Identifier: MIT */
/*
 * bw_flush(): asks the daemon, over a connection of its own, to put into files
 * what it has, and waits for the answer.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bufwriter.h"
#include "client/library/handle.h"
#include "client/library/handout.h"
#include "client/library/lanes.h"
#include "client/library/lanes_end.h"

static void close_fd(void *fd)
{
	close(*(int *)fd);
}

/* Returns 0 or -errno. */
static int wait_for_answer(const struct bw *bw, int fd, int64_t start_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct bw_answer answer;
	int left_ms, err;

	for (;;) {
		err = bw_handout_answer(fd, &answer);
		if (!err && answer.memory >= 0)
			close(answer.memory);
		if (err != -EAGAIN)
			return err ? err : answer.status;
		left_ms = bw_left_ms(bw, start_ms);
		if (left_ms == 0)
			return -EAGAIN;
		poll(&pfd, 1, left_ms);
	}
}

static int public_error(int err)
{
	switch (-err) {
	case EAGAIN:
	case EBUSY:
		return BW_TIMEOUT;
	case ENOENT:
	case ENOTDIR:
	case ECONNRESET:
	case ENOTCONN:
	case EPIPE:
		return BW_NO_DAEMON;
	case EPERM:
		return BW_NOT_PERMITTED;
	default:
		return err;
	}
}

/* Was something lost that no flush has told of? */
static bool is_news(struct bw_lanes *lanes)
{
	uint64_t lost;

	if (!lanes)
		return false;
	/* Relaxed: numbers, which order nothing. */
	lost = atomic_load_explicit(&lanes->lost, memory_order_relaxed);
	return lost != atomic_exchange_explicit(&lanes->lost_told, lost,
						memory_order_relaxed);
}

/* One request, over a connection of its own.  0 or -errno. */
static int ask(struct bw *bw, int64_t start_ms)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	int err;

	if (fd < 0)
		return -errno;
	pthread_cleanup_push(close_fd, &fd);
	err = bw_handout_ask_on(bw, fd, BW_REQUEST_FLUSH, 0);
	if (!err)
		err = wait_for_answer(bw, fd, start_ms);
	pthread_cleanup_pop(1);
	return err;
}

int bw_flush(struct bw *bw)
{
	int64_t start_ms = bw_clock_ms(CLOCK_MONOTONIC);
	int err;

	/*
	 * What an earlier daemon has left is not in files before it is sent,
	 * and the daemon that answers may be another one than the lanes have.
	 */
	do {
		if (bw_lanes_of(bw) && !bw_lanes_settle(bw, start_ms))
			return BW_TIMEOUT;
		err = ask(bw, start_ms);
		if (err)
			return public_error(err);
	} while (bw_lanes_of(bw) && !bw_lanes_are_settled(bw, start_ms));
	return is_news(bw_lanes_of(bw)) ? BW_TOO_LARGE : 0;
}
