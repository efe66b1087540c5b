/* SPDX-License-Identifier: MIT */
/*
 * The ring that a dead process left: what is in it, wherever that process
 * stopped, and that damage is seen before anything is believed.
 *
 * A process dies here by a point, or its memory is copied at a moment.
 */
#include <sys/socket.h>

#include "daemon/region/ring_check.h"
#include "tests/lib/core.h"

#define MAX 5000

static uint8_t buf[2 * MAX];

/* A copy of a ring's memory, as the next process finds it. */
static void find(struct core_ring *dead, const struct core_ring *living)
{
	const char *why;

	dead->bytes = living->bytes;
	dead->mem = core_map(dead->bytes);
	memcpy(dead->mem, living->mem, dead->bytes);
	ck_assert_int_eq(
		ring_open(&dead->ring, &living->ring.layout.geo, dead->mem), 0);
	ck_assert_msg(!ring_check(&dead->ring.layout, &why), "%s", why);
}

/* The held tickets are exactly the messages [from, to), in this order. */
static void expect(struct core_ring *dead, uint64_t from, uint64_t to,
		   const uint32_t *lens)
{
	struct ring *r = &dead->ring;
	uint64_t head = ring_head(&r->layout), n = r->layout.geo.slots, ticket;
	uint64_t number = from;
	struct ring_message m;

	for (ticket = head - n; ticket < head; ticket++) {
		uint32_t len;

		if (!ring_is_held(&r->layout, ticket))
			continue;
		ck_assert_uint_lt(number, to);
		len = lens[number];
		ring_peek(r, ticket, &m);
		ck_assert_int_eq(m.oversized, len > r->layout.geo.max_message);
		len = m.oversized ? 0 : len;
		ck_assert_uint_eq(core_copy(r, ticket, buf), len);
		ck_assert(random_is_message(buf, len, number));
		number++;
	}
	ck_assert_uint_eq(number, to);
}

/* --- received and not published ------------------------------------------ */

static const struct {
	unsigned slots, n;
	uint32_t lens[8];
} arrived[] = {
	{ 8, 0, { 0 } },
	{ 8, 1, { 5 } },
	{ 8, 1, { 0 } },
	{ 8, 3, { 0, 0, 0 } },
	{ 8, 3, { 5, 0, 7 } },
	{ 8, 8, { 0, 1, 2, 3, 4, 5, 6, 0 } },
	{ 8, 8, { 4000, 2049, 0, 2048, MAX, 1, 0, 4000 } },
	{ 8, 4, { 10, MAX + 1, 0, 2 * MAX } },
	{ 8, 1, { MAX + 1 } },
	{ 2, 2, { 0, 0 } },
	{ 2, 2, { MAX, 1 } },
	{ 200, 5, { 1, 0, 3000, 0, 1 } },
};

START_TEST(what_the_kernel_delivered_last_is_published)
{
	const uint32_t *lens = arrived[_i].lens;
	unsigned n = arrived[_i].n, i;
	struct core_ring c, dead;
	struct mmsghdr *msgs;
	uint64_t first = UINT32_MAX - 1;
	int fd[2];

	core_ring_open(&c, arrived[_i].slots, MAX, first);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	for (i = 0; i < n; i++) {
		random_message(buf, lens[i], i);
		ck_assert_int_eq(send(fd[0], buf, lens[i], 0), lens[i]);
	}
	/* an old ring, in which nothing of the length is what it was */
	memset(c.ring.layout.slots, 0xee, c.ring.layout.stride);
	for (i = 0; i < n;) {
		/* near the end a batch is cut in two: publish the first */
		struct ring_batch batch = { 0 };
		unsigned room = ring_arm(&c.ring, 64, &msgs);
		int got = recvmmsg(fd[1], msgs, room, MSG_DONTWAIT | MSG_TRUNC,
				   NULL);

		ck_assert_int_gt(got, 0);
		i += got;
		if (i < n)
			ring_publish(&c.ring, got, 1, &batch);
	}
	find(&dead, &c);
	ck_assert_uint_eq(ring_recover(&dead.ring.layout),
			  first + n - ring_published(&c.ring));
	ck_assert_uint_eq(ring_head(&dead.ring.layout), first + n);
	expect(&dead, 0, n, lens);
	/* once more, as after a kill right behind it */
	ck_assert_uint_eq(ring_recover(&dead.ring.layout), 0);
	expect(&dead, 0, n, lens);
	close(fd[0]);
	close(fd[1]);
	core_ring_close(&dead);
	core_ring_close(&c);
}
END_TEST

