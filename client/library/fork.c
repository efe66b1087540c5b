/* SPDX-License-Identifier: MIT */
/* See fork.h. */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

#include "client/library/fork.h"
#include "client/library/handle.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct bw *handles; /* guarded by mutex: those with connections */

/* What the owner of the lock had before: it takes no signal and no cancel. */
struct held {
	sigset_t signals;
	int cancel;
};

static void lock(struct held *held)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &held->signals);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &held->cancel);
	pthread_mutex_lock(&mutex);
}

static void unlock(const struct held *held)
{
	pthread_mutex_unlock(&mutex);
	pthread_setcancelstate(held->cancel, NULL);
	pthread_sigmask(SIG_SETMASK, &held->signals, NULL);
}

/* Of the thread that forks; guarded by mutex. */
static struct held held_by_fork;

static void before_fork(void)
{
	struct held held;

	lock(&held);
	held_by_fork = held;
}

static void after_fork_parent(void)
{
	const struct held held = held_by_fork;

	unlock(&held);
}

static void after_fork_child(void)
{
	struct bw *bw;
	int i;

	for (bw = handles; bw; bw = bw->next)
		for (i = 0; i < BW_ALL_LANES; i++)
			if (bw->lane_fds[i]) {
				close(bw->lane_fds[i]);
				bw->lane_fds[i] = 0;
			}
	after_fork_parent();
}

static void prepare(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void list(struct bw *bw)
{
	if (bw->is_listed)
		return;
	bw->is_listed = true;
	bw->previous = NULL;
	bw->next = handles;
	if (handles)
		handles->previous = bw;
	handles = bw;
}

static void unlist(struct bw *bw)
{
	if (!bw->is_listed)
		return;
	bw->is_listed = false;
	if (bw->next)
		bw->next->previous = bw->previous;
	if (bw->previous)
		bw->previous->next = bw->next;
	else
		handles = bw->next;
}

/* A socket with a number above those of the standard streams, or -errno. */
static int make_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	int high;

	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (high < 0)
		high = -errno;
	close(fd);
	return high;
}

int bw_fork_socket(struct bw *bw, int index)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct held held;
	int fd;

	pthread_once(&once, prepare);
	lock(&held);
	fd = make_socket();
	if (fd >= 0) {
		bw->lane_fds[index] = fd;
		list(bw);
	}
	unlock(&held);
	return fd;
}

int bw_fork_fd(const struct bw *bw, int index)
{
	/* Without the lock: only the owner of the lane changes the number. */
	return bw->lane_fds[index];
}

static void close_locked(struct bw *bw, int index)
{
	if (bw->lane_fds[index])
		close(bw->lane_fds[index]);
	bw->lane_fds[index] = 0;
}

void bw_fork_close(struct bw *bw, int index)
{
	struct held held;

	lock(&held);
	close_locked(bw, index);
	unlock(&held);
}

void bw_fork_forget(struct bw *bw)
{
	struct held held;
	int i;

	if (!bw->is_listed)
		return;
	lock(&held);
	for (i = 0; i < BW_ALL_LANES; i++)
		close_locked(bw, i);
	unlist(bw);
	unlock(&held);
}

void *bw_fork_memory(unsigned long bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (madvise(memory, bytes, MADV_WIPEONFORK) == 0)
		return memory;
	munmap(memory, bytes);
	return NULL;
}
