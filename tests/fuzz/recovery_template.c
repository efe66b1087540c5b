/* SPDX-License-Identifier: MIT */
/* The regions that fuzz_recovery.c begins with; see recovery_bed.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/recovery_bed.h"

/* --- fields of a region -------------------------------------------------- */

static void add(struct template *t, const void *base, const void *at,
		unsigned bytes, bool sealed)
{
	FUZZ_CHECK(t->fields < BED_FIELDS, "too many fields");
	t->field[t->fields++] = (struct field){ (size_t)((const uint8_t *)at -
							 (const uint8_t *)base),
						bytes, sealed };
}

static void mark(struct template *t, const void *base, const void *at,
		 size_t bytes, bool checked)
{
	memset(t->is_checked + ((const uint8_t *)at - (const uint8_t *)base),
	       checked, bytes);
}

static void find_header(struct template *t, struct region_header *h)
{
	add(t, h, &h->version, sizeof(h->version), false);
	add(t, h, &h->header_bytes, sizeof(h->header_bytes), false);
	add(t, h, &h->total_bytes, 8, false);
	add(t, h, &h->ring.slots, 8, false);
	add(t, h, &h->ring.max_message, 8, false);
	add(t, h, &h->ring.inlined, 8, false);
	add(t, h, &h->ring.overflows, 8, false);
	add(t, h, &h->workers, 8, false);
	add(t, h, &h->size, 8, false);
	add(t, h, &h->arena_bytes, 8, false);
	add(t, h, h->boot, 8, false);
	add(t, h, &h->dirs_seq, 8, false);
	add(t, h, &h->dirs[0].seq, 8, false);
	add(t, h, &h->dirs[1].seq, 8, false);
	add(t, h, &h->clean, 8, false);
	add(t, h, &h->names.number, 8, false);
	add(t, h, &h->names.last_ns, 8, false);
	mark(t, h, h, sizeof(*h), true);
	mark(t, h, &h->dirs_seq, 8, false);
}

static void find_ring(struct template *t, const void *base,
		      const struct ring_layout *l)
{
	uint64_t i;

	add(t, base, &l->region->head, 8, true);
	add(t, base, &l->region->armed, 8, true);
	mark(t, base, l->region, sizeof(*l->region), true);
	for (i = 0; i < l->geo.slots; i++) {
		add(t, base, &l->msgs[i].msg_len, 4, false);
		add(t, base, &l->released[i], 8, false);
		add(t, base, &l->meta[i], 8, false);
		add(t, base, &l->received_ns[i], 8, false);
		add(t, base, &l->overflow_of[i], 4, false);
		mark(t, base, &l->msgs[i].msg_hdr, sizeof(struct msghdr), true);
		mark(t, base, &l->received_ns[i], 8, true);
	}
}

static void find_arena(struct template *t, const void *base, struct arena *a)
{
	unsigned i, n;

	add(t, base, &a->region->cur, 8, false);
	for (i = 0; i < 2; i++) {
		struct arena_cell *cell = &a->region->cell[i];

		add(t, base, &cell->seq, 8, false);
		for (n = 0; n < ARENA_WORDS; n++)
			add(t, base, &cell->word[n], 8, false);
		mark(t, base, cell, sizeof(*cell), true);
		FUZZ_CHECK(t->name_count < BED_NAMES, "too many names");
		t->names[t->name_count++] = (size_t)((uint8_t *)cell->name -
						     (const uint8_t *)base);
	}
}

static void find_fields(struct template *t, struct region *s)
{
	uint64_t i;

	t->is_checked = calloc(t->size, sizeof(*t->is_checked));
	FUZZ_CHECK(t->is_checked, "out of memory");
	find_header(t, s->header);
	find_ring(t, s->header, &s->ring.layout);
	for (i = 0; i < s->header->workers; i++)
		find_arena(t, s->header, &s->arenas[i]);
}

/* --- templates ----------------------------------------------------------- */

enum moment {
	CLEAN,	   /* an orderly stop */
	HELD,	   /* messages in the ring and in the arenas */
	RECEIVED,  /* and some that were not published */
	COMMITTED, /* in an arena, and their slots not released */
	WRITING,   /* a temp file */
	RENAMING,  /* a complete one */
	RENAMED,   /* a final one */
	MOMENTS
};

struct maker {
	struct bed *bed;
	struct template *template;
	struct region s;
	struct config *cfg;
	struct flush flush;
};

static bool send_next(struct maker *m)
{
	static char text[5000];
	uint32_t len = bed_message(m->template->sent,
				   m->cfg->socket_max_message_bytes, text);

	FUZZ_CHECK(m->template->sent < BED_MESSAGES, "too many messages");
	if (!bed_send(&m->s.ring, text, len))
		return false;
	m->template->sent++;
	return true;
}

static void file(struct maker *m, struct arena *a)
{
	uint64_t bytes;

	FUZZ_CHECK(!transfer_flush(a, &m->flush, &bytes), "no file");
}

