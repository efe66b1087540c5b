/* SPDX-License-Identifier: MIT */
/*
 * Recovery of a damaged region, and a start on it.
 *
 * The input is a template (see recovery_bed.h), flags, and damage; see
 * damage().  With REPAIR all checksums are right again after the damage, so
 * that a start gets as far as it can with fields that contradict each other.
 *
 * - The start succeeds, and does not wait for a disk that is not full.
 * - What was there is recovered, or set aside, byte for byte (a region of
 *   version 1 may have become one of version 2 before that).
 * - A file appears in files.path only, under a name that the region could have.
 * - Where the damage forges nothing, each message is in one file, or it is in
 *   the region that was set aside.
 * - The region works after it, and a second start finds nothing to file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/recovery_bed.h"

enum flag {
	REPAIR = 1,	   /* all checksums are right */
	FIT = 2,	   /* with REPAIR: sizes follow from the geometry */
	OTHER_SIZES = 4,   /* the settings changed */
	OTHER_FILES = 8,   /* the same for files.path */
	NO_TEMP_FILE = 16, /* somebody took it */
	NO_TEMP = 32,	   /* and its directory */
	NAME_TAKEN = 64,   /* a file has the final name */
	VERSION_1 = 128,   /* an earlier daemon left it */
};

static struct bed bed;

/* The region of this input. */
static uint8_t *region;
static size_t size;
static bool damaged, forged;

/* --- damage -------------------------------------------------------------- */

static void put(size_t at, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;
	size_t i;

	for (i = 0; i < n && at + i < size; i++) {
		if (region[at + i] == from[i])
			continue;
		region[at + i] = from[i];
		damaged = true;
		forged = forged || !bed.template->is_checked[at + i];
	}
}

static uint64_t get(size_t at)
{
	uint64_t word = 0;

	if (at + sizeof(word) <= size)
		memcpy(&word, region + at, sizeof(word));
	return word;
}

/* A word that arithmetic stumbles over, or any, or one near to `old`. */
static uint64_t word(struct fuzz_input *in, uint64_t old)
{
	static const uint64_t bad[] = { 0,	   1,	       UINT64_MAX,
					INT64_MAX, UINT32_MAX, 1ull << 32,
					1ull << 63 };
	uint64_t kind = fuzz_number(in, 1);

	if (kind < 128)
		return old + kind - 64;
	if (kind < 192)
		return bad[kind % (sizeof(bad) / sizeof(bad[0]))];
	return fuzz_number(in, kind % 8 + 1);
}

static void damage_field(struct fuzz_input *in)
{
	const struct field *f =
		&bed.template->field[fuzz_number(in, 2) % bed.template->fields];
	uint64_t value = get(f->at), mask = UINT64_MAX, ticket;

	if (f->bytes < sizeof(mask))
		mask = (UINT64_C(1) << 8 * f->bytes) - 1;
	if (f->sealed) {
		(void)ring_unseal(value, &ticket);
		value = ring_seal(word(in, ticket) & (UINT64_MAX >> 8));
		/* noise has one chance in 256 to be one */
		forged = true;
	} else {
		value = word(in, value & mask);
	}
	put(f->at, &value, f->bytes);
}

static void damage_once(struct fuzz_input *in)
{
	uint64_t op = fuzz_number(in, 1), value;
	size_t at, n;
	char *text;

	if (op >= 128) {
		damage_field(in);
		return;
	}
	at = fuzz_number(in, 3) % (size ? size : 1);
	switch (op % 5) {
	case 0:
		value = word(in, get(at));
		put(at, &value, 1);
		break;
	case 1:
		at -= at % sizeof(value);
		value = word(in, get(at));
		put(at, &value, sizeof(value));
		break;
	case 2: /* a name, perhaps */
		text = fuzz_text(in, fuzz_number(in, 1) % 32);
		put(bed.template->names[at % bed.template->name_count], text,
		    strlen(text) + 1);
		free(text);
		break;
	case 3: /* other bytes of the region */
		n = fuzz_number(in, 2);
		if (n < size - at)
			put(fuzz_number(in, 3) % size, region + at, n);
		break;
	default:
		if (op != 4)
			break;
		size = at;
		damaged = true;
		break;
	}
}

static void damage(struct fuzz_input *in)
{
	unsigned most = 32;

	while (in->left && most--)
		damage_once(in);
}

