/* SPDX-License-Identifier: MIT */
/*
 * socket.strip: which header is one, and what stays of the message.
 *
 * The tables have the headers that real programs write; the rest is compared
 * with another opinion (tests/lib/headers.h).  Each message is tried in one
 * part and cut in two at each place, as the ring may hold it.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/filing/strip.h"
#include "daemon/filing/syslog.h"
#include "tests/lib/headers.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

#define MOST 4096
#define T "Oct 11 22:14:15"
#define I "2003-10-11T22:14:15.003Z"

static struct arena arena;

static void open_arena(enum config_framing framing, enum config_strip strip)
{
	size_t bytes = arena_bytes(1 << 20, MOST);

	arena_open(&arena,
		   mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		   1 << 20, MOST, framing);
	arena_format(&arena);
	arena.strip = strip;
}

static void close_arena(void)
{
	munmap(arena.region, arena_bytes(1 << 20, MOST));
}

/* Appends a message that is in two parts, of which the first has `first`. */
static uint64_t append(const char *text, size_t len, size_t first)
{
	/* Of exact size, so that a sanitizer sees a byte too many. */
	uint8_t *a = malloc(first + 1), *b = malloc(len - first + 1);
	struct ring_message m = {
		.part = { a, b },
		.part_len = { (uint32_t)first, (uint32_t)(len - first) },
		.len = (uint32_t)len,
		.newline = len && text[len - 1] == '\n',
	};
	uint64_t before = arena.fill;

	memcpy(a, text, first);
	memcpy(b, text + first, len - first);
	strip_append(&arena, &m);
	ck_assert_uint_le(arena.fill - before,
			  arena_cost(&arena, m.len, m.newline));
	free(a);
	free(b);
	before = arena.fill - before;
	return before;
}

static void expect_at(const char *text, size_t len, size_t first,
		      const char *wanted, size_t wanted_len)
{
	uint64_t n;

	arena.fill = 0;
	n = append(text, len, first);
	if (n != wanted_len || memcmp(arena.data, wanted, n))
		ck_abort_msg("\"%.*s\" became \"%.*s\", not \"%.*s\"", (int)len,
			     text, (int)n, (const char *)arena.data,
			     (int)wanted_len, wanted);
}

/* In one part, and cut at each place. */
static void expect(const char *text, size_t len, const char *wanted,
		   size_t wanted_len)
{
	size_t first;

	for (first = 0; first <= len; first++)
		expect_at(text, len, first, wanted, wanted_len);
}

static void expect_opinion(const char *text, size_t len, bool tag)
{
	static char wanted[MOST + 1];
	size_t n = headers_expect(text, len, tag, wanted);

	ck_assert_uint_le(n, len);
	arena.strip = tag ? STRIP_TAG : STRIP_SYSLOG;
	expect_at(text, len, len, wanted, n);
	if (len > 1)
		expect_at(text, len, len / 2, wanted, n);
}

/* --- messages as they come ------------------------------------------------ */

struct sample {
	const char *text;
	size_t len;
	const char *left[2]; /* by syslog, by tag */
	size_t left_len[2];
};

#define EACH(text, syslog, tag)                             \
	{                                                   \
		text, sizeof(text) - 1, { syslog, tag },    \
		{                                           \
			sizeof(syslog) - 1, sizeof(tag) - 1 \
		}                                           \
	}
