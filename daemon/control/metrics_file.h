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

/* A write takes milliseconds.  After this long its disk hangs. */
#define METRICS_FILE_LATE_NS UINT64_C(10000000000)

struct metrics_file {
	/* constant after start */
	bool open;
	char path[PATH_MAX];
	char temp[PATH_MAX];
	pthread_t thread;
	/* loop thread while not busy, else writer */
	struct text text;
	/* loop thread */
	uint64_t begun_ns; /* when the writer got the last text */
	bool late;	   /* the log says that it takes long */
	/* writer */
	int error; /* of the last write, so that only changes are logged */
	/* shared */
	sem_t wake;
	_Atomic bool busy;  /* the loop thread sets it, the writer clears it */
	_Atomic bool stop;  /* the loop thread sets it */
	_Atomic int failed; /* errno of the last write, or 0: by the writer */
	_Atomic(const char *) remedy; /* for it */
};

/* Starts the writer; `room` is that of the text.  0 or -errno. */
int metrics_file_open(struct metrics_file *f, const char *path, size_t room);
/* Loop thread.  The empty text to fill; NULL: the last write is not done. */
struct text *metrics_file_begin(struct metrics_file *f);
/* Loop thread.  Hands the filled text to the writer; does not wait. */
void metrics_file_write(struct metrics_file *f);
/* Loop thread.  Why the file is not up to date: true; false if it is. */
bool metrics_file_trouble(const struct metrics_file *f, char *text,
			  size_t room);
/*
 * Ends the writer, which removes the file.  A writer that hangs at the disk is
 * left to the end of the process.  Harmless if never opened.
 */
void metrics_file_close(struct metrics_file *f);

#endif
