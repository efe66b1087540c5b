/* SPDX-License-Identifier: MIT */
/*
 * How long a send may block: some times the longest buffer.timeout that was in
 * effect, and some seconds, because a recovery may take that; and all the time
 * in which there was no bound, because no daemon ran or the timeout was `never`.
 */
#ifndef BUFWRITER_TEST_BOUND_H
#define BUFWRITER_TEST_BOUND_H

#include <stdbool.h>
#include <stdint.h>

/* From now on there is a bound, or there is none. */
void bound_set(bool bounded);
bool bound_is_set(void);
/* This buffer.timeout is in effect, PLAN_NEVER: no bound. */
void bound_use(uint32_t timeout_ms);

/*
 * What is wrong with a send of a datagram that took so many seconds, or NULL.
 * The text lives until the next call.
 */
const char *bound_judge(double seconds);
/* The same of a call of the library, with a timeout of its own. */
const char *bound_judge_own(double seconds, int timeout_ms);

#endif
