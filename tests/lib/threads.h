/* SPDX-License-Identifier: MIT */
/* What the kernel says of threads. */
#ifndef BUFWRITER_TEST_THREADS_H
#define BUFWRITER_TEST_THREADS_H

#include <stdbool.h>

/*
 * True if each thread of the process `pid` whose name begins with `name`
 * sleeps, or if there is none.
 */
bool threads_sleep(int pid, const char *name);

#endif