/* --- killed at each point ------------------------------------------------ */

static struct core_ring shared;
static const uint32_t life_lens[] = { 10, 3000, 0, 2048, 4000, 1 };

/* Two batches of three; the first message of the first is released. */
static int life(void *arg)
{
	struct ring *r = &shared.ring;
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;
	unsigned i, turn;

	(void)arg;
	for (turn = 0; turn < 2; turn++) {
		ring_arm(r, 3, &msgs);
		for (i = 0; i < 3; i++) {
			uint64_t number = turn * 3 + i;

			random_message(buf, life_lens[number], number);
			core_receive(&msgs[i], buf, life_lens[number]);
		}
		ring_publish(r, 3, 1, &batch);
		if (turn == 0 && ring_claim(r, 20, 1))
			ring_release(r, 20, 1);
	}
	return 0;
}

static const struct {
	const char *point;
	uint64_t from, to; /* messages that are held afterwards */
} deaths[] = {
	{ "recv.arming=kill@1", 0, 0 },	   { "recv.armed=kill@1", 0, 0 },
	{ "publish.before=kill@1", 0, 3 }, { "publish.metas=kill@1", 0, 3 },
	{ "publish.head=kill@1", 0, 3 },   { "publish.after=kill@1", 0, 3 },
	{ "release.mid=kill@1", 1, 3 },	   { "recv.arming=kill@2", 1, 3 },
	{ "recv.armed=kill@2", 1, 3 },	   { "publish.before=kill@2", 1, 6 },
	{ "publish.metas=kill@2", 1, 6 },  { "publish.head=kill@2", 1, 6 },
	{ "publish.after=kill@2", 1, 6 },  { "none=kill", 1, 6 },
};

START_TEST(a_process_killed_at_each_point_leaves_what_it_received)
{
	struct core_ring dead;
	int status;

	core_ring_open(&shared, 20, MAX, 20);
	status = core_child(deaths[_i].point, life, NULL);
	ck_assert_int_eq(core_was_killed(status),
			 strcmp(deaths[_i].point, "none=kill") != 0);
	find(&dead, &shared);
	ring_recover(&dead.ring.layout);
	expect(&dead, deaths[_i].from, deaths[_i].to, life_lens);
	core_ring_close(&dead);
	core_ring_close(&shared);
}
END_TEST

/* --- taking over --------------------------------------------------------- */

START_TEST(held_is_what_is_published_and_not_released)
{
	struct core_ring c;
	uint64_t i;

	core_ring_open(&c, 4, 100, 1000);
	for (i = 0; i < 4; i++)
		ck_assert(core_put(&c.ring, "x", 1));
	ck_assert(ring_claim(&c.ring, 1000, 2));
	ring_release(&c.ring, 1001, 1);
	ck_assert(!ring_is_held(&c.ring.layout, 999));
	ck_assert(ring_is_held(&c.ring.layout, 1000));
	ck_assert(!ring_is_held(&c.ring.layout, 1001));
	ck_assert(ring_is_held(&c.ring.layout, 1002));
	ck_assert(ring_is_held(&c.ring.layout, 1003));
	ck_assert(!ring_is_held(&c.ring.layout, 1004));
	ck_assert(!ring_is_held(&c.ring.layout, 0));
	ck_assert(!ring_is_held(&c.ring.layout, UINT64_MAX));
	core_ring_close(&c);
}
END_TEST

