/* SPDX-License-Identifier: MIT */
/*
 * The listener with senders.identify: each datagram counts for who sent it, what
 * is above the limit is dropped and nothing else, and what comes along with a
 * datagram never stays.
 */
#include "tests/lib/process.h"
#include "tests/unit/listener_bed.h"

/* Room for credentials and as many descriptors as the kernel passes. */
#define MOST_DESCRIPTORS 253

/* A datagram of `len` bytes with these; the errno, or 0. */
static int send_with(uint32_t len, const struct ucred *as, unsigned descriptors)
{
	alignas(struct cmsghdr) char
		control[CMSG_SPACE(sizeof(*as)) +
			CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))] = "";
	char data[300] = "";
	struct iovec iov = { data, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	size_t used = 0;
	unsigned i;

	if (descriptors) {
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
		for (i = 0; i < descriptors; i++)
			memcpy(CMSG_DATA(head) + i * sizeof(int),
			       &(int){ STDERR_FILENO }, sizeof(int));
		used += CMSG_SPACE(descriptors * sizeof(int));
		head = (void *)(control + used);
	}
	if (as) {
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_CREDENTIALS;
		head->cmsg_len = CMSG_LEN(sizeof(*as));
		memcpy(CMSG_DATA(head), as, sizeof(*as));
		used += CMSG_SPACE(sizeof(*as));
	}
	msg.msg_controllen = used;
	return sendmsg(sock[0], &msg, 0) < 0 ? errno : 0;
}

/* Another user's, which only root can be. */
static bool send_as(uint32_t uid, uint32_t len)
{
	const struct ucred as = { getpid(), uid, getgid() };

	if (getuid()) {
		suite_skip("only root can send as another user");
		return false;
	}
	ck_assert_int_eq(send_with(len, &as, 0), 0);
	return true;
}

static const struct sender *row_of(uint32_t uid)
{
	unsigned i;

	for (i = 0; i < SENDERS_MOST; i++)
		if (senders.at[i].used && senders.at[i].id.uid == uid &&
		    senders.at[i].id.pid == (uint32_t)getpid())
			return &senders.at[i];
	ck_abort_msg("no row of user %u", uid);
	return NULL;
}

START_TEST(each_datagram_counts_for_its_sender)
{
	const struct sender *row;

	senders_rate = "senders.rate=0";
	start_with("buffer.timeout=never", true, 64, false);
	send_bytes(5, 10);
	send_bytes(1, 0);
	turn();
	row = row_of(getuid());
	ck_assert_uint_eq(row->sums.messages, 6);
	ck_assert_uint_eq(row->sums.bytes, 50);
	ck_assert_uint_eq(row->sums.dropped, 0);
	ck_assert_uint_eq(ring_waiting(&c.ring), 6);
	finish();
}
END_TEST

START_TEST(what_is_above_the_limit_becomes_an_empty_ticket)
{
	struct ring_message m;
	uint64_t first;
	unsigned i;

	senders_rate = "senders.rate=3";
	start_with("buffer.timeout=never", true, 64, false);
	first = ring_published(&c.ring);
	send_bytes(8, 10);
	turn();
	ck_assert_uint_eq(COUNT(received), 8);
	ck_assert_uint_eq(COUNT(received_bytes), 80);
	ck_assert_uint_eq(COUNT(sender_rate), 5);
	ck_assert_uint_eq(COUNT(too_large), 0);
	for (i = 0; i < 8; i++) {
		ring_peek(&c.ring, first + i, &m);
		ck_assert_uint_eq(m.oversized, i >= 3);
		ck_assert_uint_eq(m.len, i >= 3 ? 0 : 10);
	}
	ck_assert_uint_eq(row_of(getuid())->sums.dropped, 5);
	finish();
}
END_TEST

/* All slots and overflow buffers come back, lap after lap. */
START_TEST(a_flood_is_received_and_dropped_for_ever)
{
	unsigned i;

	senders_rate = "senders.rate=1";
	start_with("buffer.timeout=never", true, 64, false);
	for (i = 0; i < 2000; i++) {
		send_bytes(7, 100);
		turn();
		while (take_one())
			;
		ck_assert_int_eq(listener.state, LISTENER_READING);
	}
	ck_assert_uint_eq(COUNT(received), 14000);
	ck_assert_uint_gt(COUNT(sender_rate), 0);
	ck_assert_uint_eq(senders.total.dropped, COUNT(sender_rate));
	finish();
}
END_TEST

