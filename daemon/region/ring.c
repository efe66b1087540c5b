/* SPDX-License-Identifier: MIT */
/*
 * See ring.h.  Which thread runs what is said there at each function.
 */
#include "daemon/region/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/failpoint.h"
#include "daemon/region/ring_layout.h"

#define PAGE 4096

/* Parts of the region, in this order. */
struct parts {
	size_t region, msgs, released, meta, received_ns, overflow_of, slots,
		overflow, total;
};

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * Slots lie one cache line further apart than they are long: at a power of
 * two apart, the first lines of all messages would compete for the same few
 * sets of the cache.
 */
static size_t slot_stride(const struct ring_geometry *geo)
{
	return round_up(geo->inlined, CACHE_LINE) + CACHE_LINE;
}

static size_t overflow_stride(const struct ring_geometry *geo)
{
	return round_up(geo->max_message - geo->inlined, CACHE_LINE) +
	       CACHE_LINE;
}

static struct parts parts_of(const struct ring_geometry *geo)
{
	struct parts p;
	size_t at = 0, n = geo->slots;

#define PART(name, bytes) \
	p.name = at;      \
	at += round_up(bytes, CACHE_LINE)
	PART(region, sizeof(struct ring_region));
	PART(msgs, n * sizeof(struct mmsghdr));
	PART(released, n * sizeof(uint64_t));
	PART(meta, n * sizeof(uint64_t));
	PART(received_ns, n * sizeof(uint64_t));
	PART(overflow_of, n * sizeof(uint32_t));
	at = round_up(at, PAGE);
	PART(slots, n * slot_stride(geo));
	at = round_up(at, PAGE);
	PART(overflow, geo->overflows * overflow_stride(geo));
#undef PART
	p.total = round_up(at, PAGE);
	return p;
}

struct ring_geometry ring_geometry(uint64_t slots, uint64_t max_message)
{
	struct ring_geometry geo = {
		.slots = slots,
		.max_message = max_message,
		.inlined = max_message,
		.overflows = 0,
	};

	if (max_message > RING_INLINE) {
		geo.inlined = RING_INLINE;
		geo.overflows = slots < RING_BATCH ? slots : RING_BATCH;
	}
	return geo;
}

size_t ring_bytes(const struct ring_geometry *geo)
{
	/* Bounds far above the settings', far below an overflow. */
	if (geo->slots < 1 || geo->slots > (UINT64_C(1) << 30))
		return 0;
	if (geo->max_message < 1 || geo->max_message > (1 << 24))
		return 0;
	if (geo->inlined < 1 || geo->inlined > geo->max_message)
		return 0;
	if (geo->overflows > geo->slots)
		return 0;
	if ((geo->inlined < geo->max_message) != (geo->overflows > 0))
		return 0;
	return parts_of(geo).total;
}

