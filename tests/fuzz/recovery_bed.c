/* SPDX-License-Identifier: MIT */
/* See recovery_bed.h. */
#include "tests/fuzz/recovery_bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/region/checksum.h"

/* A damaged geometry may describe a larger region than that. */
#define FIT_MOST ((size_t)1 << 20)

static const char *const variants[][5] = {
	{ "buffer.workers=2", "buffer.size=3K", "buffer.queue_size=16",
	  "socket.max_message=5000", "files.framing=length" },
	{ "buffer.workers=1", "buffer.size=700", "buffer.queue_size=6",
	  "socket.max_message=300", "files.framing=newline" },
};
static const char *const other_sizes[5] = {
	"buffer.workers=3", "buffer.size=1K", "buffer.queue_size=7",
	"socket.max_message=2100", "files.framing=none"
};

/* --- settings ------------------------------------------------------------ */

static void on_problem(void *arg, const char *line)
{
	(void)arg;
	fuzz_fail(__FILE__, __LINE__, "%s", line);
}

static struct config *settings(const struct bed *b, const char *const sizes[5],
			       const char *files)
{
	char path[PATH_MAX + 16], state[PATH_MAX + 16];
	const char *options[7];
	struct config *cfg;

	snprintf(path, sizeof(path), "files.path=%s", files);
	snprintf(state, sizeof(state), "state.path=%s", b->state);
	memcpy(options, sizes, 5 * sizeof(*options));
	options[5] = path;
	options[6] = state;
	FUZZ_CHECK(!config_load(NULL, options, 7, on_problem, NULL, &cfg),
		   "no settings");
	return cfg;
}

struct config *bed_settings(const struct bed *b, bool sizes, bool files)
{
	return settings(b, sizes ? other_sizes : variants[b->template->variant],
			files ? b->other : b->files);
}

/* --- files --------------------------------------------------------------- */

static void make_directory(const char *path)
{
	FUZZ_CHECK(!mkdir(path, 0700) || errno == EEXIST, "%s: %s", path,
		   strerror(errno));
}

/* Removes what is in a directory, with directories in it. */
static void empty(const char *path)
{
	char name[PATH_MAX];
	struct dirent *entry;
	DIR *d = opendir(path);

	while (d && (entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (unlink(name) && errno == EISDIR) {
			empty(name);
			rmdir(name);
		}
	}
	if (d)
		closedir(d);
}

static const char *in(const char *dir, const char *name)
{
	static char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	FUZZ_CHECK(n < (int)sizeof(path), "a path is too long");
	return path;
}

/* The content, to be freed; NULL: no such file. */
static uint8_t *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	if (fd < 0)
		return NULL;
	FUZZ_CHECK(!fstat(fd, &st), "%s: %s", path, strerror(errno));
	data = malloc(st.st_size + 1);
	FUZZ_CHECK(data && read(fd, data, st.st_size) == st.st_size, "%s: %s",
		   path, strerror(errno));
	close(fd);
	*size = st.st_size;
	return data;
}

void bed_expect_file(const char *path, const void *data, size_t size)
{
	size_t there = 0;
	uint8_t *bytes = read_file(path, &there);

	FUZZ_CHECK(bytes && there == size && !memcmp(bytes, data, size),
		   "%s was changed", path);
	free(bytes);
}

/* --- messages ------------------------------------------------------------ */

/* Number n is always the same: short, long or longer than a slot. */
static uint32_t message(unsigned n, uint32_t most, char *to)
{
	uint32_t len = 20 + n * 37 % 150;

	if (n % 5 == 3)
		len = 250 + n * 331 % 2500;
	if (len > most)
		len = most;
	memset(to, 'a' + n % 26, len);
	memcpy(to + len - 1, n % 3 ? "]" : "\n", 1);
	snprintf(to, 8, "[%05u:", n);
	to[7] = '.';
	return len;
}

/* Where recvmmsg(2) would leave a datagram. */
static void receive(struct mmsghdr *msg, const void *data, uint32_t len)
{
	const uint8_t *from = data;
	uint32_t left = len, part;
	size_t i;

	for (i = 0; i < msg->msg_hdr.msg_iovlen && left; i++) {
		const struct iovec *iov = &msg->msg_hdr.msg_iov[i];

		part = left < iov->iov_len ? left : iov->iov_len;
		memcpy(iov->iov_base, from, part);
		from += part;
		left -= part;
	}
	msg->msg_len = len;
}

bool bed_send(struct ring *r, const void *data, uint32_t len)
{
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;

	if (!ring_arm(r, 1, &msgs))
		return false;
	receive(msgs, data, len);
	ring_publish(r, 1, 1000 + ring_published(r), &batch);
	return true;
}

static void count_in(struct bed *b, const uint8_t *data, size_t size)
{
	size_t i;
	unsigned n;

	for (i = 0; i + 8 <= size; i++) {
		if (data[i] != '[' || memchr(data + i, 0, 7) ||
		    data[i + 6] != ':')
			continue;
		n = strtoul((const char *)data + i + 1, NULL, 10);
		FUZZ_CHECK(n < b->template->sent, "message %u was not sent", n);
		b->found[n]++;
	}
}

static void count_files(struct bed *b, const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	uint8_t *data;
	size_t size;

	while (d && (entry = readdir(d))) {
		if (entry->d_type != DT_REG)
			continue;
		data = read_file(in(dir, entry->d_name), &size);
		FUZZ_CHECK(data, "%s vanished", entry->d_name);
		count_in(b, data, size);
		free(data);
	}
	if (d)
		closedir(d);
}

