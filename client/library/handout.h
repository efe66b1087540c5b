/* SPDX-License-Identifier: MIT */
/*
 * Talks to the socket that gives out lanes: one packet there, one packet back.
 * bufwriter-lanes(7) describes both.
 *
 * The connections are numbered as in fork.h, and each belongs to the owner of
 * the lane of that number.  No call waits, and none is a cancellation point.
 */
#ifndef BUFWRITER_HANDOUT_H
#define BUFWRITER_HANDOUT_H

#include <stdint.h>

struct bw;

enum bw_request {
	BW_REQUEST_LANE = 1,  /* value: length of a large message, or 0 */
	BW_REQUEST_READ = 2,  /* value: id of a lane.  How far was it read? */
	BW_REQUEST_FLUSH = 3, /* value: returned with the answer */
};

/*
 * When no answer to a request for a lane has come by then, none will come, and
 * the request is made again.  A daemon that was killed before it answered may
 * leave a connection that a supervisor keeps open, so no end of file comes.
 */
#define BW_HANDOUT_MS 1000

struct bw_answer {
	int32_t status; /* 0 or -errno */
	uint64_t value[2];
	int memory; /* a descriptor for the caller to close, or -1 */
};

/*
 * Connects and sends a request.  Returns 0; -EOPNOTSUPP: the daemon gives out
 * no lanes; another -errno: there is no daemon now, or no permission.
 */
int bw_handout_ask(struct bw *bw, int index, enum bw_request type,
		   uint64_t value);
/* The same with a socket that is the caller's. */
int bw_handout_ask_on(const struct bw *bw, int fd, enum bw_request type,
		      uint64_t value);

/*
 * Takes the answer.  Returns 0; -EAGAIN: it has not come; another -errno: the
 * connection has ended, or its other end is no daemon of this kind.
 */
int bw_handout_answer(int fd, struct bw_answer *answer);

#endif