/* --- what must hold ------------------------------------------------------ */

static void on_wait(void *arg, int err, const char *remedy, uint64_t pause_ns)
{
	(void)remedy;
	(void)arg;
	(void)pause_ns;
	fuzz_fail(__FILE__, __LINE__, "recovery waits: %s", strerror(-err));
}

static void start(struct region *s, const struct config *cfg,
		  struct recovered *out)
{
	struct failure failure = { 0 };
	int err = recover_region(s, cfg, on_wait, NULL, out, &failure);

	FUZZ_CHECK(!err, "no start: %d, %s", err, failure.text);
}

/* What the header makes of a region from before a reboot with nothing in it. */
static bool may_vanish(void)
{
	const struct region_header *h = (void *)region;

	return size >= REGION_HEADER_BYTES && atomic_load(&h->clean) == 1 &&
	       memcmp(h->boot,
		      bed.template->bytes +
			      offsetof(struct region_header, boot),
		      sizeof(h->boot));
}

static void check_messages(const struct recovered *out)
{
	unsigned i, n;

	bed_count(&bed);
	for (i = 0; i < bed.template->sent; i++) {
		n = bed.found[i] + bed.template->is_filed[i];
		FUZZ_CHECK(n <= 1, "message %u is in %u files", i, n);
		FUZZ_CHECK(n || out->aside[0], "message %u is lost", i);
	}
}

/* A message goes through the region into a file. */
static void check_works(struct region *s, const struct config *cfg)
{
	struct flush flush;
	bool waits = false;
	uint64_t bytes;
	int err;

	flush_open(&flush, cfg, 0, &s->header->names);
	FUZZ_CHECK(bed_send(&s->ring, "works", 5), "the ring is full");
	FUZZ_CHECK(transfer_take(&s->ring, &s->arenas[0], &waits) !=
			   TRANSFER_EMPTY,
		   "the ring is empty");
	err = transfer_flush(&s->arenas[0], &flush, &bytes);
	FUZZ_CHECK(!err && bytes >= 5, "no file: %d", err);
	region_set_clean(s, 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	bed_open(&bed);
	return 0;
}

static void prepare(unsigned flags)
{
	if (flags & NO_TEMP_FILE)
		bed_take_temp_file(&bed);
	if (flags & NO_TEMP)
		bed_take_temp(&bed);
	if (flags & NAME_TAKEN)
		bed_take_name(&bed);
	/* what somebody took is missing, and there is a file too many */
	forged = flags & (REPAIR | NO_TEMP_FILE | NO_TEMP | NAME_TAKEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };
	struct recovered first, second;
	struct config *cfg;
	struct region s;
	unsigned flags, before;

	bed_begin(&bed, fuzz_number(&in, 1));
	flags = fuzz_number(&in, 1);
	prepare(flags);
	size = bed.template->size;
	region = malloc(size);
	FUZZ_CHECK(region, "out of memory");
	memcpy(region, bed.template->bytes, size);
	damaged = false;
	damage(&in);
	if (flags & REPAIR)
		region = bed_repair(&bed, region, &size, flags & FIT);
	else
		bed_guard(&bed, region, size);
	bed_note_names(&bed, region, size);
	if (flags & VERSION_1) {
		/* its checksums are right */
		forged = forged || damaged;
		bed_to_v1(&bed, region, size);
	}
	fuzz_write(bed.state, region, size);

	cfg = bed_settings(&bed, flags & OTHER_SIZES, flags & OTHER_FILES);
	start(&s, cfg, &first);
	/* a region of version 1 may be another one before it is set aside */
	if (first.aside[0] && !(flags & VERSION_1))
		bed_expect_file(first.aside, region, size);
	if (!forged && !may_vanish())
		check_messages(&first);
	check_works(&s, cfg);
	region_close(&s);
	before = bed_check_names(&bed);
	start(&s, cfg, &second);
	FUZZ_CHECK(!second.aside[0], "the second start sets the region aside");
	FUZZ_CHECK(!second.messages && !second.files,
		   "the second start files %llu messages",
		   (unsigned long long)second.messages);
	region_close(&s);
	FUZZ_CHECK(bed_check_names(&bed) == before, "the second start files");
	config_free(cfg);
	free(region);
	bed_end(&bed);
	return 0;
}
