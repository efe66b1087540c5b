/* SPDX-License-Identifier: MIT */
/*
 * What the caller's program logs with: one of these is linked into each
 * build/bench/caller-*.  Threads share what sink_open() returns.
 */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `target`: the socket, or the directory for files.  NULL: it failed. */
void *sink_open(const char *target, const char *mode);
/* One message, which ends with a newline.  0, or not. */
int sink_log(void *sink, const char *data, size_t len);
/* All of it is in files afterwards. */
int sink_close(void *sink);

#ifdef __cplusplus
}
#endif

#endif
