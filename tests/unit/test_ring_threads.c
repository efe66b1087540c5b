/* SPDX-License-Identifier: MIT */
/*
 * The ring between threads: one producer and several consumers as hard as
 * they can, each message exactly once and whole, and nobody sleeps for ever.
 *
 * Under the thread sanitizer this is also the proof of the memory orders: a
 * message's bytes are plain memory, written by one thread or by the kernel
 * and read by another.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/socket.h>

#include "tests/lib/core.h"

#define MAX 6000
#define CONSUMERS 8

struct stress {
	struct core_ring c;
	uint64_t messages;
	unsigned consumers;
	int in, out;		/* sockets, or -1: the producer makes them */
	_Atomic uint8_t *seen;	/* by number */
	_Atomic uint64_t taken; /* messages */
	_Atomic unsigned wrong;
	sem_t free; /* posted for a release that was wanted */
	uint64_t sleeps;
};

/* Each message carries its number, and bytes that follow from it. */
static uint32_t make(uint8_t *to, uint64_t number)
{
	uint64_t r = random_mix(number);
	uint32_t len = r % 8 ? 8 + (r >> 8) % 200 : 8 + (r >> 8) % (MAX - 8);

	random_message(to, len, number);
	memcpy(to, &number, sizeof(number));
	return len;
}

static bool is_made(const uint8_t *data, uint32_t len, uint64_t messages,
		    uint64_t *number)
{
	uint8_t made[MAX];

	if (len < sizeof(*number))
		return false;
	memcpy(number, data, sizeof(*number));
	return *number < messages && make(made, *number) == len &&
	       !memcmp(made, data, len);
}

/* --- the threads --------------------------------------------------------- */

static void check_one(struct stress *s, uint64_t ticket,
		      const struct ring_message *peeked)
{
	struct ring_message m;
	uint64_t number;
	uint8_t data[MAX];

	ring_message(&s->c.ring, ticket, &m);
	/* what the claim proved right */
	if (m.len != peeked->len || m.newline != peeked->newline ||
	    m.oversized || m.len > MAX) {
		atomic_fetch_add(&s->wrong, 1);
		return;
	}
	memcpy(data, m.part[0], m.part_len[0]);
	if (m.part_len[1])
		memcpy(data + m.part_len[0], m.part[1], m.part_len[1]);
	if (!is_made(data, m.len, s->messages, &number) ||
	    atomic_fetch_add(&s->seen[number], 1))
		atomic_fetch_add(&s->wrong, 1);
}

/* One claim; false: nothing was waiting, or another was faster. */
static bool consume(struct stress *s, uint64_t *random)
{
	struct ring *r = &s->c.ring;
	uint64_t from = ring_claimed(r), n, i;
	uint64_t waiting = ring_published(r) - from;
	struct ring_message peeked[16];

	if (!waiting)
		return false;
	*random = random_mix(*random);
	n = 1 + *random % 16;
	n = n < waiting ? n : waiting;
	for (i = 0; i < n; i++)
		ring_peek(r, from + i, &peeked[i]);
	if (!ring_claim(r, from, n))
		return false;
	for (i = 0; i < n; i++)
		check_one(s, from + i, &peeked[i]);
	if (ring_release(r, from, n))
		sem_post(&s->free);
	atomic_fetch_add(&s->taken, n);
	return true;
}

static void *consumer(void *arg)
{
	struct stress *s = arg;
	uint64_t random = random_mix((uintptr_t)pthread_self());

	while (atomic_load(&s->taken) < s->messages)
		if (!consume(s, &random))
			sched_yield();
	return NULL;
}

/* What the loop thread does when the ring is full. */
static unsigned slots(struct stress *s, struct mmsghdr **msgs)
{
	unsigned n;

	for (;;) {
		n = ring_arm(&s->c.ring, RING_BATCH, msgs);
		if (n)
			return n;
		if (!ring_wait_for_slot(&s->c.ring))
			continue;
		s->sleeps++;
		while (sem_wait(&s->free))
			;
	}
}

