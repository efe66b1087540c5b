/* SPDX-License-Identifier: MIT */
/* See workers.h. */
#include "daemon/worker/workers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/filing/transfer.h"

static void wake_all(struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		worker_wake(&ws->list[i]);
}

/* All memory is reserved before the worker starts (I3). */
static int open_worker(struct workers *ws, unsigned i, struct arena *arena,
		       const struct flush_place *place)
{
	struct worker *w = &ws->list[i];

	worker_open(w, i, arena, place, &ws->orders);
	if (w->cfg->files_compression == COMPRESSION_NONE)
		return 0;
	return compress_open(&w->flush.compressor);
}

static int start_all(struct workers *ws, unsigned count, struct arena *arenas,
		     const struct flush_place *place)
{
	unsigned i;
	int err = 0;

	/* Workers look at one another. */
	for (i = 0; i < count && !err; i++)
		err = open_worker(ws, i, &arenas[i], place);
	for (i = 0; i < count && !err; i++) {
		err = worker_start(&ws->list[i]);
		if (!err)
			ws->count++;
	}
	/* workers_join() closes those of the others. */
	for (i = ws->count; i < count; i++)
		compress_close(ws->list[i].flush.compressor);
	return err;
}

int workers_start(struct workers *ws, const struct config *cfg,
		  struct region *region, const struct flush_place *place,
		  worker_notify_fn *notify, void *arg)
{
	int err;

	assert(cfg && cfg->buffer_workers > 0);
	memset(ws, 0, sizeof(*ws));
	ws->ring = &region->ring;
	ws->header = region->header;
	ws->orders.ring = &region->ring;
	ws->orders.lanes = &ws->lanes;
	ws->orders.names = &region->header->names;
	ws->orders.notify = notify;
	ws->orders.arg = arg;
	atomic_init(&ws->orders.cfg, cfg);
	err = lanes_open(&ws->lanes, &region->lanes,
			 region->ring.layout.geo.max_message);
	if (err)
		return err;
	ws->list = aligned_alloc(CACHE_LINE,
				 cfg->buffer_workers * sizeof(struct worker));
	if (!ws->list) {
		lanes_close(&ws->lanes);
		return -ENOMEM;
	}
	memset(ws->list, 0, cfg->buffer_workers * sizeof(struct worker));
	ws->orders.list = ws->list;
	ws->orders.count = cfg->buffer_workers;
	ws->orders.keeper = &ws->keeper;
	err = keeper_start(&ws->keeper, cfg);
	if (!err)
		err = start_all(ws, cfg->buffer_workers, region->arenas, place);
	if (err) {
		workers_stop(ws);
		workers_join(ws);
	}
	return err;
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
		if (!worker_is_parked(&ws->list[i]))
			continue;
		if (has_data(&ws->list[i]))
			return &ws->list[i];
		if (!best)
			best = &ws->list[i];
	}
	return best;
}

void workers_ring(struct workers *ws)
{
	struct worker *w;

	lanes_ring(&ws->lanes);
	/* Publish, then look for a sleeper: pairs with park(), worker.c. */
	atomic_thread_fence(memory_order_seq_cst);
	/* The attendant looks soon. */
	if (load_relaxed(&ws->lanes.attendant))
		return;
	w = best_parked(ws);
	if (w)
		worker_wake(w);
}

void workers_wake(struct workers *ws)
{
	uint64_t waiting;
	unsigned i, awake = 0;
	struct worker *w;

	/*
	 * Messages were published before this fence, and the states are loaded
	 * after it: pairs with the fence in park(), worker.c.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	waiting = ring_waiting(ws->ring);
	assert(waiting <= ring_slots(ws->ring));
	if (!waiting)
		return;
	for (i = 0; i < ws->count; i++)
		awake += worker_is_awake(&ws->list[i]);
	/* One awake worker is enough while the ring is less than half full. */
	if (awake && waiting * 2 < ring_slots(ws->ring))
		return;
	w = best_parked(ws);
	if (w)
		worker_wake(w);
}

bool workers_take(struct workers *ws)
{
	enum transfer_result taken;
	bool began = false, loop_waits;
	struct worker *w;

	while (ring_waiting(ws->ring)) {
		w = best_parked(ws);
		if (!w || !worker_lend(w))
			break;
		began |= arena_is_empty(w->arena);
		/* loop_waits: it is this thread that would have to be told */
		taken = transfer_take(ws->ring, w->arena, &loop_waits);
		worker_give_back(w, taken == TRANSFER_FULL);
	}
	return began;
}

