/* SPDX-License-Identifier: MIT */
/* See thread.h. */
#include "daemon/base/thread.h"

#include <signal.h>
#include <time.h>

#include "daemon/base/clock.h"

#define TRY_MS 2

int thread_start(pthread_t *thread, thread_fn *fn, void *arg)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

/*
 * Not pthread_clockjoin_np(): the thread sanitizer does not know it, and would
 * report what the joined thread wrote as a race.
 */
bool thread_join_within(pthread_t thread, uint64_t ms)
{
	const struct timespec pause = { .tv_nsec = TRY_MS * CLOCK_MS };
	uint64_t until_ns = clock_now() + ms * CLOCK_MS;

	while (pthread_tryjoin_np(thread, NULL)) {
		/* By the clock: on a busy machine a pause takes much longer. */
		if (clock_now() >= until_ns)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}