/* Both settings leave the same. */
#define BOTH(text, left) EACH(text, left, left)
#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* Messages as these programs write them. */
static const struct sample real[] = {
	/* logger(1): as by default, --rfc3164, --rfc5424, with its variants */
	EACH("<13>" T " root: hi", "hi", "root: hi"),
	EACH("<13>" T " app[42]: hi", "hi", "app[42]: hi"),
	EACH("<13>" T " host app: hi", "hi", "app: hi"),
	EACH("<13>" T " host.example.org app[42]: hi", "hi", "app[42]: hi"),
	EACH("<13>1 2026-11-29T23:04:22.123456+00:00 host root - - "
	     "[timeQuality tzKnown=\"1\" isSynced=\"1\" syncAccuracy=\"500\"] hi",
	     "[timeQuality tzKnown=\"1\" isSynced=\"1\" syncAccuracy=\"500\"] hi",
	     "root: [timeQuality tzKnown=\"1\" isSynced=\"1\" "
	     "syncAccuracy=\"500\"] hi"),
	EACH("<13>1 2026-11-29T23:04:22.123456+01:00 host app 42 ID7 - hi",
	     "hi", "app[42]: hi"),
	EACH("<13>1 - - root - - - hi", "hi", "root: hi"),
	EACH("<0>" T " kernel: [    0.000000] Linux", "[    0.000000] Linux",
	     "kernel: [    0.000000] Linux"),
	/* HAProxy: rfc3164, local, rfc5424, short, priority, raw, iso */
	EACH("<134>" T
	     " edge1 haproxy[71]: 10.0.0.1:51000 [11/Oct/2003:22:14:15."
	     "003] http web/s1 0/0/1/2/3 200 512 - - ---- 1/1/0/0/0 0/0 "
	     "\"GET / HTTP/1.1\"",
	     "10.0.0.1:51000 [11/Oct/2003:22:14:15.003] http web/s1 0/0/1/2/3 200 "
	     "512 - - ---- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"",
	     "haproxy[71]: 10.0.0.1:51000 [11/Oct/2003:22:14:15.003] http web/s1 "
	     "0/0/1/2/3 200 512 - - ---- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\""),
	EACH("<134>" T " haproxy[71]: Proxy web started.\n",
	     "Proxy web started.\n", "haproxy[71]: Proxy web started.\n"),
	EACH("<134>1 2003-10-11T22:14:15+02:00 edge1 haproxy 71 - - "
	     "Proxy web started.",
	     "Proxy web started.", "haproxy[71]: Proxy web started."),
	BOTH("<134>Proxy web started.\n", "Proxy web started.\n"),
	BOTH("<6>Proxy web started.", "Proxy web started."),
	BOTH("Proxy web started.\n", "Proxy web started.\n"),
	BOTH("2003-10-11T22:14:15+02:00 Proxy web started.",
	     "2003-10-11T22:14:15+02:00 Proxy web started."),
	/* nginx: access_log and error_log, with and without host name */
	EACH("<190>" T " web1 nginx: 10.0.0.1 - - [11/Oct/2003:22:14:15 +0200] "
	     "\"GET / HTTP/1.1\" 200 612",
	     "10.0.0.1 - - [11/Oct/2003:22:14:15 +0200] \"GET / HTTP/1.1\" 200 "
	     "612",
	     "nginx: 10.0.0.1 - - [11/Oct/2003:22:14:15 +0200] "
	     "\"GET / HTTP/1.1\" 200 612"),
	EACH("<190>" T " nginx: {\"status\":200}", "{\"status\":200}",
	     "nginx: {\"status\":200}"),
	EACH("<187>" T
	     " web1 nginx: 2003/10/11 22:14:15 [error] 7#7: *1 open()",
	     "2003/10/11 22:14:15 [error] 7#7: *1 open()",
	     "nginx: 2003/10/11 22:14:15 [error] 7#7: *1 open()"),
	/* Postfix, and others that use the C library */
	EACH("<22>" T " postfix/smtpd[912]: connect from unknown[10.0.0.1]",
	     "connect from unknown[10.0.0.1]",
	     "postfix/smtpd[912]: connect from unknown[10.0.0.1]"),
	EACH("<22>" T
	     " postfix/qmgr[9]: 4F2A: from=<a@b.c>, size=5 (queue active)",
	     "4F2A: from=<a@b.c>, size=5 (queue active)",
	     "postfix/qmgr[9]: 4F2A: from=<a@b.c>, size=5 (queue active)"),
	EACH("<78>" T " CRON[1201]: (root) CMD (true)", "(root) CMD (true)",
	     "CRON[1201]: (root) CMD (true)"),
	EACH("<38>" T " sshd[77]: Accepted publickey for root",
	     "Accepted publickey for root",
	     "sshd[77]: Accepted publickey for root"),
	EACH("<86>" T " (sd-pam)[5]: pam_unix(systemd-user:session): closed",
	     "pam_unix(systemd-user:session): closed",
	     "(sd-pam)[5]: pam_unix(systemd-user:session): closed"),
	EACH("<30>" T " systemd[1]: Started x.service.", "Started x.service.",
	     "systemd[1]: Started x.service."),
	EACH("<14>" T " Foo::Bar[3]: perl", "perl", "Foo::Bar[3]: perl"),
	/* Python: SysLogHandler with append_nul, with an ident, without */
	BOTH("<14>hello\0", "hello"),
	BOTH("<14>app: hello\0", "app: hello"),
	BOTH("<11>Traceback (most recent call last):\n  File \"x\"\nE: y\0",
	     "Traceback (most recent call last):\n  File \"x\"\nE: y"),
	BOTH("<14>{\"level\": \"info\"}", "{\"level\": \"info\"}"),
	BOTH("<14>1 apple\0", "1 apple"),
	BOTH("<14>\0", ""),
	/* PHP: syslog() with and without LOG_PID; Monolog in RFC 5424 */
	EACH("<14>" T " php: x", "x", "php: x"),
	EACH("<14>" T " ool php-fpm[8]: x", "x", "php-fpm[8]: x"),
	EACH("<14>1 2003-10-11T22:14:15.000003+00:00 web1 shop 8 - - "
	     "shop.INFO: paid {\"id\":1} []",
	     "shop.INFO: paid {\"id\":1} []",
	     "shop[8]: shop.INFO: paid {\"id\":1} []"),
	/* Go: log/syslog, local and over the network */
	EACH("<14>Oct  1 22:14:15 app[31]: hi\n", "hi\n", "app[31]: hi\n"),
	EACH("<14>Oct 11 22:14:15 /usr/bin/app[31]: hi\n", "hi\n",
	     "/usr/bin/app[31]: hi\n"),
	EACH("<14>2003-10-11T22:14:15+02:00 web1 app[31]: hi\n", "hi\n",
	     "app[31]: hi\n"),
	/* rsyslog: both forward formats; syslog-ng; winston-syslog */
	EACH("<13>2003-10-11T22:14:15.123456+02:00 web1 app[31]: hi", "hi",
	     "app[31]: hi"),
	EACH("<13>" T " web1 rsyslogd: [origin software=\"rsyslogd\"] start",
	     "[origin software=\"rsyslogd\"] start",
	     "rsyslogd: [origin software=\"rsyslogd\"] start"),
	EACH("<13>1 2003-10-11T22:14:15+02:00 web1 app 31 - "
	     "[meta sequenceId=\"1\"] \xef\xbb\xbfhi",
	     "[meta sequenceId=\"1\"] \xef\xbb\xbfhi",
	     "app[31]: [meta sequenceId=\"1\"] \xef\xbb\xbfhi"),
	BOTH("<134>" T " web1 node[5]:{\"a\":1}", "web1 node[5]:{\"a\":1}"),
	/* the examples of RFC 5424 and RFC 3164 */
	EACH("<34>1 " I " mymachine.example.com su - ID47 - "
	     "\xef\xbb\xbf'su root' failed for lonvick on /dev/pts/8",
	     "'su root' failed for lonvick on /dev/pts/8",
	     "su: 'su root' failed for lonvick on /dev/pts/8"),
	EACH("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - "
	     "%% It's time to make the do-nuts.",
	     "%% It's time to make the do-nuts.",
	     "myproc[8710]: %% It's time to make the do-nuts."),
	EACH("<165>1 " I " mymachine.example.com evntslog - ID47 "
	     "[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" "
	     "eventID=\"1011\"][examplePriority@32473 class=\"high\"]",
	     "[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" "
	     "eventID=\"1011\"][examplePriority@32473 class=\"high\"]",
	     "evntslog: [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" "
	     "eventID=\"1011\"][examplePriority@32473 class=\"high\"]"),
	EACH("<34>" T " mymachine su: 'su root' failed", "'su root' failed",
	     "su: 'su root' failed"),
	BOTH("Use the BFG!", "Use the BFG!"),
	BOTH("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
	     "10.0.0.99 Use the BFG!"),
	BOTH("<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org",
	     "1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org"),
	/* nothing is left */
	EACH("<13>" T " app: ", "", "app: "),
	EACH("<13>" T " app:", "", "app:"),
	EACH("<13>" T " app:\n", "\n", "app:\n"),
	BOTH("<13>" T, ""),
	BOTH("<13>" T " ", ""),
	BOTH("<13>1 - - - - - -", ""),
	BOTH("<13>1 - - - - - - ", ""),
	BOTH("<13>", ""),
	/* what follows the blank behind the tag is the message's own */
	EACH("<13>" T " app:  two", " two", "app:  two"),
	EACH("<13>1 - - a - - -  two", " two", "a:  two"),
	/* a NUL that is not at the end stays, and so does the one before */
	BOTH("<13>a\0b\0", "a\0b"),
	EACH("<13>" T " app: a\0\0", "a\0", "app: a\0"),
	EACH("<13>" T " app: a\n\0", "a\n", "app: a\n"),
	/* no more than one header */
	BOTH("<13><14>x", "<14>x"),
	EACH("<13>" T " a: <14>" T " b: x", "<14>" T " b: x",
	     "a: <14>" T " b: x"),
};

