/* SPDX-License-Identifier: MIT */
/* See end_limit.h. */
#include "daemon/end_limit.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/log.h"
#include "daemon/base/thread.h"

/* How long the log has for the last line. */
#define LAST_LINE_MS 200

/* constant after end_limit_start() */
static int exit_status;
static uint64_t until_ns;

/* shared, atomic: relaxed, a name that orders nothing */
static _Atomic(const char *) current;

static void sleep_until(uint64_t ns)
{
	struct timespec ts = clock_timespec(ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

static void *limit_main(void *arg)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	(void)arg;
	pthread_setname_np(pthread_self(), "end limit");
	sleep_until(until_ns);
	/* At exit the thread of the log may be gone: this one must not wait. */
	if (poll(&fd, 1, 0) == 1)
		log_error("the process did not end within %d s after the stop: "
			  "%s takes too long; it ends now, with exit status %d",
			  END_LIMIT_S, load_relaxed(&current), exit_status);
	sleep_until(clock_now() + LAST_LINE_MS * CLOCK_MS);
	_exit(exit_status);
}

void end_limit_start(int status)
{
	pthread_t thread;

	exit_status = status;
	until_ns = clock_now() + END_LIMIT_S * CLOCK_SECOND;
	store_relaxed(&current, "the first step");
	/* Without a thread the end has no bound, as before. */
	if (!thread_start(&thread, limit_main, NULL))
		pthread_detach(thread);
}

void end_limit_step(const char *step)
{
	store_relaxed(&current, step);
	(void)FAILPOINT("end.step");
}
