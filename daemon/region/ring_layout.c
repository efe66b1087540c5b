/* SPDX-License-Identifier: MIT */
/* See ring_layout.h. */
#include "daemon/region/ring_layout.h"

#define PAGE 4096

/* Offsets of the parts, in the order in which they lie. */
struct parts {
	size_t region, msgs, released, meta, received_ns, overflow_of, slots,
		overflow, total;
};

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * Slots are one cache line further apart than they are long.  If they were a
 * power of two apart, the first lines of all messages would compete for the
 * same few sets of the cache.
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
	/* Bounds far above those of the settings, far below an overflow. */
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

void ring_layout_at(struct ring_layout *l, const struct ring_geometry *geo,
		    void *mem)
{
	struct parts p = parts_of(geo);
	uint8_t *base = mem;

	l->geo = *geo;
	l->stride = slot_stride(geo);
	l->overflow_stride = overflow_stride(geo);
	l->mask = geo->slots & (geo->slots - 1) ? 0 : geo->slots - 1;
	l->region = (void *)(base + p.region);
	l->msgs = (void *)(base + p.msgs);
	l->released = (void *)(base + p.released);
	l->meta = (void *)(base + p.meta);
	l->received_ns = (void *)(base + p.received_ns);
	l->overflow_of = (void *)(base + p.overflow_of);
	l->slots = base + p.slots;
	l->overflow = base + p.overflow;
}
