/* SPDX-License-Identifier: MIT */
/*
 * The packets on a connection to the lanes' socket, see bufwriter-lanes(7).
 * Numbers are in the processor's byte order.  A packet of one byte is the
 * doorbell.  The library has a copy of its own.
 */
#ifndef BUFWRITER_LANE_WIRE_H
#define BUFWRITER_LANE_WIRE_H

#include <stdint.h>

#define LANE_WIRE_MAGIC 0x314c5742 /* "BWL1" */

enum lane_wire_type {
	LANE_WIRE_OPEN = 1,  /* value: 0, or bytes of a large message */
	LANE_WIRE_ASK = 2,   /* value: the id of a lane */
	LANE_WIRE_FLUSH = 3, /* value: any number, which the answer repeats */
};

struct lane_request {
	uint32_t magic;
	uint32_t type;
	uint64_t value;
};

/*
 * OPEN: id and size, the memory by SCM_RIGHTS.  ASK: id and position.  FLUSH:
 * the request's number, and what was dropped since the last such answer.
 */
struct lane_answer {
	uint32_t magic;
	int32_t status; /* 0 or -errno */
	uint64_t value1;
	uint64_t value2;
};

_Static_assert(sizeof(struct lane_request) == 16, "wire layout");
_Static_assert(sizeof(struct lane_answer) == 24, "wire layout");

#endif
