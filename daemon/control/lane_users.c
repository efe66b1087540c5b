/* SPDX-License-Identifier: MIT */
/* See lane_users.h. */
#include "daemon/control/lane_users.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/atomic.h"

int lane_users_open(struct lane_users *u, uint64_t lanes)
{
	memset(u, 0, sizeof(*u));
	if (!lanes)
		return 0;
	u->user = calloc(lanes, sizeof(*u->user));
	u->most = u->user ? lanes : 0;
	return u->user ? 0 : -ENOMEM;
}

void lane_users_close(struct lane_users *u)
{
	free(u->user);
	memset(u, 0, sizeof(*u));
}

static int by_process(const void *a, const void *b)
{
	const struct lane_user *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

static int by_messages(const void *a, const void *b)
{
	const struct lane_user *x = a, *y = b;

	if (x->messages != y->messages)
		return x->messages > y->messages ? -1 : 1;
	return by_process(a, b);
}

/* Only this thread unmaps a lane. */
static void read_lane(struct lane_user *to, const struct lanes_slot *s)
{
	const struct lane_head *head = s->lane.head;
	const struct lane_entry *e = s->lane.entry;
	uint64_t unread;

	/* relaxed, all: numbers, which order nothing */
	unread = (load_relaxed(&head->written) & ~LANE_SEALED) -
		 load_relaxed(&e->position);
	*to = (struct lane_user){
		.pid = e->pid,
		.uid = e->uid,
		.lanes = 1,
		.messages = stats_get(&s->messages),
		.bytes = stats_get(&s->bytes),
		.too_large = stats_get(&s->too_large),
		/* Else it will be found broken. */
		.unread = unread <= s->lane.size ? unread : 0,
		.waits = load_relaxed(&head->waits),
		.timeouts = load_relaxed(&head->timeouts),
		.fallbacks = load_relaxed(&head->fallbacks),
	};
}

static void add(struct lane_user *to, const struct lane_user *from)
{
	to->lanes += from->lanes;
	to->messages += from->messages;
	to->bytes += from->bytes;
	to->too_large += from->too_large;
	to->unread += from->unread;
	to->waits += from->waits;
	to->timeouts += from->timeouts;
	to->fallbacks += from->fallbacks;
}

/* Rows of one process become one row. */
static uint64_t merge(struct lane_user *row, uint64_t rows)
{
	uint64_t i, n = 0;

	for (i = 0; i < rows; i++)
		if (n && !by_process(&row[n - 1], &row[i]))
			add(&row[n - 1], &row[i]);
		else
			row[n++] = row[i];
	return n;
}

void lane_users_take(struct lane_users *u, const struct lanes *ls)
{
	const struct lanes_slot *s;
	uint64_t i;

	u->users = 0;
	for (i = 0; i < ls->slots && u->users < u->most; i++) {
		s = &ls->slot[i];
		/* pairs with the releases of `state` */
		if (load_acquire(&s->state) == LANES_OPEN)
			read_lane(&u->user[u->users++], s);
	}
	if (!u->users)
		return;
	qsort(u->user, u->users, sizeof(*u->user), by_process);
	u->users = merge(u->user, u->users);
	qsort(u->user, u->users, sizeof(*u->user), by_messages);
}