START_TEST(a_program_s_header_is_removed)
{
	const struct sample *s = &real[_i];
	unsigned tag;

	for (tag = 0; tag < 2; tag++) {
		open_arena(FRAMING_NONE, tag ? STRIP_TAG : STRIP_SYSLOG);
		expect(s->text, s->len, s->left[tag], s->left_len[tag]);
		expect_opinion(s->text, s->len, tag);
		close_arena();
	}
}
END_TEST

/* --- what is no header --------------------------------------------------- */

#define SAME(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}
#define LONG_128                                                           \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *text;
	size_t len;
} none[] = {
	SAME(""),
	SAME("\0"),
	SAME("hello"),
	SAME("hello\0"),
	SAME(" <13>hello"),
	SAME("<"),
	SAME("<>x"),
	SAME("<1"),
	SAME("<13"),
	SAME("<13x"),
	SAME("<-1>x"),
	SAME("<+1>x"),
	SAME("< 1>x"),
	SAME("<1 >x"),
	SAME("<00>x"),
	SAME("<01>x"),
	SAME("<013>x"),
	SAME("<192>x"),
	SAME("<999>x"),
	SAME("<1000>x"),
	SAME("<0x1>x"),
	SAME("<b>bold</b>"),
	SAME("<13\0>x"),
	SAME("<192>" T " app: x\0"),
	/* times that do not exist */
	SAME("<13>Oct 32 22:14:15 app: x"),
	SAME("<13>Oct  0 22:14:15 app: x"),
	SAME("<13>Oct 00 22:14:15 app: x"),
	SAME("<13>Feb 30 22:14:15 app: x"),
	SAME("<13>Apr 31 22:14:15 app: x"),
	SAME("<13>Okt 11 22:14:15 app: x"),
	SAME("<13>Oct 11 24:14:15 app: x"),
	SAME("<13>Oct 11 22:60:15 app: x"),
	SAME("<13>Oct 11 22:14:61 app: x"),
	SAME("<13>" T "x app: x"),
	SAME("<13>" T ".003 app: x"),
	SAME("<13>" T "\tapp: x"),
	SAME("<13>2003-13-11T22:14:15Z app: x"),
	SAME("<13>2003-02-29T22:14:15Z app: x"),
	SAME("<13>2003-10-11T22:14:15 app: x"),
	SAME("<13>2003-10-11T22:14:15.Z app: x"),
	SAME("<13>2003-10-11T22:14:15.1234567890Z app: x"),
	SAME("<13>2003-10-11T22:14:15+2:00 app: x"),
	SAME("<13>2003-10-11T22:14:15+24:00 app: x"),
	SAME("<13>2003-10-11T22:14:15Zapp: x"),
	/* RFC 5424 */
	SAME("<13>1 2003-10-11 22:14:15 h a p m - x"),
	SAME("<13>1 2003-10-11T22:14:15Z"),
	SAME("<13>1 2003-10-11T22:14:15Z h a p m"),
	SAME("<13>1 2003-10-11T22:14:15Z h a p m x"),
	SAME("<13>1 2003-10-11T22:14:60Z h a p m - x"),
	SAME("<13>1 2003-10-11T22:14:15.1234567Z h a p m - x"),
	SAME("<13>1 2003-10-11t22:14:15Z h a p m - x"),
	SAME("<13>1 2003-10-11T22:14:15z h a p m - x"),
	SAME("<13>1 1900-02-29T22:14:15Z h a p m - x"),
	SAME("<13>1 - h a p m -x"),
	SAME("<13>1 - h a p m -\tx"),
	SAME("<13>1 -  a p m - x"),
	SAME("<13>1 - h\xc3\xa4 a p m - x"),
	SAME("<13>1 - h a\0 p m - x"),
	SAME("<13>1 - h a p m [] x"),
	SAME("<13>1 - h a p m [a x"),
	SAME("<13>1 - h a p m [a]x"),
	SAME("<13>1 - h a p m [a b] x"),
	SAME("<13>1 - h a p m [a b=c] x"),
	SAME("<13>1 - h a p m [a b=\"c] x"),
	SAME("<13>1 - h a p m [a b=\"]\"] x"),
	SAME("<13>1 - h a p m [a b=\"\\\"] x"),
	SAME("<13>1 - h a p m [a  b=\"c\"] x"),
	SAME("<13>1 - h a p m [a b=\"c\" ] x"),
	SAME("<13>1 - h a p m [a=b] x"),
	SAME("<13>1 - h a p m [a][ x"),
	SAME("<13>1 - h " LONG_128 " p m - x"),
	SAME("<13>1 - h a " LONG_128 "a m - x"),
	SAME("<13>1 - h a p " LONG_128 " - x"),
	SAME("<13>1 - " LONG_128 LONG_128 " a p m - x"),
	SAME("<13>1 - h a p m [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa] x"),
};

