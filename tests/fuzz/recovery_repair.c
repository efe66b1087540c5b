/* SPDX-License-Identifier: MIT */
/* Checksums for damaged regions, and the old layout; see recovery_bed.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/region/checksum.h"
#include "tests/fuzz/recovery_bed.h"

/* A damaged geometry may describe a larger region than that. */
#define FIT_MOST ((size_t)1 << 20)

/* --- repair -------------------------------------------------------------- */

/*
 * Recovery renames and removes files in these directories, so they stay those
 * of the bed, whatever the damage.
 */
static void keep_dirs(const struct bed *b, struct region_header *h)
{
	struct region_dirs *d;

	for (d = h->dirs; d < h->dirs + 2; d++) {
		snprintf(d->path, sizeof(d->path), "%s", b->files);
		snprintf(d->temp, sizeof(d->temp), "%s", b->temp);
	}
}

static void repair_cell(struct arena_cell *cell)
{
	struct arena_record rec;
	uint64_t *word = (uint64_t *)&rec;
	size_t i;

	for (i = 0; i < ARENA_WORDS; i++)
		word[i] = cell->word[i];
	cell->check = arena_check(cell->seq, &rec, cell->name);
}

struct arena_region *bed_arena_at(uint8_t *region, size_t size, uint64_t i)
{
	const struct region_header *h = (void *)region;
	size_t at;

	if (size < REGION_HEADER_BYTES || !ring_bytes(&h->ring) ||
	    h->arena_bytes != arena_bytes(h->size, h->ring.max_message) ||
	    !h->arena_bytes || i >= h->workers || i >= BED_NAMES)
		return NULL;
	at = REGION_HEADER_BYTES + ring_bytes(&h->ring) + i * h->arena_bytes;
	if (at + sizeof(struct arena_region) > size)
		return NULL;
	return (void *)(region + at);
}

static uint8_t *fit_size(uint8_t *region, size_t *size)
{
	struct region_header *h = (void *)region;
	size_t ring = ring_bytes(&h->ring), total;

	h->arena_bytes = arena_bytes(h->size, h->ring.max_message);
	if (!ring || ring > FIT_MOST || h->arena_bytes > FIT_MOST ||
	    h->workers > BED_NAMES)
		return region;
	total = REGION_HEADER_BYTES + ring + h->workers * h->arena_bytes;
	if (total > FIT_MOST)
		return region;
	h->total_bytes = total;
	region = realloc(region, total);
	FUZZ_CHECK(region, "out of memory");
	if (total > *size)
		memset(region + *size, 0, total - *size);
	*size = total;
	return region;
}

uint8_t *bed_repair(const struct bed *b, uint8_t *region, size_t *size,
		    bool fit)
{
	struct region_header *h;
	struct arena_region *a;
	uint64_t i;

	if (*size < REGION_HEADER_BYTES)
		return region;
	if (fit)
		region = fit_size(region, size);
	h = (void *)region;
	keep_dirs(b, h);
	region_header_seal(h);
	for (i = 0; (a = bed_arena_at(region, *size, i)); i++) {
		repair_cell(&a->cell[0]);
		repair_cell(&a->cell[1]);
	}
	return region;
}

void bed_guard(const struct bed *b, uint8_t *region, size_t size)
{
	struct region_header *h = (void *)region;
	struct region_dirs *d;

	if (size < REGION_HEADER_BYTES)
		return;
	for (d = h->dirs; d < h->dirs + 2; d++)
		if (strncmp(d->path, b->files, sizeof(d->path)) ||
		    strncmp(d->temp, b->temp, sizeof(d->temp)))
			d->check = 0;
}

/* --- version 1 ----------------------------------------------------------- */

/* FNV-1a */
static uint64_t v1_hash(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* A cell of version 1: step and place in one word, and so one word less. */
static void write_v1_cell(const struct arena_cell *from, uint8_t *to)
{
	uint64_t word[ARENA_WORDS], check = CHECKSUM_START;
	const size_t bytes = sizeof(word) - sizeof(word[0]);
	size_t i;

	word[0] = from->seq;
	for (i = 1; i < ARENA_WORDS; i++)
		word[i] = from->word[i];
	memcpy(to, word, sizeof(word[0]));
	word[0] = from->word[1] ? from->word[0] | 4 : from->word[0];
	memmove(&word[1], &word[2], bytes - sizeof(word[0]));
	memcpy(to + 8, word, bytes);
	check = checksum_word(check, from->seq);
	check = checksum(check, word, bytes);
	if (word[0] != ARENA_FILLING)
		check = checksum(check, from->name, ARENA_NAME);
	memcpy(to + 8 + bytes, &check, sizeof(check));
	memcpy(to + 16 + bytes, from->name, ARENA_NAME);
}

void bed_to_v1(const struct bed *b, uint8_t *region, size_t size)
{
	struct region_header *h = (void *)region;
	struct arena_region *a, copy;
	const size_t cell_bytes = sizeof(copy.cell[0]) - sizeof(uint64_t);
	uint8_t *cells;
	unsigned i;

	if (size < REGION_HEADER_BYTES)
		return;
	for (i = 0; (a = bed_arena_at(region, size, i)); i++) {
		memcpy(&copy, a, sizeof(copy));
		cells = (uint8_t *)a + offsetof(struct arena_region, cell);
		write_v1_cell(&copy.cell[0], cells);
		write_v1_cell(&copy.cell[1], cells + cell_bytes);
	}
	keep_dirs(b, h);
	h->version = 1;
	h->check = v1_hash(h, offsetof(struct region_header, check));
	for (i = 0; i < 2; i++)
		h->dirs[i].check = v1_hash(&h->dirs[i],
					   offsetof(struct region_dirs, check));
}
