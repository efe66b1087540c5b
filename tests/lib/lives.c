/* SPDX-License-Identifier: MIT */
/* See lives.h. */
#define _GNU_SOURCE
#include "tests/lib/lives.h"

#include <sys/socket.h>

#include "daemon/filing/transfer.h"

#define MAX 5000
#define MOST 2000 /* messages of a test */
#define ARENAS 8

/* --- messages ------------------------------------------------------------ */

/* Number n is always the same: empty, short, long, or too large. */
static uint32_t make(uint64_t n, char *to)
{
	uint64_t r = random_mix(n);
	uint32_t len = 20 + r % 150, i;

	if (n % 13 == 5)
		return 0;
	if (n % 17 == 3)
		len = MAX + 1 + r % 1000;
	else if (n % 4 == 1)
		len = 1900 + r % (MAX - 1900 + 1);
	random_message((uint8_t *)to, len, n);
	for (i = 0; i < len; i++)
		to[i] = 'a' + (uint8_t)to[i] % 26;
	snprintf(to, 10, "[%07u", (unsigned)n);
	to[8] = ':';
	to[len - 1] = n % 5 ? ']' : '\n';
	return len;
}

struct count {
	unsigned sent, found[MOST], empty, empty_sent;
};

static struct count count;

/* Counts the messages of a file; each is whole and has its framing. */
static void count_file(const char *data, size_t len,
		       enum config_framing framing)
{
	static char expected[2 * MAX];
	const char *p = data, *end = data + len;
	uint32_t n, m;

	while (p < end) {
		if (framing == FRAMING_LENGTH) {
			ck_assert_int_ge(end - p, 4);
			memcpy(&n, p, 4);
			p += 4;
			if (!n) {
				count.empty++;
				continue;
			}
		}
		ck_assert_int_ge(end - p, 20);
		ck_assert_int_eq(*p, '[');
		m = strtoul(p + 1, NULL, 10);
		ck_assert_uint_lt(m, count.sent);
		count.found[m]++;
		n = make(m, expected);
		ck_assert_uint_le(n, end - p);
		ck_assert_msg(!memcmp(p, expected, n), "message %u is torn", m);
		p += n;
		if (framing == FRAMING_NEWLINE && p[-1] != '\n') {
			ck_assert_int_lt(p - end, 0);
			ck_assert_int_eq(*p++, '\n');
		}
	}
}

