/* SPDX-License-Identifier: MIT */
/*
 * Is a path still the name of the file that it was?  Somebody may remove the
 * file, or put another in its place: the daemon still has it open, but nobody
 * else can reach it, and the next start cannot find it.
 *
 * inotify(7) tells when the file's number of links changes, so an idle daemon
 * is not woken.  Loop thread only.
 */
#ifndef BUFWRITER_PATH_WATCH_H
#define BUFWRITER_PATH_WATCH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

/* The path has lost its file.  Called once, until path_watch_renew(). */
typedef void path_watch_fn(void *arg);

struct path_watch {
	char path[PATH_MAX]; /* empty: nothing to watch */
	bool lost;
	/* private */
	bool open;
	uv_fs_event_t event;
	uv_timer_t again; /* after an event, and after path_watch_renew() */
	dev_t dev;
	ino_t ino;
	path_watch_fn *on_lost;
	void *arg;
};

/*
 * Watches the file at `path`, which is the right one now.  An abstract name of
 * a socket, or an empty path, is not watched.  Where inotify cannot be had,
 * a timer looks.
 */
void path_watch_open(struct path_watch *w, uv_loop_t *uv, const char *path,
		     path_watch_fn *on_lost, void *arg);
/* Looks now, and calls on_lost() if the path is lost. */
void path_watch_check(struct path_watch *w);
/* The path names the right file again. */
void path_watch_renew(struct path_watch *w);
/* The loop must run once more.  Fine if never opened. */
void path_watch_close(struct path_watch *w);

#endif
