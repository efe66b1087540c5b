/* SPDX-License-Identifier: MIT */
/* See pace.h. */
#include "daemon/intake/pace.h"

#include <assert.h>
#include <string.h>

void pace_open(struct pace *p, bool may_receive)
{
	memset(p, 0, sizeof(*p));
	p->may_receive = may_receive;
	p->pause_after = PACE_PAUSE_AFTER;
}

void pace_allow_pauses(struct pace *p)
{
	p->may_pause = true;
}

/* The rate of `received` datagrams in `ns`: 200,000/s or more? */
static bool is_fast(uint64_t received, uint64_t ns)
{
	return ns <= received * PACE_FAST_NS;
}

void pace_turn(struct pace *p, uint64_t received, uint64_t now_ms)
{
	uint64_t came = received - p->checked_received;
	uint64_t passed_ms = now_ms - p->checked_ms;

	if (p->pausing)
		return;
	p->turns++;
	p->checking = passed_ms >= PACE_CHECK_MS;
	if (!p->checking)
		return;
	p->steady = p->may_receive && p->turns >= passed_ms * PACE_STEADY &&
		    came >= passed_ms * PACE_STEADY &&
		    !is_fast(came, passed_ms * 1000000);
	p->checked_ms = now_ms;
	p->checked_received = received;
	p->turns = 0;
}

enum pace_wait pace_next(const struct pace *p, bool reading, int loop_ms)
{
	if (p->pausing)
		return PACE_PAUSE;
	if (reading && p->steady && !p->checking &&
	    (loop_ms < 0 || loop_ms >= PACE_TIMER_MS))
		return PACE_RECEIVE;
	return PACE_POLL;
}

void pace_ended(struct pace *p, enum pace_wait wait, enum pace_end end)
{
	assert(wait == PACE_PAUSE || end != PACE_END_PAUSED);
	/* A pause that was cut short is no measure of what a pause yields. */
	if (wait == PACE_PAUSE) {
		p->pausing = false;
		p->paused = end == PACE_END_PAUSED;
	}
	/*
	 * Another handle is active: the loop stays in poll(2) until the next
	 * check, so that an exchange of several steps is not delayed.  And a
	 * sleep in recvmmsg(2) that brought nothing is the last one.
	 */
	if (end == PACE_END_HANDLE ||
	    (wait == PACE_RECEIVE && end != PACE_END_DATAGRAM))
		p->steady = false;
}

/* What the pause yielded decides how soon the next one may come. */
static void judge_pause(struct pace *p, uint64_t came)
{
	p->paused = false;
	if (came < PACE_PAUSE_LEAST && p->pause_after < PACE_PAUSE_RARELY)
		p->pause_after *= 2;
	else if (came >= PACE_PAUSE_LEAST && p->pause_after > PACE_PAUSE_AFTER)
		p->pause_after /= 2;
}

void pace_emptied(struct pace *p, uint64_t received, uint64_t bytes,
		  uint64_t now_ns)
{
	uint64_t came = received - p->base_received;
	uint64_t came_bytes = bytes - p->base_bytes;

	if (p->paused)
		judge_pause(p, came);
	if (!p->may_pause || came < p->pause_after)
		return;
	p->pausing = came_bytes <= came * PACE_PAUSE_BYTES &&
		     is_fast(came, now_ns - p->base_ns);
	p->base_received = received;
	p->base_bytes = bytes;
	p->base_ns = now_ns;
}

bool pace_reads_on(const struct pace *p)
{
	return !p->pausing && !p->steady;
}
