/* SPDX-License-Identifier: MIT */
/*
 * The texts of the library's errors.  Each says what the error means, and most
 * say what can be done.
 */
#include <limits.h>
#include <string.h>

#include "bufwriter.h"

/* The text of an error number, in English, or NULL if there is none. */
static const char *describe(int number)
{
#ifdef __GLIBC__
	return strerrordesc_np(number);
#else
	/* In musl, this is a constant, and all unknown numbers have the same. */
	const char *text = strerror(number);

	return strcmp(text, strerror(INT_MAX)) ? text : NULL;
#endif
}

const char *bw_strerror(int error)
{
	const char *text;

	switch (error) {
	case 0:
		return "success";
	case BW_TIMEOUT:
		return "timed out: the daemon's queue stayed full; "
		       "is its disk slow or full?";
	case BW_TOO_LARGE:
		return "message too large for the daemon's socket.max_message "
		       "and lanes.large, or for a datagram; split it";
	case BW_NO_DAEMON:
		return "no daemon listens on the socket; "
		       "is bufwriterd running with this socket.path?";
	case BW_NOT_PERMITTED:
		return "not permitted to write to the daemon's socket; "
		       "is this user in the socket's group?";
	case BW_WRONG_SOCKET:
		return "not a datagram socket; is this the path of "
		       "bufwriterd's socket?";
	case BW_PATH_TOO_LONG:
		return "socket path too long; it may have at most 107 bytes";
	case BW_INVALID:
		return "invalid argument or option; "
		       "were the options initialised with BW_OPTIONS?";
	case BW_NO_MEMORY:
		return "this process or the kernel is out of memory";
	case BW_CLOSED:
		return "the handle's file descriptor was closed; "
		       "open the handle after closing all descriptors";
	case BW_NOT_SUPPORTED:
		return "the daemon offers no socket for lanes; "
		       "is lanes.path set, and is the daemon new enough?";
	case BW_INPUT_ENDED:
		return "the input ended before the length that was given; "
		       "nothing was sent";
	}
	text = error < 0 && error != INT_MIN ? describe(-error) : NULL;
	return text ? text : "unknown error";
}
