/* SPDX-License-Identifier: MIT */
/*
 * What every test program has in common: how its suite runs, when a wait is a
 * hang, and how much work a sanitizer allows.
 *
 * A deadline turns a hang into a failure and measures nothing, so it is far
 * beyond what a healthy run needs.
 *
 * Environment: BW_SCALE (percent of the usual counts).
 */
#ifndef BUFWRITER_TEST_SUITE_H
#define BUFWRITER_TEST_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Seconds after which libcheck ends a test in a process of its own: later
 * than UNTIL() does, which says what it waited for.
 */
#define SUITE_TIMEOUT 600

/*
 * Runs the suite of a test program; the value for main() to return.  CK_FORK
 * gives each test a process of its own, unless CK_FORK=no is in the environment,
 * for a debugger.
 */
int suite_run(Suite *suite, enum fork_status fork);
/*
 * A test case with these checked fixtures, or NULL, added to the suite.  It has
 * SUITE_TIMEOUT; libcheck would end a test after 4 s.
 */
TCase *suite_case(Suite *suite, const char *name, SFun setup, SFun teardown);
/* Says why a case proves nothing here. */
void suite_skip(const char *why);

/*
 * True where a thread that is cancelled is reported for nothing: the address
 * sanitizer of gcc 12 keeps marks of the stack that the cancellation unwinds.
 */
bool suite_cannot_cancel(void);

/* True if tests and daemon are built with a sanitizer. */
bool suite_sanitized(void);
/* `n`, or less of it with a sanitizer or BW_SCALE; at least 1. */
uint64_t suite_scale(uint64_t n);
/* The number in this variable of the environment, or `fallback`. */
uint64_t suite_number(const char *name, uint64_t fallback);

/* CLOCK_MONOTONIC in seconds. */
double suite_now(void);
/* Seconds after which a wait is a hang. */
double suite_limit(void);
void suite_sleep_ms(unsigned ms);

/* What to print before a hang ends the test, or NULL. */
extern void (*suite_dump)(void);
/* Fails the test after suite_limit(). */
void suite_heed_limit(double since, const char *what, const char *file,
		      int line);
/* One turn of UNTIL(): sleeps, or fails the test after suite_limit(). */
void suite_waiting(double since, const char *what, const char *file, int line);

/* Waits until the condition holds. */
#define UNTIL(condition)                                                 \
	do {                                                             \
		double until_since = suite_now();                        \
		while (!(condition))                                     \
			suite_waiting(until_since, #condition, __FILE__, \
				      __LINE__);                         \
	} while (0)

#endif
