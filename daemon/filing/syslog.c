/* SPDX-License-Identifier: MIT */
/*
 * See syslog.h.  The scan goes forward once, with at most one step back to the
 * word after the time, and it reads nothing behind the end of the message.
 */
#include "daemon/filing/syslog.h"

#include <string.h>

#define PRI_MOST 191
#define HOST_MOST 255
/* Bytes of the fields of RFC 5424. */
#define APP_MOST 48
#define PROCID_MOST 128
#define MSGID_MOST 32
#define SD_NAME_MOST 32

_Static_assert(APP_MOST <= SYSLOG_NAME && PROCID_MOST <= SYSLOG_NAME, "field");

struct scan {
	const struct syslog_text *t;
	uint32_t at;
	uint32_t end;
};

/* What a place holds: nothing of the kind, a right one, or a wrong one. */
enum found { FOUND_NONE, FOUND_RIGHT, FOUND_WRONG };

/* The byte `ahead` of the place, or -1 at the end. */
static int look(const struct scan *s, uint32_t ahead)
{
	return ahead < s->end - s->at ? (int)syslog_byte(s->t, s->at + ahead) :
					-1;
}

static bool take(struct scan *s, int c)
{
	if (look(s, 0) != c)
		return false;
	s->at++;
	return true;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_print(int c)
{
	return c > ' ' && c < 0x7f;
}

/* The two digits `ahead`; a blank counts as 0. */
static unsigned two(const struct scan *s, uint32_t ahead)
{
	unsigned tens = look(s, ahead) == ' ' ? 0 : look(s, ahead) - '0';

	return tens * 10 + (look(s, ahead + 1) - '0');
}

/*
 * Does the text have this shape?  A: a capital, a: a small letter, 0: a digit,
 * _: a digit or a blank; any other character is itself.
 */
static bool has_shape(const struct scan *s, const char *shape)
{
	uint32_t i;
	int c;

	for (i = 0; shape[i]; i++) {
		c = look(s, i);
		switch (shape[i]) {
		case 'A':
			if (c < 'A' || c > 'Z')
				return false;
			break;
		case 'a':
			if (c < 'a' || c > 'z')
				return false;
			break;
		case '_':
			if (!is_digit(c) && c != ' ')
				return false;
			break;
		case '0':
			if (!is_digit(c))
				return false;
			break;
		default:
			if (c != shape[i])
				return false;
		}
	}
	return true;
}

static bool take_pri(struct scan *s)
{
	unsigned value = 0, digits = 0;

	if (!take(s, '<'))
		return false;
	while (digits < 3 && is_digit(look(s, 0))) {
		/* no leading zero */
		if (digits && !value)
			return false;
		value = value * 10 + (look(s, 0) - '0');
		s->at++;
		digits++;
	}
	return digits && value <= PRI_MOST && take(s, '>');
}

/* -- times --------------------------------------------------------------- */

/* Days of a month, 1 to 12, in a year that has a 29th of February or not. */
static unsigned days_of(unsigned month, bool leap)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30,
					31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && leap);
}

static bool is_clock(const struct scan *s, uint32_t ahead, unsigned seconds)
{
	return two(s, ahead) <= 23 && two(s, ahead + 3) <= 59 &&
	       two(s, ahead + 6) <= seconds;
}

/* "Mmm dd hh:mm:ss".  No year: the 29th of February may exist. */
static enum found take_bsd_time(struct scan *s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	unsigned month, day;
	char name[4];
	const char *at;

	if (!has_shape(s, "Aaa _0 00:00:00"))
		return FOUND_NONE;
	name[0] = look(s, 0);
	name[1] = look(s, 1);
	name[2] = look(s, 2);
	name[3] = 0;
	/* Only a capital begins a name, so the match is a whole name. */
	at = strstr(names, name);
	if (!at)
		return FOUND_WRONG;
	month = (at - names) / 3 + 1;
	day = two(s, 4);
	if (!day || day > days_of(month, true) || !is_clock(s, 7, 60))
		return FOUND_WRONG;
	s->at += 15;
	return FOUND_RIGHT;
}