/* Two laps of the ring, so that its slots have been used. */
static void send_laps(struct maker *m)
{
	uint64_t i;
	bool waits;

	for (i = 0; i < 2 * m->s.header->ring.slots + 1; i++) {
		struct arena *a = &m->s.arenas[i % m->s.header->workers];

		FUZZ_CHECK(send_next(m), "the ring is full");
		if (transfer_take(&m->s.ring, a, &waits) == TRANSFER_FULL) {
			file(m, a);
			transfer_take(&m->s.ring, a, &waits);
		}
	}
}

static void receive_unpublished(struct maker *m)
{
	static char text[5000];
	struct mmsghdr *msgs;
	unsigned n = ring_arm(&m->s.ring, 3, &msgs), i;
	uint32_t len;

	for (i = 0; i + 1 < n; i++) {
		len = bed_message(m->template->sent++,
				  m->cfg->socket_max_message_bytes, text);
		bed_receive(&msgs[i], text, len);
	}
}

static void commit_unreleased(struct maker *m)
{
	struct arena *a = &m->s.arenas[0];
	uint64_t ticket = ring_claimed(&m->s.ring);
	struct ring_message msg;

	file(m, a);
	FUZZ_CHECK(ring_claim(&m->s.ring, ticket, 1), "no message");
	ring_message(&m->s.ring, ticket, &msg);
	arena_append(a, msg.part, msg.part_len, msg.newline);
	arena_commit(a, ticket, ticket + 1, 1, msg.received_ns);
}

static void write_file(struct maker *m, enum moment moment)
{
	struct template *t = m->template;
	struct arena *a = &m->s.arenas[0];
	char name[FLUSH_NAME];

	flush_name(&m->flush, name);
	arena_begin_write(a, name, ARENA_IN_TEMP);
	FUZZ_CHECK(!flush_write(&m->flush, name, a->data, a->now.len),
		   "no temp file");
	if (moment >= RENAMING)
		arena_begin_rename(a);
	if (moment == RENAMED)
		FUZZ_CHECK(!flush_publish(&m->flush, name), "no file");
	memcpy(moment == RENAMED ? t->final_name : t->temp_name, name,
	       sizeof(name));
	t->file_size = a->now.len;
	t->file = malloc(t->file_size);
	FUZZ_CHECK(t->file, "out of memory");
	memcpy(t->file, a->data, t->file_size);
}

static void go_to(struct maker *m, enum moment moment)
{
	unsigned i;

	send_laps(m);
	if (moment == CLEAN)
		return;
	region_set_clean(&m->s, 0);
	for (i = 0; i < 3; i++)
		send_next(m);
	if (moment == RECEIVED)
		receive_unpublished(m);
	else if (moment == COMMITTED)
		commit_unreleased(m);
	else if (moment >= WRITING)
		write_file(m, moment);
}

/* Messages that are in files already are not the template's. */
static void forget_filed(struct maker *m)
{
	struct bed *b = m->bed;
	struct template *t = m->template;
	unsigned i;

	if (t->final_name[0])
		unlink(bed_path(b->files, t->final_name));
	b->template = t;
	bed_count(b);
	for (i = 0; i < t->sent; i++)
		t->is_filed[i] = b->found[i];
}

static void make_template(struct bed *b, unsigned variant, enum moment moment)
{
	struct template *t = &b->templates[b->count++];
	struct maker m = { .bed = b, .template = t };
	struct recovered out;
	struct failure failure;
	unsigned i;

	t->variant = variant;
	m.cfg = bed_load(b, bed_variants[variant], b->files);
	bed_make_directory(b->files);
	FUZZ_CHECK(!recover_region(&m.s, m.cfg, NULL, NULL, &out, &failure),
		   "%s", failure.text);
	flush_open(&m.flush, m.cfg, 0, &m.s.header->names);
	FUZZ_CHECK(!flush_probe(&m.flush), "no directory for temp files");
	go_to(&m, moment);
	if (moment == CLEAN) {
		for (i = 0; i < m.s.header->workers; i++)
			file(&m, &m.s.arenas[i]);
		region_set_clean(&m.s, 1);
	}
	t->size = m.s.bytes;
	t->bytes = malloc(t->size);
	FUZZ_CHECK(t->bytes, "out of memory");
	memcpy(t->bytes, m.s.header, t->size);
	find_fields(t, &m.s);
	forget_filed(&m);
	region_close(&m.s);
	config_free(m.cfg);
	bed_empty(fuzz_dir());
}

void bed_open(struct bed *b)
{
	unsigned variant, moment;

	log_set_level(0);
	snprintf(b->files, sizeof(b->files), "%s",
		 bed_path(fuzz_dir(), "files"));
	snprintf(b->other, sizeof(b->other), "%s",
		 bed_path(fuzz_dir(), "other"));
	snprintf(b->state, sizeof(b->state), "%s",
		 bed_path(fuzz_dir(), "state"));
	for (variant = 0; variant < BED_VARIANTS; variant++)
		for (moment = 0; moment < MOMENTS; moment++)
			make_template(b, variant, moment);
}
