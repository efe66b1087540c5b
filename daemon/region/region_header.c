/* SPDX-License-Identifier: MIT */
/* See region_header.h. */
#include "daemon/region/region_header.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/failpoint.h"

static uint64_t hash(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t header_check(const struct region_header *h)
{
	return hash(h, offsetof(struct region_header, check));
}

static void fill_dirs(struct region_dirs *d, uint64_t seq,
		      const struct config *cfg)
{
	memset(d, 0, sizeof(*d));
	d->seq = seq;
	snprintf(d->path, sizeof(d->path), "%s", cfg->files_path);
	snprintf(d->temp, sizeof(d->temp), "%s", cfg->temp);
	d->check = hash(d, offsetof(struct region_dirs, check));
}

const struct region_dirs *region_dirs(const struct region_header *h)
{
	return &h->dirs[atomic_load(&h->dirs_seq) & 1];
}

static int check_dirs(const struct region_header *h)
{
	const struct region_dirs *d = region_dirs(h);

	return d->seq == atomic_load(&h->dirs_seq) &&
	       d->check == hash(d, offsetof(struct region_dirs, check)) &&
	       memchr(d->path, 0, sizeof(d->path)) &&
	       memchr(d->temp, 0, sizeof(d->temp));
}

static int same_dirs(const struct region_dirs *d, const struct config *cfg)
{
	return !strcmp(d->path, cfg->files_path) && !strcmp(d->temp, cfg->temp);
}

void region_use_dirs(struct region *s, const struct config *cfg)
{
	struct region_header *h = s->header;
	uint64_t seq = atomic_load(&h->dirs_seq) + 1;

	if (same_dirs(region_dirs(h), cfg))
		return;
	fill_dirs(&h->dirs[seq & 1], seq, cfg);
	(void)FAILPOINT("region.dirs");
	/* release: the directories come first; read by recovery only */
	atomic_store_explicit(&h->dirs_seq, seq, memory_order_release);
}

/* 16 bytes of /proc/sys/kernel/random/boot_id, zeroes if it is not there. */
static void boot_id(uint8_t id[16])
{
	char text[64] = "";
	unsigned byte;
	size_t at = 0;
	FILE *f;
	char *p;

	memset(id, 0, 16);
	f = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (!f)
		return;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	for (p = text; *p && at < 16; p++) {
		if (*p == '-')
			continue;
		if (sscanf(p, "%2x", &byte) != 1)
			break;
		id[at++] = byte;
		p++;
	}
}

void region_header_describe(struct region_header *h, const struct config *cfg)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, REGION_MAGIC, sizeof(h->magic));
	h->version = REGION_VERSION;
	h->header_bytes = REGION_HEADER_BYTES;
	h->ring = ring_geometry(cfg->buffer_queue_size,
				cfg->socket_max_message_bytes);
	h->workers = cfg->buffer_workers;
	h->size = cfg->buffer_size_bytes;
	h->arena_bytes = arena_bytes(h->size, h->ring.max_message);
	h->total_bytes = REGION_HEADER_BYTES + ring_bytes(&h->ring) +
			 h->workers * h->arena_bytes;
	boot_id(h->boot);
	h->check = header_check(h);
	fill_dirs(&h->dirs[0], 0, cfg);
}

int region_header_check(const struct region_header *h, size_t bytes,
			struct failure *error)
{
	size_t ring;

	if (memcmp(h->magic, REGION_MAGIC, sizeof(h->magic)))
		return failure_set(error, -EBADMSG, "it is no state region");
	if (h->version != REGION_VERSION ||
	    h->header_bytes != REGION_HEADER_BYTES)
		return failure_set(error, -EBADMSG,
				   "its layout is version %u, and this daemon "
				   "knows version %u",
				   (unsigned)h->version, REGION_VERSION);
	if (h->check != header_check(h))
		return failure_set(error, -EBADMSG, "its header is damaged");
	ring = ring_bytes(&h->ring);
	if (!ring || h->workers < 1 || h->workers > 4096 || !h->arena_bytes ||
	    h->arena_bytes != arena_bytes(h->size, h->ring.max_message) ||
	    h->total_bytes !=
		    REGION_HEADER_BYTES + ring + h->workers * h->arena_bytes ||
	    !check_dirs(h))
		return failure_set(error, -EBADMSG,
				   "its header makes no sense");
	if (h->total_bytes != bytes)
		return failure_set(error, -EBADMSG,
				   "it has %zu bytes and should have %" PRIu64,
				   bytes, h->total_bytes);
	return 0;
}

int region_header_check_boot(struct region_header *h, struct failure *error)
{
	uint8_t now[16];

	boot_id(now);
	if (!memcmp(now, h->boot, sizeof(now)))
		return 0;
	/*
	 * On a disk instead of tmpfs, pages of different moments may have
	 * survived a power cut, and also of a clean region not all were
	 * written when that was.  But it had nothing to file.
	 */
	if (atomic_load(&h->clean) == 1)
		return failure_set(error, -ENOENT,
				   "it is from before a reboot, and clean");
	return failure_set(
		error, -EBADMSG,
		"it is from before a reboot, and its pages may be from "
		"different moments");
}

int region_fits(const struct region *s, const struct config *cfg)
{
	struct region_header *h = malloc(sizeof(*h));
	int same;

	if (!h)
		return 0;
	region_header_describe(h, cfg);
	same = !memcmp(h, s->header, offsetof(struct region_header, check)) &&
	       same_dirs(region_dirs(s->header), cfg);
	free(h);
	return same;
}