/* A dot and 1 to `most` digits, or nothing. */
static bool take_fraction(struct scan *s, unsigned most)
{
	unsigned n = 0;

	if (!take(s, '.'))
		return true;
	while (n <= most && is_digit(look(s, 0))) {
		s->at++;
		n++;
	}
	return n && n <= most;
}

static bool take_offset(struct scan *s)
{
	if (take(s, 'Z'))
		return true;
	if (!has_shape(s, "+00:00") && !has_shape(s, "-00:00"))
		return false;
	if (two(s, 1) > 23 || two(s, 4) > 59)
		return false;
	s->at += 6;
	return true;
}

/* RFC 3339, with a fraction of so many digits at most. */
static enum found take_iso_time(struct scan *s, unsigned seconds,
				unsigned fraction)
{
	unsigned year, month, day;

	if (!has_shape(s, "0000-00-00T00:00:00"))
		return FOUND_NONE;
	year = two(s, 0) * 100 + two(s, 2);
	month = two(s, 5);
	day = two(s, 8);
	if (!month || month > 12 || !day ||
	    day > days_of(month,
			  year % 4 == 0 && (year % 100 || year % 400 == 0)) ||
	    !is_clock(s, 11, seconds))
		return FOUND_WRONG;
	s->at += 19;
	if (!take_fraction(s, fraction) || !take_offset(s))
		return FOUND_WRONG;
	return FOUND_RIGHT;
}

/* -- RFC 3164 and its kin ------------------------------------------------ */

static bool is_host(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == ':' ||
	       c == '_';
}

/* 1 to `most` printable characters other than brackets. */
static uint32_t count_name(const struct scan *s, uint32_t ahead, uint32_t most)
{
	uint32_t n = 0;
	int c;

	for (;;) {
		c = look(s, ahead + n);
		if (!is_print(c) || c == '[' || c == ']')
			return n;
		if (n++ == most)
			return 0;
	}
}

static bool ends_tag(int c)
{
	return c == ' ' || c == '\n' || c < 0;
}

/* name[pid]: or name: and a blank; the scan stays where there is no tag. */
static bool take_tag(struct scan *s, struct syslog_header *h)
{
	/* The colon of a name without pid counts as part of it at first. */
	uint32_t name = count_name(s, 0, SYSLOG_NAME + 1), pid = 0, n = name;

	if (name && look(s, n) == '[') {
		pid = count_name(s, n + 1, SYSLOG_NAME);
		if (!pid || name > SYSLOG_NAME || look(s, n + 1 + pid) != ']' ||
		    look(s, n + 2 + pid) != ':')
			return false;
		n += pid + 3;
	} else if (name > 1 && look(s, n - 1) == ':') {
		name--;
	} else {
		return false;
	}
	if (!ends_tag(look(s, n)))
		return false;
	h->name = s->at;
	h->name_len = name;
	h->pid = s->at + name + 1;
	h->pid_len = pid;
	h->name_is_before = true;
	s->at += n;
	(void)take(s, ' ');
	return true;
}

static void take_host_and_tag(struct scan *s, struct syslog_header *h)
{
	uint32_t before = s->at, n = 0;

	if (take_tag(s, h))
		return;
	while (n <= HOST_MOST && is_host(look(s, n)))
		n++;
	if (!n || n > HOST_MOST || look(s, n) != ' ')
		return;
	s->at += n + 1;
	if (!take_tag(s, h))
		s->at = before;
}

static enum found take_bsd(struct scan *s, struct syslog_header *h)
{
	enum found found = take_bsd_time(s);

	if (found == FOUND_NONE)
		found = take_iso_time(s, 60, 9);
	if (found != FOUND_RIGHT)
		return found;
	if (look(s, 0) < 0)
		return FOUND_RIGHT;
	if (!take(s, ' '))
		return FOUND_WRONG;
	take_host_and_tag(s, h);
	return FOUND_RIGHT;
}

