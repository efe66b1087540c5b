/* SPDX-License-Identifier: MIT */
/* See worker.h.  All of it runs on the loop thread. */
#include "daemon/worker/workers.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/filing/transfer.h"
#include "daemon/worker/worker.h"

static void wake(struct worker *w)
{
	/* release: what the worker is woken for comes first */
	if (!atomic_exchange_explicit(&w->signal, 1, memory_order_release))
		syscall(SYS_futex, &w->signal, FUTEX_WAKE_PRIVATE, 1, NULL,
			NULL, 0);
}

static void wake_all(struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		wake(&ws->list[i]);
}

static void init(struct worker *w, struct workers *ws, const struct config *cfg,
		 unsigned index)
{
	memset(w, 0, sizeof(*w));
	w->all = ws;
	w->index = index;
	flush_open(&w->flush, cfg, index);
}

int workers_start(struct workers *ws, const struct config *cfg,
		  struct ring *ring, struct arena *arenas, bool beside,
		  workers_notify_fn *notify, void *arg)
{
	sigset_t all, before;
	unsigned i;
	int err = 0;

	memset(ws, 0, sizeof(*ws));
	ws->ring = ring;
	ws->notify = notify;
	ws->arg = arg;
	atomic_init(&ws->cfg, cfg);
	ws->list = aligned_alloc(CACHE_LINE,
				 cfg->buffer_workers * sizeof(struct worker));
	if (!ws->list)
		return -ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (i = 0; i < cfg->buffer_workers && !err; i++) {
		struct worker *w = &ws->list[i];

		init(w, ws, cfg, i);
		w->arena = &arenas[i];
		w->flush.beside = beside;
		atomic_init(&w->state, WORKER_LOOKING);
		err = -pthread_create(&w->thread, NULL, worker_thread, w);
		if (!err)
			ws->count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		workers_stop(ws);
		workers_join(ws);
	}
	return err;
}

static bool is_parked(const struct worker *w)
{
	return atomic_load_explicit(&w->state, memory_order_acquire) ==
		       WORKER_PARKED &&
	       !atomic_load_explicit(&w->signal, memory_order_relaxed);
}

/* On its way to the ring: looking, or woken for it. */
static bool is_looking(const struct worker *w)
{
	int state = atomic_load_explicit(&w->state, memory_order_acquire);

	return state == WORKER_LOOKING ||
	       (state == WORKER_PARKED &&
		atomic_load_explicit(&w->signal, memory_order_relaxed));
}

/* Of a parked worker: only this thread changes the arena meanwhile. */
static bool has_data(const struct worker *w)
{
	struct arena_record rec;

	arena_snapshot(w->arena, &rec);
	return rec.count;
}

/* The parked worker that has messages, else the first one; NULL: none. */
static struct worker *best_parked(struct workers *ws)
{
	struct worker *best = NULL;
	unsigned i;

	for (i = 0; i < ws->count; i++) {
		if (!is_parked(&ws->list[i]))
			continue;
		if (has_data(&ws->list[i]))
			return &ws->list[i];
		if (!best)
			best = &ws->list[i];
	}
	return best;
}

void workers_wake(struct workers *ws)
{
	uint64_t waiting;
	unsigned i, looking = 0;
	struct worker *w;

	/* After publishing, before looking at states: worker.c. */
	atomic_thread_fence(memory_order_seq_cst);
	waiting = ring_waiting(ws->ring);
	if (!waiting)
		return;
	for (i = 0; i < ws->count; i++)
		looking += is_looking(&ws->list[i]);
	/* One keeps up, unless the ring fills all the same. */
	if (looking && waiting * 2 < ws->ring->geo.slots)
		return;
	w = best_parked(ws);
	if (w)
		wake(w);
}

/*
 * The worker whose arena the messages go into; NULL: a worker is on its way
 * to them, or none is free.
 */
static struct worker *lender(struct workers *ws)
{
	struct worker *w = ws->last;

	if (w && is_parked(w) && has_data(w))
		return w;
	/* Another arena would only make another file. */
	if (w && is_looking(w) && !ring_is_low(ws->ring))
		return NULL;
	return ws->last = best_parked(ws);
}

static bool lend(struct worker *w)
{
	int state = WORKER_PARKED;

	/* acquire: pairs with the release of the worker that parked */
	return atomic_compare_exchange_strong(&w->state, &state, WORKER_LENT);
}

