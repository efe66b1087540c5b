/* SPDX-License-Identifier: MIT */
/*
 * See split.h.
 *
 * Input is read in large blocks, and a message is sent from the place where it
 * was read to.  A block is small enough to stay in the cache.  Memory is
 * bounded by a buffer for one largest message; pages that no message reaches
 * are never touched.
 *
 * A line is sent without its newline, because the daemon ends each message in
 * its files as files.framing says.  An empty line is sent as the newline that
 * it is: as an empty message it would vanish from the files.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/command/deliver.h"
#include "client/command/outcome.h"
#include "client/command/split.h"

/*
 * No datagram can be as large as this.  The kernel builds one from a piece
 * that kmalloc() gives (4 MiB at most) and from 17 pages (MAX_SKB_FRAGS), see
 * sock_alloc_send_pskb().  The bytes of a longer message are not kept.
 */
#define MESSAGE_MAX_BYTES ((size_t)5 << 20)
#define BLOCK_BYTES ((size_t)256 << 10)

static char buffer[MESSAGE_MAX_BYTES + BLOCK_BYTES];

void split_init(struct split *sp, enum split_mode mode, struct deliver *deliver,
		struct outcome *outcome)
{
	memset(sp, 0, sizeof(*sp));
	sp->mode = mode;
	sp->deliver = deliver;
	sp->outcome = outcome;
}

void split_begin(struct split *sp)
{
	sp->number = 0;
	sp->kept_bytes = 0;
	sp->lost_bytes = 0;
	sp->skip_bytes = 0;
}

/* Delivers the message that ends with these bytes.  True: stop. */
static bool split_message(struct split *sp, const char *data, size_t bytes)
{
	size_t lost = sp->lost_bytes;

	/* The whole input has no number. */
	sp->number += sp->mode != SPLIT_WHOLE;
	sp->lost_bytes = 0;
	if (lost) {
		data = NULL;
		bytes += lost;
	} else if (!bytes && sp->mode == SPLIT_LINES) {
		data = "\n";
		bytes = 1;
	}
	return deliver_message(sp->deliver, data, bytes, sp->number);
}

/* Moves what begins at `start` to the front of the buffer. */
static void split_keep(struct split *sp, const char *start, const char *end)
{
	assert(start <= end);
	sp->kept_bytes = end - start;
	if (start != buffer)
		memmove(buffer, start, sp->kept_bytes);
}

/*
 * The same as split_buffer() for messages with their length in front, as the
 * daemon's files.framing = length writes them.
 */
static bool split_lengths(struct split *sp)
{
	const char *end = buffer + sp->kept_bytes;
	const char *start = buffer;
	uint32_t bytes;
	size_t n;

	for (;;) {
		n = end - start;
		if (n > sp->skip_bytes)
			n = sp->skip_bytes;
		start += n;
		sp->skip_bytes -= n;
		if ((size_t)(end - start) < sizeof(bytes))
			break;
		memcpy(&bytes, start, sizeof(bytes));
		bytes = le32toh(bytes);
		if (bytes > MESSAGE_MAX_BYTES - sizeof(bytes)) {
			start += sizeof(bytes);
			sp->skip_bytes = bytes;
			sp->lost_bytes = bytes;
			if (split_message(sp, NULL, 0))
				return true;
			continue;
		}
		if ((size_t)(end - start) < sizeof(bytes) + bytes)
			break;
		start += sizeof(bytes);
		if (split_message(sp, start, bytes))
			return true;
		start += bytes;
	}
	split_keep(sp, start, end);
	assert(sp->kept_bytes < MESSAGE_MAX_BYTES);
	return false;
}

/*
 * Delivers the complete messages in the buffer and moves the rest to its
 * front.  The last `fresh` bytes are new; the others hold no delimiter.
 * True: stop.
 */
static bool split_buffer(struct split *sp, size_t fresh)
{
	const char delimiter = sp->mode == SPLIT_NULL ? '\0' : '\n';
	char *end = buffer + sp->kept_bytes;
	char *scan = end - fresh;
	char *start = buffer;
	char *stop;

	assert(fresh <= sp->kept_bytes && sp->kept_bytes <= sizeof(buffer));
	if (sp->mode == SPLIT_LENGTH)
		return split_lengths(sp);
	while (sp->mode != SPLIT_WHOLE && scan < end) {
		stop = memchr(scan, delimiter, end - scan);
		if (!stop)
			break;
		if (split_message(sp, start, stop - start))
			return true;
		start = scan = stop + 1;
	}
	if ((size_t)(end - start) >= MESSAGE_MAX_BYTES) {
		sp->lost_bytes += end - start;
		start = end;
	}
	split_keep(sp, start, end);
	return false;
}

int split_read(struct split *sp, int fd)
{
	ssize_t n;

	for (;;) {
		outcome_decided(sp->outcome, sp->number);
		if (deliver_wait_input(sp->deliver, fd))
			return 1;
		assert(sp->kept_bytes + BLOCK_BYTES <= sizeof(buffer));
		n = read(fd, buffer + sp->kept_bytes, BLOCK_BYTES);
		if (n == 0)
			return 0;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		outcome_read(sp->outcome, n);
		sp->kept_bytes += n;
		if (split_buffer(sp, n))
			return 1;
	}
}

int split_end(struct split *sp)
{
	if (sp->mode == SPLIT_LENGTH)
		return sp->kept_bytes || sp->skip_bytes ? -EBADMSG : 0;
	/* Input that ended with a delimiter leaves nothing. */
	if (!sp->kept_bytes && !sp->lost_bytes && sp->mode != SPLIT_WHOLE)
		return 0;
	return split_message(sp, buffer, sp->kept_bytes);
}
