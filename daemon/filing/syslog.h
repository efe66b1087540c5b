/* SPDX-License-Identifier: MIT */
/*
 * The header of a syslog message, as RFC 3164 and RFC 5424 and the programs
 * that send to a local socket write it.  This file finds the header; strip.h
 * decides what stays in the file.  No thread, no state.
 *
 *	header = PRI [ bsd | ietf ]
 *	PRI    = "<" number ">"		0 to 191, without a leading zero
 *	bsd    = time SP [ [host SP] tag ":" [SP] ]
 *	time   = "Mmm dd hh:mm:ss"	RFC 3164; the day has two characters
 *	       / RFC 3339		as rsyslog and Go write it, a fraction
 *					of 1 to 9 digits
 *	host   = 1 to 255 letters, digits, "-", ".", ":" or "_"
 *	tag    = name [ "[" pid "]" ]	each 1 to 128 printable characters
 *					other than SP and brackets
 *	ietf   = what RFC 5424 calls HEADER, version 1, and the SP after it
 *
 * A tag ends with ": ", or with ":" at the end of the line, as each known
 * program writes it.  Without a tag nothing tells a host from the first word
 * of the message, so the header ends after the time.
 *
 * What cannot be a header has none: a PRI above 191, a time that does not
 * exist, a header of RFC 5424 that breaks its grammar.  Where neither a time
 * nor a version follows it, the PRI is all of the header (RFC 3164, 4.3.3),
 * as Python's SysLogHandler writes it.
 */
#ifndef BUFWRITER_SYSLOG_H
#define BUFWRITER_SYSLOG_H

#include <stdbool.h>
#include <stdint.h>

/* A message in the ring: up to two parts, as in struct ring_message. */
struct syslog_text {
	const uint8_t *part[2];
	uint32_t len[2]; /* bytes */
};

/* Places are offsets from the beginning of the message. */
struct syslog_header {
	uint32_t begin; /* the end of the header: here the message begins */
	uint32_t end;	/* of the message, without one trailing NUL */
	uint32_t name;	/* of the program */
	uint32_t name_len;
	uint32_t pid;
	uint32_t pid_len;
	bool name_is_before; /* name, pid and `begin` follow each other, so
				that name to end is "name[pid]: message" */
};

/* The longest name and the longest pid, in bytes. */
#define SYSLOG_NAME 128

/* The byte at an offset, which the message has. */
static inline uint8_t syslog_byte(const struct syslog_text *t, uint32_t at)
{
	return at < t->len[0] ? t->part[0][at] : t->part[1][at - t->len[0]];
}

/*
 * Finds the header.  False: the message has none.  A name or pid that is
 * missing or NILVALUE has the length 0.  Structured data (RFC 5424) is not
 * part of the header unless it is NILVALUE, because it is what the sender
 * wants to say.
 */
bool syslog_find(const struct syslog_text *t, struct syslog_header *h);

#endif
