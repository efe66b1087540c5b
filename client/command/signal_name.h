/* SPDX-License-Identifier: MIT */
/*
 * Names of signals.  Not every C library has a function for them.
 */
#ifndef BUFWRITER_SIGNAL_NAME_H
#define BUFWRITER_SIGNAL_NAME_H

/* "SIGTERM", or "a signal" for one without a name.  A constant; any thread. */
const char *signal_name(int signal);

#endif
