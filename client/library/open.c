/* SPDX-License-Identifier: MIT */
/*
 * The beginning and the end of a handle: options, bw_open(), bw_close().
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bufwriter.h"
#include "client/library/datagram.h"
#include "client/library/handle.h"
#include "client/library/lanes.h"
#include "client/library/lanes_end.h"

/* A larger size means that the struct was not initialised. */
#define OPTIONS_MAX_BYTES 4096

/* The first version of the struct had these fields.  They keep their places. */
#define OPTIONS_FIRST_BYTES (offsetof(struct bw_options, timeout) + sizeof(int))
_Static_assert(offsetof(struct bw_options, size) == 0 &&
		       offsetof(struct bw_options, socket) == sizeof(size_t),
	       "programs that are compiled already know these places");

/*
 * Reads the options of a caller that may have been compiled with an older or a
 * newer header.  A field that the caller does not know gets its default.  A
 * field that only the caller knows must be zero.
 */
static int options_read(struct bw_options *to, const struct bw_options *from)
{
	const unsigned char *bytes = (const unsigned char *)from;
	size_t n;

	*to = (struct bw_options)BW_OPTIONS;
	if (!from)
		return 0;
	if (from->size < OPTIONS_FIRST_BYTES || from->size > OPTIONS_MAX_BYTES)
		return BW_INVALID;
	for (n = sizeof(*to); n < from->size; n++)
		if (bytes[n])
			return BW_INVALID;
	memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
	if (to->timeout < BW_FOREVER || to->lanes < BW_LANES_AUTO ||
	    to->lanes > BW_LANES_NEVER || to->reserved)
		return BW_INVALID;
	return 0;
}

static int address_set(struct sockaddr_un *address, const char *path)
{
	if (!path) {
		path = secure_getenv("BUFWRITER_SOCKET");
		if (!path || !*path)
			path = BW_SOCKET;
	}
	if (!*path)
		return BW_INVALID;
	if (strlen(path) >= sizeof(address->sun_path))
		return BW_PATH_TOO_LONG;
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, path);
	return 0;
}

int bw_open(struct bw **out, const struct bw_options *options)
{
	struct bw_options opt;
	struct timespec tick;
	struct bw *bw;
	int err;

	*out = NULL;
	err = options_read(&opt, options);
	if (err)
		return err;
	/* Zeroed: gone_since_ms is 0 before any other thread has the handle. */
	bw = calloc(1, sizeof(*bw));
	if (!bw)
		return BW_NO_MEMORY;
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	bw->slack_ms = 3 * tick.tv_nsec / 1000000 + 1;
	bw->timeout_ms = opt.timeout;
	bw->lanes_mode = opt.lanes;
	err = address_set(&bw->address, opt.socket);
	if (!err)
		err = bw_datagram_open(bw);
	if (err) {
		free(bw);
		return err;
	}
	bw_limit_read(&bw->limit, bw->address.sun_path);
	if (bw->lanes_mode == BW_LANES_ALWAYS)
		bw_lanes_open(bw);
	*out = bw;
	return 0;
}

void bw_close(struct bw *bw)
{
	if (!bw)
		return;
	bw_lanes_close(bw);
	close(bw->fd);
	free(bw);
}
