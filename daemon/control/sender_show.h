/* SPDX-License-Identifier: MIT */
/*
 * Who sends datagrams, as text: the member `senders` of the status, and the
 * families of the metrics for each unit.  What a user's process has chosen, its
 * command, is escaped; a unit's name has only characters that systemd allows.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_SENDER_SHOW_H
#define BUFWRITER_SENDER_SHOW_H

#include "daemon/control/text.h"
#include "daemon/intake/senders.h"

/* Rows that are told: the senders with the most messages a second. */
#define SENDER_ROWS_TOLD 16

/* Bytes that either takes at most, with quotes and backslashes escaped. */
#define SENDER_SHOW_ROOM (192 * 1024)

/* An object for JSON.  `senders` NULL: they are not asked for. */
void sender_show_status(struct text *t, struct senders *senders,
			uint64_t now_ns);

/* A family of counters, and its value. */
struct sender_family {
	const char *name, *doc;
	size_t offset; /* in struct sender_sums */
};
#define SENDER_FAMILIES 3
extern const struct sender_family sender_families[SENDER_FAMILIES];

/*
 * The samples of one family, after senders_credit().  `stream` is the escaped
 * label.
 */
void sender_show_samples(struct text *t, const struct senders *senders,
			 const struct sender_family *family,
			 const char *stream);

#endif
