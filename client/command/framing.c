/* SPDX-License-Identifier: MIT */
/* See framing.h. */
#include "client/command/framing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void framing_begin(struct framing *f, enum framing_in in)
{
	f->in = in;
	f->bytes = 0;
	f->last = '\n';
	f->head_len = 0;
	f->left = 0;
	f->line_len = 0;
}

static uint32_t length_in(const uint8_t head[4])
{
	return head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
	       (uint32_t)head[3] << 24;
}

/* True if the length is complete now; then f->left is the message's. */
static bool take_head(struct framing *f, char byte)
{
	f->head[f->head_len++] = byte;
	if (f->head_len < 4)
		return false;
	f->left = length_in(f->head);
	return true;
}

/* How many bytes of the message are here; after the last one it ends. */
static size_t take_body(struct framing *f, size_t len)
{
	size_t n = len < f->left ? len : f->left;

	f->left -= n;
	return n;
}

/* -- the first time ------------------------------------------------------ */

void framing_check(struct framing *f, const char *data, size_t len)
{
	size_t n;

	if (!len)
		return;
	f->bytes += len;
	f->last = data[len - 1];
	while (len) {
		n = 1;
		if (f->head_len < 4)
			take_head(f, *data);
		else
			n = take_body(f, len);
		if (f->head_len == 4 && !f->left)
			f->head_len = 0;
		data += n;
		len -= n;
	}
}

int framing_settle(struct framing *f, const char **why)
{
	bool lengths = !f->head_len;
	bool lines = f->last == '\n';

	*why = "is empty, which no complete file is";
	if (!f->bytes)
		return -EBADMSG;
	if (f->in == FRAMING_ANY)
		f->in = lengths ? FRAMING_IN_LENGTH : FRAMING_IN_NEWLINE;
	f->head_len = 0;
	f->left = 0;
	*why = "is not whole: it ends within a message and its length";
	if (f->in == FRAMING_IN_LENGTH && !lengths)
		return -EBADMSG;
	*why = "is not whole, or of another framing: its last line has no end";
	if (f->in == FRAMING_IN_NEWLINE && !lines)
		return -EBADMSG;
	*why = NULL;
	return 0;
}

/* -- the second time ----------------------------------------------------- */

static void put(struct framing *f, const char *data, size_t len)
{
	fwrite(data, 1, len, f->to);
}

/* A message with its length becomes a line, or ends with a NUL. */
static void end_message(struct framing *f, uint32_t len)
{
	f->head_len = 0;
	if (f->out == FRAMING_OUT_NULL)
		put(f, "", 1);
	else if (len && f->last != '\n')
		put(f, "\n", 1);
}

static void write_lengths(struct framing *f, const char *data, size_t len)
{
	size_t n;

	while (len) {
		n = 1;
		if (f->head_len == 4) {
			n = take_body(f, len);
			put(f, data, n);
			f->last = data[n - 1];
		} else {
			take_head(f, *data);
		}
		if (f->head_len == 4 && !f->left)
			end_message(f, length_in(f->head));
		data += n;
		len -= n;
	}
}

static int add_to_line(struct framing *f, const char *data, size_t len)
{
	size_t room = f->line_room;
	char *line;

	if (!len)
		return 0;
	while (room - f->line_len < len)
		room = room ? room * 2 : 64 << 10;
	if (room != f->line_room) {
		line = realloc(f->line, room);
		if (!line)
			return -ENOMEM;
		f->line = line;
		f->line_room = room;
	}
	memcpy(f->line + f->line_len, data, len);
	f->line_len += len;
	return 0;
}

static void end_line(struct framing *f)
{
	uint32_t len = f->line_len;
	const char head[4] = { len & 0xff, len >> 8 & 0xff, len >> 16 & 0xff,
			       len >> 24 };

	put(f, head, 4);
	put(f, f->line, len);
	f->line_len = 0;
}

/* Lines become messages without their newline. */
static int write_lines(struct framing *f, const char *data, size_t len)
{
	const char *end;
	size_t n;
	int err;

	while (len) {
		end = memchr(data, '\n', len);
		n = end ? (size_t)(end - data) : len;
		if (f->out == FRAMING_OUT_NULL) {
			put(f, data, n);
			if (end)
				put(f, "", 1);
		} else {
			/* A file is at most 4 GiB where lengths are asked. */
			if (n > UINT32_MAX - f->line_len)
				return -EFBIG;
			err = add_to_line(f, data, n);
			if (err)
				return err;
			if (end)
				end_line(f);
		}
		n += end != NULL;
		data += n;
		len -= n;
	}
	return 0;
}

int framing_write(struct framing *f, const char *data, size_t len)
{
	int err = 0;

	assert(f->in != FRAMING_ANY);
	if (f->in == FRAMING_IN_NONE ||
	    (f->in == FRAMING_IN_NEWLINE && f->out == FRAMING_OUT_LINES) ||
	    (f->in == FRAMING_IN_LENGTH && f->out == FRAMING_OUT_LENGTH))
		put(f, data, len);
	else if (f->in == FRAMING_IN_LENGTH)
		write_lengths(f, data, len);
	else
		err = write_lines(f, data, len);
	if (err)
		return err;
	return ferror(f->to) ? -EIO : 0;
}

void framing_end(struct framing *f)
{
	free(f->line);
	f->line = NULL;
	f->line_len = f->line_room = 0;
}
