/* SPDX-License-Identifier: MIT */
/*
 * What must stay of a syslog message, told by regular expressions: an opinion
 * that shares no line with daemon/filing/syslog.c.
 */
#ifndef BUFWRITER_TEST_HEADERS_H
#define BUFWRITER_TEST_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes what socket.strip = syslog leaves of a message, or with `tag` what
 * socket.strip = tag leaves; returns its length.  It is as long as the message
 * at most.
 */
size_t headers_expect(const char *text, size_t len, bool tag, char *out);

#endif