START_TEST(what_is_no_header_stays)
{
	unsigned tag;

	for (tag = 0; tag < 2; tag++) {
		open_arena(FRAMING_NONE, tag ? STRIP_TAG : STRIP_SYSLOG);
		expect_opinion(none[_i].text, none[_i].len, tag);
		expect(none[_i].text, none[_i].len, none[_i].text,
		       none[_i].len);
		close_arena();
	}
}
END_TEST

/* --- all programs, all times, all framings ------------------------------- */

static const char *const times[] = {
	"Jan  1 00:00:00",
	"Feb 29 23:59:59",
	"Mar 31 12:00:00",
	"Apr 30 12:00:00",
	"May 05 01:02:03",
	"Jun 15 01:02:03",
	"Jul 31 01:02:03",
	"Aug 31 01:02:03",
	"Sep 30 01:02:03",
	"Oct 31 01:02:03",
	"Nov 30 01:02:03",
	"Dec 31 23:59:60",
	"2024-02-29T00:00:00Z",
	"2000-02-29T23:59:59.1+14:00",
	"2026-11-29T23:04:22.123456789-00:30",
};
static const char *const hosts[] = {
	"", "a ", "web-1.example.org ", "10.0.0.1 ", "fe80::1 ", "under_score ",
};
static const char *const tags[] = {
	"a",
	"app",
	"app[1]",
	"haproxy[4194304]",
	"postfix/smtpd[9]",
	"CRON[1]",
	"(sd-pam)[7]",
	"Foo::Bar",
	"a-b_c.d@e[1]",
	"/usr/bin/x[1]",
	LONG_128,
	LONG_128 "[" LONG_128 "]",
};
static const char *const bodies[] = {
	"",	"x",	 "x\n",		  "\n",	      " x",
	"a: b", "<13>x", "\xef\xbb\xbfx", "\x80\xff",
};

