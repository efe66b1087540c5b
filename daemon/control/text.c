/* SPDX-License-Identifier: MIT */
/* See text.h. */
#include "daemon/control/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/clock.h"

void text_open(struct text *t, char *data, size_t room)
{
	assert(room > 0);
	t->data = data;
	t->room = room;
	text_clear(t);
}

void text_clear(struct text *t)
{
	t->len = 0;
	t->cut = false;
	t->data[0] = 0;
}

void text_add(struct text *t, const char *fmt, ...)
{
	size_t left = t->room - t->len;
	va_list ap;
	int n;

	assert(t->len < t->room && !t->data[t->len]);
	va_start(ap, fmt);
	n = vsnprintf(t->data + t->len, left, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < left) {
		t->len += n;
		return;
	}
	t->data[t->len] = 0;
	t->cut = true;
}

static bool put(struct text *t, const char *bytes, size_t n)
{
	assert(t->len < t->room);
	if (n >= t->room - t->len)
		return false;
	memcpy(t->data + t->len, bytes, n);
	t->len += n;
	t->data[t->len] = 0;
	return true;
}

/* Bytes of the UTF-8 sequence at s; 0: it is not UTF-8. */
static size_t sequence(const unsigned char *s)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t i, n = s[0] < 0x80 ? 1 :
		      s[0] < 0xc0 ? 0 :
		      s[0] < 0xe0 ? 2 :
		      s[0] < 0xf0 ? 3 :
		      s[0] < 0xf8 ? 4 :
				    0;
	unsigned code = n < 2 ? s[0] : s[0] & (0x7f >> n);

	for (i = 1; i < n; i++) {
		/* A NUL does not continue a sequence, so this ends there. */
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (n > 1 && (code < least[n] || code > 0x10ffff ||
		      (code >= 0xd800 && code < 0xe000)))
		return 0;
	return n;
}

/* Adds one character; returns its length in s. */
static size_t put_char(struct text *t, const unsigned char *s, bool *ok)
{
	char escape[8];
	size_t n = sequence(s);

	if (!n) {
		*ok = put(t, "\xef\xbf\xbd", 3);
		return 1;
	}
	if (*s == '"' || *s == '\\') {
		snprintf(escape, sizeof(escape), "\\%c", *s);
		*ok = put(t, escape, 2);
	} else if (*s == '\n') {
		*ok = put(t, "\\n", 2);
	} else if (*s < ' ' || *s == 0x7f) {
		snprintf(escape, sizeof(escape), "\\u%04x", *s);
		*ok = put(t, escape, 6);
	} else {
		*ok = put(t, (const char *)s, n);
	}
	return n;
}

void text_json(struct text *t, const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	size_t before = t->len;
	bool ok;

	if (!string) {
		text_add(t, "null");
		return;
	}
	ok = put(t, "\"", 1);
	while (ok && *s)
		s += put_char(t, s, &ok);
	if (ok && put(t, "\"", 1))
		return;
	t->len = before;
	t->data[before] = 0;
	t->cut = true;
}

void text_seconds(struct text *t, uint64_t ns)
{
	text_add(t, "%" PRIu64 ".%09" PRIu64, ns / CLOCK_SECOND,
		 ns % CLOCK_SECOND);
}