static void lend_ends(struct worker *w, bool full)
{
	if (full)
		atomic_store_explicit(&w->flushing_since_ns, clock_now(),
				      memory_order_relaxed);
	/* release, and a fence: see the head of worker.c */
	atomic_store(&w->state, full ? WORKER_FLUSHING : WORKER_PARKED);
	if (full || atomic_load(&w->wants_back)) {
		atomic_store_explicit(&w->wants_back, false,
				      memory_order_relaxed);
		wake(w);
	}
}

bool workers_take(struct workers *ws)
{
	enum transfer_result taken;
	bool began = false, ignored;
	struct worker *w;

	while (ring_waiting(ws->ring)) {
		w = lender(ws);
		if (!w || !lend(w))
			break;
		began |= arena_is_empty(w->arena);
		taken = transfer_take(ws->ring, w->arena, false, &ignored);
		lend_ends(w, taken == TRANSFER_FULL);
	}
	return began;
}

uint64_t workers_due(struct workers *ws)
{
	uint64_t now = clock_now(), next = 0, at, forced;
	struct arena_record rec;
	unsigned i;

	forced = atomic_load_explicit(&ws->cfg, memory_order_relaxed)
			 ->buffer_forced_ns;
	for (i = 0; forced && i < ws->count; i++) {
		if (!is_parked(&ws->list[i]))
			continue;
		arena_snapshot(ws->list[i].arena, &rec);
		if (!rec.count)
			continue;
		at = rec.oldest_ns + forced;
		if (at <= now + WORKERS_EARLY)
			wake(&ws->list[i]);
		else if (!next || at < next)
			next = at;
	}
	return next;
}

uint64_t workers_flush(struct workers *ws)
{
	uint64_t request = atomic_load_explicit(&ws->flush_request,
						memory_order_relaxed) +
			   1;

	atomic_store_explicit(&ws->flush_up_to, ring_published(ws->ring),
			      memory_order_relaxed);
	/* release: the ticket comes first */
	atomic_store_explicit(&ws->flush_request, request,
			      memory_order_release);
	wake_all(ws);
	return request;
}

bool workers_flushed(const struct workers *ws, uint64_t request)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		if (worker_number(&ws->list[i].flushed) < request)
			return false;
	return true;
}

void workers_configure(struct workers *ws, const struct config *cfg)
{
	atomic_store_explicit(&ws->cfg, cfg, memory_order_release);
	/* release: the settings come first */
	atomic_fetch_add_explicit(&ws->cfg_generation, 1, memory_order_release);
	wake_all(ws);
}

bool workers_settled(const struct workers *ws)
{
	uint64_t generation = worker_number(&ws->cfg_generation);
	unsigned i;

	for (i = 0; i < ws->count; i++)
		if (worker_number(&ws->list[i].cfg_seen) != generation)
			return false;
	return true;
}

bool workers_alive(struct workers *ws)
{
	uint64_t ping = atomic_load_explicit(&ws->heartbeat,
					     memory_order_relaxed);
	bool alive = true;
	unsigned i;
	int state;

	for (i = 0; i < ws->count; i++) {
		struct worker *w = &ws->list[i];

		state = atomic_load_explicit(&w->state, memory_order_acquire);
		/*
		 * A thread inside write(2) on a hung disk can not be helped
		 * by a restart, and its file would only be written again.
		 */
		if (state == WORKER_FLUSHING || state == WORKER_EXITED)
			continue;
		if (atomic_load_explicit(&w->heartbeat_seen,
					 memory_order_relaxed) != ping)
			alive = false;
	}
	atomic_store_explicit(&ws->heartbeat, ping + 1, memory_order_release);
	wake_all(ws);
	return alive;
}

void workers_stop(struct workers *ws)
{
	atomic_store_explicit(&ws->stop, true, memory_order_release);
	wake_all(ws);
}

void workers_abandon(struct workers *ws)
{
	atomic_store_explicit(&ws->abandon, true, memory_order_release);
	wake_all(ws);
}

bool workers_exited(const struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		if (atomic_load_explicit(&ws->list[i].state,
					 memory_order_acquire) != WORKER_EXITED)
			return false;
	return true;
}

void workers_join(struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		pthread_join(ws->list[i].thread, NULL);
	free(ws->list);
	ws->list = NULL;
	ws->count = 0;
}