static void expect_made(unsigned pri, const char *time, const char *host,
			const char *tag, const char *body)
{
	char text[MOST], with_tag[MOST];
	int len = snprintf(text, sizeof(text), "<%u>%s %s%s: %s", pri, time,
			   host, tag, body);
	int n = snprintf(with_tag, sizeof(with_tag), "%s: %s", tag, body);

	arena.strip = STRIP_SYSLOG;
	expect_at(text, (size_t)len, (size_t)len, body, strlen(body));
	arena.strip = STRIP_TAG;
	expect_at(text, (size_t)len, (size_t)len / 2, with_tag, (size_t)n);
	/* and the NUL of C programs */
	expect_at(text, (size_t)len + 1, 1, with_tag, (size_t)n);
	expect_opinion(text, (size_t)len, false);
}

/* 15 times, 6 hosts, 12 tags, 9 messages; each priority. */
START_TEST(every_header_of_rfc_3164_is_removed)
{
	int h, t, b;
	unsigned pri = 0;

	open_arena(FRAMING_NONE, STRIP_NONE);
	for (h = 0; h < COUNT(hosts); h++)
		for (t = 0; t < COUNT(tags); t++)
			for (b = 0; b < COUNT(bodies); b++)
				expect_made(pri++ % 192, times[_i], hosts[h],
					    tags[t], bodies[b]);
	close_arena();
}
END_TEST