/* -- RFC 5424 ------------------------------------------------------------ */

/* A field and the blank behind it.  NILVALUE has the length 0. */
static bool take_field(struct scan *s, uint32_t most, uint32_t *at,
		       uint32_t *len)
{
	uint32_t n = 0;

	while (n <= most && is_print(look(s, n)))
		n++;
	if (!n || n > most || look(s, n) != ' ')
		return false;
	*at = s->at;
	*len = n == 1 && look(s, 0) == '-' ? 0 : n;
	s->at += n + 1;
	return true;
}

static bool take_sd_name(struct scan *s)
{
	unsigned n = 0;
	int c;

	while (n <= SD_NAME_MOST) {
		c = look(s, 0);
		if (!is_print(c) || c == '=' || c == ']' || c == '"')
			return n > 0;
		s->at++;
		n++;
	}
	return false;
}

/* The value of a parameter, from quote to quote. */
static bool take_value(struct scan *s)
{
	int c;

	if (!take(s, '"'))
		return false;
	for (;;) {
		c = look(s, 0);
		if (c < 0 || c == ']')
			return false;
		s->at++;
		if (c == '"')
			return true;
		/* A backslash before any other character is itself. */
		if (c == '\\' && (look(s, 0) == '"' || look(s, 0) == '\\' ||
				  look(s, 0) == ']'))
			s->at++;
	}
}

static bool take_element(struct scan *s)
{
	if (!take(s, '[') || !take_sd_name(s))
		return false;
	while (take(s, ' '))
		if (!take_sd_name(s) || !take(s, '=') || !take_value(s))
			return false;
	return take(s, ']');
}

/* Structured data and what follows it.  Sets where the message begins. */
static bool take_structured(struct scan *s, struct syslog_header *h)
{
	h->begin = s->at;
	if (take(s, '-')) {
		if (look(s, 0) >= 0 && !take(s, ' '))
			return false;
		/* UTF-8 says so with a byte order mark. */
		if (look(s, 0) == 0xef && look(s, 1) == 0xbb &&
		    look(s, 2) == 0xbf)
			s->at += 3;
		h->begin = s->at;
		return true;
	}
	do {
		if (!take_element(s))
			return false;
	} while (look(s, 0) == '[');
	return look(s, 0) < 0 || look(s, 0) == ' ';
}

static enum found take_ietf(struct scan *s, struct syslog_header *h)
{
	uint32_t ignored, len;

	if (!has_shape(s, "1 - ") && !has_shape(s, "1 0000-"))
		return FOUND_NONE;
	s->at += 2;
	if (!take(s, '-') && take_iso_time(s, 59, 6) != FOUND_RIGHT)
		return FOUND_WRONG;
	if (!take(s, ' ') || !take_field(s, HOST_MOST, &ignored, &len) ||
	    !take_field(s, APP_MOST, &h->name, &h->name_len) ||
	    !take_field(s, PROCID_MOST, &h->pid, &h->pid_len) ||
	    !take_field(s, MSGID_MOST, &ignored, &len) ||
	    !take_structured(s, h))
		return FOUND_WRONG;
	return FOUND_RIGHT;
}

bool syslog_find(const struct syslog_text *t, struct syslog_header *h)
{
	struct scan s = { .t = t, .end = t->len[0] + t->len[1] };
	enum found found;

	memset(h, 0, sizeof(*h));
	/* Most messages that are not of syslog end here. */
	if (!s.end || syslog_byte(t, 0) != '<')
		return false;
	if (!syslog_byte(t, s.end - 1))
		s.end--;
	h->end = s.end;
	if (!take_pri(&s))
		return false;
	found = take_ietf(&s, h);
	if (found == FOUND_NONE) {
		found = take_bsd(&s, h);
		h->begin = s.at;
	}
	return found != FOUND_WRONG;
}