void bed_count(struct bed *b)
{
	memset(b->found, 0, sizeof(b->found));
	count_files(b, b->files);
	count_files(b, b->other);
}

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
	uint32_t len = message(m->template->sent,
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
		len = message(m->template->sent++,
			      m->cfg->socket_max_message_bytes, text);
		receive(&msgs[i], text, len);
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
		unlink(in(b->files, t->final_name));
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
	m.cfg = settings(b, variants[variant], b->files);
	make_directory(b->files);
	FUZZ_CHECK(!recover_region(&m.s, m.cfg, NULL, NULL, &out, &failure),
		   "%s", failure.text);
	flush_open(&m.flush, m.cfg, 0);
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
	empty(fuzz_dir());
}

void bed_open(struct bed *b)
{
	unsigned variant, moment;

	log_set_level(0);
	snprintf(b->files, sizeof(b->files), "%s", in(fuzz_dir(), "files"));
	snprintf(b->other, sizeof(b->other), "%s", in(fuzz_dir(), "other"));
	snprintf(b->state, sizeof(b->state), "%s", in(fuzz_dir(), "state"));
	for (variant = 0; variant < 2; variant++)
		for (moment = 0; moment < MOMENTS; moment++)
			make_template(b, variant, moment);
}

/* --- one input ----------------------------------------------------------- */

void bed_begin(struct bed *b, uint64_t template)
{
	const struct template *t = &b->templates[template % b->count];
	struct config *cfg;

	b->template = t;
	make_directory(b->files);
	make_directory(b->other);
	cfg = bed_settings(b, false, false);
	snprintf(b->temp, sizeof(b->temp), "%s", cfg->temp);
	config_free(cfg);
	make_directory(b->temp);
	fuzz_write(in(fuzz_dir(), "bystander"), "bystander", 9);
	if (t->temp_name[0])
		fuzz_write(in(b->temp, t->temp_name), t->file, t->file_size);
	if (t->final_name[0])
		fuzz_write(in(b->files, t->final_name), t->file, t->file_size);
}

void bed_end(struct bed *b)
{
	(void)b;
	bed_expect_file(in(fuzz_dir(), "bystander"), "bystander", 9);
	empty(fuzz_dir());
}

void bed_take_temp_file(struct bed *b)
{
	if (b->template->temp_name[0])
		unlink(in(b->temp, b->template->temp_name));
}

void bed_take_temp(struct bed *b)
{
	empty(b->temp);
	rmdir(b->temp);
}

void bed_take_name(struct bed *b)
{
	if (b->template->temp_name[0])
		fuzz_write(in(b->files, b->template->temp_name), "taken", 5);
}

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

/* Arena by arena, where the header says that they are; NULL: no more. */
static struct arena_region *arena_at(uint8_t *region, size_t size, uint64_t i)
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
	for (i = 0; (a = arena_at(region, *size, i)); i++) {
		repair_cell(&a->cell[0]);
		repair_cell(&a->cell[1]);
	}
	return region;
}

/* Without repair: other directories are damage that is noticed. */
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
	for (i = 0; (a = arena_at(region, size, i)); i++) {
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

/* --- names --------------------------------------------------------------- */

void bed_note_names(struct bed *b, const uint8_t *region, size_t size)
{
	struct arena_region *a;
	uint64_t i, n;

	b->notes = 0;
	for (i = 0; (a = arena_at((uint8_t *)region, size, i)); i++)
		for (n = 0; n < 2; n++)
			snprintf(b->noted[b->notes++], ARENA_NAME, "%.255s",
				 a->cell[n].name);
}

/* <worker>_<pid>_<nanoseconds>.log, or a name of a record */
static bool may_be_final(const struct bed *b, const char *name)
{
	unsigned worker, i;
	unsigned long long ns;
	int pid, end = 0;

	if (sscanf(name, "%u_%d_%llu.log%n", &worker, &pid, &ns, &end) == 3 &&
	    end && !name[end])
		return true;
	for (i = 0; i < b->notes; i++)
		if (!strcmp(name, b->noted[i]))
			return name[0] != '.';
	return false;
}

static unsigned check_final_names(struct bed *b, const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	unsigned n = 0;

	while (d && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (entry->d_type == DT_REG && may_be_final(b, name))
			n++;
		else
			FUZZ_CHECK(entry->d_type == DT_DIR &&
					   (!strcmp(name, ".") ||
					    !strcmp(name, "..") ||
					    !strcmp(name, ".tmp")),
				   "%s is in %s", name, dir);
	}
	if (d)
		closedir(d);
	return n;
}

unsigned bed_check_names(struct bed *b)
{
	static const char *const known[] = {
		".",	     "..",	  "files", "files.tmp", "other",
		"other.tmp", "bystander", "state", "state.lock"
	};
	const size_t names = sizeof(known) / sizeof(known[0]);
	struct dirent *entry;
	DIR *d = opendir(fuzz_dir());
	size_t i;

	FUZZ_CHECK(d, "%s: %s", fuzz_dir(), strerror(errno));
	while ((entry = readdir(d))) {
		for (i = 0; i < names; i++)
			if (!strcmp(entry->d_name, known[i]))
				break;
		FUZZ_CHECK(i < names ||
				   !strncmp(entry->d_name, "state.bad-", 10),
			   "%s is in the directory", entry->d_name);
	}
	closedir(d);
	return check_final_names(b, b->files) + check_final_names(b, b->other);
}
