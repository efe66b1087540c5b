/* SPDX-License-Identifier: MIT */
/*
 * See log_queue.h.
 *
 * A ring of slots with a turn in each.  A slot whose turn is n is free for line
 * n; n + 1 means that line n is in it.  A producer takes line n by moving
 * `next`, so each slot has one producer at a time.
 */
#include "daemon/base/log_queue.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "daemon/base/atomic.h"

struct slot {
	_Atomic uint64_t turn;
	size_t len;
	char line[LOG_LINE];
};

/* shared; `turn` says whose a slot is */
static struct slot slots[LOG_QUEUE_LINES];
/* shared, atomic */
static _Atomic uint64_t next;
/* writing thread */
static uint64_t taken;

void log_queue_open(void)
{
	unsigned i;

	/* Touched now, so that no page is missing later. */
	memset(slots, 0, sizeof(slots));
	/* relaxed, both: no other thread knows of them yet */
	for (i = 0; i < LOG_QUEUE_LINES; i++)
		store_relaxed(&slots[i].turn, i);
	store_relaxed(&next, 0);
	taken = 0;
}

bool log_queue_put(const char *line, size_t len)
{
	/* relaxed: the number alone counts, `turn` orders the slots */
	uint64_t n = load_relaxed(&next);
	struct slot *slot;
	uint64_t turn;

	assert(len && len <= LOG_LINE);
	for (;;) {
		slot = &slots[n % LOG_QUEUE_LINES];
		/* pairs with the release in log_queue_take() */
		turn = load_acquire(&slot->turn);
		if (turn == n && atomic_compare_exchange_weak_explicit(
					 &next, &n, n + 1, memory_order_relaxed,
					 memory_order_relaxed))
			break;
		if (turn < n)
			return false;
		if (turn > n)
			n = load_relaxed(&next);
	}
	memcpy(slot->line, line, len);
	slot->len = len;
	/* pairs with the acquire in log_queue_take() */
	store_release(&slot->turn, n + 1);
	return true;
}

size_t log_queue_take(char line[LOG_LINE])
{
	struct slot *slot = &slots[taken % LOG_QUEUE_LINES];
	size_t len;

	/* pairs with the release in log_queue_put() */
	if (load_acquire(&slot->turn) != taken + 1)
		return 0;
	len = slot->len;
	memcpy(line, slot->line, len);
	/* pairs with the acquire in log_queue_put() */
	store_release(&slot->turn, taken + LOG_QUEUE_LINES);
	taken++;
	return len;
}
