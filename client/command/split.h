/* SPDX-License-Identifier: MIT */
/*
 * Splits the input of `bufwriter send` into messages: lines, NUL-terminated
 * records, records with their length in front, or the whole input as one.  Each
 * message goes to deliver.
 *
 * Single-threaded, and one struct split a process: the buffer is static.
 */
#ifndef BUFWRITER_SPLIT_H
#define BUFWRITER_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deliver;
struct outcome;

enum split_mode { SPLIT_LINES, SPLIT_NULL, SPLIT_LENGTH, SPLIT_WHOLE };

struct split {
	enum split_mode mode;
	struct deliver *deliver; /* borrowed */
	struct outcome *outcome; /* borrowed; counts the bytes that are read */
	uint64_t number;	 /* of the last message in its input, from 1 */
	size_t kept_bytes;	 /* in the buffer: the beginning of a message */
	size_t lost_bytes;	 /* of that message, because they did not fit */
	size_t skip_bytes; /* SPLIT_LENGTH: still to come of a lost message */
};

/* `deliver` and `outcome` outlive the struct. */
void split_init(struct split *sp, enum split_mode mode, struct deliver *deliver,
		struct outcome *outcome);
/* Begins an input; with SPLIT_WHOLE, all inputs together. */
void split_begin(struct split *sp);
/*
 * Reads fd to its end and delivers every complete message.  Returns 0 at the
 * end, 1 if a signal came, or -errno of read(2).
 */
int split_read(struct split *sp, int fd);
/*
 * Delivers what is left as the last message.  Returns 0, 1 if a signal came, or
 * -EBADMSG if the input ended within a message of SPLIT_LENGTH.
 */
int split_end(struct split *sp);

#endif
