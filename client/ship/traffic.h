/* SPDX-License-Identifier: MIT */
/* What a process and its descendants have written, from /proc.  Any thread. */
#ifndef BUFWRITER_SHIP_TRAFFIC_H
#define BUFWRITER_SHIP_TRAFFIC_H

#include <stdint.h>
#include <sys/types.h>

/*
 * The bytes that this process and its descendants have given to write(2) and
 * its kind, to files, pipes and sockets.  What cannot be read counts as 0.
 */
uint64_t traffic_written(pid_t pid);

#endif