void lives_ship(const char *dir, enum config_framing framing)
{
	struct core_files files;
	char path[PATH_MAX];
	unsigned i;

	if (!file_exists(dir))
		return;
	files = core_files(dir);
	for (i = 0; i < files.n; i++) {
		const char *why;
		size_t len;
		char *data;

		if (files.name[i][0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, files.name[i]);
		data = file_read(path, &len);
		data = file_unpack(files.name[i], data, &len, &why);
		ck_assert_msg(data, "%s: %s", files.name[i], why);
		count_file(data, len, framing);
		free(data);
		unlink(path);
	}
	core_files_free(&files);
}

void lives_expect_exactly_once(const char *what, enum config_framing framing)
{
	unsigned i;

	for (i = 0; i < count.sent; i++) {
		bool filed = i % 13 != 5 && i % 17 != 3;

		ck_assert_msg(count.found[i] == filed, "%s: message %u %s",
			      what, i,
			      !count.found[i] ? "is lost" :
			      filed	      ? "is doubled" :
						"was too large");
	}
	if (framing == FRAMING_LENGTH)
		ck_assert_msg(count.empty == count.empty_sent,
			      "%s: %u of %u empty ones", what, count.empty,
			      count.empty_sent);
}

/* --- a life -------------------------------------------------------------- */

static int sock[2];

static unsigned receive(struct ring *r)
{
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;
	unsigned n = ring_arm(r, 1 + random_below(6), &msgs);
	int got;

	if (!n)
		return 1;
	(void)FAILPOINT("recv.before");
	got = recvmmsg(sock[1], msgs, n, MSG_DONTWAIT | MSG_TRUNC, NULL);
	(void)FAILPOINT("recv.after");
	if (got <= 0)
		return 0;
	ring_publish(r, got, 1, &batch);
	return got;
}

/*
 * Does what worker i would do: takes once, and flushes if the arena is full or
 * by chance.
 */
static void work(struct region *s, struct flush *flush, unsigned i, bool all)
{
	bool wanted = false, asked = all || !random_below(8);
	enum transfer_result taken;
	uint64_t bytes;

	do {
		taken = transfer_take(&s->ring, &s->arenas[i], &wanted);
		if (taken == TRANSFER_FULL || asked)
			while (transfer_flush(&s->arenas[i], &flush[i], &bytes))
				;
	} while (all && taken != TRANSFER_EMPTY);
}

static void open_flush(struct flush *f, const struct config *cfg, unsigned i,
		       struct region_names *names)
{
	flush_open(f, cfg, i, names);
	if (cfg->files_compression == COMPRESSION_ZSTD)
		ck_assert_int_eq(compress_open(&f->compressor), 0);
}

int lives_run(void *arg)
{
	struct life *l = arg;
	struct failure error;
	struct flush flush[ARENAS];
	struct recovered out;
	struct config *cfg = core_settings(l->options);
	struct region s;
	unsigned i, n;
	int err;

	log_set_level(0);
	err = recover_region(&s, cfg, l->waits, NULL, &out, &error);
	if (err || out.aside[0]) {
		fprintf(stderr, "%d %s\n", err, err ? error.text : out.aside);
		return 1;
	}
	if (l->out)
		*l->out = out;
	region_set_clean(&s, 0);
	n = s.header->workers;
	for (i = 0; i < n; i++)
		open_flush(&flush[i], cfg, i, &s.header->names);
	while (receive(&s.ring))
		if (random_below(2))
			work(&s, flush, random_below(n), false);
	for (i = 0; i < n && l->last; i++)
		work(&s, flush, i, true);
	if (l->last)
		region_set_clean(&s, 1);
	for (i = 0; i < n; i++)
		compress_close(flush[i].compressor);
	region_close(&s);
	config_free(cfg);
	return 0;
}

unsigned lives_news = 25;

static void send_some(unsigned n)
{
	static char text[2 * MAX];

	for (; n && count.sent < MOST; n--) {
		uint32_t len = make(count.sent, text);

		if (send(sock[0], text, len, MSG_DONTWAIT) < 0) {
			/*
			 * The queue is full: the rest is sent before another
			 * life.
			 */
			ck_assert_int_eq(errno, EAGAIN);
			return;
		}
		count.empty_sent += !len;
		count.sent++;
	}
}

void lives_begin(void)
{
	core_mkdir("files");
	core_mkdir("other");
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sock), 0);
	memset(&count, 0, sizeof(count));
}

void lives_next_round(void)
{
	static const char *const names[] = { "state", "state.new" };
	unsigned i;

	for (i = 0; i < 2; i++)
		unlink(core_path(names[i]));
	memset(&count, 0, sizeof(count));
}

void lives_end(void)
{
	close(sock[0]);
	close(sock[1]);
}

/* --- kinds of lives ------------------------------------------------------ */

struct life lives_plan(const struct variant *v, unsigned number, bool last)
{
	static const char *const framings[] = { "files.framing=newline",
						"files.framing=none",
						"files.framing=length" };
	static char path[PATH_MAX];
	struct life l = { .last = last };
	const char *each = v->each[number < 3 ? number : 2];
	unsigned i, n = 0;

	for (i = 0; i < 4 && v->fixed[i]; i++)
		l.options[n++] = v->fixed[i];
	if (!strncmp(each, "files.path=", 11)) {
		snprintf(path, sizeof(path), "files.path=%s",
			 core_path(each + 11));
		each = path;
	}
	l.options[n++] = each;
	l.options[n++] = framings[v->framing];
	l.options[n++] = "socket.max_message=5000";
	return l;
}

/* One life with these points; true if it was killed. */
bool lives_one(const struct variant *v, unsigned number, const char *kill)
{
	struct life l = lives_plan(v, number, !kill);
	char points[300];
	int status;

	snprintf(points, sizeof(points), "%s%s", kill ? kill : "",
		 kill ? v->points : "");
	send_some(lives_news);
	random_seed = number + count.sent;
	status = core_child(points, lives_run, &l);
	ck_assert_msg(core_was_killed(status) || !status,
		      "%s: life %u: wait status %x", points, number, status);
	ck_assert(kill || !status);
	lives_ship(core_path("files"), v->framing);
	lives_ship(core_path("other"), v->framing);
	return status != 0;
}

void lives_expect_clean(const char *what)
{
	static const char *const dirs[] = { "files", "files.tmp", "other",
					    "other.tmp" };
	unsigned i;

	for (i = 0; i < 4; i++)
		ck_assert_msg(!file_exists(core_path(dirs[i])) ||
				      !core_count(core_path(dirs[i])),
			      "%s: a temp file was left in %s", what, dirs[i]);
}
