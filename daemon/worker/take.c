/* SPDX-License-Identifier: MIT */
/*
 * Where a worker takes its next messages from, and whom it wakes for the rest.
 * See worker.h.
 */
#include "daemon/worker/worker.h"

void worker_wake_another(const struct worker *w)
{
	const struct worker_orders *o = w->orders;
	unsigned i;

	for (i = 0; i < o->count; i++) {
		if (&o->list[i] != w && worker_is_parked(&o->list[i])) {
			worker_wake(&o->list[i]);
			return;
		}
	}
}

static enum transfer_result take_from_ring(struct worker *w)
{
	enum transfer_result taken;
	bool loop_waits = false;

	taken = transfer_take(w->orders->ring, w->arena, &loop_waits);
	if (loop_waits)
		w->orders->notify(w->orders->arg);
	return taken;
}

/* Or from the ring. */
static enum transfer_result take_from(struct worker *w, bool from_lanes)
{
	struct lanes *lanes = w->orders->lanes;
	enum transfer_result taken;

	if (!from_lanes)
		return take_from_ring(w);
	taken = lanes_are_awake(lanes) ?
			lanes_take(lanes, &w->look, w->arena, &w->stats) :
			TRANSFER_EMPTY;
	/* Also of lanes_filed(), while another worker put the lanes to sleep. */
	if (w->look.notify)
		w->orders->notify(w->orders->arg);
	if (w->look.behind)
		worker_wake_another(w);
	w->look.notify = w->look.behind = false;
	return taken;
}

enum transfer_result worker_take(struct worker *w)
{
	const bool lanes = w->lanes_first;
	enum transfer_result first = take_from(w, lanes), second;

	w->lanes_first = !lanes;
	if (first == TRANSFER_FULL)
		return first;
	second = take_from(w, !lanes);
	if (second != TRANSFER_FULL)
		w->lanes_first = false;
	return second == TRANSFER_EMPTY ? first : second;
}