START_TEST(a_flood_by_one_user_takes_nothing_from_another)
{
	unsigned i;

	senders_rate = "senders.rate=5";
	start_with("buffer.timeout=never", true, 1024, false);
	for (i = 0; i < 100; i++) {
		if (!send_as(1234, 10)) {
			finish();
			return;
		}
		if (i % 20 == 0)
			send_as(4321, 10);
		turn();
	}
	ck_assert_uint_eq(row_of(1234)->sums.messages, 100);
	ck_assert_uint_ge(row_of(1234)->sums.dropped, 50);
	ck_assert_uint_eq(row_of(4321)->sums.messages, 5);
	ck_assert_uint_eq(row_of(4321)->sums.dropped, 0);
	finish();
}
END_TEST

START_TEST(what_is_too_large_is_no_use_of_the_limit)
{
	senders_rate = "senders.rate=2";
	start_with("buffer.timeout=never", true, 64, false);
	send_bytes(4, 101);
	send_bytes(3, 100);
	turn();
	ck_assert_uint_eq(COUNT(too_large), 4);
	ck_assert_uint_eq(COUNT(sender_rate), 1);
	ck_assert_uint_eq(senders.total.dropped, 5);
	ck_assert_uint_eq(COUNT(received_bytes), 704);
	finish();
}
END_TEST

START_TEST(what_finds_no_slot_counts_as_dropped_for_its_sender)
{
	senders_rate = "senders.rate=0";
	start("buffer.timeout=0", true);
	send_bytes(10, 10);
	turn();
	turn_until(LISTENER_DROPPING);
	ck_assert_uint_eq(COUNT(ring_full), 10 - SLOTS);
	ck_assert_uint_eq(row_of(getuid())->sums.messages, 10);
	ck_assert_uint_eq(row_of(getuid())->sums.dropped, 10 - SLOTS);
	finish();
}
END_TEST

/* On a kernel that lets them pass, and with the credentials before or after. */
START_TEST(descriptors_that_come_along_are_never_installed)
{
	static const unsigned numbers[] = { 1, 2, 4, MOST_DESCRIPTORS };
	const struct ucred self = { getpid(), getuid(), getgid() };
	unsigned before, i;

	senders_rate = "senders.rate=3";
	start_with("buffer.timeout=never", true, 64, false);
	before = process_descriptors(getpid());
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(send_with(10, NULL, numbers[i]), 0);
		ck_assert_int_eq(send_with(10, &self, numbers[i]), 0);
		ck_assert_int_eq(send_with(10, &self, 0), 0);
	}
	turn();
	ck_assert_uint_eq(COUNT(received), 12);
	ck_assert_uint_eq(row_of(getuid())->sums.messages, 12);
	ck_assert_uint_eq(process_descriptors(getpid()), before);
	/* also where nothing has a slot */
	finish();
	start("buffer.timeout=0", true);
	before = process_descriptors(getpid());
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(send_with(10, NULL, numbers[i]), 0);
	send_bytes(6, 10);
	turn();
	turn_until(LISTENER_DROPPING);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(send_with(10, &self, numbers[i]), 0);
	turn();
	ck_assert_uint_eq(process_descriptors(getpid()), before);
	ck_assert_uint_eq(row_of(getuid())->sums.messages, 14);
	finish();
}
END_TEST

/* Of those beside the first, too. */
START_TEST(every_socket_says_who_sends)
{
	senders_rate = "senders.rate=0";
	sockets = 3;
	start_with("buffer.timeout=never", true, 64, false);
	ck_assert_int_eq(send(sock[0], "x", 1, 0), 1);
	ck_assert_int_eq(send(more[0][0], "x", 1, 0), 1);
	ck_assert_int_eq(send(more[1][0], "x", 1, 0), 1);
	turn();
	turn();
	ck_assert_uint_eq(row_of(getuid())->sums.messages, 3);
	ck_assert_uint_eq(senders.rows, 1);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listener senders");
	TCase *t = core_case(suite, "senders");

	tcase_add_test(t, each_datagram_counts_for_its_sender);
	tcase_add_test(t, what_is_above_the_limit_becomes_an_empty_ticket);
	tcase_add_test(t, a_flood_is_received_and_dropped_for_ever);
	tcase_add_test(t, a_flood_by_one_user_takes_nothing_from_another);
	tcase_add_test(t, what_is_too_large_is_no_use_of_the_limit);
	tcase_add_test(t, what_finds_no_slot_counts_as_dropped_for_its_sender);
	tcase_add_test(t, descriptors_that_come_along_are_never_installed);
	tcase_add_test(t, every_socket_says_who_sends);
	return suite_run(suite, CK_FORK);
}
