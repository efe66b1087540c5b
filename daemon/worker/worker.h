/* SPDX-License-Identifier: MIT */
/*
 * What worker.c (loop thread) and worker.c (workers) share, and nobody
 * else needs.
 */
#ifndef BUFWRITER_WORKER_THREAD_H
#define BUFWRITER_WORKER_THREAD_H

#include "daemon/worker/workers.h"

/* The main function of a worker's thread; arg: its struct worker. */
void *worker_thread(void *arg);

static inline bool worker_flag(const _Atomic bool *b)
{
	/* acquire: pairs with the release of the other thread's store */
	return atomic_load_explicit(b, memory_order_acquire);
}

static inline uint64_t worker_number(const _Atomic uint64_t *n)
{
	/* acquire: pairs with the release of the other thread's store */
	return atomic_load_explicit(n, memory_order_acquire);
}

#endif
