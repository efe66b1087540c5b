/* SPDX-License-Identifier: MIT */
/*
 * bw_write_fd(): a message that is read from a descriptor.
 *
 * The bytes are read to the heap first.  A read can take any time, and may be
 * where the thread is cancelled, so no lane is held while it lasts.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bufwriter.h"
#include "client/library/handle.h"

#define FIRST_BYTES ((size_t)64 << 10)
/* No datagram can be as large as this, see client/command/split.c. */
#define DATAGRAM_MAX_BYTES ((size_t)5 << 20)

struct input {
	int fd;
	char *data;
	size_t room;
	size_t len;
	size_t wanted; /* or BW_TO_END */
	size_t most;   /* the longest message that the daemon takes */
};

static void input_free(void *input)
{
	free(((struct input *)input)->data);
}

/* The longest message that the daemon takes now, or a bound if unknown. */
static size_t longest(struct bw *bw)
{
	size_t bytes, large;

	bw_limit_read(&bw->limit, bw->address.sun_path);
	/* Relaxed: see limit.h. */
	bytes = atomic_load_explicit(&bw->limit.bytes, memory_order_relaxed);
	large = atomic_load_explicit(&bw->limit.large, memory_order_relaxed);
	if (bytes == SIZE_MAX)
		return DATAGRAM_MAX_BYTES;
	return bw->lanes_mode != BW_LANES_NEVER && large > bytes ? large :
								   bytes;
}

/* One byte more than the longest message shows that the input is too long. */
static int grow(struct input *in)
{
	size_t room = in->room ? 2 * in->room : FIRST_BYTES;
	struct stat st;
	char *data;

	if (!in->room && in->wanted == BW_TO_END && !fstat(in->fd, &st) &&
	    S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < SSIZE_MAX)
		room = (size_t)st.st_size + 1;
	if (in->wanted != BW_TO_END && room > in->wanted)
		room = in->wanted;
	if (room > in->most + 1)
		room = in->most + 1;
	data = realloc(in->data, room);
	if (!data)
		return BW_NO_MEMORY;
	in->data = data;
	in->room = room;
	return 0;
}

/* Reads once.  1: more may come; 0: the end; or an error. */
static int read_some(struct input *in)
{
	struct pollfd pfd = { .fd = in->fd, .events = POLLIN };
	ssize_t n;
	int err;

	if (in->len == in->wanted)
		return 0;
	err = in->len == in->room ? grow(in) : 0;
	if (err)
		return err;
	n = read(in->fd, in->data + in->len, in->room - in->len);
	if (n > 0)
		in->len += (size_t)n;
	if (n >= 0)
		return n > 0;
	if (errno == EAGAIN)
		poll(&pfd, 1, -1);
	return errno == EINTR || errno == EAGAIN ? 1 : -errno;
}

static int read_all(struct bw *bw, struct input *in)
{
	int more;

	in->most = longest(bw);
	if (in->wanted != BW_TO_END && in->wanted > in->most)
		return BW_TOO_LARGE;
	do {
		more = read_some(in);
		if (in->len > in->most)
			return BW_TOO_LARGE;
	} while (more > 0);
	if (more)
		return more;
	return in->wanted != BW_TO_END && in->len < in->wanted ?
		       BW_INPUT_ENDED :
		       0;
}

int bw_write_fd(struct bw *bw, int fd, size_t len)
{
	struct input in = { .fd = fd, .wanted = len };
	int err;

	pthread_cleanup_push(input_free, &in);
	err = read_all(bw, &in);
	if (!err)
		err = bw_write(bw, in.data, in.len);
	pthread_cleanup_pop(1);
	return err;
}
