/* SPDX-License-Identifier: MIT */
/* What an operator can do about an error of the file system.  Any thread. */
#ifndef BUFWRITER_REMEDY_H
#define BUFWRITER_REMEDY_H

/* An imperative phrase for the end of a log line; err is a -errno. */
const char *remedy(int err);

#endif
