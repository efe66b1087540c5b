/* SPDX-License-Identifier: MIT */
/*
 * A listener on a socket pair and a loop that the test turns by hand.  No
 * worker runs: the test claims and releases.
 */
#ifndef BUFWRITER_TESTS_LISTENER_BED_H
#define BUFWRITER_TESTS_LISTENER_BED_H

#include <sys/socket.h>
#include <sys/time.h>

#include "tests/lib/core.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/intake/listener.h"
#include "daemon/loop.h"

#define SLOTS 4

static struct loop loop;
static uv_async_t never_waits;
static struct listener listener;
static struct workers workers; /* none of them */
static struct core_ring c;
static struct config *cfg;
static int sock[2];
static int more[2][2]; /* as sock, of the sockets beside the first */
static unsigned sockets = 1;
static unsigned drained;
/* The setting, for a listener with a table of senders; NULL: without. */
static const char *senders_rate;
static struct senders senders;

static inline void on_drained(void *arg)
{
	ck_assert_ptr_eq(arg, &drained);
	drained++;
}

static inline void start_with(const char *timeout, bool ours, unsigned slots,
			      bool pauses)
{
	unsigned i;

	log_set_level(0);
	if (senders_rate)
		cfg = CORE_SETTINGS(timeout, "socket.max_message=100",
				    "senders.identify=yes", senders_rate);
	else
		cfg = CORE_SETTINGS(timeout, "socket.max_message=100");
	core_ring_open(&c, slots, 100, 0);
	workers.ring = &c.ring;
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sock), 0);
	ck_assert_int_eq(loop_open(&loop), 0);
	uv_async_init(&loop.uv, &never_waits, NULL);
	listener_start(&listener, &loop.uv, sock[1], ours, cfg);
	if (senders_rate) {
		ck_assert_int_eq(senders_open(&senders, cfg, clock_now()), 0);
		listener_identify(&listener, &senders, NULL);
	}
	for (i = 0; i + 1 < sockets; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK,
					    0, more[i]),
				 0);
		listener_add(&listener, more[i][1]);
	}
	listener_begin(&listener, &c.ring, &workers);
	if (pauses)
		pace_allow_pauses(&listener.pace);
	loop_start(&loop, &listener);
}

static inline void start(const char *timeout, bool ours)
{
	start_with(timeout, ours, SLOTS, false);
}

static inline void finish(void)
{
	listener_close(&listener);
	loop_close(&loop);
	core_ring_close(&c);
	senders_close(&senders);
	config_free(cfg);
	close(sock[0]);
	close(sock[1]);
	while (sockets > 1) {
		sockets--;
		close(more[sockets - 1][0]);
		close(more[sockets - 1][1]);
	}
}

/* What is ready now, and nothing later. */
static inline void turn(void)
{
	uv_async_send(&never_waits);
	loop_turn(&loop);
}

static inline void turn_until(enum listener_state state)
{
	uint64_t limit = clock_now() + suite_limit() * CLOCK_SECOND;

	while (listener.state != state) {
		ck_assert_msg(clock_now() < limit, "never %s",
			      listener_state_word(state));
		loop_turn(&loop);
	}
}

static inline void send_bytes(unsigned n, uint32_t len)
{
	char data[300] = "";

	while (n--)
		ck_assert_int_eq(send(sock[0], data, len, 0), len);
}

static inline void count_call(void *calls)
{
	++*(unsigned *)calls;
}

/* The listener has the loop come back: so often. */
static inline void count_calls(unsigned *calls)
{
	workers.orders.notify = count_call;
	workers.orders.arg = calls;
}

/* The first socket has an endless number of empty datagrams from now on. */
static inline void flood(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	shutdown(pair[1], SHUT_RD);
	ck_assert_int_eq(dup2(pair[1], sock[1]), sock[1]);
	close(pair[0]);
	close(pair[1]);
}

/* As a worker: false if the ring was empty. */
static inline bool take_one(void)
{
	uint64_t ticket = ring_claimed(&c.ring);

	if (!ring_waiting(&c.ring))
		return false;
	ck_assert(ring_claim(&c.ring, ticket, 1));
	if (ring_release(&c.ring, ticket, 1))
		listener_resume(&listener);
	return true;
}

static inline bool is_watched(void)
{
	return listener.state == LISTENER_READING ||
	       listener.state == LISTENER_DROPPING;
}

#define COUNT(name) stats_get(&listener.stats.name)

/* Reads until the queue is empty; the number of datagrams there were. */
static inline unsigned left_in_queue(void)
{
	char data[300];
	unsigned n = 0;

	while (recv(sock[1], data, sizeof(data), MSG_DONTWAIT) >= 0)
		n++;
	return n;
}

#endif