static const char *const ietf_times[] = {
	"-",
	"2003-10-11T22:14:15Z",
	"2004-02-29T00:00:00.1+14:00",
	"0000-12-31T23:59:59.123456-23:59",
};
static const char *const names[] = { "-", "a", "haproxy", "a:b[c]",
				     "/usr/sbin/x" };
static const char *const pids[] = { "-", "1", "4194304", "[x]" };
static const char *const data[] = {
	"-",
	"[a]",
	"[a b=\"\"]",
	"[a@1 b=\"c\" d=\"e\"][f g=\"\\\"\\\\\\]\"]",
	"[a b=\"\\x\"]",
	"[a b=\"[\xc3\xa4\n\"]",
	"[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]",
};

static void expect_ietf(const char *time, const char *name, const char *pid,
			const char *sd, const char *body)
{
	char text[MOST], left[MOST], named[MOST];
	int len = snprintf(text, sizeof(text), "<165>1 %s host %s %s ID %s %s",
			   time, name, pid, sd, body);
	int n, front = 0;

	if (*sd == '-')
		n = snprintf(left, sizeof(left), "%s",
			     memcmp(body, "\xef\xbb\xbf", 3) ? body : body + 3);
	else
		n = snprintf(left, sizeof(left), "%s %s", sd, body);
	arena.strip = STRIP_SYSLOG;
	expect_at(text, (size_t)len, (size_t)len, left, (size_t)n);
	if (*name != '-')
		front = *pid == '-' ?
				snprintf(named, sizeof(named), "%s: ", name) :
				snprintf(named, sizeof(named), "%s[%s]: ", name,
					 pid);
	memcpy(named + front, left, (size_t)n);
	arena.strip = STRIP_TAG;
	expect_at(text, (size_t)len, (size_t)len, named, (size_t)(front + n));
	expect_opinion(text, (size_t)len, true);
}

START_TEST(every_header_of_rfc_5424_is_removed)
{
	int n, p, d, b;

	open_arena(FRAMING_NONE, STRIP_NONE);
	for (n = 0; n < COUNT(names); n++)
		for (p = 0; p < COUNT(pids); p++)
			for (d = 0; d < COUNT(data); d++)
				for (b = 0; b < COUNT(bodies); b++)
					expect_ietf(ietf_times[_i], names[n],
						    pids[p], data[d],
						    bodies[b]);
	close_arena();
}
END_TEST

/* --- framing ------------------------------------------------------------- */

static const struct {
	enum config_framing framing;
	const char *text;
	size_t len;
	const char *wanted;
	size_t wanted_len;
} framed[] = {
#define FRAMED(framing, text, wanted)                                       \
	{                                                                   \
		framing, text, sizeof(text) - 1, wanted, sizeof(wanted) - 1 \
	}
	FRAMED(FRAMING_NEWLINE, "<13>x", "x\n"),
	FRAMED(FRAMING_NEWLINE, "<13>x\n", "x\n"),
	FRAMED(FRAMING_NEWLINE, "<13>x\0", "x\n"),
	FRAMED(FRAMING_NEWLINE, "<13>x\n\0", "x\n"),
	FRAMED(FRAMING_NEWLINE, "<13>\n", "\n"),
	FRAMED(FRAMING_NEWLINE, "<13>", ""),
	FRAMED(FRAMING_NEWLINE, "<13>\0", ""),
	FRAMED(FRAMING_NEWLINE, "x\0", "x\0\n"),
	FRAMED(FRAMING_LENGTH, "<13>x", "\1\0\0\0x"),
	FRAMED(FRAMING_LENGTH, "<13>x\0", "\1\0\0\0x"),
	FRAMED(FRAMING_LENGTH, "<13>", "\0\0\0\0"),
	FRAMED(FRAMING_LENGTH, "x\0", "\2\0\0\0x\0"),
	FRAMED(FRAMING_NONE, "<13>x", "x"),
};

