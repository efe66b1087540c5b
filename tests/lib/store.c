/* SPDX-License-Identifier: MIT */
/* See store.h. */
#define _GNU_SOURCE
#include "tests/lib/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/bed.h"

struct stored {
	int fd;
	char name[64];
};

static struct {
	int fd;		/* 0: not open */
	char path[128]; /* of the socket; every later daemon is told it */
	int end[2];
	pthread_t thread;
	/* under the lock */
	pthread_mutex_t lock;
	struct stored list[STORE_MOST];
	unsigned n;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void remove_at(unsigned i)
{
	close(store.list[i].fd);
	memmove(&store.list[i], &store.list[i + 1],
		(store.n - i - 1) * sizeof(store.list[0]));
	store.n--;
}

static void note(char *text, int fd)
{
	const char *name = strstr(text, "FDNAME=");
	char copy[64] = "";
	unsigned i;

	if (name)
		snprintf(copy, sizeof(copy), "%.*s",
			 (int)strcspn(name + 7, "\n"), name + 7);
	if (strstr(text, "FDSTOREREMOVE=1")) {
		for (i = store.n; i-- > 0;)
			if (!strcmp(store.list[i].name, copy))
				remove_at(i);
	}
	if (fd < 0)
		return;
	if (!strstr(text, "FDSTORE=1") || store.n == STORE_MOST) {
		close(fd);
		return;
	}
	store.list[store.n].fd = fd;
	memcpy(store.list[store.n].name, copy, sizeof(copy));
	store.n++;
}

/* Reads what is in the socket, under the lock. */
static void drain(void)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char text[4096];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg;
	struct cmsghdr *h;
	ssize_t n;
	int fd;

	for (;;) {
		msg = (struct msghdr){ .msg_iov = &iov,
				       .msg_iovlen = 1,
				       .msg_control = &control,
				       .msg_controllen = sizeof(control) };
		n = recvmsg(store.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0)
			return;
		text[n] = 0;
		h = CMSG_FIRSTHDR(&msg);
		fd = -1;
		if (h && h->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(h), sizeof(fd));
		note(text, fd);
	}
}

static void *keep(void *arg)
{
	struct pollfd fds[] = { { .fd = store.fd, .events = POLLIN },
				{ .fd = store.end[0], .events = POLLIN } };

	while (poll(fds, 2, -1) > 0 || errno == EINTR) {
		if (fds[1].revents)
			break;
		pthread_mutex_lock(&store.lock);
		drain();
		pthread_mutex_unlock(&store.lock);
	}
	return arg;
}

void store_open(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(store.path, sizeof(store.path), "%s/notify", bed.root);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", store.path);
	store.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_gt(store.fd, 0);
	ck_assert_int_eq(bind(store.fd, (const void *)&addr, sizeof(addr)), 0);
	chmod(store.path, 0666);
	ck_assert_int_eq(pipe2(store.end, O_CLOEXEC), 0);
	ck_assert_int_eq(pthread_create(&store.thread, NULL, keep, NULL), 0);
	bed.notify = store.path;
}

void store_clear(void)
{
	pthread_mutex_lock(&store.lock);
	drain();
	while (store.n)
		remove_at(store.n - 1);
	pthread_mutex_unlock(&store.lock);
}

void store_close(void)
{
	if (!store.fd)
		return;
	/* A child may have a copy of the pipe, so that its end would not come. */
	ck_assert_int_eq(write(store.end[1], "", 1), 1);
	pthread_join(store.thread, NULL);
	close(store.end[1]);
	store_clear();
	close(store.end[0]);
	close(store.fd);
	store.fd = 0;
}

unsigned store_count(void)
{
	unsigned n;

	pthread_mutex_lock(&store.lock);
	drain();
	n = store.n;
	pthread_mutex_unlock(&store.lock);
	return n;
}

void store_lose(const char *end)
{
	unsigned i;

	pthread_mutex_lock(&store.lock);
	drain();
	for (i = store.n; i-- > 0;) {
		size_t len = strlen(store.list[i].name), m = strlen(end);

		if (len >= m && !strcmp(store.list[i].name + len - m, end))
			remove_at(i);
	}
	pthread_mutex_unlock(&store.lock);
}

unsigned store_hold(int fds[STORE_MOST], const char *names[STORE_MOST])
{
	unsigned i;

	if (!store.fd)
		return 0;
	pthread_mutex_lock(&store.lock);
	drain();
	for (i = 0; i < store.n; i++) {
		fds[i] = store.list[i].fd;
		names[i] = store.list[i].name;
	}
	return store.n;
}

void store_release(void)
{
	if (store.fd)
		pthread_mutex_unlock(&store.lock);
}
