/* SPDX-License-Identifier: MIT */
/* See lane_rest.h. */
#include "daemon/intake/lane_rest.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "daemon/region/lane_keep.h"

/* The loop may not have seen the end of the connection yet. */
static bool has_client(const struct lane_handout *h, uint32_t slot)
{
	const struct lane_client *c = lane_clients_find(h->clients, slot);
	struct pollfd fd = { .events = 0 };

	if (!c)
		return false;
	fd.fd = c->fd;
	return poll(&fd, 1, 0) <= 0 || !(fd.revents & POLLHUP);
}

static int keep(const struct lane_handout *h, const struct lane *l, uint64_t to)
{
	if (l->kept)
		return 0;
	if (!h->state[0])
		return -EOPNOTSUPP;
	return lane_keep(l, to, h->state);
}

static void note_unkept(struct lane_handout *h, struct lane *l, uint64_t n)
{
	struct stats_listener *stats = h->clients->stats;

	store_relaxed(&l->entry->unkept, n);
	if (h->state[0])
		return;
	stats_add(&stats->received, n);
	stats_add(&stats->lane_lost, n);
}

/*
 * Without the claim: a worker that hangs at the disk may have it.  Such a worker
 * holds a large message, or nothing; it moves the position at most.
 */
static void keep_one(struct lane_handout *h, uint32_t slot,
		     struct lane_rest *rest)
{
	struct lane *l = &h->workers->lanes.slot[slot].lane;
	uint64_t to, n;
	int err;

	/* What is broken is left to be found broken. */
	if (!lane_seal(l, &to))
		return;
	n = lane_count(l, to);
	if (!n)
		return;
	err = keep(h, l, to);
	if (!err) {
		rest->kept += n;
		/* A copy has no client, and its head bounds what it holds. */
		if (!l->kept)
			lane_hand_over(l, to);
		return;
	}
	rest->error = err;
	if (has_client(h, slot)) {
		rest->clients += n;
		return;
	}
	rest->unkept += n;
	note_unkept(h, l, n);
}

void lane_rest_keep(struct lane_handout *h, struct lane_rest *rest)
{
	struct lanes *ls = &h->workers->lanes;
	uint32_t i;

	memset(rest, 0, sizeof(*rest));
	rest->unread = h->unread;
	for (i = 0; i < ls->slots; i++)
		if (lanes_slot_is_open(&ls->slot[i]))
			keep_one(h, i, rest);
}
