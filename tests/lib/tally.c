/* SPDX-License-Identifier: MIT */
/* Compares what was sent with what was filed.  See tally.h. */
#define _GNU_SOURCE
#include "tests/lib/tally.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/bed.h"

const char *const framing_words[3] = { "newline", "none", "length" };

/* A content, by its 64-bit hash; 0 marks a free place. */
struct tally_entry {
	uint64_t hash;
	uint32_t expected, may, found;
};

static uint64_t hash_bytes(const void *data, size_t len)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ len;
	const uint8_t *p = data;
	uint64_t word;

	for (; len; p += len < 8 ? len : 8, len -= len < 8 ? len : 8) {
		word = 0;
		memcpy(&word, p, len < 8 ? len : 8);
		h = (h ^ word) * 0xbf58476d1ce4e5b9u;
		h ^= h >> 29;
	}
	h *= 0x94d049bb133111ebu;
	h ^= h >> 32;
	return h ? h : 1;
}

static struct tally_entry *lookup(const struct tally *t, uint64_t hash)
{
	size_t i = hash & (t->room - 1);

	REQUIRE(t->table, "the tally is not open");
	while (t->table[i].hash && t->table[i].hash != hash)
		i = (i + 1) & (t->room - 1);
	return &t->table[i];
}

static void grow(struct tally *t)
{
	struct tally_entry *old = t->table;
	size_t old_room = t->room;
	size_t i;

	t->room = old_room ? old_room * 2 : 1024;
	t->table = calloc(t->room, sizeof(*t->table));
	ck_assert_ptr_nonnull(t->table);
	for (i = 0; i < old_room; i++)
		if (old[i].hash)
			*lookup(t, old[i].hash) = old[i];
	free(old);
}

void tally_open(struct tally *t)
{
	memset(t, 0, sizeof(*t));
	grow(t);
}

void tally_copy(struct tally *t, const struct tally *from)
{
	*t = *from;
	t->table = malloc(t->room * sizeof(*t->table));
	ck_assert_ptr_nonnull(t->table);
	memcpy(t->table, from->table, t->room * sizeof(*t->table));
}

void tally_close(struct tally *t)
{
	free(t->table);
	t->table = NULL;
}

