/* SPDX-License-Identifier: MIT */
/* What the kernel says of a process, from /proc. */
#ifndef BUFWRITER_TEST_PROCESS_H
#define BUFWRITER_TEST_PROCESS_H

#include <sys/types.h>

/* Open descriptors. */
unsigned process_descriptors(pid_t pid);
/* Pages in memory. */
long process_resident(pid_t pid);

#endif