static unsigned receive(struct stress *s, struct mmsghdr *msgs, unsigned n,
			uint64_t number)
{
	struct pollfd p = { .fd = s->in, .events = POLLIN };
	uint8_t data[MAX];
	unsigned i;
	int got;

	if (s->in >= 0) {
		poll(&p, 1, -1);
		got = recvmmsg(s->in, msgs, n, MSG_DONTWAIT | MSG_TRUNC, NULL);
		return got > 0 ? got : 0;
	}
	if (n > s->messages - number)
		n = s->messages - number;
	n = 1 + random_below(n);
	for (i = 0; i < n; i++) {
		uint32_t len = make(data, number + i);

		core_receive(&msgs[i], data, len);
	}
	return n;
}

static void produce(struct stress *s)
{
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;
	uint64_t number = 0;
	unsigned n;

	while (number < s->messages) {
		n = slots(s, &msgs);
		n = receive(s, msgs, n, number);
		if (n)
			ring_publish(&s->c.ring, n, number, &batch);
		number += n;
	}
}

static void *sender(void *arg)
{
	struct stress *s = arg;
	uint8_t data[MAX];
	uint64_t number;

	for (number = 0; number < s->messages; number++) {
		uint32_t len = make(data, number);

		if (send(s->out, data, len, 0) != len)
			atomic_fetch_add(&s->wrong, 1);
	}
	return NULL;
}

/* --- the tests ----------------------------------------------------------- */

static void run(struct stress *s, uint64_t queue, uint64_t first)
{
	pthread_t thread[CONSUMERS], sending;
	uint64_t number;
	unsigned i;

	s->messages = suite_scale(s->messages);
	s->seen = calloc(s->messages, 1);
	ck_assert_ptr_nonnull(s->seen);
	sem_init(&s->free, 0, 0);
	core_ring_open(&s->c, queue, MAX, first);
	for (i = 0; i < s->consumers; i++)
		ck_assert(!pthread_create(&thread[i], NULL, consumer, s));
	if (s->out >= 0)
		ck_assert(!pthread_create(&sending, NULL, sender, s));
	produce(s);
	for (i = 0; i < s->consumers; i++)
		pthread_join(thread[i], NULL);
	if (s->out >= 0)
		pthread_join(sending, NULL);
	ck_assert_uint_eq(s->wrong, 0);
	ck_assert_uint_eq(s->taken, s->messages);
	for (number = 0; number < s->messages; number++)
		ck_assert_uint_eq(s->seen[number], 1);
	ck_assert_uint_eq(ring_waiting(&s->c.ring), 0);
	core_ring_close(&s->c);
	sem_destroy(&s->free);
	free((void *)s->seen);
}

static const struct {
	uint64_t queue, first, messages;
	unsigned consumers;
} races[] = {
	{ 2, 2, 40000, 1 },
	{ 2, UINT32_MAX - 1000, 40000, 4 },
	{ 7, UINT32_MAX - 10000, 80000, 3 },
	{ 64, 64, 100000, 2 },
	{ 200, UINT32_MAX - 50000, 200000, CONSUMERS },
	{ 1024, 1024, 200000, 4 },
};

START_TEST(each_message_reaches_one_consumer_whole)
{
	struct stress s = {
		.messages = races[_i].messages,
		.consumers = races[_i].consumers,
		.in = -1,
		.out = -1,
	};

	random_seed = _i;
	run(&s, races[_i].queue, races[_i].first);
}
END_TEST

START_TEST(each_datagram_of_the_kernel_reaches_one_consumer_whole)
{
	struct stress s = { .messages = 40000, .consumers = 3 };
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	s.in = fd[1];
	s.out = fd[0];
	run(&s, _i ? 100 : 3, UINT32_MAX - 100);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

/*
 * The ring is full whenever the producer looks, and the consumer takes one
 * message at a time: each message is one park and one wake.
 */
START_TEST(a_producer_that_wants_a_slot_is_always_woken)
{
	struct stress s = {
		.messages = 60000, .consumers = 2, .in = -1, .out = -1
	};

	run(&s, 2, 2);
	ck_assert_uint_gt(s.sleeps, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_threads");
	TCase *tc = core_case(suite, "ring_threads");

	tcase_add_loop_test(tc, each_message_reaches_one_consumer_whole, 0,
			    sizeof(races) / sizeof(races[0]));
	tcase_add_loop_test(
		tc, each_datagram_of_the_kernel_reaches_one_consumer_whole, 0,
		2);
	tcase_add_test(tc, a_producer_that_wants_a_slot_is_always_woken);
	return suite_run(suite, CK_FORK);
}
