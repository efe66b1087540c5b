/* SPDX-License-Identifier: MIT */
/* See sender_rate.h. */
#include "daemon/intake/sender_rate.h"

#include <assert.h>
#include <string.h>

#include "daemon/base/clock.h"

/* One message in the unit of struct sender_bucket. */
#define MESSAGE CLOCK_SECOND

static uint64_t most(const struct sender_limit *limit)
{
	assert(limit->rate && limit->rate <= SENDER_RATE_MOST);
	assert(limit->burst && limit->burst <= SENDER_RATE_MOST);
	return limit->burst * MESSAGE;
}

void sender_bucket_open(struct sender_bucket *b,
			const struct sender_limit *limit, uint64_t now_ns)
{
	b->left = limit->rate ? most(limit) : 0;
	b->filled_ns = now_ns;
}

/* What is in it now.  A clock that went back adds nothing. */
static uint64_t filled(const struct sender_bucket *b,
		       const struct sender_limit *limit, uint64_t now_ns)
{
	uint64_t full = most(limit);
	uint64_t ns = now_ns > b->filled_ns ? now_ns - b->filled_ns : 0;

	/* A reload may have lowered the burst. */
	if (b->left >= full)
		return full;
	/* Rounded up, so that the product below stays within 64 bits. */
	if (ns >= (full - b->left) / limit->rate + 1)
		return full;
	return b->left + ns * limit->rate;
}

bool sender_bucket_take(struct sender_bucket *b,
			const struct sender_limit *limit, uint64_t now_ns)
{
	b->left = filled(b, limit, now_ns);
	if (now_ns > b->filled_ns)
		b->filled_ns = now_ns;
	if (b->left < MESSAGE)
		return false;
	b->left -= MESSAGE;
	return true;
}

bool sender_bucket_is_full(const struct sender_bucket *b,
			   const struct sender_limit *limit, uint64_t now_ns)
{
	return filled(b, limit, now_ns) == most(limit);
}

/* -- users ---------------------------------------------------------------- */

void sender_users_open(struct sender_users *u, const struct sender_limit *limit,
		       uint64_t now_ns)
{
	memset(u, 0, sizeof(*u));
	sender_bucket_open(&u->shared, limit, now_ns);
}

static struct sender_user *set_of(struct sender_users *u, uint32_t uid)
{
	/* Users of a container or of systemd follow each other in number. */
	return u->at[(uid * UINT32_C(2654435761)) >> 25];
}

_Static_assert(SENDER_RATE_SETS == 1 << (32 - 25), "a set for each hash");

struct sender_bucket *sender_users_find(struct sender_users *u, uint32_t uid,
					const struct sender_limit *limit,
					uint64_t now_ns)
{
	struct sender_user *set = set_of(u, uid), *free = NULL;
	unsigned i;

	for (i = 0; i < SENDER_RATE_WAYS; i++) {
		if (!set[i].used) {
			if (!free || free->used)
				free = &set[i];
		} else if (set[i].uid == uid) {
			return &set[i].bucket;
		} else if (!free && sender_bucket_is_full(&set[i].bucket, limit,
							  now_ns)) {
			free = &set[i];
		}
	}
	if (!free)
		return &u->shared;
	free->used = true;
	free->uid = uid;
	sender_bucket_open(&free->bucket, limit, now_ns);
	return &free->bucket;
}
