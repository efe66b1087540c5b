/* SPDX-License-Identifier: MIT */
/* See headers.h. */
#include "tests/lib/headers.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS 24

/* Printable, and not what the place forbids. */
#define WORD "[!-~]+"
#define TAG "[!-Z\\^-~]+"
#define SDNAME "[!#-<>-\\^-~]{1,32}"
#define VALUE "([^]\"\\]|\\\\[^]]|\\\\])*"
#define CLOCK(seconds) "([01][0-9]|2[0-3]):[0-5][0-9]:(" seconds ")"
#define OFFSET "(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])"
#define DATE "([0-9]{4})-([0-9]{2})-([0-9]{2})"

enum pattern {
	PRI,
	IETF_BEGINS,
	IETF,
	BSD_SHAPE,
	BSD_TIME,
	ISO_SHAPE,
	ISO_TIME,
	TAGGED,
	HOST,
	PATTERNS
};

static const char *const patterns[PATTERNS] = {
	[PRI] = "^<(0|[1-9]|[1-9][0-9]|1[0-8][0-9]|19[01])>",
	[IETF_BEGINS] = "^1 (- |[0-9]{4}-)",
	/* 1: time, 2-4: date, 10-13: fields, 14: structured data */
	[IETF] = "^1 (-|" DATE
		 "T" CLOCK("[0-5][0-9]") "(\\.[0-9]{1,6})?" OFFSET ") (" WORD
					 ") (" WORD ") (" WORD ") (" WORD
					 ") (-|(\\[" SDNAME "( " SDNAME
					 "=\"" VALUE "\")*\\])+)( |$)",
	[BSD_SHAPE] = "^[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}",
	[BSD_TIME] = "^(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
		     "([ 0-9][0-9]) " CLOCK("[0-5][0-9]|60") "( |$)",
	[ISO_SHAPE] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T"
		      "[0-9]{2}:[0-9]{2}:[0-9]{2}",
	[ISO_TIME] = "^" DATE "T" CLOCK(
		"[0-5][0-9]|60") "(\\.[0-9]{1,9})?" OFFSET "( |$)",
	/* 1: name, 3: pid */
	[TAGGED] = "^(" TAG ")(\\[(" TAG ")\\])?:( |\n|$)",
	[HOST] = "^([-A-Za-z0-9.:_]+) ",
};

struct match {
	regmatch_t at[GROUPS];
};

/* Matches at `from`; the places are those in the whole text. */
static bool match(enum pattern p, const char *text, size_t from, size_t len,
		  struct match *m)
{
	static regex_t compiled[PATTERNS];
	static bool done;
	int i;

	for (i = 0; !done && i < PATTERNS; i++)
		if (regcomp(&compiled[i], patterns[i], REG_EXTENDED)) {
			fprintf(stderr, "pattern %d is wrong\n", i);
			abort();
		}
	done = true;
	/* set whole: gcc takes a member's address for the array's */
	m->at[0] = (regmatch_t){ .rm_eo = (regoff_t)(len - from) };
	if (regexec(&compiled[p], text + from, GROUPS, m->at, REG_STARTEND))
		return false;
	for (i = 0; i < GROUPS; i++)
		if (m->at[i].rm_so >= 0) {
			m->at[i].rm_so += (regoff_t)from;
			m->at[i].rm_eo += (regoff_t)from;
		}
	return true;
}

static size_t length(const struct match *m, int group)
{
	return m->at[group].rm_so < 0 ?
		       0 :
		       (size_t)(m->at[group].rm_eo - m->at[group].rm_so);
}

static size_t put(char *out, const char *text, const struct match *m, int group)
{
	size_t n = length(m, group);

	if (n)
		memcpy(out, text + m->at[group].rm_so, n);
	return n;
}

static bool is_nil(const char *text, const struct match *m, int group)
{
	return length(m, group) == 1 && text[m->at[group].rm_so] == '-';
}

/* Does this day exist, group to group + 2? */
static bool is_date(const char *text, const struct match *m, int group)
{
	int year = atoi(text + m->at[group].rm_so);
	int month = atoi(text + m->at[group + 1].rm_so);
	int day = atoi(text + m->at[group + 2].rm_so);
	int most;

	switch (month) {
	case 4:
	case 6:
	case 9:
	case 11:
		most = 30;
		break;
	case 2:
		most = year % 400 == 0 ? 29 :
		       year % 100 == 0 ? 28 :
		       year % 4 == 0   ? 29 :
					 28;
		break;
	default:
		most = 31;
	}
	return month >= 1 && month <= 12 && day >= 1 && day <= most;
}

