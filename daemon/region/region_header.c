/* SPDX-License-Identifier: MIT */
/*
 * See region_header.h.  One thread at a time accesses a header, so the loads
 * are relaxed; the stores that a later process relies on are releases.
 */
#include "daemon/region/region_header.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/failpoint.h"
#include "daemon/region/arena.h"
#include "daemon/region/checksum.h"
#include "daemon/region/lane_table.h"

static uint64_t header_check(const struct region_header *h)
{
	return checksum(CHECKSUM_START, h,
			offsetof(struct region_header, check));
}

static uint64_t dirs_check(const struct region_dirs *d)
{
	return checksum(CHECKSUM_START, d, offsetof(struct region_dirs, check));
}

void region_header_seal(struct region_header *h)
{
	h->check = header_check(h);
	h->dirs[0].check = dirs_check(&h->dirs[0]);
	h->dirs[1].check = dirs_check(&h->dirs[1]);
}

/* -- directories --------------------------------------------------------- */

static void fill_dirs(struct region_dirs *d, uint64_t seq,
		      const struct config *cfg)
{
	memset(d, 0, sizeof(*d));
	d->seq = seq;
	snprintf(d->path, sizeof(d->path), "%s", cfg->files_path);
	snprintf(d->temp, sizeof(d->temp), "%s", cfg->temp);
	d->check = dirs_check(d);
}

const struct region_dirs *region_header_dirs(const struct region_header *h)
{
	return &h->dirs[load_relaxed(&h->dirs_seq) & 1];
}

static bool are_dirs_sound(const struct region_header *h)
{
	const struct region_dirs *d = region_header_dirs(h);

	return d->seq == load_relaxed(&h->dirs_seq) &&
	       d->check == dirs_check(d) &&
	       memchr(d->path, 0, sizeof(d->path)) &&
	       memchr(d->temp, 0, sizeof(d->temp));
}

static bool are_same_dirs(const struct region_dirs *d, const struct config *cfg)
{
	return !strcmp(d->path, cfg->files_path) && !strcmp(d->temp, cfg->temp);
}

void region_header_use_dirs(struct region_header *h, const struct config *cfg)
{
	uint64_t seq = load_relaxed(&h->dirs_seq) + 1;

	if (are_same_dirs(region_header_dirs(h), cfg))
		return;
	fill_dirs(&h->dirs[seq & 1], seq, cfg);
	(void)FAILPOINT("region.dirs");
	/* release: the directories come first; only recovery reads it */
	store_release(&h->dirs_seq, seq);
}

/* -- form ---------------------------------------------------------------- */

static uint64_t form_check(const struct region_form *f)
{
	return checksum(CHECKSUM_START, f, offsetof(struct region_form, check));
}

static uint64_t taking_of(const struct config *cfg)
{
	return cfg->files_framing | (uint64_t)cfg->socket_strip << 8 |
	       (uint64_t)cfg->files_compression << 16;
}

static bool is_taking_sensible(uint64_t taking)
{
	return (taking & 0xff) <= FRAMING_LENGTH &&
	       (taking >> 8 & 0xff) <= STRIP_TAG &&
	       taking >> 16 <= COMPRESSION_ZSTD;
}

enum config_framing region_form_framing(const struct region_form *form)
{
	return form->taking & 0xff;
}

enum config_strip region_form_strip(const struct region_form *form)
{
	return form->taking >> 8 & 0xff;
}

enum config_compression region_form_compression(const struct region_form *form)
{
	return form->taking >> 16;
}

const struct region_form *region_header_form(const struct region_header *h)
{
	uint64_t seq = load_relaxed(&h->form_seq);
	const struct region_form *f = &h->form[seq & 1];

	if (f->seq != seq || f->check != form_check(f) ||
	    !is_taking_sensible(f->taking))
		return NULL;
	if (!memchr(f->prefix, 0, sizeof(f->prefix)) ||
	    !memchr(f->suffix, 0, sizeof(f->suffix)) || f->prefix[0] == '.' ||
	    strchr(f->prefix, '/') || strchr(f->suffix, '/') ||
	    strlen(f->prefix) + strlen(f->suffix) > REGION_AFFIX_BOTH)
		return NULL;
	return f;
}

bool region_form_fits(const struct region_form *form, const struct config *cfg)
{
	return form->taking == taking_of(cfg) &&
	       !strcmp(form->prefix, cfg->prefix) &&
	       !strcmp(form->suffix, cfg->suffix);
}

void region_header_use_form(struct region_header *h, const struct config *cfg)
{
	const struct region_form *now = region_header_form(h);
	uint64_t seq = load_relaxed(&h->form_seq) + 1;
	struct region_form *f = &h->form[seq & 1];

	if (now && region_form_fits(now, cfg))
		return;
	memset(f, 0, sizeof(*f));
	f->seq = seq;
	f->taking = taking_of(cfg);
	snprintf(f->prefix, sizeof(f->prefix), "%s", cfg->prefix);
	snprintf(f->suffix, sizeof(f->suffix), "%s", cfg->suffix);
	f->check = form_check(f);
	(void)FAILPOINT("region.form");
	/* release: the form comes first; only recovery reads it */
	store_release(&h->form_seq, seq);
}

