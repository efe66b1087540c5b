/* SPDX-License-Identifier: MIT */
/*
 * See ring.h, which also says for each function which thread runs it.
 */
#include "daemon/region/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/failpoint.h"

int ring_open(struct ring *r, const struct ring_geometry *geo, void *mem)
{
	memset(r, 0, sizeof(*r));
	ring_layout_at(&r->layout, geo, mem);
	r->iovs = calloc(geo->slots, 2 * sizeof(*r->iovs));
	r->spare = calloc(geo->overflows + 1, sizeof(*r->spare));
	r->next = calloc(geo->overflows + 1, sizeof(*r->next));
	if (!r->iovs || !r->spare || !r->next) {
		ring_close(r);
		return -ENOMEM;
	}
	return 0;
}

void ring_close(struct ring *r)
{
	free(r->iovs);
	free(r->spare);
	free(r->next);
	r->iovs = NULL;
	r->spare = NULL;
	r->next = NULL;
}

static void set_armed(struct ring *r, uint64_t ticket)
{
	r->armed = ticket;
	ring_set_armed(&r->layout, ticket);
}

/* After this, only the lengths and one pointer of a receive header change. */
static void set_header(struct ring *r, uint64_t slot)
{
	const struct ring_layout *l = &r->layout;
	struct iovec *iov = &r->iovs[2 * slot];
	struct mmsghdr *m = &l->msgs[slot];

	memset(m, 0, sizeof(*m));
	iov[0].iov_base = l->slots + slot * l->stride;
	iov[0].iov_len = l->geo.inlined;
	iov[1].iov_len = l->geo.max_message - l->geo.inlined;
	m->msg_hdr.msg_iov = iov;
	m->msg_hdr.msg_iovlen = l->geo.overflows ? 2 : 1;
}

/* Private state and receive headers for a ring in which nothing is held. */
static void start_at(struct ring *r, uint64_t ticket)
{
	uint64_t n = ring_slots(r), slot;
	uint32_t i;

	assert(n > 0);
	set_armed(r, ticket);
	for (slot = 0; slot < n; slot++)
		set_header(r, slot);
	r->first = ticket;
	r->next_ticket = ticket;
	r->next_slot = ticket % n;
	r->spares = r->layout.geo.overflows;
	for (i = 0; i < r->spares; i++)
		r->spare[i] = r->spares - 1 - i;
	atomic_init(&r->published, ticket);
	atomic_init(&r->claimed, ticket);
	atomic_init(&r->returned, 0);
	atomic_init(&r->producer_waits, false);
}

void ring_format(struct ring *r, uint64_t first)
{
	struct ring_layout *l = &r->layout;
	uint64_t n = ring_slots(r), ticket;

	assert(first >= n);
	for (ticket = first - n; ticket < first; ticket++) {
		atomic_init(&l->released[ticket % n], ticket + 1);
		atomic_init(&l->meta[ticket % n],
			    (ticket << 32) | RING_META_OVERSIZED);
	}
	ring_set_head(l, first);
	start_at(r, first);
}

void ring_adopt(struct ring *r)
{
	start_at(r, ring_head(&r->layout));
}

/* -- overflow buffers ---------------------------------------------------- */

/* Takes back all overflow buffers that workers have returned. */
static void collect_spares(struct ring *r)
{
	/*
	 * acquire: pairs with the release in give_back().  The exchange takes
	 * the whole list, so no link can change under this thread.
	 */
	uint32_t i = atomic_exchange_explicit(&r->returned, 0,
					      memory_order_acquire);

	while (i) {
		r->spare[r->spares++] = i - 1;
		/* relaxed: this thread owns the list, see the exchange */
		i = load_relaxed(&r->next[i - 1]);
	}
	assert(r->spares <= r->layout.geo.overflows);
}

