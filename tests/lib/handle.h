/* SPDX-License-Identifier: MIT */
/* A handle of the library, for tests. */
#ifndef BUFWRITER_TEST_HANDLE_H
#define BUFWRITER_TEST_HANDLE_H

#include <stdbool.h>

#include "client/library/bufwriter.h"

/* `lanes` is BW_LANES_AUTO and so on.  A test fails if there is no handle. */
struct bw *handle_open(const char *socket, int timeout_ms, int lanes);
/* The first lane of the handle is open. */
bool handle_has_lane(struct bw *bw);
/*
 * With BW_LANES_ALWAYS, and the first lane is open.  The library gives a
 * request up that has no answer within a second, or within the timeout.  A
 * daemon may get no processor for so long; then there is another try.
 */
struct bw *handle_open_with_lane(const char *socket, int timeout_ms);

#endif
