/* SPDX-License-Identifier: MIT */
/*
 * What became of the messages of `bufwriter send`: counts, progress line,
 * summary and exit status.  It knows neither how the input is split nor how a
 * message is sent.
 *
 * Single-threaded.  Names and paths are borrowed: the caller keeps them until
 * outcome_end().
 */
#ifndef BUFWRITER_OUTCOME_H
#define BUFWRITER_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Entries of the table of reasons in outcome.c. */
#define OUTCOME_REASONS 6

struct outcome {
	bool quiet;		 /* no progress line and no summary */
	const char *socket;	 /* path of the daemon's socket, for messages */
	const char *input;	 /* name of the input that is being read */
	uint64_t expected_bytes; /* of all input; 0: unknown */
	uint64_t read_bytes;	 /* of input so far */
	uint64_t sent;		 /* messages */
	uint64_t sent_bytes;
	uint64_t dropped[OUTCOME_REASONS]; /* messages, by reason */
	int input_status; /* exit status for an input that failed, or 0 */

	/* the answers on standard output */
	bool answers;
	uint64_t answered; /* number of the last message that was told */
	size_t answer_bytes;
	char answer[1024]; /* what is not written yet */

	/* the progress line */
	bool shows_progress;
	bool is_visible; /* the terminal shows the line now */
	int64_t started_ms;
	int64_t shown_ms; /* when the line was last written */
};

/* `socket` is the path that explanations name. */
void outcome_init(struct outcome *r, const char *socket, bool quiet);
/*
 * Sending begins.  From now on there may be a progress line.  With `answers`,
 * standard output is told what became of the messages.
 */
void outcome_start(struct outcome *r, bool answers);

/* An input of this size will be read. */
void outcome_expect(struct outcome *r, uint64_t bytes);
/* From now on messages come from the input of this name. */
void outcome_input(struct outcome *r, const char *name);
/* So many bytes of input were read. */
void outcome_read(struct outcome *r, size_t bytes);
/*
 * An input could not be read, or only in part.  `error` is a negative errno;
 * `status` becomes the exit status unless a signal comes.
 */
void outcome_failed(struct outcome *r, const char *name, int error, int status);

/* Rewrites the progress line if it is due.  Callers call it often. */
void outcome_progress(struct outcome *r);
/* The daemon took a message of this length. */
void outcome_sent(struct outcome *r, size_t bytes);
/*
 * A message of this length was dropped.  `number` is its place in the input,
 * from 1, or 0 if it has none; `error` is what bw_write() returned.
 */
void outcome_dropped(struct outcome *r, uint64_t number, size_t bytes,
		     int error);

/*
 * So many messages that were counted as sent did not reach a daemon; `bytes`
 * is their length together.
 */
void outcome_lost(struct outcome *r, uint64_t messages, uint64_t bytes,
		  int error);

/*
 * All messages up to this number are decided, and the next one is not there
 * yet.  Writes the answers, if there are new ones.
 */
void outcome_decided(struct outcome *r, uint64_t number);

/*
 * Writes the summary.  `signal` is the one that ended the sending, or 0.
 * Returns the exit status.
 */
int outcome_end(struct outcome *r, int signal);

#endif