static void give_back(struct ring *r, uint32_t overflow)
{
	/* relaxed: the value is only compared */
	uint32_t top = load_relaxed(&r->returned);

	assert(overflow < r->layout.geo.overflows);
	/*
	 * release: this worker's reads of the buffer, and the link, come
	 * first; pairs with the acquire in collect_spares().  A lost race
	 * means that another worker or the loop thread completed its step.
	 * Only the loop thread takes buffers off the list, and it takes all.
	 */
	do {
		store_relaxed(&r->next[overflow], top);
	} while (!atomic_compare_exchange_weak_explicit(
		&r->returned, &top, overflow + 1, memory_order_release,
		memory_order_relaxed));
}

/* -- the loop thread ----------------------------------------------------- */

/* Was this slot released in the lap before this ticket? */
static bool is_free(const struct ring *r, uint64_t ticket, uint64_t slot)
{
	/* pairs with the release in ring_release() */
	return load_acquire(&r->layout.released[slot]) ==
	       ticket + 1 - ring_slots(r);
}

static bool have_spare(struct ring *r)
{
	if (!r->spares)
		collect_spares(r);
	return r->spares > 0;
}

static bool arm_slot(struct ring *r, uint64_t ticket, uint64_t slot)
{
	struct ring_layout *l = &r->layout;
	uint32_t overflow;

	if (!is_free(r, ticket, slot))
		return false;
	if (l->geo.overflows) {
		if (!have_spare(r))
			return false;
		overflow = r->spare[--r->spares];
		l->overflow_of[slot] = overflow;
		r->iovs[2 * slot + 1].iov_base = l->overflow +
						 overflow * l->overflow_stride;
	}
	l->msgs[slot].msg_len = RING_NOTHING;
	return true;
}

unsigned ring_arm(struct ring *r, unsigned want, struct mmsghdr **msgs)
{
	uint64_t to_end = ring_slots(r) - r->next_slot;
	uint64_t ready = r->armed - r->next_ticket;

	if (want > to_end)
		want = to_end;
	*msgs = &r->layout.msgs[r->next_slot];
	if (ready >= want)
		return want;
	while (ready < want &&
	       arm_slot(r, r->next_ticket + ready, r->next_slot + ready))
		ready++;
	(void)FAILPOINT("recv.arming");
	set_armed(r, r->next_ticket + ready);
	(void)FAILPOINT("recv.armed");
	return ready;
}

/* The meta word and the time of one datagram; counts it. */
static void complete_slot(struct ring *r, uint64_t ticket, uint64_t slot,
			  uint64_t now_ns, struct ring_batch *batch)
{
	struct ring_layout *l = &r->layout;
	uint32_t len = l->msgs[slot].msg_len;

	/* relaxed: ordered by the stores of head and published that follow */
	store_relaxed(&l->meta[slot], ring_make_meta(l, slot, ticket));
	l->received_ns[slot] = now_ns;
	if (len == RING_REFUSED) {
		batch->refused++;
	} else if (len > l->geo.max_message) {
		batch->too_large++;
		batch->too_large_bytes += len;
		if (len > batch->largest)
			batch->largest = len;
	}
	if (len != RING_REFUSED)
		batch->bytes += len;
	if (l->geo.overflows &&
	    (len <= l->geo.inlined || len > l->geo.max_message))
		r->spare[r->spares++] = l->overflow_of[slot];
}

void ring_refuse(struct ring *r, unsigned i)
{
	assert(i < r->armed - r->next_ticket);
	r->layout.msgs[r->next_slot + i].msg_len = RING_REFUSED;
}

void ring_publish(struct ring *r, unsigned n, uint64_t now_ns,
		  struct ring_batch *batch)
{
	uint64_t slot = r->next_slot;
	unsigned i;

	/* published <= armed */
	assert(n <= r->armed - r->next_ticket);
	(void)FAILPOINT("publish.before");
	for (i = 0; i < n; i++, slot++)
		complete_slot(r, r->next_ticket + i, slot, now_ns, batch);
	assert(slot <= ring_slots(r));
	assert(r->spares <= r->layout.geo.overflows);
	(void)FAILPOINT("publish.metas");
	r->next_ticket += n;
	r->next_slot = slot == ring_slots(r) ? 0 : slot;
	ring_set_head(&r->layout, r->next_ticket);
	(void)FAILPOINT("publish.head");
	/*
	 * release: pairs with the acquire in ring_published().  The region's
	 * head comes first, so that no worker commits a ticket that the region
	 * does not call published (I5).
	 */
	store_release(&r->published, r->next_ticket);
	(void)FAILPOINT("publish.after");
}

