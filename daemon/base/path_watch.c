/* SPDX-License-Identifier: MIT */
/* See path_watch.h. */
#include "daemon/base/path_watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The kernel tells of something before it is done, or before the watch began. */
#define AGAIN_MS 500
/* How often it looks while inotify cannot be had. */
#define BLIND_MS 5000

static void watch(struct path_watch *w);

static void on_again(uv_timer_t *timer)
{
	struct path_watch *w = timer->data;

	path_watch_check(w);
	if (!w->lost && !uv_is_active((uv_handle_t *)&w->event))
		watch(w);
}

static void look_again(struct path_watch *w)
{
	uv_timer_start(&w->again, on_again, AGAIN_MS, 0);
}

static void on_event(uv_fs_event_t *event, const char *name, int events,
		     int status)
{
	struct path_watch *w = event->data;

	(void)name;
	(void)events;
	(void)status;
	path_watch_check(w);
	if (!w->lost)
		look_again(w);
}

/* inotify_init(2) fails when the user has max_user_instances of them. */
static void watch(struct path_watch *w)
{
	if (uv_fs_event_start(&w->event, on_event, w->path, 0))
		uv_timer_start(&w->again, on_again, BLIND_MS, 0);
}

/* The file at the path is the right one now. */
static void remember(struct path_watch *w)
{
	struct stat st;

	w->dev = w->ino = 0;
	if (!lstat(w->path, &st)) {
		w->dev = st.st_dev;
		w->ino = st.st_ino;
	}
	w->lost = false;
	watch(w);
}

void path_watch_open(struct path_watch *w, uv_loop_t *uv, const char *path,
		     path_watch_fn *on_lost, void *arg)
{
	memset(w, 0, sizeof(*w));
	w->on_lost = on_lost;
	w->arg = arg;
	if (*path != '/')
		return;
	snprintf(w->path, sizeof(w->path), "%s", path);
	uv_fs_event_init(uv, &w->event);
	uv_timer_init(uv, &w->again);
	w->event.data = w->again.data = w;
	w->open = true;
	remember(w);
	/* Lost before the watch began? */
	path_watch_check(w);
}

void path_watch_check(struct path_watch *w)
{
	struct stat st;

	if (!w->open || w->lost)
		return;
	/*
	 * A file that is being removed has no link any more when inotify tells,
	 * but its path may lead to it for another moment: vfs_unlink() in Linux
	 * notifies before it drops the name, and nothing tells of that.  Of a
	 * file that has another name, too, the second look finds it.
	 */
	if (!lstat(w->path, &st) && st.st_nlink && st.st_dev == w->dev &&
	    st.st_ino == w->ino)
		return;
	w->lost = true;
	w->on_lost(w->arg);
}

void path_watch_renew(struct path_watch *w)
{
	if (!w->open)
		return;
	uv_fs_event_stop(&w->event);
	remember(w);
	/* Lost before the watch began?  Not here: on_lost() calls this. */
	look_again(w);
}

void path_watch_close(struct path_watch *w)
{
	if (w->open) {
		uv_close((uv_handle_t *)&w->event, NULL);
		uv_close((uv_handle_t *)&w->again, NULL);
	}
	w->open = false;
}
