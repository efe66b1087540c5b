/* SPDX-License-Identifier: MIT */
/* See metrics_file.h. */
#include "daemon/control/metrics_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/base/thread.h"

/* How long a stop waits for the last write. */
#define CLOSE_WAIT_MS 1000

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		data += n;
		len -= n;
	}
	return 0;
}

static int write_file(struct metrics_file *f, const char **op)
{
	int err, fd;

	/*
	 * The directory may be another user's, who can lay a link or a pipe
	 * there: what is there is removed, and the file is a new one.
	 */
	*op = "remove";
	if (unlink(f->temp) && errno != ENOENT)
		return -errno;
	*op = "open";
	fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	/* Independent of the umask: others are to read it. */
	(void)fchmod(fd, 0644);
	*op = "write";
	err = FAILPOINT("metrics.write");
	if (err >= 0)
		err = write_all(fd, f->text.data, f->text.len);
	if (close(fd) && !err)
		err = -errno;
	*op = "rename";
	if (!err && rename(f->temp, f->path))
		err = -errno;
	if (err)
		unlink(f->temp);
	return err;
}

static void report(struct metrics_file *f, int err, const char *op)
{
	const char *remedy = err ? remedy_at(err, f->temp) : NULL;

	/* Pairs with metrics_file_trouble(), which reads `failed` first. */
	store_relaxed(&f->remedy, remedy);
	store_release(&f->failed, -err);
	if (err == f->error)
		return;
	if (err)
		log_warning("control.metrics_file: %s %s: %s; %s; the daemon "
			    "tries again at the next interval",
			    op, f->temp, strerror(-err), remedy);
	else if (f->error)
		log_notice("control.metrics_file: written again");
	f->error = err;
}

static void *writer(void *arg)
{
	struct metrics_file *f = arg;
	const char *op;
	int err;

	pthread_setname_np(pthread_self(), "metrics file");
	for (;;) {
		while (sem_wait(&f->wake))
			;
		/* pairs with the release in metrics_file_close() */
		if (load_acquire(&f->stop)) {
			/* Readers would take its numbers for the present. */
			unlink(f->path);
			return NULL;
		}
		err = write_file(f, &op);
		report(f, err, op);
		/* pairs with the acquire in metrics_file_begin() */
		store_release(&f->busy, false);
	}
}

int metrics_file_open(struct metrics_file *f, const char *path, size_t room)
{
	char *memory = malloc(room);
	int err;

	memset(f, 0, sizeof(*f));
	if (!memory)
		return -ENOMEM;
	/* Touched now, so that no page is missing later. */
	memset(memory, 0, room);
	text_open(&f->text, memory, room);
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(f->temp, sizeof(f->temp), "%s.new", path);
	sem_init(&f->wake, 0, 0);
	err = thread_start(&f->thread, writer, f);
	f->open = !err;
	if (err)
		free(memory);
	return err;
}

/* For how long the writer has had the last text, 0: it is done. */
static uint64_t busy_ns(const struct metrics_file *f)
{
	/* pairs with the release in writer() */
	return load_acquire(&f->busy) ? clock_now() - f->begun_ns : 0;
}

struct text *metrics_file_begin(struct metrics_file *f)
{
	uint64_t ns = busy_ns(f);

	if (ns >= METRICS_FILE_LATE_NS && !f->late) {
		f->late = true;
		log_warning("control.metrics_file: %s has not been written for "
			    "%.0f s: its disk hangs",
			    f->path, ns / 1e9);
	}
	if (ns)
		return NULL;
	if (f->late)
		log_notice("control.metrics_file: written again");
	f->late = false;
	text_clear(&f->text);
	return &f->text;
}

void metrics_file_write(struct metrics_file *f)
{
	/* relaxed, both: the semaphore makes text and `busy` visible */
	assert(f->open && !load_relaxed(&f->busy));
	f->begun_ns = clock_now();
	store_relaxed(&f->busy, true);
	sem_post(&f->wake);
}

bool metrics_file_trouble(const struct metrics_file *f, char *text, size_t room)
{
	uint64_t ns;
	int error;

	if (!f->open)
		return false;
	ns = busy_ns(f);
	/* pairs with the release in report() */
	error = load_acquire(&f->failed);
	if (ns >= METRICS_FILE_LATE_NS)
		snprintf(text, room,
			 "the metrics file %.100s has not been written for "
			 "%.0f s: its disk hangs",
			 f->path, ns / 1e9);
	else if (error)
		snprintf(text, room,
			 "the metrics file %.100s cannot be written: %s; %s",
			 f->path, strerror(error), load_relaxed(&f->remedy));
	else
		return false;
	return true;
}

void metrics_file_close(struct metrics_file *f)
{
	if (!f->open)
		return;
	f->open = false;
	/* pairs with the acquire in writer() */
	store_release(&f->stop, true);
	sem_post(&f->wake);
	if (!thread_join_within(f->thread, CLOSE_WAIT_MS))
		return; /* the writer still uses the memory */
	free(f->text.data);
	sem_destroy(&f->wake);
}
