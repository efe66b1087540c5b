/* SPDX-License-Identifier: MIT */
/* See transfer.h. */
#include "daemon/filing/transfer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "daemon/base/failpoint.h"
#include "daemon/region/ring_check.h"

/* Tries at a free name before the directory is taken to be at fault. */
#define NAMES 1000

bool transfer_must_flush(const struct arena *a, uint64_t cost)
{
	/*
	 * A message that by itself is larger than the arena's size goes
	 * behind what is there, into the room kept for it.
	 */
	return cost <= a->size && a->fill + cost > a->size;
}

/* Is the arena at or past its size, so that no message can follow? */
static bool is_over(const struct arena *a)
{
	return a->fill > a->size;
}

/* How many of the `most` tickets from `from` fit into the arena. */
static uint64_t count_fitting(const struct ring *r, const struct arena *a,
			      uint64_t from, uint64_t most)
{
	uint64_t left = a->size - a->fill, n, cost;
	struct ring_message m;

	for (n = 0; n < most; n++) {
		ring_peek(r, from + n, &m);
		cost = m.oversized ? 0 : arena_cost(a, m.len, m.newline);
		if (cost > a->size)
			return n + 1; /* it may pass the size, none after it */
		if (cost > left)
			return n;
		left -= cost;
	}
	return n;
}

/* Copies the claimed tickets; returns how many were messages. */
static uint64_t copy_run(struct ring *r, struct arena *a, uint64_t from,
			 uint64_t n, uint64_t *oldest)
{
	struct ring_message m;
	uint64_t ticket, count = 0;

	for (ticket = from; ticket < from + n; ticket++) {
		ring_message(r, ticket, &m);
		if (m.oversized)
			continue;
		if (!count)
			*oldest = m.received_ns;
		arena_append(a, m.part, m.part_len, m.newline);
		(void)FAILPOINT("append.after");
		count++;
	}
	return count;
}

enum transfer_result transfer_take(struct ring *r, struct arena *a,
				   bool *producer_waits)
{
	uint64_t from, waiting, n, count, oldest = 0;

	if (is_over(a))
		return TRANSFER_FULL;
	do {
		from = ring_claimed(r);
		waiting = ring_published(r) - from;
		if (!waiting)
			return TRANSFER_EMPTY;
		if (waiting > TRANSFER_RUN)
			waiting = TRANSFER_RUN;
		n = count_fitting(r, a, from, waiting);
		/*
		 * With n == 0 nothing proves that the peeked length was this
		 * ticket's; filing an arena early is allowed, but needless.
		 */
		if (!n && ring_claimed(r) == from)
			return TRANSFER_FULL;
	} while (!n || !ring_claim(r, from, n));

	(void)FAILPOINT("claim.after");
	count = copy_run(r, a, from, n, &oldest);
	arena_commit(a, from, from + n, count, oldest);
	if (ring_release(r, from, n))
		*producer_waits = true;
	(void)FAILPOINT("release.after");
	return is_over(a) ? TRANSFER_FULL : TRANSFER_TOOK;
}

void transfer_one(struct ring *r, struct arena *a, uint64_t ticket)
{
	uint64_t oldest = 0, count;

	count = copy_run(r, a, ticket, 1, &oldest);
	arena_commit(a, ticket, ticket + 1, count, oldest);
	ring_release_held(&r->layout, ticket);
}

int transfer_flush(struct arena *a, struct flush *f, uint64_t *bytes)
{
	char name[FLUSH_NAME];
	uint64_t len = a->now.len;
	bool beside, may_forget;
	int err, tries;

	*bytes = len;
	if (!len) {
		if (!arena_is_empty(a))
			arena_emptied(a);
		return 0;
	}
	/*
	 * The record is all that knows of a temp file that a failed disk would
	 * not take away: then it is the same name again.
	 */
	may_forget = a->now.step == ARENA_FILLING ||
		     flush_discard(f, a->name, a->now.step & ARENA_BESIDE);
	for (tries = 0; tries < NAMES; tries++) {
		if (may_forget)
			flush_name(f, name);
		else
			memcpy(name, a->name, sizeof(name));
		beside = f->beside;
		arena_begin_write(a, name, beside);
		(void)FAILPOINT("flush.begin");
		err = flush_write(f, name, a->data, len);
		if (err)
			return err;
		arena_begin_rename(a);
		(void)FAILPOINT("flush.marked");
		err = flush_publish(f, name);
		if (!err) {
			arena_emptied(a);
			(void)FAILPOINT("flush.reset");
			return 0;
		}
		/*
		 * The temp file must not outlive the step: a later life that
		 * found it in RENAMING would rename it.
		 */
		arena_begin_write(a, name, beside);
		may_forget = flush_discard(f, name, beside);
		if (err != -EEXIST && err != -EXDEV)
			return err;
	}
	return err;
}
