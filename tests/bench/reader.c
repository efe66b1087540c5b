/* SPDX-License-Identifier: MIT */
/*
 * See reader.h.  Stopping: the signal handler makes the socket non-blocking,
 * so a receive that has not yet begun to wait never will, and one that
 * waits ends with EINTR.  No signal is lost between a check and the call,
 * and the loop needs no check of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "reader.h"

static int stop_fd = -1;

static void on_stop(int sig)
{
	int saved = errno;

	(void)sig;
	fcntl(stop_fd, F_SETFL, O_NONBLOCK);
	errno = saved;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

void reader_open(struct reader *r, const char *path, unsigned batch,
		 unsigned slots, size_t size)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct sigaction act = { .sa_handler = on_stop };
	struct iovec *iov;
	char *buf;

	memset(r, 0, sizeof(*r));
	r->batch = batch;
	r->slots = slots > batch ? slots : batch;
	r->size = size;
	r->hdr = calloc(r->slots, sizeof(*r->hdr));
	iov = calloc(r->slots, sizeof(*iov));
	buf = mmap(NULL, r->slots * size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!r->hdr || !iov || buf == MAP_FAILED)
		die("memory");
	for (unsigned i = 0; i < r->slots; i++) {
		iov[i].iov_base = buf + i * size;
		iov[i].iov_len = size;
		r->hdr[i].msg_hdr.msg_iov = &iov[i];
		r->hdr[i].msg_hdr.msg_iovlen = 1;
	}
	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(sa.sun_path, path);
	unlink(path);
	r->fd = stop_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (r->fd < 0 || bind(r->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		die(path);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
}

unsigned reader_take(struct reader *r, unsigned *first, int flags)
{
	unsigned want = r->batch;
	int n;

	if (want > r->slots - r->next)
		want = r->slots - r->next;
	do
		n = recvmmsg(r->fd, r->hdr + r->next, want, flags, NULL);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (errno == EAGAIN)
			return 0;
		die("recvmmsg");
	}
	*first = r->next;
	r->next += (unsigned)n;
	if (r->next == r->slots)
		r->next = 0;
	r->calls++;
	r->taken += (unsigned)n;
	for (unsigned i = *first; i < *first + (unsigned)n; i++)
		r->bytes += r->hdr[i].msg_len;
	return (unsigned)n;
}

void reader_report(const struct reader *r)
{
	struct rusage ru;
	double user, sys;

	getrusage(RUSAGE_SELF, &ru);
	user = (double)ru.ru_utime.tv_sec + (double)ru.ru_utime.tv_usec / 1e6;
	sys = (double)ru.ru_stime.tv_sec + (double)ru.ru_stime.tv_usec / 1e6;
	printf("received=%llu bytes=%llu calls=%llu cpu=%.6f user=%.6f "
	       "sys=%.6f voluntary=%ld involuntary=%ld\n",
	       (unsigned long long)r->taken, (unsigned long long)r->bytes,
	       (unsigned long long)r->calls, user + sys, user, sys, ru.ru_nvcsw,
	       ru.ru_nivcsw);
}
