/* SPDX-License-Identifier: MIT */
/*
 * The living ring in one thread: tickets, slots, overflow buffers, and who is
 * told what.  Threads are in test_ring_threads.c, the ring that a dead
 * process left in test_ring_check.c.
 */
#include <sys/socket.h>

#include "daemon/region/ring_check.h"
#include "tests/lib/core.h"

#define MAX (208 * 1024)

static uint8_t buf[4 * MAX];

/* Claims the next ticket, compares its message and lets it go. */
static void take(struct ring *r, uint64_t number, uint32_t len)
{
	uint64_t ticket = ring_claimed(r);

	ck_assert(ring_claim(r, ticket, 1));
	ck_assert_uint_eq(core_copy(r, ticket, buf), len);
	ck_assert(random_is_message(buf, len, number));
	ring_release(r, ticket, 1);
}

static bool put(struct ring *r, uint64_t number, uint32_t len)
{
	random_message(buf, len, number);
	return core_put(r, buf, len);
}

/* --- layout -------------------------------------------------------------- */

static const struct {
	uint64_t slots, max;
} shapes[] = {
	{ 2, 1 },	{ 2, 2 },	 { 2, 2048 }, { 2, 2049 },
	{ 2, MAX },	{ 3, 2047 },	 { 7, 64 },   { 63, 2049 },
	{ 64, 65536 },	{ 65, MAX },	 { 1000, 1 }, { 1000, 2048 },
	{ 1000, 2049 }, { 1024, 65536 },
};
#define SHAPES ((int)(sizeof(shapes) / sizeof(shapes[0])))

START_TEST(every_shape_keeps_what_each_slot_was_given)
{
	uint64_t slots = shapes[_i].slots, max = shapes[_i].max, i;
	struct core_ring c;
	uint64_t most;

	core_ring_open(&c, slots, max, 0);
	ck_assert_uint_eq(c.bytes % 4096, 0);
	most = c.ring.layout.geo.overflows ? c.ring.layout.geo.overflows :
					     slots;
	for (i = 0; i < most; i++)
		ck_assert(put(&c.ring, i, max));
	for (i = 0; i < most; i++)
		take(&c.ring, i, max);
	core_ring_close(&c);
}
END_TEST

START_TEST(a_geometry_without_sense_has_no_size)
{
	static const struct ring_geometry bad[] = {
		{ 0, 64, 64, 0 },
		{ UINT64_C(1) << 31, 64, 64, 0 },
		{ UINT64_MAX, 64, 64, 0 },
		{ 8, 0, 0, 0 },
		{ 8, (1 << 24) + 1, 2048, 8 },
		{ 8, 64, 0, 0 },
		{ 8, 64, 65, 0 },
		{ 8, 4096, 2048, 9 },
		{ 8, 4096, 2048, 0 },
		{ 8, 2048, 2048, 1 },
	};

	ck_assert_uint_eq(ring_bytes(&bad[_i]), 0);
}
END_TEST

/* --- lengths ------------------------------------------------------------- */

/* What the kernel delivers, byte for byte and with its real lengths. */
START_TEST(each_length_arrives_through_a_socket)
{
	uint64_t slots = shapes[_i].slots, max = shapes[_i].max;
	const uint32_t lens[] = { 0,	1,    2,   max - 1, max,     2047,
				  2048, 2049, max, max + 1, max / 2, 2 * max };
	unsigned i, too_large = 0, expected = 0;
	int fd[2], room = 2 * MAX;
	struct core_ring c;

	core_ring_open(&c, slots, max, 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct ring_batch batch = { 0 };
		struct mmsghdr *msgs;
		uint32_t len = lens[i];
		bool skip = len > max;

		random_message(buf, len, i);
		if (send(fd[0], buf, len, 0) < 0)
			continue; /* longer than this socket sends */
		ck_assert_uint_ge(ring_arm(&c.ring, 64, &msgs), 1);
		ck_assert_int_eq(recvmmsg(fd[1], msgs, 1,
					  MSG_DONTWAIT | MSG_TRUNC, NULL),
				 1);
		ring_publish(&c.ring, 1, 1, &batch);
		ck_assert_uint_eq(batch.bytes, len);
		ck_assert_uint_eq(batch.too_large, skip);
		ck_assert_uint_eq(batch.largest, skip ? len : 0);
		take(&c.ring, i, skip ? 0 : len);
		too_large += skip;
		expected++;
	}
	ck_assert_uint_ge(expected, 11);
	ck_assert_uint_ge(too_large, 1);
	close(fd[0]);
	close(fd[1]);
	core_ring_close(&c);
}
END_TEST

