/* SPDX-License-Identifier: MIT */
/* See bound.h. */
#include "tests/chaos/bound.h"

#include <stdio.h>

#include "tests/chaos/plan.h"
#include "tests/lib/suite.h"

#define SLACK_TIMES 10
#define SLACK_S 15

static double unbounded;      /* seconds without a bound so far */
static double unbounded_from; /* 0: there is one now */
static uint32_t longest_ms;   /* of all finite timeouts */
static char wrong[256];

void bound_set(bool bounded)
{
	double at = suite_now();

	if (unbounded_from > 0)
		unbounded += at - unbounded_from;
	unbounded_from = bounded ? 0 : at;
}

bool bound_is_set(void)
{
	return unbounded_from <= 0;
}

void bound_use(uint32_t timeout_ms)
{
	if (timeout_ms != PLAN_NEVER && timeout_ms > longest_ms)
		longest_ms = timeout_ms;
	bound_set(timeout_ms != PLAN_NEVER);
}

const char *bound_judge(double seconds)
{
	if (seconds < longest_ms * SLACK_TIMES / 1e3 + SLACK_S + unbounded)
		return NULL;
	snprintf(wrong, sizeof(wrong),
		 "a send took %.2f s: timeouts up to %u ms, %.2f s without one",
		 seconds, longest_ms, unbounded);
	return wrong;
}

const char *bound_judge_own(double seconds, int timeout_ms)
{
	if (timeout_ms < 0)
		return bound_judge(seconds);
	if (seconds < timeout_ms * SLACK_TIMES / 1e3 + SLACK_S)
		return NULL;
	snprintf(wrong, sizeof(wrong),
		 "a call of the library took %.2f s with a timeout of %d ms",
		 seconds, timeout_ms);
	return wrong;
}
