/* SPDX-License-Identifier: MIT */
/*
 * What a complete file holds.  Its name says by which framing and with which
 * socket.strip it was made, so a file that holds something else than it says is
 * found out.
 */
#ifndef BUFWRITER_TEST_CONTENT_H
#define BUFWRITER_TEST_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/chaos/plan.h"
#include "tests/lib/tally.h"

/* Before each message of a flow that stands for a syslog sender. */
#define CONTENT_HEADER "<13>Oct 11 22:14:15 host app: "

/* files.suffix for these settings. */
const char *content_suffix(enum framing framing, enum strip strip);

/*
 * Puts the messages of a file into the tally, without their headers.  False: it
 * is not what its name says.
 */
bool content_read(struct tally *tally, const char *name, const char *data,
		  size_t len);

#endif
