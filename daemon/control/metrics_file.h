/* SPDX-License-Identifier: MIT */
/*
 * The metrics file, which is complete at every moment: a thread of its own, the
 * writer, writes a temp file and renames it.  The disk may hang, and then only
 * the writer waits.  The text belongs to the loop thread while `busy` is
 * false, else to the writer.
 */
#ifndef BUFWRITER_METRICS_FILE_H
#define BUFWRITER_METRICS_FILE_H

#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "daemon/control/text.h"

struct metrics_file {
	/* constant after start */
	bool open;
	char path[PATH_MAX];
	char temp[PATH_MAX];
	pthread_t thread;
	/* loop thread while not busy, else writer */
	struct text text;
	/* writer */
	int error; /* of the last write, so that only changes are logged */
	/* shared */
	sem_t wake;
	_Atomic bool busy; /* the loop thread sets it, the writer clears it */
	_Atomic bool stop; /* the loop thread sets it */
};

/* Starts the writer; `room` is that of the text.  0 or -errno. */
int metrics_file_open(struct metrics_file *f, const char *path, size_t room);
/* Loop thread.  The empty text to fill; NULL: the last write is not done. */
struct text *metrics_file_begin(struct metrics_file *f);
/* Loop thread.  Hands the filled text to the writer; does not wait. */
void metrics_file_write(struct metrics_file *f);
/*
 * Ends the writer, which removes the file.  A writer that hangs at the disk is
 * left to the end of the process.  Harmless if never opened.
 */
void metrics_file_close(struct metrics_file *f);

#endif
