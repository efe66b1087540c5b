/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a complete file -> messages.  The file is read twice: the first
 * time framing_check() finds out whether it is whole and how its messages are
 * framed, and the second time framing_write() writes them.
 */
#ifndef BUFWRITER_FRAMING_H
#define BUFWRITER_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum framing_in {
	FRAMING_ANY, /* to be found out */
	FRAMING_IN_NEWLINE,
	FRAMING_IN_LENGTH,
	FRAMING_IN_NONE
};

/* What is around each message in the output. */
enum framing_out { FRAMING_OUT_LINES, FRAMING_OUT_NULL, FRAMING_OUT_LENGTH };

struct framing {
	enum framing_in in;
	enum framing_out out;
	FILE *to;
	uint64_t bytes; /* seen by framing_check() */
	char last;	/* of these */
	/* messages with a length: where the next byte belongs */
	uint8_t head[4];
	unsigned head_len; /* 4: within the message */
	uint32_t left;	   /* of the message */
	/* a line whose end is not there yet, for FRAMING_OUT_LENGTH */
	char *line;
	size_t line_len, line_room;
};

/* A file of this framing begins; keeps the memory of the one before. */
void framing_begin(struct framing *f, enum framing_in in);
/* The next bytes. */
void framing_check(struct framing *f, const char *data, size_t len);
/*
 * After the last byte: settles f->in.  0, or -EBADMSG with a reason, which
 * follows the name of the file in a sentence.
 */
int framing_settle(struct framing *f, const char **why);
/*
 * After framing_settle(), from the first byte on: writes the messages.  0,
 * -ENOMEM, or -EIO if f->to has an error.
 */
int framing_write(struct framing *f, const char *data, size_t len);
void framing_end(struct framing *f);

#endif
