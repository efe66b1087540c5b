/* SPDX-License-Identifier: MIT */
/* The library.  Modes: lane, datagram, and auto, which is its default. */
#include <stdio.h>
#include <string.h>

#include "client/library/bufwriter.h"

#include "sink.h"

void *sink_open(const char *target, const char *mode)
{
	struct bw_options options = BW_OPTIONS;
	struct bw *bw;
	int err;

	options.socket = target;
	options.timeout = BW_FOREVER;
	if (!strcmp(mode, "lane"))
		options.lanes = BW_LANES_ALWAYS;
	else if (!strcmp(mode, "datagram"))
		options.lanes = BW_LANES_NEVER;
	err = bw_open(&bw, &options);
	if (!err)
		return bw;
	fprintf(stderr, "caller: %s\n", bw_strerror(err));
	return NULL;
}

int sink_log(void *sink, const char *data, size_t len)
{
	return bw_write(sink, data, len);
}

int sink_close(void *sink)
{
	int err = bw_flush(sink);

	bw_close(sink);
	return err;
}
