/* SPDX-License-Identifier: MIT */
/* See strip.h. */
#include "daemon/filing/strip.h"

#include <string.h>

#include "daemon/filing/syslog.h"

/* "name[pid]: " */
#define FRONT_MOST (2 * SYSLOG_NAME + 4)

static uint32_t copy(uint8_t *to, const struct syslog_text *t, uint32_t at,
		     uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		to[i] = syslog_byte(t, at + i);
	return len;
}

/* The bytes [begin, end) of a message, which may be in two parts. */
static void cut(struct syslog_text *t, uint32_t begin, uint32_t end)
{
	uint32_t first = t->len[0];

	if (end <= first) {
		t->len[0] = end;
		t->len[1] = 0;
	} else {
		t->len[1] = end - first;
	}
	if (begin < t->len[0]) {
		t->part[0] += begin;
		t->len[0] -= begin;
	} else {
		begin -= t->len[0];
		t->len[0] = 0;
		if (begin) {
			t->part[1] += begin;
			t->len[1] -= begin;
		}
	}
}

/*
 * Writes "name[pid]: " of a header that has the name elsewhere.  The header
 * has "name pid " in its place, and at least "- " behind it, so this is not
 * longer than the header.
 */
static uint32_t make_front(const struct syslog_text *t,
			   const struct syslog_header *h,
			   uint8_t front[FRONT_MOST])
{
	uint32_t n = copy(front, t, h->name, h->name_len);

	if (h->pid_len) {
		front[n++] = '[';
		n += copy(front + n, t, h->pid, h->pid_len);
		front[n++] = ']';
	}
	front[n++] = ':';
	front[n++] = ' ';
	return n;
}

void strip_append(struct arena *a, const struct ring_message *m)
{
	struct syslog_text t = { { m->part[0], m->part[1] },
				 { m->part_len[0], m->part_len[1] } };
	uint8_t front[FRONT_MOST];
	uint32_t front_len = 0, begin, len;
	struct syslog_header h;
	bool newline;

	if (!syslog_find(&t, &h)) {
		arena_append(a, m->part, m->part_len, m->newline);
		return;
	}
	begin = h.begin;
	if (a->strip == STRIP_TAG && h.name_len) {
		if (h.name_is_before)
			begin = h.name;
		else
			front_len = make_front(&t, &h, front);
	}
	len = h.end - begin;
	newline = len && syslog_byte(&t, h.end - 1) == '\n';
	cut(&t, begin, h.end);
	arena_append_behind(a, front, front_len, t.part, t.len, newline);
}