START_TEST(a_newline_is_seen_in_the_last_byte_and_nowhere_else)
{
	static const struct {
		uint32_t len, at;
		bool newline;
	} cases[] = {
		{ 1, 0, true },	       { 2, 0, false },
		{ 2, 1, true },	       { 2048, 2047, true },
		{ 2048, 2046, false }, { 2049, 2047, false },
		{ 2049, 2048, true },  { 4096, 4095, true },
		{ 4096, 2047, false }, { 4095, 4095, false },
	};
	struct ring_message m;
	struct core_ring c;

	core_ring_open(&c, 8, 4096, 0);
	memset(buf, 'x', 4096);
	buf[cases[_i].at] = '\n';
	ck_assert(core_put(&c.ring, buf, cases[_i].len));
	ring_peek(&c.ring, 8, &m);
	ck_assert_uint_eq(m.len, cases[_i].len);
	ck_assert_int_eq(m.newline, cases[_i].newline);
	ck_assert(!m.oversized);
	core_ring_close(&c);
}
END_TEST

START_TEST(an_empty_datagram_is_a_message)
{
	struct ring_message m;
	struct core_ring c;

	core_ring_open(&c, 2, 100, 0);
	ck_assert(core_put(&c.ring, "", 0));
	ring_peek(&c.ring, 2, &m);
	ck_assert_uint_eq(m.len, 0);
	ck_assert(!m.oversized && !m.newline);
	core_ring_close(&c);
}
END_TEST

START_TEST(a_too_large_datagram_is_counted_and_shows_no_byte)
{
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;
	struct ring_message m;
	struct core_ring c;

	core_ring_open(&c, 8, 3000, 0);
	ck_assert_uint_eq(ring_arm(&c.ring, 3, &msgs), 3);
	core_receive(&msgs[0], buf, 3001);
	core_receive(&msgs[1], buf, 3000);
	core_receive(&msgs[2], buf, 9000);
	ring_publish(&c.ring, 3, 1, &batch);
	ck_assert_uint_eq(batch.too_large, 2);
	ck_assert_uint_eq(batch.largest, 9000);
	ck_assert_uint_eq(batch.bytes, 15001);
	ring_message(&c.ring, 8, &m);
	ck_assert(m.oversized && m.len == 0 &&
		  m.part_len[0] + m.part_len[1] == 0);
	ring_message(&c.ring, 9, &m);
	ck_assert(!m.oversized && m.len == 3000);
	core_ring_close(&c);
}
END_TEST

/* --- tickets and slots --------------------------------------------------- */

START_TEST(tickets_count_on_over_32_bits)
{
	static const uint64_t firsts[] = {
		7,
		8,
		100,
		UINT32_MAX - 20,
		UINT32_MAX - 7,
		UINT32_MAX,
		UINT64_C(1) << 32,
		(UINT64_C(5) << 32) - 3,
		UINT64_C(1) << 55,
	};
	uint64_t first = firsts[_i], i;
	struct core_ring c;

	core_ring_open(&c, 7, 2100, first);
	ck_assert_uint_eq(ring_published(&c.ring), first);
	for (i = 0; i < 50; i++) {
		ck_assert(put(&c.ring, i, 2090 + i % 11));
		ck_assert_uint_eq(ring_published(&c.ring), first + i + 1);
		ck_assert_uint_eq(ring_head(&c.ring.layout), first + i + 1);
		ck_assert(ring_is_held(&c.ring.layout, first + i));
		take(&c.ring, i, 2090 + i % 11);
		ck_assert(!ring_is_held(&c.ring.layout, first + i));
	}
	core_ring_close(&c);
}
END_TEST

