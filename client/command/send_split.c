/* SPDX-License-Identifier: MIT */
/*
 * From input to messages: lines, NUL-terminated records, or all of it as one.
 *
 * Input is read in large blocks, and messages are sent from where they lie; a
 * block is small enough to stay in the cache.  Memory is bounded by a buffer
 * for one largest message.  Its pages are not touched before a message is as
 * long as that.
 *
 * A line goes without its newline: the daemon ends each message in its files
 * as its setting says.  An empty line would then be nothing, and vanish from
 * the files, so it is sent as the newline that it is.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/command/send.h"

static char buffer[SPLIT_MAX + SPLIT_BLOCK];

void split_begin(struct send *s)
{
	s->split.number = 0;
	s->split.end = 0;
	s->split.lost = 0;
}

static int split_message(struct send *s, const char *data, size_t len)
{
	struct split *sp = &s->split;
	size_t lost = sp->lost;

	/* all of the input has no number */
	sp->number += sp->mode != SPLIT_WHOLE;
	sp->lost = 0;
	if (lost != 0)
		return deliver(s, NULL, lost + len, sp->number);
	if (len == 0 && sp->mode == SPLIT_LINES)
		return deliver(s, "\n", 1, sp->number);
	return deliver(s, data, len, sp->number);
}

/* Delivers what is complete, keeps the rest.  fresh: bytes not looked at. */
static int split_buffer(struct send *s, size_t fresh)
{
	const char delimiter = s->split.mode == SPLIT_NULL ? '\0' : '\n';
	struct split *sp = &s->split;
	char *end = buffer + sp->end;
	char *scan = end - fresh;
	char *start = buffer;
	char *stop;

	while (sp->mode != SPLIT_WHOLE && scan < end) {
		stop = memchr(scan, delimiter, (size_t)(end - scan));
		if (stop == NULL)
			break;
		if (split_message(s, start, (size_t)(stop - start)))
			return 1;
		start = scan = stop + 1;
	}
	sp->end = (size_t)(end - start);
	if (sp->end >= SPLIT_MAX) {
		sp->lost += sp->end;
		sp->end = 0;
	}
	if (start != buffer)
		memmove(buffer, start, sp->end);
	return 0;
}

int split_read(struct send *s, int fd)
{
	ssize_t n;

	for (;;) {
		if (deliver_wait_input(s, fd))
			return 1;
		n = read(fd, buffer + s->split.end, SPLIT_BLOCK);
		if (n == 0)
			return 0;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		s->report.read += (uint64_t)n;
		s->split.end += (size_t)n;
		if (split_buffer(s, (size_t)n))
			return 1;
	}
}

int split_end(struct send *s)
{
	const struct split *sp = &s->split;

	/* with nothing left, the input has ended with a delimiter */
	if (sp->end == 0 && sp->lost == 0 && sp->mode != SPLIT_WHOLE)
		return 0;
	return split_message(s, buffer, sp->end);
}
