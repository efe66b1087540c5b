/* SPDX-License-Identifier: MIT */
/* See lane_end.h. */
#include "daemon/intake/lane_end.h"

#include <errno.h>
#include <string.h>

void lane_end_open(struct lane_end *e, uv_loop_t *uv,
		   struct lane_handout *handout, struct listener *listener)
{
	memset(e, 0, sizeof(*e));
	e->handout = handout;
	e->listener = listener;
	uv_timer_init(uv, &e->timer);
	e->timer.data = e;
}

void lane_end_close(struct lane_end *e)
{
	uv_close((uv_handle_t *)&e->timer, NULL);
}

/* -- lanes that have ended ------------------------------------------------- */

/* False: a worker still looks at it. */
static bool settle(struct lane_end *e, uint32_t slot)
{
	struct lane_handout *h = e->handout;
	struct lanes *ls = &h->workers->lanes;
	const struct lane_entry *entry = &h->table->entry[slot];
	struct lane_client *c = lane_clients_find(h->clients, slot);
	bool broken = ls->slot[slot].broken;
	bool kept = ls->slot[slot].lane.kept;

	if (!lanes_remove(ls, slot))
		return false;
	if (broken) {
		stats_add(&h->clients->stats->lanes_broken, 1);
		lane_report_broken(&h->clients->report, (pid_t)entry->pid,
				   entry->uid);
	}
	stats_add(&h->clients->stats->lanes_closed, 1);
	lane_handout_remove(h, entry, kept);
	if (c) {
		/* Its lane has ended already. */
		c->slot = LANE_NO_SLOT;
		lane_clients_disconnect(c);
	}
	return true;
}

static void on_timer(uv_timer_t *timer)
{
	struct lane_end *e = timer->data;

	/* Others wait for the last lane, too: stop.c stop_notified(). */
	workers_notify(e->handout->workers);
}

static void settle_all(struct lane_end *e)
{
	struct lanes *ls = &e->handout->workers->lanes;
	/* pairs with end_lane(), lanes.c */
	uint64_t ended = load_acquire(&ls->ended);
	bool all = true;
	uint32_t i;

	if (ended == e->settled)
		return;
	for (i = 0; i < ls->slots; i++)
		if (load_acquire(&ls->slot[i].state) == LANES_ENDED)
			all &= settle(e, i);
	if (all)
		e->settled = ended;
	else
		/* It notifies nobody when it gives the claim back. */
		uv_timer_start(&e->timer, on_timer, LANE_END_RETRY_MS, 0);
}

static void note_too_large(struct lane_end *e)
{
	struct workers *workers = e->handout->workers;
	struct lanes *ls = &workers->lanes;
	struct workers_totals totals;

	workers_sum(workers, &totals);
	if (totals.lane_too_large == e->listener->lane_too_large)
		return;
	/* pairs with lanes.c, note_too_large() */
	atomic_thread_fence(memory_order_acquire);
	listener_lanes_dropped(e->listener, totals.lane_too_large,
			       atomic_exchange_explicit(&ls->large_bytes, 0,
							memory_order_relaxed),
			       atomic_exchange_explicit(&ls->large_most, 0,
							memory_order_relaxed));
}

/* -- ASK ------------------------------------------------------------------- */

/*
 * Only for a lane of this user from which nothing more is taken.  -EAGAIN: a
 * lane without a connection is read to its end first.
 */
static int find_position(const struct lane_handout *h,
			 const struct lane_client *c, uint64_t *position)
{
	const struct lane_entry *entry = lane_table_find(h->table, c->asks);

	if (!entry || entry->uid != c->uid)
		return -ENOENT;
	/* pairs with lane_entry_close(): the position is final */
	if (load_acquire(&entry->state) == LANE_ENTRY_CLOSED) {
		*position = load_relaxed(&entry->position);
		return 0;
	}
	return lane_clients_find(h->clients,
				 lane_entry_index(h->table, entry)) ?
		       -EBUSY :
		       -EAGAIN;
}

static void answer(const struct lane_end *e, struct lane_client *c)
{
	uint64_t position = 0;
	int err = find_position(e->handout, c, &position);

	/* answer_all() tries again. */
	if (err != -EAGAIN &&
	    lane_clients_answer(c, err, c->asks, position, -1))
		lane_clients_disconnect(c);
}

static void answer_all(const struct lane_end *e)
{
	struct lane_clients *cs = e->handout->clients;
	struct lane_client *c;

	for (c = cs->list; c < cs->list + cs->most; c++)
		if (c->fd >= 0 && c->asks)
			answer(e, c);
}

void lane_end_request(struct lane_end *e, struct lane_client *c, uint64_t id)
{
	c->asks = id;
	answer(e, c);
}

void lane_end_notified(struct lane_end *e)
{
	settle_all(e);
	note_too_large(e);
	answer_all(e);
}
