/* SPDX-License-Identifier: MIT */
/*
 * The three atomic accesses that most places need, one word each.  The name
 * states the order.  At each call, a comment names the access that it pairs
 * with; relaxed ones pair with nothing.  Every other access is written out.
 */
#ifndef BUFWRITER_ATOMIC_H
#define BUFWRITER_ATOMIC_H

#include <stdatomic.h>

/* What the writer stored before its store_release() is visible after this. */
#define load_acquire(object) \
	atomic_load_explicit((object), memory_order_acquire)
/* What this thread stored before is visible to whoever acquires the value. */
#define store_release(object, value) \
	atomic_store_explicit((object), (value), memory_order_release)
/* Orders nothing: the value alone counts, or something else orders it. */
#define load_relaxed(object) \
	atomic_load_explicit((object), memory_order_relaxed)
#define store_relaxed(object, value) \
	atomic_store_explicit((object), (value), memory_order_relaxed)

#endif