static void complain(struct tally *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(struct tally *t, const char *fmt, ...)
{
	va_list ap;
	char *p;

	if (t->first[0])
		return;
	va_start(ap, fmt);
	vsnprintf(t->first, sizeof(t->first), fmt, ap);
	va_end(ap);
	/* Binary messages would spoil the report. */
	for (p = t->first; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '.';
}

static struct tally_entry *entry(struct tally *t, const void *data, size_t len)
{
	uint64_t hash = hash_bytes(data, len);
	struct tally_entry *e;

	if (t->used * 2 >= t->room)
		grow(t);
	e = lookup(t, hash);
	if (!e->hash)
		t->used++;
	e->hash = hash;
	return e;
}

void tally_expect(struct tally *t, const void *data, size_t len)
{
	entry(t, data, len)->expected++;
	t->expected++;
}

void tally_may(struct tally *t, const void *data, size_t len)
{
	entry(t, data, len)->may++;
}

void tally_expect_sender(struct tally *t, const struct sender *s)
{
	static uint8_t buf[FLOW_LARGEST];
	uint64_t i;

	for (i = 0; i < s->flow.count; i++)
		tally_expect(t, buf, flow_message(&s->flow, i, buf));
}

void tally_find(struct tally *t, const char *name, const char *data, size_t len)
{
	struct tally_entry *e;
	int shown = len < 40 ? (int)len : 40;

	if (t->expecting) {
		tally_expect(t, data, len);
		return;
	}
	e = lookup(t, hash_bytes(data, len));
	t->found++;
	if (e->hash) {
		if (++e->found > e->expected + e->may)
			complain(t, "%s: again: %.*s (%zu bytes)", name, shown,
				 data, len);
		return;
	}
	t->torn++;
	complain(t, "%s: never sent: %.*s (%zu bytes)", name, shown, data, len);
}

void tally_tear(struct tally *t, const char *name, size_t left)
{
	t->torn++;
	complain(t, "%s: no message in the last %zu bytes", name, left);
}

/*
 * The length of the message at `data`, and of its framing; -1: it is not whole.
 */
static ssize_t next(enum framing framing, const char *data, size_t left,
		    size_t *head, size_t *tail)
{
	const char *end = NULL;
	uint32_t len;

	*head = *tail = 0;
	switch (framing) {
	case LENGTH:
		if (left < 4)
			return -1;
		memcpy(&len, data, 4);
		*head = 4;
		return le32toh(len) <= left - 4 ? (ssize_t)le32toh(len) : -1;
	case NEWLINE:
		*tail = 1;
		end = memchr(data, '\n', left);
		return end ? end - data : -1;
	case NONE:
		if (*data == '!')
			return 1;
		if (*data == '[')
			end = memchr(data, ']', left);
		return end ? end + 1 - data : -1;
	}
	return -1;
}

void tally_take(struct tally *t, const char *name, enum framing framing,
		const char *data, size_t left)
{
	size_t head, tail;
	ssize_t len;

	while (left) {
		len = next(framing, data, left, &head, &tail);
		if (len < 0) {
			tally_tear(t, name, left);
			return;
		}
		tally_find(t, name, data + head, (size_t)len);
		data += head + (size_t)len + tail;
		left -= head + (size_t)len + tail;
	}
}

/* `<worker>_<daemon>_<nanoseconds>.log`, or that with `.zst` */
static int good_name(const char *name)
{
	unsigned long long ns;
	unsigned worker, pid;
	int end = 0;

	return sscanf(name, "%u_%u_%llu.log%n", &worker, &pid, &ns, &end) ==
		       3 &&
	       end > 0 && (!name[end] || !strcmp(name + end, ".zst"));
}

static void read_one(struct tally *t, int dir, const char *name,
		     enum framing framing)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	const char *why;
	struct stat st;
	size_t len;
	char *data;

	REQUIRE(fd >= 0 && fstat(fd, &st) == 0, "cannot open %s", name);
	if (!good_name(name) || !S_ISREG(st.st_mode) ||
	    (st.st_mode & 07777) != 0400) {
		t->odd++;
		complain(t, "%s: mode %o", name, (unsigned)st.st_mode);
	}
	data = file_read_fd(fd, &len);
	close(fd);
	if (!len) {
		t->odd++;
		complain(t, "%s: empty", name);
	}
	t->files++;
	t->bytes += len;
	data = file_unpack(name, data, &len, &why);
	if (!data) {
		t->torn++;
		complain(t, "%s: %s", name, why);
		return;
	}
	tally_take(t, name, framing, data, len);
	free(data);
}

void tally_read(struct tally *t, const char *path, enum framing framing)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	REQUIRE(dir, "cannot open %s", path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			read_one(t, dirfd(dir), entry->d_name, framing);
	closedir(dir);
}

void tally_expect_dir(struct tally *t, const char *path, enum framing framing)
{
	t->expecting = 1;
	tally_read(t, path, framing);
	t->expecting = 0;
}

bool tally_lacks(const struct tally *t, const void *data, size_t len)
{
	const struct tally_entry *e = lookup(t, hash_bytes(data, len));

	return e->found < e->expected;
}

bool tally_doubles(const struct tally *t, const void *data, size_t len)
{
	const struct tally_entry *e = lookup(t, hash_bytes(data, len));

	return e->found > e->expected + e->may;
}

void tally_judge(struct tally *t)
{
	const struct tally_entry *e;

	REQUIRE(t->table, "the tally is not open");
	t->lost = t->doubled = t->maybe = 0;
	for (e = t->table; e < t->table + t->room; e++) {
		if (e->found < e->expected)
			t->lost += e->expected - e->found;
		if (e->found < e->expected + e->may)
			t->maybe += e->expected + e->may - e->found;
		else
			t->doubled += e->found - e->expected - e->may;
	}
	/* What is lost is no doubt. */
	t->maybe -= t->lost;
}

void tally_require_exact(struct tally *t)
{
	tally_judge(t);
	REQUIRE(!t->lost && !t->doubled && !t->torn && !t->odd,
		"of %" PRIu64 " sent: %" PRIu64 " lost, %" PRIu64
		" doubled, %" PRIu64 " torn, %" PRIu64 " odd; %s",
		t->expected, t->lost, t->doubled, t->torn, t->odd, t->first);
}

void tally_require_sender(const struct sender *sender)
{
	struct tally tally;

	tally_open(&tally);
	tally_expect_sender(&tally, sender);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}
