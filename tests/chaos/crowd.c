/* SPDX-License-Identifier: MIT */
/* See crowd.h. */
#define _GNU_SOURCE
#include "tests/chaos/crowd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/chaos/stage.h"
#include "tests/lib/bed.h"
#include "client/command/json.h"

/* Shared with the two processes. */
struct page {
	_Atomic int stop, hold, rest;
	_Atomic unsigned shipped, watched;
	char wrong[2][512];
};

static struct page *page;
static pid_t shipper, watcher;

/* -- control socket ------------------------------------------------------ */

static int connect_control(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = (time_t)suite_limit() };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", bed.control);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

const char *crowd_ask(const char *command, const char **why)
{
	static char answer[CROWD_ANSWER];
	char line[64];
	size_t len = 0;
	ssize_t n = -1;
	int fd = connect_control();

	*why = "no connection";
	if (fd < 0)
		return NULL;
	n = snprintf(line, sizeof(line), "%s\n", command);
	if (send(fd, line, n, MSG_NOSIGNAL) == n)
		while ((n = recv(fd, answer + len, sizeof(answer) - 1 - len,
				 0)) > 0) {
			len += n;
			if (answer[len - 1] == '\n')
				break;
		}
	*why = n < 0 && errno == EAGAIN ? "no answer in time" :
					  "the connection ended";
	close(fd);
	if (!len || answer[len - 1] != '\n')
		return NULL;
	answer[len - 1] = 0;
	*why = "the answer is no JSON";
	return json_valid(answer) ? answer : NULL;
}

static uint64_t count(const char *status, const char *path)
{
	return json_count(json_at(status, path));
}

const char *crowd_check_status(const char *status)
{
	static char wrong[400];
	uint64_t received = count(status, "messages.received");
	uint64_t written = count(status, "messages.written");
	uint64_t arenas = count(status, "messages.in_arenas");
	uint64_t ring = count(status, "messages.in_ring");
	uint64_t dropped = count(status, "messages.dropped");
	char health[16], listener[16];

	json_string(json_at(status, "health"), health, sizeof(health));
	json_string(json_at(status, "listener"), listener, sizeof(listener));
	if (!json_at(status, "messages"))
		snprintf(wrong, sizeof(wrong), "a status without messages: %s",
			 status);
	else if (received != written + arenas + ring + dropped)
		snprintf(wrong, sizeof(wrong),
			 "received %lu, but written %lu, in arenas %lu, in "
			 "ring %lu, dropped %lu",
			 received, written, arenas, ring, dropped);
	else if (dropped != count(status, "dropped.too_large") +
				    count(status, "dropped.ring_full"))
		snprintf(wrong, sizeof(wrong), "the reasons of drops: %s",
			 json_at(status, "dropped"));
	else if (!strcmp(health, "ok") &&
		 (!strcmp(listener, "dropping") ||
		  count(status, "gauges.workers_failing")))
		snprintf(wrong, sizeof(wrong),
			 "health is ok, the listener is %s, workers fail: %lu",
			 listener, count(status, "gauges.workers_failing"));
	else
		return NULL;
	return wrong;
}

/* -- the two processes --------------------------------------------------- */

__attribute__((noreturn, format(printf, 2, 3))) static void
give_up(unsigned who, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(page->wrong[who], sizeof(page->wrong[who]), fmt, ap);
	va_end(ap);
	_exit(1);
}

static pid_t start(void (*run)(const char *), const char *arg)
{
	pid_t pid;

	if (!page) {
		page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(page, MAP_FAILED);
	}
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run(arg);
	_exit(0);
}

/*
 * In these processes no text of bed.h and no check of libcheck: it would write
 * into the report of the test's own process.
 */

/* What a complete file has to be the moment it is seen. */
static void check_file(const char *name, const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;

	if (!S_ISREG(st->st_mode) || !st->st_size ||
	    (mode != 0400 && mode != 0440 && mode != 0644))
		give_up(0, "%s: mode %o, %ld bytes", name, st->st_mode,
			(long)st->st_size);
}

static void ship_one(int dir, const char *to, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out;
	char path[PATH_MAX];
	struct stat st;
	size_t len;
	char *data;

	/* A directory that was moved away, or a disk that fails. */
	if (fd < 0)
		return;
	if (fstat(fd, &st))
		give_up(0, "%s: %s", name, strerror(errno));
	check_file(name, &st);
	len = st.st_size;
	data = malloc(len + 1);
	/* A byte more: a complete file does not grow. */
	if (!data || read(fd, data, len + 1) != (ssize_t)len)
		give_up(0, "%s: not the %zu bytes that it had", name, len);
	close(fd);
	/* First, so that a read-only disk keeps the only copy. */
	if (!unlinkat(dir, name, 0)) {
		snprintf(path, sizeof(path), "%s/%s", to, name);
		out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (out < 0)
			give_up(0, "%s a second time: %s", name,
				strerror(errno));
		if (write(out, data, len) != (ssize_t)len)
			give_up(0, "%s: cannot copy", name);
		close(out);
		page->shipped++;
	}
	free(data);
}

static void ship_all(const char *from, const char *to)
{
	const struct dirent *entry;
	DIR *dir = opendir(from);

	while (dir && !page->hold && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ship_one(dirfd(dir), to, entry->d_name);
	if (dir)
		closedir(dir);
}

static void run_shipper(const char *to)
{
	char moved[BED_PATH];
	unsigned i;

	while (!page->stop) {
		ship_all(bed.files, to);
		for (i = 0; i < STAGE_MOVED; i++) {
			stage_moved(moved, i);
			ship_all(moved, to);
		}
		usleep(2000);
	}
}

static void run_watcher(const char *arg)
{
	const char *status, *why, *wrong;

	(void)arg;
	while (!page->stop) {
		usleep(3000);
		if (page->rest)
			continue;
		status = crowd_ask("status", &why);
		if (!status) {
			/* It is between two lives, or was killed meanwhile. */
			if (why[0] != 'n' || strstr(why, "time"))
				usleep(1000);
			if (strstr(why, "JSON") || strstr(why, "time"))
				give_up(1, "status: %s", why);
			continue;
		}
		wrong = crowd_check_status(status);
		if (wrong)
			give_up(1, "%s", wrong);
		page->watched++;
	}
}

void crowd_ship(const char *to)
{
	shipper = start(run_shipper, to);
}

void crowd_watch(void)
{
	watcher = start(run_watcher, NULL);
}

void crowd_hold_shipper(bool hold)
{
	page->hold = hold;
}

unsigned crowd_shipped(void)
{
	return page->shipped;
}

void crowd_hold_watcher(bool hold)
{
	page->rest = hold;
}

unsigned crowd_watched(void)
{
	return page->watched;
}

static const char *end(pid_t *pid, unsigned who)
{
	int status = 0;

	if (!*pid)
		return NULL;
	waitpid(*pid, &status, 0);
	*pid = 0;
	if (!status)
		return NULL;
	return page->wrong[who][0] ? page->wrong[who] : "it died";
}

const char *crowd_end(void)
{
	const char *a, *b;

	page->stop = 1;
	a = end(&shipper, 0);
	b = end(&watcher, 1);
	return a ? a : b;
}
