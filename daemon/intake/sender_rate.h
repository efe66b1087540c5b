/* SPDX-License-Identifier: MIT */
/*
 * May this sender send one more message?  A token bucket for each user, in a
 * table of a fixed size.  Time is an argument: this file reads no clock.
 *
 * A bucket holds `burst` messages at most, and gets `rate` a second.  It counts
 * in billionths of a message, so that every whole rate is exact.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_SENDER_RATE_H
#define BUFWRITER_SENDER_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* The bounds of both, so that no product exceeds 64 bits. */
#define SENDER_RATE_MOST UINT64_C(1000000000)

struct sender_limit {
	uint64_t rate;	/* messages a second; 0: no limit */
	uint64_t burst; /* messages, at least 1 if there is a limit */
};

struct sender_bucket {
	uint64_t left;	    /* billionths of a message */
	uint64_t filled_ns; /* when that was so, CLOCK_MONOTONIC */
};

/* A full one. */
void sender_bucket_open(struct sender_bucket *b,
			const struct sender_limit *limit, uint64_t now_ns);
/* Takes one message out of it; false: there is none. */
bool sender_bucket_take(struct sender_bucket *b,
			const struct sender_limit *limit, uint64_t now_ns);
/* Is it as full as a new one? */
bool sender_bucket_is_full(const struct sender_bucket *b,
			   const struct sender_limit *limit, uint64_t now_ns);

/* A user's bucket is in one set, so a search looks at WAYS places. */
#define SENDER_RATE_SETS 128
#define SENDER_RATE_WAYS 8

struct sender_user {
	struct sender_bucket bucket;
	uint32_t uid;
	bool used;
};

struct sender_users {
	struct sender_user at[SENDER_RATE_SETS][SENDER_RATE_WAYS];
	/* for users that find no place */
	struct sender_bucket shared;
};

void sender_users_open(struct sender_users *u, const struct sender_limit *limit,
		       uint64_t now_ns);
/*
 * The bucket of this user.  A full bucket gives way to a new user, which loses
 * nothing, because a new bucket is full, too.  If all places are taken by users
 * that are at their limit, the new one shares a bucket with others like it: so
 * nobody escapes the limit by means of many users.
 */
struct sender_bucket *sender_users_find(struct sender_users *u, uint32_t uid,
					const struct sender_limit *limit,
					uint64_t now_ns);

#endif
