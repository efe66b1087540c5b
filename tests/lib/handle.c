/* SPDX-License-Identifier: MIT */
/* See handle.h. */
#include "tests/lib/handle.h"

#include <check.h>

#include "client/library/lanes.h"
#include "tests/lib/suite.h"

struct bw *handle_open(const char *socket, int timeout_ms, int lanes)
{
	struct bw_options options = BW_OPTIONS;
	struct bw *bw;

	options.socket = socket;
	options.timeout = timeout_ms;
	options.lanes = lanes;
	ck_assert_int_eq(bw_open(&bw, &options), 0);
	return bw;
}

bool handle_has_lane(struct bw *bw)
{
	return bw_lane_state(&bw_lanes_of(bw)->lane[0]) == BW_LANE_OPEN;
}

struct bw *handle_open_with_lane(const char *socket, int timeout_ms)
{
	const double since = suite_now();
	struct bw *bw;

	for (;;) {
		bw = handle_open(socket, timeout_ms, BW_LANES_ALWAYS);
		if (handle_has_lane(bw))
			return bw;
		bw_close(bw);
		suite_waiting(since, "a lane", __FILE__, __LINE__);
	}
}