START_TEST(a_full_ring_arms_nothing_until_its_oldest_slot_is_free)
{
	struct mmsghdr *msgs;
	struct core_ring c;
	uint64_t i;

	core_ring_open(&c, 5, 64, 0);
	for (i = 0; i < 5; i++)
		ck_assert(put(&c.ring, i, 10));
	ck_assert(!put(&c.ring, 5, 10));
	ck_assert_uint_eq(ring_waiting(&c.ring), 5);
	ck_assert(ring_claim(&c.ring, 5, 3));
	ring_release(&c.ring, 7, 1);
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &msgs), 0);
	ring_release(&c.ring, 6, 1);
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &msgs), 0);
	ring_release(&c.ring, 5, 1);
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &msgs), 3);
	core_ring_close(&c);
}
END_TEST

START_TEST(a_batch_ends_where_the_ring_ends)
{
	struct mmsghdr *msgs;
	struct core_ring c;
	uint64_t i;

	core_ring_open(&c, 100, 3000, 0);
	for (i = 0; i < 97; i++) {
		ck_assert(put(&c.ring, i, 5));
		take(&c.ring, i, 5);
	}
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &msgs), 3);
	ck_assert_ptr_eq(msgs, c.ring.layout.msgs + 97);
	for (i = 97; i < 100; i++) {
		ck_assert(put(&c.ring, i, 5));
		take(&c.ring, i, 5);
	}
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &msgs), 64);
	ck_assert_ptr_eq(msgs, c.ring.layout.msgs);
	core_ring_close(&c);
}
END_TEST

START_TEST(what_was_armed_and_not_filled_stays_armed)
{
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs, *again;
	struct core_ring c;
	unsigned i;

	core_ring_open(&c, 64, 3000, 0);
	ck_assert_uint_eq(ring_arm(&c.ring, 10, &msgs), 10);
	/* recvmmsg() found nothing */
	ck_assert_uint_eq(ring_arm(&c.ring, 10, &again), 10);
	ck_assert_ptr_eq(again, msgs);
	for (i = 0; i < 10; i++)
		ck_assert_uint_eq(msgs[i].msg_len, RING_NOTHING);
	/* it found 4 */
	for (i = 0; i < 4; i++)
		core_receive(&msgs[i], buf, 8);
	ring_publish(&c.ring, 4, 1, &batch);
	ck_assert_uint_eq(ring_published(&c.ring), 68);
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &again), 60);
	ck_assert_ptr_eq(again, msgs + 4);
	core_ring_close(&c);
}
END_TEST

START_TEST(a_claim_of_tickets_that_another_claimed_fails)
{
	struct core_ring c;
	uint64_t i;

	core_ring_open(&c, 8, 64, 0);
	for (i = 0; i < 8; i++)
		ck_assert(put(&c.ring, i, 3));
	ck_assert(ring_claim(&c.ring, 8, 5));
	ck_assert(!ring_claim(&c.ring, 8, 1));
	ck_assert(!ring_claim(&c.ring, 12, 1));
	ck_assert(!ring_claim(&c.ring, 14, 1));
	ck_assert_uint_eq(ring_waiting(&c.ring), 3);
	ck_assert(ring_claim(&c.ring, 13, 3));
	ck_assert_uint_eq(ring_waiting(&c.ring), 0);
	core_ring_close(&c);
}
END_TEST

/* --- overflow buffers ---------------------------------------------------- */

START_TEST(as_many_large_messages_as_overflow_buffers_then_none)
{
	struct mmsghdr *msgs;
	struct core_ring c;
	uint64_t i;

	core_ring_open(&c, 200, 5000, 0);
	ck_assert_uint_eq(c.ring.layout.geo.overflows, RING_BATCH);
	for (i = 0; i < RING_BATCH; i++)
		ck_assert(put(&c.ring, i, 5000));
	/* free slots, but nothing to continue a message in */
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &msgs), 0);
	take(&c.ring, 0, 5000);
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &msgs), 1);
	take(&c.ring, 1, 5000);
	take(&c.ring, 2, 5000);
	ck_assert_uint_eq(ring_arm(&c.ring, 64, &msgs), 3);
	core_ring_close(&c);
}
END_TEST

