/* SPDX-License-Identifier: MIT */
/* See content.h. */
#define _GNU_SOURCE
#include "tests/chaos/content.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "tests/lib/bed.h"

/* What a file of this socket.strip has left of a header. */
static const char *const left_of_header[] = {
	[STRIP_NOTHING] = CONTENT_HEADER,
	[STRIP_HEADER] = "",
	[STRIP_TO_TAG] = "app: ",
};

const char *content_suffix(enum framing framing, enum strip strip)
{
	return bed_text(".%s-%s", framing_words[framing], strip_words[strip]);
}

/* PREFIX<...>.framing-strip, maybe with .zst */
static bool read_name(const char *name, enum framing *framing,
		      enum strip *strip)
{
	const char *dot = strchr(name, '.');
	unsigned i;
	size_t len;

	for (i = 0; dot && i < 3 * STRIPS; i++) {
		*framing = i / STRIPS;
		*strip = i % STRIPS;
		len = strlen(content_suffix(*framing, *strip));
		if (!strncmp(dot, content_suffix(*framing, *strip), len) &&
		    (!dot[len] || !strcmp(dot + len, ".zst")))
			return true;
	}
	return false;
}

/* A text message has no NUL, and a length of four bytes ends in one. */
static enum framing find_framing(const char *data, size_t len)
{
	const char *end = memchr(data, ']', len);

	if (len >= 4 && !data[3])
		return LENGTH;
	if (data[0] == '!')
		end = data;
	return end && end + 1 < data + len && end[1] == '\n' ? NEWLINE : NONE;
}

/* Where the number of its flow is in a text message, in alphabetic order. */
#define FLOW_AT 7

/* Is the message of a flow with a header? */
static bool is_syslog(const char *message, size_t len)
{
	return len >= PLAN_SYSLOG_BYTES && message[FLOW_AT] >= 'g' &&
	       message[FLOW_AT] < 'g' + PLAN_SENDERS;
}

/* The bytes up to the end of the message at `data`, or -1. */
static ssize_t message_end(enum framing framing, const char *data, size_t left)
{
	const char *end = NULL;

	if (framing == NEWLINE)
		end = memchr(data, '\n', left);
	else if (*data == '!')
		end = data + 1;
	else if ((end = memchr(data, ']', left)))
		end++;
	return end ? end - data : -1;
}

/* The same in a file with lengths. */
static ssize_t record_end(const char *data, size_t left)
{
	uint32_t len;

	if (left < 4)
		return -1;
	memcpy(&len, data, 4);
	return le32toh(len) <= left - 4 ? (ssize_t)le32toh(len) : -1;
}

bool content_read(struct tally *tally, const char *name, const char *data,
		  size_t left)
{
	enum framing framing;
	enum strip strip;
	const char *header;
	size_t head, tail;
	ssize_t len;
	bool has, right = true;

	if (!read_name(name, &framing, &strip) ||
	    (left && framing != find_framing(data, left)))
		return false;
	header = left_of_header[strip];
	head = strlen(header);
	tail = framing == NEWLINE;
	while (left) {
		if (framing == LENGTH) {
			len = record_end(data, left);
			data += 4;
			left -= 4;
		} else {
			len = message_end(framing, data, left);
		}
		if (len < 0) {
			tally_tear(tally, name, left);
			return right;
		}
		has = head && (size_t)len >= head &&
		      !memcmp(data, header, head);
		if (has) {
			data += head;
			left -= head;
			len -= (ssize_t)head;
		}
		if (head)
			right &= has == is_syslog(data, (size_t)len);
		tally_find(tally, name, data, (size_t)len);
		data += (size_t)len + tail;
		left -= (size_t)len + tail;
	}
	return right;
}