bool ring_wait_for_slot(struct ring *r)
{
	/* ring_arm() returned 0 */
	assert(r->armed == r->next_ticket);
	/*
	 * Publish, then check again: pairs with ring_release(), which releases
	 * a slot and then reads `producer_waits`.  Because of both fences, the
	 * worker sees the flag, or this check sees the slot.
	 */
	store_relaxed(&r->producer_waits, true);
	atomic_thread_fence(memory_order_seq_cst);
	if (!is_free(r, r->next_ticket, r->next_slot))
		return true;
	if (r->layout.geo.overflows && !have_spare(r))
		return true;
	/* relaxed: a worker that still reads true notifies for nothing */
	store_relaxed(&r->producer_waits, false);
	return false;
}

/* -- workers ------------------------------------------------------------- */

void ring_peek(const struct ring *r, uint64_t ticket, struct ring_message *m)
{
	const struct ring_layout *l = &r->layout;
	/* relaxed: ordered by ring_published(), proved by ring_claim() */
	uint32_t low = (uint32_t)load_relaxed(&l->meta[ring_slot(l, ticket)]);

	m->len = low & RING_META_LEN;
	m->newline = low & RING_META_NEWLINE;
	m->oversized = low & RING_META_OVERSIZED;
}

bool ring_claim(struct ring *r, uint64_t from, uint64_t n)
{
	/* claimed <= published; relaxed: the caller has read it with acquire */
	assert(n >= 1 && from + n <= load_relaxed(&r->published));
	/*
	 * Success proves that nobody claimed `from` or a later ticket since it
	 * was read, so none of those slots was released or armed again: what
	 * ring_peek() said of them holds.  acq_rel: this worker reads nothing
	 * from the slots before, and the next claimer's reads come after;
	 * pairs with ring_claimed().
	 */
	return atomic_compare_exchange_strong_explicit(&r->claimed, &from,
						       from + n,
						       memory_order_acq_rel,
						       memory_order_relaxed);
}

void ring_message(const struct ring *r, uint64_t ticket, struct ring_message *m)
{
	const struct ring_layout *l = &r->layout;
	uint64_t slot = ring_slot(l, ticket);

	ring_peek(r, ticket, m);
	m->received_ns = l->received_ns[slot];
	ring_locate(l, slot, m);
}

static void release_slot(struct ring *r, uint64_t ticket)
{
	struct ring_layout *l = &r->layout;
	uint64_t slot = ring_slot(l, ticket);
	uint32_t overflow = l->overflow_of[slot];
	struct ring_message m;

	ring_peek(r, ticket, &m);
	/*
	 * release: this worker's reads of the slot come first; pairs with the
	 * acquire in is_free()
	 */
	store_release(&l->released[slot], ticket + 1);
	(void)FAILPOINT("release.mid");
	/*
	 * After the slot: otherwise the buffer could be armed again while the
	 * region still says that it belongs to this message.
	 */
	if (m.len > l->geo.inlined)
		give_back(r, overflow);
}

bool ring_release(struct ring *r, uint64_t from, uint64_t n)
{
	uint64_t ticket;

	/* released <= claimed; relaxed: this worker has claimed them */
	assert(from + n <= load_relaxed(&r->claimed));
	for (ticket = from; ticket < from + n; ticket++)
		release_slot(r, ticket);
	/* Pairs with the fence in ring_wait_for_slot(). */
	atomic_thread_fence(memory_order_seq_cst);
	/* relaxed: only one worker shall notify; the fence orders the rest */
	return load_relaxed(&r->producer_waits) &&
	       atomic_exchange_explicit(&r->producer_waits, false,
					memory_order_relaxed);
}
