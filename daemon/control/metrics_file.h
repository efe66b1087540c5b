/* SPDX-License-Identifier: MIT */
/*
 * The metrics file: complete at every moment, written to a temp file and
 * renamed.  A thread does that, because a disk may hang and the loop thread
 * must not.  The buffer is the loop thread's while no write is under way,
 * and the writer's until it is done.
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
	/* loop thread while not busy, else the writer */
	struct text text;
	/* writer */
	int error; /* of the last write, to log changes only */
	/* shared */
	sem_t wake;
	_Atomic bool busy; /* set by the loop thread, cleared by the writer */
	_Atomic bool stop;
};

/* Starts the writer.  0 or -errno. */
int metrics_file_open(struct metrics_file *f, const char *path, size_t room);
/*
 * Loop thread.  The empty text to fill, or NULL: the last write is not done.
 */
struct text *metrics_file_begin(struct metrics_file *f);
/* Loop thread.  Hands it to the writer; does not wait. */
void metrics_file_write(struct metrics_file *f);
/*
 * Ends the writer, which takes the file away; one that hangs at the disk is
 * left behind.
 */
void metrics_file_close(struct metrics_file *f);

#endif
