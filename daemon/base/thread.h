/* SPDX-License-Identifier: MIT */
/*
 * How the daemon starts a thread, and how it waits for the end of one that may
 * hang.
 */
#ifndef BUFWRITER_THREAD_H
#define BUFWRITER_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef void *thread_fn(void *arg);

/*
 * Starts a thread in which all signals are blocked, so that the kernel gives
 * each of them to the loop thread.  0 or -errno.
 */
int thread_start(pthread_t *thread, thread_fn *fn, void *arg);
/*
 * Joins the thread if it ends within `ms` milliseconds, by the clock that does
 * not step.  False: the thread still runs, and uses its memory.
 */
bool thread_join_within(pthread_t thread, uint64_t ms);

#endif
