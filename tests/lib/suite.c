/* SPDX-License-Identifier: MIT */
/* Suite, scale, deadlines.  See suite.h. */
#include "tests/lib/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define PERCENT 10
#elif defined(__SANITIZE_ADDRESS__)
#define PERCENT 20
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PERCENT 10
#elif __has_feature(address_sanitizer)
#define PERCENT 20
#endif
#endif
#ifndef PERCENT
#define PERCENT 100
#endif

void (*suite_dump)(void);

int suite_run(Suite *suite, enum fork_status fork)
{
	SRunner *runner = srunner_create(suite);
	const char *asked = getenv("CK_FORK");
	int failed;

	if (asked && !strcmp(asked, "no"))
		fork = CK_NOFORK;
	/* A fork inherits what is not written out yet. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	srunner_set_fork_status(runner, fork);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * libcheck's handler sends the signal on to its whole process group.  A child of
 * the test has that handler until it has become another program: on a busy
 * machine a test that ended a child by SIGTERM ended itself, and the shell that
 * ran it.
 */
static void default_signals(void)
{
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
}

TCase *suite_case(Suite *suite, const char *name, SFun setup, SFun teardown)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, default_signals, NULL);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, SUITE_TIMEOUT);
	suite_add_tcase(suite, tcase);
	return tcase;
}

void suite_skip(const char *why)
{
	printf("skipped: %s\n", why);
}

bool suite_cannot_cancel(void)
{
#ifdef __SANITIZE_ADDRESS__
	suite_skip("the address sanitizer reports cancelled threads");
	return true;
#else
	return false;
#endif
}

bool suite_sanitized(void)
{
	return PERCENT != 100;
}

uint64_t suite_number(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : fallback;
}

uint64_t suite_scale(uint64_t n)
{
	n = n * suite_number("BW_SCALE", PERCENT) / 100;
	return n ? n : 1;
}

double suite_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

double suite_limit(void)
{
	return suite_sanitized() ? 300 : 100;
}

void suite_sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

/*
 * A look at a condition can cost more than a hundred system calls, and the
 * daemon needs the processor more than who waits for it: the longer a wait
 * has been, the longer is the next pause, a sixteenth of it.
 */
#define FIRST_PAUSE 0.0002
#define LONGEST_PAUSE 0.001

static void pause_after(double waited)
{
	double pause = FIRST_PAUSE + waited / 16;

	if (pause > LONGEST_PAUSE)
		pause = LONGEST_PAUSE;
	usleep((useconds_t)(pause * 1e6));
}

void suite_heed_limit(double since, const char *what, const char *file,
		      int line)
{
	if (suite_now() - since > suite_limit()) {
		if (suite_dump)
			suite_dump();
		ck_abort_msg("%s:%d: waited %.0f s in vain for: %s", file, line,
			     suite_limit(), what);
	}
}

void suite_waiting(double since, const char *what, const char *file, int line)
{
	suite_heed_limit(since, what, file, line);
	pause_after(suite_now() - since);
}