START_TEST(what_is_left_is_framed_as_any_message)
{
	open_arena(framed[_i].framing, STRIP_SYSLOG);
	expect(framed[_i].text, framed[_i].len, framed[_i].wanted,
	       framed[_i].wanted_len);
	close_arena();
}
END_TEST

/* --- hostile ------------------------------------------------------------- */

/* Each message of the table, cut short, and each with one byte changed. */
START_TEST(a_damaged_header_is_judged_as_by_the_other_opinion)
{
	const struct sample *s = &real[_i];
	static const char odd[] = "\0\n <>[]:\\\"-=1zZ9\x7f\x80\xff";
	char text[MOST];
	size_t at;

	open_arena(FRAMING_NONE, STRIP_NONE);
	for (at = 0; at <= s->len; at++)
		expect_opinion(s->text, at, at % 2);
	for (at = 0; at < s->len; at++) {
		memcpy(text, s->text, s->len);
		text[at] = odd[random_below(sizeof(odd) - 1)];
		expect_opinion(text, s->len, at % 2);
		text[at] = (char)random_below(256);
		expect_opinion(text, s->len, at % 2);
	}
	close_arena();
}
END_TEST

/* Pieces of headers in any order. */
START_TEST(pieces_of_headers_are_judged_as_by_the_other_opinion)
{
	static const char *const pieces[] = {
		"<13>",
		"<191>",
		"<192>",
		"1 ",
		T,
		T " ",
		I,
		I " ",
		"- ",
		"-",
		"host ",
		"app",
		"app: ",
		"app[1]: ",
		"[",
		"]",
		":",
		" ",
		"[a]",
		"[a b=\"",
		"\"",
		"\\",
		"=",
		"\n",
		"x",
		"\xef\xbb\xbf",
		"2003-10-11T",
		"22:14:15",
		LONG_128,
	};
	char text[MOST];
	unsigned round, n;
	const char *piece;
	size_t len;

	open_arena(FRAMING_NONE, STRIP_NONE);
	for (round = 0; round < 3000; round++) {
		len = 0;
		for (n = random_below(12); n; n--) {
			piece = pieces[random_below(COUNT(pieces))];
			memcpy(text + len, piece, strlen(piece));
			len += strlen(piece);
		}
		if (len && !random_below(4))
			text[len++] = 0;
		expect_opinion(text, len, round % 2);
	}
	close_arena();
}
END_TEST

/* Structured data may be as long as a message. */
START_TEST(structured_data_may_be_long)
{
	static char text[MOST];
	size_t len = (size_t)sprintf(text, "<13>1 - - a - - [a b=\"");

	while (len < MOST - 16)
		text[len++] = 'x';
	len += (size_t)sprintf(text + len, "\"] hi");
	open_arena(FRAMING_NONE, STRIP_SYSLOG);
	expect_at(text, len, 2048, strstr(text, "[a"), len - 16);
	expect_opinion(text, len, true);
	close_arena();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("strip");
	TCase *t = suite_case(suite, "strip", NULL, NULL);

	tcase_add_loop_test(t, a_program_s_header_is_removed, 0, COUNT(real));
	tcase_add_loop_test(t, what_is_no_header_stays, 0, COUNT(none));
	tcase_add_loop_test(t, every_header_of_rfc_3164_is_removed, 0,
			    COUNT(times));
	tcase_add_loop_test(t, every_header_of_rfc_5424_is_removed, 0,
			    COUNT(ietf_times));
	tcase_add_loop_test(t, what_is_left_is_framed_as_any_message, 0,
			    COUNT(framed));
	tcase_add_loop_test(t,
			    a_damaged_header_is_judged_as_by_the_other_opinion,
			    0, COUNT(real));
	tcase_add_test(t, pieces_of_headers_are_judged_as_by_the_other_opinion);
	tcase_add_test(t, structured_data_may_be_long);
	return suite_run(suite, CK_FORK);
}