static bool is_short_date(const char *text, const struct match *m)
{
	const char *month = text + m->at[1].rm_so;
	int day = atoi(text + m->at[2].rm_so), most = 31;

	if (!strncmp(month, "Feb", 3))
		most = 29;
	if (!strncmp(month, "Apr", 3) || !strncmp(month, "Jun", 3) ||
	    !strncmp(month, "Sep", 3) || !strncmp(month, "Nov", 3))
		most = 30;
	return day >= 1 && day <= most;
}

static size_t all(const char *text, size_t len, char *out)
{
	memcpy(out, text, len);
	return len;
}

/* The end of the time in a header of RFC 3164; 0: none, 1: a wrong one. */
static size_t end_of_time(const char *text, size_t at, size_t end)
{
	struct match m;

	if (match(BSD_SHAPE, text, at, end, &m)) {
		if (!match(BSD_TIME, text, at, end, &m) ||
		    !is_short_date(text, &m))
			return 1;
		return m.at[0].rm_eo;
	}
	if (match(ISO_SHAPE, text, at, end, &m)) {
		if (!match(ISO_TIME, text, at, end, &m) ||
		    !is_date(text, &m, 1))
			return 1;
		return m.at[0].rm_eo;
	}
	return 0;
}

static bool is_tag(const char *text, size_t at, size_t end, struct match *m)
{
	return match(TAGGED, text, at, end, m) && length(m, 1) <= 128 &&
	       length(m, 3) <= 128;
}

static size_t after_bsd(const char *text, size_t at, size_t end, bool tag,
			char *out)
{
	struct match m, host;
	size_t begin = at;

	if (!is_tag(text, at, end, &m)) {
		if (!match(HOST, text, at, end, &host) ||
		    length(&host, 1) > 255 ||
		    !is_tag(text, host.at[0].rm_eo, end, &m))
			return all(text + at, end - at, out);
	}
	begin = tag ? m.at[0].rm_so : m.at[0].rm_eo;
	/* The end of the line is the message's. */
	if (!tag && text[begin - 1] == '\n')
		begin--;
	return all(text + begin, end - begin, out);
}

static size_t after_ietf(const char *text, const struct match *m, size_t end,
			 bool tag, char *out)
{
	size_t begin = m->at[0].rm_eo, n = 0;

	if (tag && !is_nil(text, m, 11)) {
		n = put(out, text, m, 11);
		if (!is_nil(text, m, 12)) {
			out[n++] = '[';
			n += put(out + n, text, m, 12);
			out[n++] = ']';
		}
		out[n++] = ':';
		out[n++] = ' ';
	}
	if (!is_nil(text, m, 14))
		begin = m->at[14].rm_so;
	else if (end - begin >= 3 && !memcmp(text + begin, "\xef\xbb\xbf", 3))
		begin += 3;
	return n + all(text + begin, end - begin, out + n);
}

static size_t expect(const char *text, size_t len, bool tag, char *out)
{
	size_t end = len && !text[len - 1] ? len - 1 : len, at, after;
	struct match m;

	if (!match(PRI, text, 0, end, &m))
		return all(text, len, out);
	at = m.at[0].rm_eo;
	if (match(IETF_BEGINS, text, at, end, &m)) {
		if (!match(IETF, text, at, end, &m) ||
		    (!is_nil(text, &m, 1) && !is_date(text, &m, 2)) ||
		    length(&m, 10) > 255 || length(&m, 11) > 48 ||
		    length(&m, 12) > 128 || length(&m, 13) > 32)
			return all(text, len, out);
		return after_ietf(text, &m, end, tag, out);
	}
	after = end_of_time(text, at, end);
	if (after == 1)
		return all(text, len, out);
	if (!after)
		return all(text + at, end - at, out);
	if (text[after - 1] != ' ')
		return all(text + after, end - after, out);
	return after_bsd(text, after, end, tag, out);
}

size_t headers_expect(const char *text, size_t len, bool tag, char *out)
{
	/* A sanitizer takes the text of regexec() for one with a NUL. */
	char *copy = malloc(len + 1);
	size_t n;

	if (!copy)
		abort();
	memcpy(copy, text, len);
	copy[len] = 0;
	n = expect(copy, len, tag, out);
	free(copy);
	return n;
}
