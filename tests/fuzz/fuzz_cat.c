/* SPDX-License-Identifier: MIT */
/*
 * The reader of `bufwriter cat`.
 *
 * The first byte of an input says how it is read: its framing, the framing of
 * the output, whether it is compressed.  The second one is the length of the
 * pieces in which it is read.  The rest is the file.
 *
 * - A file that is accepted is written to its end, whatever the pieces are.
 * - Messages that are written with their lengths read again as such, and give
 *   the same text as those of the file itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/command/framing.h"
#include "client/command/unpack.h"
#include "tests/fuzz/fuzz.h"

/* More is a bomb, which the command writes as it comes. */
#define MOST (1 << 20)
/* What becomes of it when each byte is a message with a length. */
#define MOST_LENGTHS (5 * MOST)

struct file {
	const uint8_t *data;
	size_t size, at, piece;
	bool compressed;
	size_t taken, most;
	struct framing *framing;
	bool writes;
};

static ssize_t read_some(void *arg, void *to, size_t room)
{
	struct file *f = arg;
	size_t n = f->size - f->at;

	if (n > room)
		n = room;
	if (f->piece && n > f->piece)
		n = f->piece;
	memcpy(to, f->data + f->at, n);
	f->at += n;
	return (ssize_t)n;
}

static int take(void *arg, const char *data, size_t len)
{
	struct file *f = arg;

	f->taken += len;
	if (f->taken > f->most)
		return 1;
	if (f->writes)
		return framing_write(f->framing, data, len);
	framing_check(f->framing, data, len);
	return 0;
}

static int run(struct file *f, bool writes)
{
	const struct unpack u = { read_some, take, f, f->compressed };
	const char *why = NULL;
	int err;

	f->at = f->taken = 0;
	f->writes = writes;
	err = unpack_run(&u, &why);
	FUZZ_CHECK(err >= 0 || why, "no reason for %d", err);
	if (!err && !writes)
		err = framing_settle(f->framing, &why);
	FUZZ_CHECK(err >= 0 || fuzz_is_line(why), "a reason is no line");
	return err;
}

/* What cat writes, to be freed; NULL: it refuses the file. */
static char *cat(struct file f, enum framing_in in, enum framing_out out,
		 size_t *len)
{
	struct framing framing = { .out = out };
	char *text = NULL;

	framing.to = open_memstream(&text, len);
	f.framing = &framing;
	framing_begin(&framing, in);
	if (!run(&f, false)) {
		FUZZ_CHECK(!run(&f, true), "the second time fails");
		fclose(framing.to);
	} else {
		fclose(framing.to);
		free(text);
		text = NULL;
	}
	framing_end(&framing);
	return text;
}

static void compare(const char *a, size_t a_len, const char *b, size_t b_len,
		    const char *what)
{
	FUZZ_CHECK(!a == !b, "%s: one is refused", what);
	FUZZ_CHECK(!a || (a_len == b_len && !memcmp(a, b, a_len)),
		   "%s: %zu and %zu bytes", what, a_len, b_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum framing_in in;
	enum framing_out out;
	size_t n[4];
	char *text[4];
	struct file f, lengths;

	if (size < 2)
		return 0;
	in = data[0] & 3;
	out = (data[0] >> 2 & 3) % 3;
	if (in == FRAMING_IN_NONE)
		out = FRAMING_OUT_LINES;
	f = (struct file){ .data = data + 2,
			   .size = size - 2,
			   .most = MOST,
			   .compressed = data[0] & 16 };
	text[0] = cat(f, in, out, &n[0]);
	f.piece = data[1];
	text[1] = cat(f, in, out, &n[1]);
	compare(text[0], n[0], text[1], n[1], "in pieces");
	free(text[0]);
	free(text[1]);
	if (in == FRAMING_IN_NONE)
		return 0;
	text[2] = cat(f, in, FRAMING_OUT_LENGTH, &n[2]);
	if (!text[2])
		return 0;
	text[0] = cat(f, in, FRAMING_OUT_NULL, &n[0]);
	lengths = (struct file){ .data = (uint8_t *)text[2],
				 .size = n[2],
				 .most = MOST_LENGTHS,
				 .piece = data[1] };
	text[3] = cat(lengths, FRAMING_IN_LENGTH, FRAMING_OUT_NULL, &n[3]);
	compare(text[0], n[0], text[3], n[3], "by way of lengths");
	free(text[0]);
	free(text[2]);
	free(text[3]);
	return 0;
}