uint64_t workers_due(struct workers *ws)
{
	/* relaxed: this thread writes it */
	const struct config *cfg = load_relaxed(&ws->orders.cfg);
	uint64_t now = clock_now(), next = 0, at_ns;
	struct arena_record rec;
	unsigned i;

	for (i = 0; i < ws->count; i++) {
		if (!worker_is_parked(&ws->list[i]))
			continue;
		arena_snapshot(ws->list[i].arena, &rec);
		at_ns = worker_deadline(&rec, cfg->buffer_forced_ns);
		if (!at_ns)
			continue;
		if (at_ns <= now + WORKERS_EARLY_NS)
			worker_wake(&ws->list[i]);
		else if (!next || at_ns < next)
			next = at_ns;
	}
	return next;
}

uint64_t workers_flush(struct workers *ws)
{
	struct worker_orders *o = &ws->orders;
	uint64_t request = load_relaxed(&o->flush_request) + 1;

	store_relaxed(&o->flush_up_to, ring_published(ws->ring));
	lanes_mark_flush(&ws->lanes);
	/* flush_up_to comes first: pairs with is_flush_asked(), worker.c */
	store_release(&o->flush_request, request);
	wake_all(ws);
	return request;
}

void workers_notify(struct workers *ws)
{
	ws->orders.notify(ws->orders.arg);
}

bool workers_flushed(const struct workers *ws, uint64_t request)
{
	unsigned i;

	/* pairs with the release in answer_flush(), worker.c */
	for (i = 0; i < ws->count; i++)
		if (load_acquire(&ws->list[i].flushed) < request)
			return false;
	return true;
}

void workers_configure(struct workers *ws, const struct config *cfg)
{
	struct worker_orders *o = &ws->orders;

	assert(cfg);
	if (ws->header)
		region_header_use_form(ws->header, cfg);
	/* Both pair with heed_orders(), worker.c; the settings come first. */
	store_release(&o->cfg, cfg);
	store_release(&o->cfg_generation, load_relaxed(&o->cfg_generation) + 1);
	wake_all(ws);
	keeper_configure(&ws->keeper, cfg);
}

bool workers_settled(const struct workers *ws)
{
	uint64_t generation = load_relaxed(&ws->orders.cfg_generation);
	unsigned i;

	/* pairs with the release in heed_orders(), worker.c */
	for (i = 0; i < ws->count; i++)
		if (load_acquire(&ws->list[i].cfg_seen) != generation)
			return false;
	return keeper_settled(&ws->keeper);
}

bool workers_alive(struct workers *ws)
{
	uint64_t heartbeat = load_relaxed(&ws->orders.heartbeat);
	enum worker_state state;
	bool alive = true;
	unsigned i;

	for (i = 0; i < ws->count; i++) {
		struct worker *w = &ws->list[i];

		state = worker_state(w);
		/*
		 * A restart does not help a thread inside write(2) on a hung
		 * disk; its file would only be written again.
		 */
		if (state == WORKER_FLUSHING || state == WORKER_EXITED)
			continue;
		/* relaxed: nothing depends on it */
		if (load_relaxed(&w->heartbeat_seen) != heartbeat)
			alive = false;
	}
	/* pairs with heed_orders(), worker.c */
	store_release(&ws->orders.heartbeat, heartbeat + 1);
	wake_all(ws);
	return alive;
}

void workers_sum(const struct workers *ws, struct workers_totals *totals)
{
	struct arena_record rec;
	unsigned i;

	memset(totals, 0, sizeof(*totals));
	for (i = 0; i < ws->count; i++) {
		const struct worker *w = &ws->list[i];

		arena_snapshot(w->arena, &rec);
		totals->written += arena_written(&rec);
		totals->in_arenas += rec.count;
		totals->lane_messages += rec.lanes;
		totals->lane_bytes += stats_get(&w->stats.lane_bytes);
		totals->lane_too_large += stats_get(&w->stats.lane_too_large);
		totals->files += stats_get(&w->stats.files);
		totals->files_bytes += stats_get(&w->stats.file_bytes);
	}
}

void workers_stop(struct workers *ws)
{
	/* pairs with run() and park(), worker.c: all was published before */
	store_release(&ws->orders.stop, true);
	wake_all(ws);
}

void workers_abandon(struct workers *ws)
{
	/* pairs with flush_arena(), worker.c */
	store_release(&ws->orders.abandon, true);
	wake_all(ws);
}

bool workers_exited(const struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++)
		if (worker_state(&ws->list[i]) != WORKER_EXITED)
			return false;
	return true;
}

void workers_join(struct workers *ws)
{
	unsigned i;

	for (i = 0; i < ws->count; i++) {
		pthread_join(ws->list[i].thread, NULL);
		compress_close(ws->list[i].flush.compressor);
	}
	(void)keeper_stop(&ws->keeper);
	free(ws->list);
	ws->list = NULL;
	ws->count = 0;
	lanes_close(&ws->lanes);
}