START_TEST(small_and_too_large_messages_keep_no_overflow_buffer)
{
	static const uint32_t lens[] = { 0, 1, 2048, 5001, 200000 };
	struct core_ring c;
	uint64_t i;

	core_ring_open(&c, 1000, 5000, 0);
	for (i = 0; i < 1000; i++)
		ck_assert(put(&c.ring, i, lens[i % 5]));
	ck_assert(ring_claim(&c.ring, 1000, 1000));
	ring_release(&c.ring, 1000, 1000);
	/* and their release gives none back a second time */
	for (i = 0; i < RING_BATCH; i++)
		ck_assert(put(&c.ring, i, 5000));
	ck_assert(!put(&c.ring, i, 5000));
	core_ring_close(&c);
}
END_TEST

START_TEST(the_buffer_let_go_last_is_used_first)
{
	struct mmsghdr *msgs;
	struct core_ring c;
	const void *last;

	core_ring_open(&c, 64, 5000, 0);
	ck_assert_uint_eq(ring_arm(&c.ring, 1, &msgs), 1);
	last = msgs[0].msg_hdr.msg_iov[1].iov_base;
	ck_assert(put(&c.ring, 0, 100));
	ck_assert_uint_eq(ring_arm(&c.ring, 1, &msgs), 1);
	ck_assert_ptr_eq(msgs[0].msg_hdr.msg_iov[1].iov_base, last);
	core_ring_close(&c);
}
END_TEST

/* --- everything at once -------------------------------------------------- */

#define WALK_SLOTS 90

/* A ring as the test expects it. */
struct walk {
	struct core_ring c;
	struct {
		uint64_t number;
		uint32_t len;
		bool claimed, released;
	} of[WALK_SLOTS]; /* by ticket modulo slots */
	uint64_t number;
};

static void walk_receive(struct walk *w)
{
	struct ring *r = &w->c.ring;
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;
	unsigned n = ring_arm(r, 1 + random_below(64), &msgs), i;
	uint64_t slot;

	n = random_below(n + 1);
	for (i = 0; i < n; i++) {
		slot = (ring_published(r) + i) % WALK_SLOTS;
		w->of[slot].number = w->number;
		w->of[slot].len = random_below(3) ? random_below(300) :
						    2000 + random_below(2000);
		w->of[slot].claimed = w->of[slot].released = false;
		random_message(buf, w->of[slot].len, w->number++);
		core_receive(&msgs[i], buf, w->of[slot].len);
	}
	ring_publish(r, n, 1, &batch);
}

static void walk_claim(struct walk *w)
{
	struct ring *r = &w->c.ring;
	uint64_t from = ring_claimed(r), n = ring_waiting(r), i;

	if (!n)
		return;
	n = 1 + random_below(n);
	ck_assert(ring_claim(r, from, n));
	for (i = from; i < from + n; i++)
		w->of[i % WALK_SLOTS].claimed = true;
}

/* Workers release in any order, each a run of its own. */
static void walk_release(struct walk *w)
{
	struct ring *r = &w->c.ring;
	uint64_t head = ring_published(r), ticket;

	for (ticket = head - WALK_SLOTS; ticket < head; ticket++) {
		uint64_t slot = ticket % WALK_SLOTS;
		uint32_t max = r->layout.geo.max_message, len = w->of[slot].len;

		if (!w->of[slot].claimed || w->of[slot].released ||
		    random_below(3))
			continue;
		len = len > max ? 0 : len;
		ck_assert_uint_eq(core_copy(r, ticket, buf), len);
		ck_assert(random_is_message(buf, len, w->of[slot].number));
		ring_release(r, ticket, 1);
		w->of[slot].released = true;
	}
}

START_TEST(no_message_is_touched_before_its_release)
{
	static struct walk w;
	struct ring view;
	const char *why;
	unsigned i;

	random_seed = 100 + _i;
	core_ring_open(&w.c, WALK_SLOTS, 3500, UINT32_MAX - 500);
	ck_assert_int_eq(ring_open(&view, &w.c.ring.layout.geo, w.c.mem), 0);
	for (i = 0; i < suite_scale(3000); i++) {
		switch (random_below(3)) {
		case 0:
			walk_receive(&w);
			break;
		case 1:
			walk_claim(&w);
			break;
		default:
			walk_release(&w);
		}
		/* and at each moment it is a ring that recovery accepts */
		ck_assert_msg(!ring_check(&view.layout, &why), "%s", why);
	}
	ck_assert_uint_gt(w.number, suite_scale(10 * WALK_SLOTS));
	ring_close(&view);
	core_ring_close(&w.c);
}
END_TEST