int ring_open(struct ring *r, const struct ring_geometry *geo, void *mem)
{
	struct parts p = parts_of(geo);
	uint8_t *base = mem;

	memset(r, 0, sizeof(*r));
	r->geo = *geo;
	r->stride = slot_stride(geo);
	r->mask = geo->slots & (geo->slots - 1) ? 0 : geo->slots - 1;
	r->overflow_stride = overflow_stride(geo);
	r->region = (void *)(base + p.region);
	r->msgs = (void *)(base + p.msgs);
	r->released = (void *)(base + p.released);
	r->meta = (void *)(base + p.meta);
	r->received_ns = (void *)(base + p.received_ns);
	r->overflow_of = (void *)(base + p.overflow_of);
	r->slots = base + p.slots;
	r->overflow = base + p.overflow;
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

/* A division costs as much as all else that is done for a small message. */
static uint64_t slot_of(const struct ring *r, uint64_t ticket)
{
	return r->mask ? ticket & r->mask : ticket % r->geo.slots;
}

static void set_armed(struct ring *r, uint64_t ticket)
{
	r->armed = ticket;
	/* release: the RING_NOTHINGs come first; read by recovery only */
	atomic_store_explicit(&r->region->armed, ring_seal(ticket),
			      memory_order_release);
}

void ring_set_head(struct ring *r, uint64_t ticket)
{
	/* release: metas and bytes come first; read by recovery only */
	atomic_store_explicit(&r->region->head, ring_seal(ticket),
			      memory_order_release);
}

/* The header of a slot never changes again but for lengths and one pointer. */
static void set_header(struct ring *r, uint64_t slot)
{
	struct iovec *iov = &r->iovs[2 * slot];
	struct mmsghdr *m = &r->msgs[slot];

	memset(m, 0, sizeof(*m));
	iov[0].iov_base = r->slots + slot * r->stride;
	iov[0].iov_len = r->geo.inlined;
	iov[1].iov_len = r->geo.max_message - r->geo.inlined;
	m->msg_hdr.msg_iov = iov;
	m->msg_hdr.msg_iovlen = r->geo.overflows ? 2 : 1;
}

/* Private state and headers for a ring in which nothing is held. */
static void start_at(struct ring *r, uint64_t ticket)
{
	uint64_t slot;
	uint32_t i;

	assert(r->geo.slots > 0);
	set_armed(r, ticket);
	for (slot = 0; slot < r->geo.slots; slot++)
		set_header(r, slot);
	r->first = ticket;
	r->next_ticket = ticket;
	r->next_slot = ticket % r->geo.slots;
	r->spares = r->geo.overflows;
	for (i = 0; i < r->spares; i++)
		r->spare[i] = r->spares - 1 - i;
	atomic_init(&r->published, ticket);
	atomic_init(&r->claimed, ticket);
	atomic_init(&r->returned, 0);
	atomic_init(&r->producer_waits, false);
}

void ring_format(struct ring *r, uint64_t first)
{
	uint64_t n = r->geo.slots, ticket;

	assert(first >= n);
	for (ticket = first - n; ticket < first; ticket++) {
		atomic_init(&r->released[ticket % n], ticket + 1);
		atomic_init(&r->meta[ticket % n],
			    (ticket << 32) | META_OVERSIZED);
	}
	ring_set_head(r, first);
	start_at(r, first);
}

void ring_adopt(struct ring *r)
{
	start_at(r, ring_head(r));
}

uint64_t ring_head(const struct ring *r)
{
	uint64_t ticket;

	ring_unseal(atomic_load(&r->region->head), &ticket);
	return ticket;
}

/* The bytes of a message whose meta says where they are. */
static void locate(const struct ring *r, uint64_t slot, struct ring_message *m)
{
	m->part[0] = r->slots + slot * r->stride;
	m->part[1] = NULL;
	m->part_len[0] = m->len;
	m->part_len[1] = 0;
	if (m->len > r->geo.inlined) {
		m->part[1] = r->overflow +
			     r->overflow_of[slot] * r->overflow_stride;
		m->part_len[0] = r->geo.inlined;
		m->part_len[1] = m->len - r->geo.inlined;
	}
}

/* The meta word for a slot that the kernel filled. */
uint64_t ring_make_meta(const struct ring *r, uint64_t slot, uint64_t ticket)
{
	uint32_t len = r->msgs[slot].msg_len;
	struct ring_message m = { .len = len };
	uint32_t low = len;
	unsigned last;

	if (len > r->geo.max_message)
		return (ticket << 32) | META_OVERSIZED;
	if (len) {
		locate(r, slot, &m);
		last = m.part_len[1] > 0;
		if (m.part[last][m.part_len[last] - 1] == '\n')
			low |= META_NEWLINE;
	}
	return (ticket << 32) | low;
}

/* Takes back all overflow buffers that workers have let go. */
static void collect_spares(struct ring *r)
{
	/*
	 * acquire: pairs with the release in give_back().  The whole list is
	 * taken in one step, so no link can change under us.
	 */
	uint32_t i = atomic_exchange_explicit(&r->returned, 0,
					      memory_order_acquire);

	while (i) {
		r->spare[r->spares++] = i - 1;
		/* relaxed: the list is ours, ordered by the exchange */
		i = atomic_load_explicit(&r->next[i - 1], memory_order_relaxed);
	}
	assert(r->spares <= r->geo.overflows);
}

static void give_back(struct ring *r, uint32_t overflow)
{
	uint32_t top = atomic_load_explicit(&r->returned, memory_order_relaxed);

	/*
	 * release: this worker's reads of the buffer and the link come
	 * first.  A lost race means that another worker or the loop thread
	 * got on.  Only the loop thread takes off, and it takes all.
	 */
	do {
		atomic_store_explicit(&r->next[overflow], top,
				      memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(
		&r->returned, &top, overflow + 1, memory_order_release,
		memory_order_relaxed));
}

static bool arm_slot(struct ring *r, uint64_t ticket, uint64_t slot)
{
	uint64_t n = r->geo.slots;
	uint32_t overflow;

	/* acquire: pairs with the release in ring_release() */
	if (atomic_load_explicit(&r->released[slot], memory_order_acquire) !=
	    ticket + 1 - n)
		return false;
	if (r->geo.overflows) {
		if (!r->spares)
			collect_spares(r);
		if (!r->spares)
			return false;
		overflow = r->spare[--r->spares];
		r->overflow_of[slot] = overflow;
		r->iovs[2 * slot + 1].iov_base = r->overflow +
						 overflow * r->overflow_stride;
	}
	r->msgs[slot].msg_len = RING_NOTHING;
	return true;
}

unsigned ring_arm(struct ring *r, unsigned want, struct mmsghdr **msgs)
{
	uint64_t to_end = r->geo.slots - r->next_slot;
	uint64_t ready = r->armed - r->next_ticket;

	if (want > to_end)
		want = to_end;
	*msgs = &r->msgs[r->next_slot];
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

void ring_publish(struct ring *r, unsigned n, uint64_t now,
		  struct ring_batch *batch)
{
	uint64_t slot = r->next_slot;
	unsigned i;

	(void)FAILPOINT("publish.before");
	for (i = 0; i < n; i++, slot++) {
		uint32_t len = r->msgs[slot].msg_len;

		/* relaxed: ordered by the stores of head below */
		atomic_store_explicit(&r->meta[slot],
				      ring_make_meta(r, slot,
						     r->next_ticket + i),
				      memory_order_relaxed);
		r->received_ns[slot] = now;
		batch->bytes += len;
		if (len > r->geo.max_message) {
			batch->too_large++;
			batch->too_large_bytes += len;
			if (len > batch->largest)
				batch->largest = len;
		}
		if (r->geo.overflows &&
		    (len <= r->geo.inlined || len > r->geo.max_message))
			r->spare[r->spares++] = r->overflow_of[slot];
	}
	(void)FAILPOINT("publish.metas");
	r->next_ticket += n;
	r->next_slot = slot == r->geo.slots ? 0 : slot;
	ring_set_head(r, r->next_ticket);
	(void)FAILPOINT("publish.head");
	/*
	 * release: pairs with the acquire in ring_published().  After the
	 * region's head, so that no worker commits what the region does not
	 * call published.
	 */
	atomic_store_explicit(&r->published, r->next_ticket,
			      memory_order_release);
	(void)FAILPOINT("publish.after");
}

bool ring_wait_for_slot(struct ring *r)
{
	uint64_t n = r->geo.slots;

	/*
	 * Publish, then check again.  Pairs with ring_release(), which
	 * releases and then looks at `producer_waits`: with both fences, either the
	 * worker sees the wish or this check sees the slot.
	 */
	atomic_store_explicit(&r->producer_waits, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&r->released[r->next_slot],
				 memory_order_acquire) !=
	    r->next_ticket + 1 - n)
		return true;
	if (r->geo.overflows && !r->spares) {
		collect_spares(r);
		if (!r->spares)
			return true;
	}
	atomic_store_explicit(&r->producer_waits, false, memory_order_relaxed);
	return false;
}

void ring_peek(const struct ring *r, uint64_t ticket, struct ring_message *m)
{
	/* relaxed: ordered by ring_published(), proved by ring_claim() */
	uint32_t low = (uint32_t)atomic_load_explicit(
		&r->meta[slot_of(r, ticket)], memory_order_relaxed);

	m->len = low & META_LEN;
	m->newline = low & META_NEWLINE;
	m->oversized = low & META_OVERSIZED;
}

bool ring_claim(struct ring *r, uint64_t from, uint64_t n)
{
	/*
	 * Success proves that nobody claimed `from` or later since it was
	 * read, so none of those slots was released or armed again: what
	 * ring_peek() said of them holds.  acq_rel: nothing is read from the
	 * slots before, and the next claimer's reads come after.
	 */
	return atomic_compare_exchange_strong_explicit(&r->claimed, &from,
						       from + n,
						       memory_order_acq_rel,
						       memory_order_relaxed);
}

void ring_message(const struct ring *r, uint64_t ticket, struct ring_message *m)
{
	uint64_t slot = slot_of(r, ticket);

	ring_peek(r, ticket, m);
	m->received_ns = r->received_ns[slot];
	locate(r, slot, m);
}

bool ring_release(struct ring *r, uint64_t from, uint64_t n)
{
	struct ring_message m;
	uint64_t ticket, slot;
	uint32_t overflow;

	for (ticket = from; ticket < from + n; ticket++) {
		slot = slot_of(r, ticket);
		ring_peek(r, ticket, &m);
		overflow = r->overflow_of[slot];
		/* release: our reads of the slot come first */
		atomic_store_explicit(&r->released[slot], ticket + 1,
				      memory_order_release);
		(void)FAILPOINT("release.mid");
		/*
		 * Only now: else the buffer could be armed again while the
		 * region still says that it belongs to this message.
		 */
		if (m.len > r->geo.inlined)
			give_back(r, overflow);
	}
	/* See ring_wait_for_slot(). */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&r->producer_waits, memory_order_relaxed) &&
	       atomic_exchange_explicit(&r->producer_waits, false,
					memory_order_relaxed);
}