/* -- names --------------------------------------------------------------- */

static uint64_t random_number(void)
{
	struct timespec ts;
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		random = ts.tv_nsec ^ getpid();
	}
	return 1 + random % REGION_NUMBER_MAX;
}

void region_header_use_names(struct region_header *h)
{
	struct region_names *names = &h->names;

	if (names->number >= 1 && names->number <= REGION_NUMBER_MAX &&
	    load_relaxed(&names->last_ns) <= INT64_MAX)
		return;
	/* A region of an older daemon, or a damaged one. */
	names->number = random_number();
	store_relaxed(&names->last_ns, 0);
}

uint64_t region_names_next(struct region_names *names, uint64_t now_ns)
{
	uint64_t last = load_relaxed(&names->last_ns), ns;

	/* relaxed: only that each number is given once counts */
	do {
		/* The clock may step back, or stand. */
		ns = now_ns > last ? now_ns : last + 1;
	} while (!atomic_compare_exchange_weak_explicit(
		&names->last_ns, &last, ns, memory_order_relaxed,
		memory_order_relaxed));
	return ns;
}

/* -- description --------------------------------------------------------- */

/* 16 bytes of /proc/sys/kernel/random/boot_id; zeroes if it is not there. */
static void read_boot_id(uint8_t id[16])
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

static uint64_t total_bytes(const struct region_header *h, size_t ring)
{
	return REGION_HEADER_BYTES + ring + h->workers * h->arena_bytes +
	       lane_table_bytes(h->lanes);
}

void region_header_describe(struct region_header *h, const struct config *cfg,
			    uint64_t lanes)
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
	h->lanes = lane_table_entries(cfg->lanes_count);
	if (h->lanes < lanes)
		h->lanes = lanes;
	h->total_bytes = total_bytes(h, ring_bytes(&h->ring));
	read_boot_id(h->boot);
	fill_dirs(&h->dirs[0], 0, cfg);
	region_header_use_names(h);
	region_header_use_form(h, cfg);
	region_header_seal(h);
}

static bool is_geometry_sensible(const struct region_header *h)
{
	size_t ring = ring_bytes(&h->ring);

	return ring && h->workers >= 1 && h->workers <= 4096 &&
	       h->arena_bytes &&
	       h->arena_bytes == arena_bytes(h->size, h->ring.max_message) &&
	       h->lanes <= LANE_TABLE_MOST &&
	       (!h->lanes || h->version == REGION_VERSION) &&
	       h->total_bytes == total_bytes(h, ring);
}

int region_header_check(const struct region_header *h, size_t bytes,
			struct failure *error)
{
	if (memcmp(h->magic, REGION_MAGIC, sizeof(h->magic)))
		return failure_set(error, -EBADMSG, "it is not a state region");
	if ((h->version != REGION_VERSION && h->version != REGION_VERSION_2) ||
	    h->header_bytes != REGION_HEADER_BYTES)
		return failure_set(error, -EBADMSG,
				   "its layout is version %u, and this daemon "
				   "knows version %u",
				   (unsigned)h->version, REGION_VERSION);
	if (h->check != header_check(h))
		return failure_set(error, -EBADMSG, "its header is damaged");
	if (!is_geometry_sensible(h) || !are_dirs_sound(h))
		return failure_set(error, -EBADMSG,
				   "its header makes no sense");
	if (h->total_bytes != bytes)
		return failure_set(error, -EBADMSG,
				   "it has %zu bytes and should have %" PRIu64,
				   bytes, h->total_bytes);
	return 0;
}

int region_header_check_boot(const struct region_header *h,
			     struct failure *error)
{
	uint8_t now[16];

	read_boot_id(now);
	if (!memcmp(now, h->boot, sizeof(now)))
		return 0;
	/*
	 * On a disk instead of tmpfs, a power failure can leave pages of
	 * different moments, also of a clean region whose pages were not all
	 * written yet.  But a clean region had nothing to file.
	 */
	if (region_header_is_clean(h))
		return failure_set(error, -ENOENT,
				   "it is from before a reboot, and clean");
	return failure_set(
		error, -EBADMSG,
		"it is from before a reboot, and its pages may be from "
		"different moments");
}

bool region_header_fits(const struct region_header *h, const struct config *cfg)
{
	struct region_header *wanted = malloc(sizeof(*wanted));
	bool same;

	if (!wanted)
		return false;
	/* More lanes than the settings want do no harm. */
	region_header_describe(wanted, cfg, h->lanes);
	same = !memcmp(wanted, h, offsetof(struct region_header, check)) &&
	       wanted->lanes == h->lanes &&
	       are_same_dirs(region_header_dirs(h), cfg);
	free(wanted);
	return same;
}

/* -- clean --------------------------------------------------------------- */

bool region_header_is_clean(const struct region_header *h)
{
	return load_relaxed(&h->clean) == 1;
}

void region_header_set_clean(struct region_header *h, bool clean)
{
	/*
	 * release: before the region is called clean, everything was filed.
	 * It is called unclean before any thread starts, and so before the
	 * first message.
	 */
	store_release(&h->clean, clean);
}
