/* SPDX-License-Identifier: MIT */
/*
 * One handle and many threads, while the daemon is restarted again and again.
 * What each write returns must be what happened to its message.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/lib/bed.h"
#include "tests/lib/receiver.h"

/* A broken wait would take longer than the test may. */
#define SOON_MS 60000

#define THREADS 8
#define RESTARTS 100
#define PER_LIFE 64	   /* messages before a daemon ends */
#define MESSAGES (1 << 16) /* at most, by each thread */

struct message {
	uint32_t thread;
	uint32_t number;
};

enum outcome { UNSENT, TAKEN, REFUSED };

struct writer {
	pthread_t thread;
	struct bw *bw;
	uint32_t index;
	uint32_t sent; /* valid after join */
	unsigned char outcome[MESSAGES];
};

static struct writer writers[THREADS];
/* The last row is for messages of no writer. */
static unsigned char received[THREADS + 1][MESSAGES];
static atomic_int stop;

static void *write_until_stop(void *arg)
{
	struct writer *w = arg;
	struct message m = { .thread = w->index };
	struct iovec iov[2] = { { &m.thread, 4 }, { &m.number, 4 } };
	int err;

	/* Relaxed: the value alone counts.  Joining the thread orders the rest. */
	while (!atomic_load_explicit(&stop, memory_order_relaxed) &&
	       m.number < MESSAGES) {
		if (m.number % 2)
			err = bw_write(w->bw, &m, sizeof(m));
		else
			err = bw_writev(w->bw, iov, 2);
		w->outcome[m.number++] = err == 0 ? TAKEN : REFUSED;
		/* Otherwise the numbers are used up before the daemon is back. */
		if (err != 0)
			suite_sleep_ms(1);
	}
	w->sent = m.number;
	return NULL;
}

static void writers_start(struct bw *bw)
{
	uint32_t i;

	for (i = 0; i < THREADS; i++) {
		writers[i].bw = bw;
		writers[i].index = i;
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL,
						write_until_stop, &writers[i]),
				 0);
	}
}

/* Takes at most max messages from the queue.  Returns how many there were. */
static int take(int fd, int max)
{
	struct message m;
	int n;

	for (n = 0; n < max; n++) {
		if (receiver_take(fd, &m, sizeof(m)) != sizeof(m))
			break;
		ck_assert_uint_le(m.thread, THREADS);
		ck_assert_uint_lt(m.number, MESSAGES);
		received[m.thread][m.number]++;
	}
	return n;
}

static void live(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int n = 0;

	while (n < PER_LIFE) {
		ck_assert_int_eq(poll(&pfd, 1, SOON_MS), 1);
		n += take(fd, PER_LIFE - n);
	}
}

/* Stops the writers.  Until they have ended, the last daemon takes messages. */
static void writers_stop(int fd)
{
	uint32_t i;

	/* Relaxed: see write_until_stop(). */
	atomic_store_explicit(&stop, 1, memory_order_relaxed);
	for (i = 0; i < THREADS; i++)
		while (pthread_tryjoin_np(writers[i].thread, NULL) != 0)
			if (take(fd, MESSAGES) == 0)
				suite_sleep_ms(1);
	take(fd, MESSAGES);
}

/* Returns how many messages were sent, by what a write said, and never arrived. */
static int count_lost(void)
{
	int lost = 0;
	uint32_t i, n;

	for (i = 0; i < THREADS; i++)
		for (n = 0; n < writers[i].sent; n++) {
			ck_assert_int_le(received[i][n], 1);
			if (writers[i].outcome[n] == REFUSED)
				ck_assert_int_eq(received[i][n], 0);
			else
				lost += !received[i][n];
		}
	return lost;
}

static bool all_taken(void)
{
	uint32_t i, n;

	for (i = 0; i < THREADS; i++)
		for (n = 0; n < writers[i].sent; n++)
			if (writers[i].outcome[n] != TAKEN)
				return false;
	return true;
}

/*
 * Each daemon drains its queue before it ends.  So every write succeeds and
 * every message arrives once.  With _i = 1 the next daemon binds its socket
 * before the old one has drained.
 */
START_TEST(orderly_restarts_lose_nothing)
{
	struct bw *bw;
	int fd, next;
	int i;

	receiver_listen();
	bw = receiver_open(SOON_MS);
	writers_start(bw);
	for (i = 0; i < RESTARTS; i++) {
		fd = receiver.fd;
		live(fd);
		next = -1;
		if (_i == 1) {
			unlink(receiver.path);
			next = receiver_bind();
		}
		ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
		take(fd, MESSAGES);
		if (next < 0) {
			unlink(receiver.path);
			if (i % 8 == 0)
				suite_sleep_ms(3);
			next = receiver_bind();
		}
		close(fd);
		receiver.fd = next;
	}
	writers_stop(receiver.fd);
	ck_assert(all_taken());
	ck_assert_int_eq(count_lost(), 0);
	bw_close(bw);
}
END_TEST

static int queue_length(void)
{
	FILE *file = fopen("/proc/sys/net/unix/max_dgram_qlen", "r");
	int n = 0;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%d", &n), 1);
	fclose(file);
	return n;
}

/*
 * A daemon that is killed loses its queue and nothing more.  A write that
 * failed has sent nothing.
 */
START_TEST(kills_lose_the_queue_and_no_more)
{
	static const int timeouts_ms[] = { 0, 1, SOON_MS };
	struct bw *bw;
	int i;

	receiver_listen();
	bw = receiver_open(timeouts_ms[_i]);
	writers_start(bw);
	for (i = 0; i < RESTARTS; i++) {
		live(receiver.fd);
		receiver_vanish();
		receiver_listen();
	}
	writers_stop(receiver.fd);
	if (timeouts_ms[_i] == SOON_MS)
		ck_assert(all_taken());
	/* The kernel's queue holds one more than its length. */
	ck_assert_int_le(count_lost(), RESTARTS * (queue_length() + 1));
	bw_close(bw);
}
END_TEST

/* Whatever the threads do at the moment of the fork, the child can write. */
START_TEST(fork_while_threads_write)
{
	const struct message childs = { THREADS, 0 };
	struct bw *bw;
	pid_t child[20];
	int status;
	int i;

	receiver_listen();
	bw = receiver_open(SOON_MS);
	writers_start(bw);
	for (i = 0; i < 20; i++) {
		child[i] = fork();
		if (child[i] == 0)
			_exit(bw_write(bw, &childs, sizeof(childs)) != 0);
		live(receiver.fd);
	}
	for (i = 0; i < 20; i++) {
		while (waitpid(child[i], &status, WNOHANG) == 0)
			take(receiver.fd, PER_LIFE);
		ck_assert_int_eq(status, 0);
	}
	writers_stop(receiver.fd);
	ck_assert_int_eq(received[THREADS][0], 20);
	ck_assert(all_taken());
	ck_assert_int_eq(count_lost(), 0);
	bw_close(bw);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_threads");
	TCase *tc = receiver_case(suite, "threads");

	tcase_add_loop_test(tc, orderly_restarts_lose_nothing, 0, 2);
	tcase_add_loop_test(tc, kills_lose_the_queue_and_no_more, 0, 3);
	tcase_add_test(tc, fork_while_threads_write);
	return suite_run(suite, CK_FORK);
}