START_TEST(an_adopted_ring_goes_on_with_all_slots_and_buffers)
{
	struct core_ring c, dead;
	struct mmsghdr *msgs;
	const char *why;
	uint64_t i;

	core_ring_open(&c, 100, MAX, 100);
	random_message(buf, MAX, 0);
	for (i = 0; i < 30; i++)
		ck_assert(core_put(&c.ring, buf, MAX));
	ck_assert_uint_gt(ring_arm(&c.ring, 64, &msgs), 0);
	find(&dead, &c);
	ring_recover(&dead.ring.layout);
	for (i = 100; i < 130; i++)
		ring_release_held(&dead.ring.layout, i);
	ring_adopt(&dead.ring);
	ck_assert_uint_eq(ring_published(&dead.ring), 130);
	ck_assert_uint_eq(ring_waiting(&dead.ring), 0);
	for (i = 0; i < RING_BATCH; i++)
		ck_assert(core_put(&dead.ring, buf, MAX));
	ck_assert(!core_put(&dead.ring, buf, MAX));
	core_ring_close(&c);
	find(&c, &dead);
	ck_assert_msg(!ring_check(&c.ring.layout, &why), "%s", why);
	core_ring_close(&dead);
	core_ring_close(&c);
}
END_TEST

/* --- damage -------------------------------------------------------------- */

/* Not a power of two: a bit of a mark would lead to another lap's. */
#define SLOTS 60

/*
 * All slots in use: 20 released, 24 held (of which each fourth is short),
 * 16 armed, of which 2 received.  Each overflow buffer has an owner.
 */
static void fill(struct core_ring *c)
{
	struct mmsghdr *msgs;
	uint64_t i;

	core_ring_open(c, SLOTS, 3000, SLOTS);
	for (i = 0; i < 44; i++) {
		random_message(buf, 3000, i);
		ck_assert(core_put(&c->ring, buf, i % 4 ? 2500 + i : i));
	}
	ck_assert(ring_claim(&c->ring, SLOTS, 20));
	ring_release(&c->ring, SLOTS, 20);
	ck_assert_uint_eq(ring_arm(&c->ring, 64, &msgs), 16);
	core_receive(&msgs[0], buf, 2100);
	core_receive(&msgs[1], buf, 100);
}

/* Flips each bit of these bytes in turn. */
static void flip_each(struct core_ring *dead, void *at, size_t bytes,
		      const char *what)
{
	uint8_t *p = at;
	const char *why;
	size_t i;

	for (i = 0; i < 8 * bytes; i++) {
		p[i / 8] ^= 1 << i % 8;
		ck_assert_msg(ring_check(&dead->ring.layout, &why) == -EBADMSG,
			      "bit %zu of %s", i, what);
		ck_assert_ptr_nonnull(why);
		p[i / 8] ^= 1 << i % 8;
	}
	ck_assert_msg(!ring_check(&dead->ring.layout, &why), "%s", why);
}

START_TEST(one_bit_that_matters_is_noticed)
{
	struct core_ring c, dead;
	uint64_t i;

	fill(&c);
	find(&dead, &c);
	flip_each(&dead, &dead.ring.layout.region->head, 8, "head");
	flip_each(&dead, &dead.ring.layout.region->armed, 8, "armed");
	for (i = 0; i < SLOTS; i++)
		flip_each(&dead, (void *)&dead.ring.layout.released[i], 8,
			  "a release mark");
	for (i = 20; i < 44; i++) {
		flip_each(&dead, (void *)&dead.ring.layout.meta[i], 8,
			  "a meta");
		flip_each(&dead, &dead.ring.layout.msgs[i].msg_len, 4,
			  "a length");
	}
	/* an armed slot that received nothing, behind the first of them */
	for (i = 47; i < SLOTS; i++)
		flip_each(&dead, &dead.ring.layout.msgs[i].msg_len, 4,
			  "an armed length");
	core_ring_close(&dead);
	core_ring_close(&c);
}
END_TEST

START_TEST(two_owners_of_an_overflow_buffer_are_noticed)
{
	struct core_ring c, dead;
	const char *why;
	uint64_t i, j;

	fill(&c);
	find(&dead, &c);
	for (i = 20; i < SLOTS; i++) {
		uint32_t own = dead.ring.layout.overflow_of[i];

		if (i < 44 && i % 4 == 0)
			continue; /* short, and so without one */
		for (j = 20; j < SLOTS; j++) {
			if (j == i || (j < 44 && j % 4 == 0))
				continue;
			dead.ring.layout.overflow_of[i] =
				dead.ring.layout.overflow_of[j];
			ck_assert_int_eq(ring_check(&dead.ring.layout, &why),
					 -EBADMSG);
		}
		dead.ring.layout.overflow_of[i] = SLOTS;
		ck_assert_int_eq(ring_check(&dead.ring.layout, &why), -EBADMSG);
		dead.ring.layout.overflow_of[i] = UINT32_MAX;
		ck_assert_int_eq(ring_check(&dead.ring.layout, &why), -EBADMSG);
		dead.ring.layout.overflow_of[i] = own;
	}
	core_ring_close(&dead);
	core_ring_close(&c);
}
END_TEST

