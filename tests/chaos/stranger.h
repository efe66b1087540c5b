/* SPDX-License-Identifier: MIT */
/*
 * Somebody who does not know the protocols: passes descriptors to each of the
 * daemon's sockets (SCM_RIGHTS), says nonsense, and hangs up.  A datagram that
 * a socket takes with a descriptor is a message as any other; newer kernels
 * refuse it.
 *
 * The test's own process, which never waits here.
 */
#ifndef BUFWRITER_TEST_STRANGER_H
#define BUFWRITER_TEST_STRANGER_H

#include <stdint.h>

#include "tests/lib/tally.h"

void stranger_calls(void);
/* Expects the datagrams that were taken; their number. */
uint64_t stranger_expect(struct tally *tally);

#endif