/* --- telling ------------------------------------------------------------- */

START_TEST(a_release_notifies_once_and_only_a_waiting_producer)
{
	struct core_ring c;
	uint64_t i;

	core_ring_open(&c, 4, 64, 0);
	for (i = 0; i < 4; i++)
		ck_assert(put(&c.ring, i, 3));
	ck_assert(ring_claim(&c.ring, 4, 4));
	ck_assert(ring_wait_for_slot(&c.ring));
	ck_assert(ring_release(&c.ring, 5, 1));
	ck_assert(!ring_release(&c.ring, 6, 1));
	/* not the next slot: it waits on */
	ck_assert(ring_wait_for_slot(&c.ring));
	ck_assert(ring_release(&c.ring, 4, 1));
	ck_assert(!ring_release(&c.ring, 7, 1));
	core_ring_close(&c);
}
END_TEST

START_TEST(a_producer_that_finds_a_free_slot_does_not_wait)
{
	struct core_ring c;

	core_ring_open(&c, 2, 64, 0);
	ck_assert(put(&c.ring, 0, 3));
	ck_assert(put(&c.ring, 1, 3));
	take(&c.ring, 0, 3);
	ck_assert(!ring_wait_for_slot(&c.ring));
	ck_assert(ring_claim(&c.ring, 3, 1));
	ck_assert(!ring_release(&c.ring, 3, 1));
	core_ring_close(&c);
}
END_TEST

START_TEST(a_producer_can_wait_for_an_overflow_buffer)
{
	struct core_ring c;
	uint64_t i;

	core_ring_open(&c, 200, 5000, 0);
	for (i = 0; i < RING_BATCH; i++)
		ck_assert(put(&c.ring, i, 4000));
	ck_assert(!put(&c.ring, i, 1));
	ck_assert(ring_wait_for_slot(&c.ring));
	ck_assert(ring_claim(&c.ring, 200, 2));
	ck_assert(ring_release(&c.ring, 200, 1));
	ring_release(&c.ring, 201, 1);
	ck_assert(!ring_wait_for_slot(&c.ring));
	ck_assert(put(&c.ring, i, 1));
	core_ring_close(&c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring");
	TCase *tc = core_case(suite, "ring");

	tcase_add_loop_test(tc, every_shape_keeps_what_each_slot_was_given, 0,
			    SHAPES);
	tcase_add_loop_test(tc, a_geometry_without_sense_has_no_size, 0, 10);
	tcase_add_loop_test(tc, each_length_arrives_through_a_socket, 0,
			    SHAPES);
	tcase_add_loop_test(
		tc, a_newline_is_seen_in_the_last_byte_and_nowhere_else, 0, 10);
	tcase_add_test(tc, an_empty_datagram_is_a_message);
	tcase_add_test(tc, a_too_large_datagram_is_counted_and_shows_no_byte);
	tcase_add_loop_test(tc, tickets_count_on_over_32_bits, 0, 9);
	tcase_add_test(tc,
		       a_full_ring_arms_nothing_until_its_oldest_slot_is_free);
	tcase_add_test(tc, a_batch_ends_where_the_ring_ends);
	tcase_add_test(tc, what_was_armed_and_not_filled_stays_armed);
	tcase_add_test(tc, a_claim_of_tickets_that_another_claimed_fails);
	tcase_add_test(tc,
		       as_many_large_messages_as_overflow_buffers_then_none);
	tcase_add_test(tc,
		       small_and_too_large_messages_keep_no_overflow_buffer);
	tcase_add_test(tc, the_buffer_let_go_last_is_used_first);
	tcase_add_loop_test(tc, no_message_is_touched_before_its_release, 0, 5);
	tcase_add_test(tc, a_release_notifies_once_and_only_a_waiting_producer);
	tcase_add_test(tc, a_producer_that_finds_a_free_slot_does_not_wait);
	tcase_add_test(tc, a_producer_can_wait_for_an_overflow_buffer);
	return suite_run(suite, CK_FORK);
}