START_TEST(memory_that_was_never_a_ring_is_none)
{
	static const int bytes[] = { 0x00, 0x01, 0x80, 0xff };
	struct core_ring c;
	const char *why;

	core_ring_open(&c, 8, 3000, 8);
	memset(c.mem, bytes[_i], c.bytes);
	ck_assert_int_eq(ring_check(&c.ring.layout, &why), -EBADMSG);
	core_ring_close(&c);
}
END_TEST

static void damage(uint8_t *mem, size_t bytes)
{
	unsigned times = 1 + random_below(4), i;

	while (times--) {
		/* the words before the slots more often than their bytes */
		size_t most = random_below(4) ? bytes / 8 : bytes;
		size_t at = random_below(most);
		size_t len = 1 + random_below(random_below(4) ? 8 : 300);

		for (i = 0; i < len && at + i < bytes; i++)
			mem[at + i] = random_below(3) ?
					      random_below(256) :
					      mem[random_below(bytes)];
	}
}

/* What passes the check can be read to its end. */
static void use(struct ring *r)
{
	struct ring_message m;
	uint64_t ticket, head;

	ring_recover(&r->layout);
	head = ring_head(&r->layout);
	for (ticket = head - r->layout.geo.slots; ticket < head; ticket++) {
		if (!ring_is_held(&r->layout, ticket))
			continue;
		ring_message(r, ticket, &m);
		ck_assert_uint_le(m.len, r->layout.geo.max_message);
		core_copy(r, ticket, buf);
		ring_release_held(&r->layout, ticket);
	}
	ring_adopt(r);
	ck_assert(core_put(r, buf, 3000));
}

START_TEST(random_damage_never_leads_outside)
{
	struct core_ring c, dead;
	unsigned round, good = 0;
	const char *why;

	random_seed = 7 + _i;
	fill(&c);
	dead.bytes = c.bytes;
	/* what follows the ring must not be touched */
	dead.mem = core_map(c.bytes + 4096);
	mprotect((uint8_t *)dead.mem + c.bytes, 4096, PROT_NONE);
	for (round = 0; round < suite_scale(1500); round++) {
		memcpy(dead.mem, c.mem, c.bytes);
		damage(dead.mem, c.bytes);
		ck_assert_int_eq(
			ring_open(&dead.ring, &c.ring.layout.geo, dead.mem), 0);
		if (!ring_check(&dead.ring.layout, &why)) {
			good++;
			use(&dead.ring);
		}
		ring_close(&dead.ring);
	}
	/* both happened, or this proves nothing */
	ck_assert_uint_gt(good, 0);
	ck_assert_uint_lt(good, round);
	munmap(dead.mem, c.bytes + 4096);
	core_ring_close(&c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_check");
	TCase *tc = core_case(suite, "ring_check");

	tcase_add_loop_test(tc, what_the_kernel_delivered_last_is_published, 0,
			    sizeof(arrived) / sizeof(arrived[0]));
	tcase_add_loop_test(
		tc, a_process_killed_at_each_point_leaves_what_it_received, 0,
		sizeof(deaths) / sizeof(deaths[0]));
	tcase_add_test(tc, held_is_what_is_published_and_not_released);
	tcase_add_test(tc, an_adopted_ring_goes_on_with_all_slots_and_buffers);
	tcase_add_test(tc, one_bit_that_matters_is_noticed);
	tcase_add_test(tc, two_owners_of_an_overflow_buffer_are_noticed);
	tcase_add_loop_test(tc, memory_that_was_never_a_ring_is_none, 0, 4);
	tcase_add_loop_test(tc, random_damage_never_leads_outside, 0, 2);
	return suite_run(suite, CK_FORK);
}
