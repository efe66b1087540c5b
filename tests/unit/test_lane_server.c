/* SPDX-License-Identifier: MIT */
/*
 * The lanes' socket without workers: the test sees what would wake one, and
 * decides when they have done what they were told.
 */
#include "tests/unit/listener_bed.h"

#include <sys/un.h>

#include "daemon/intake/lane_server.h"

#define LANES 4

static struct lane_server server;
static struct lane_entry entries[LANES];
static struct lane_table table = { entries, LANES };
static int listening;

/* As a start that systemd passed nothing from its store. */
static void open_lanes(void)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(listening, 0);
	/* the kernel finds a name */
	ck_assert_int_eq(bind(listening, (void *)&any, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(listen(listening, 8), 0);
	ck_assert_int_eq(lanes_open(&workers.lanes, &table, 100), 0);
	ck_assert_int_eq(lane_server_open(&server, &loop.uv, listening,
					  &workers, &table, &listener, cfg, 0),
			 0);
}

static void start_lanes(void)
{
	start("buffer.timeout=never", true);
	open_lanes();
}

static void finish_lanes(void)
{
	lane_server_close(&server);
	turn();
	close(listening);
	lanes_close(&workers.lanes);
	finish();
}

/* -- the start ------------------------------------------------------------ */

START_TEST(a_start_without_stored_lanes_wakes_no_worker)
{
	start_lanes();
	ck_assert(!lanes_are_awake(&workers.lanes));
	finish_lanes();
}
END_TEST

/* Its client asks, and sends the rest. */
START_TEST(a_lane_whose_memory_was_not_stored_is_closed_at_the_start)
{
	lane_entry_open(&entries[1], 7, 65536, 0, geteuid(), 1, 96);
	start_lanes();
	ck_assert_uint_eq(load_relaxed(&entries[1].state), LANE_ENTRY_CLOSED);
	ck_assert_uint_eq(load_relaxed(&entries[1].position), 96);
	ck_assert(!lanes_are_awake(&workers.lanes));
	ck_assert_uint_eq(lane_server_lanes(&server), 0);
	finish_lanes();
}
END_TEST

/* -- FLUSH ---------------------------------------------------------------- */

/* What is ready now; the datagrams' socket is not looked at. */
static void run_handles(void)
{
	uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static int connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockname(listening, (void *)&addr, &len), 0);
	ck_assert_int_eq(connect(fd, (void *)&addr, len), 0);
	run_handles();
	return fd;
}

static void request(int fd, uint32_t type, uint64_t value)
{
	struct lane_request packet = { LANE_WIRE_MAGIC, type, value };

	ck_assert_int_eq(send(fd, &packet, sizeof(packet), 0), sizeof(packet));
	run_handles();
}

/* A worker has notified: is there an answer to FLUSH number n? */
static bool is_answered(int fd, uint64_t n)
{
	struct lane_answer answer;
	ssize_t got;

	lane_server_notified(&server);
	got = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (got < 0)
		return false;
	ck_assert_int_eq(got, sizeof(answer));
	ck_assert_int_eq(answer.status, 0);
	ck_assert_uint_eq(answer.value1, n);
	return true;
}

static uint64_t flushes(void)
{
	return load_relaxed(&workers.orders.flush_request);
}

/* The time between two flushes does not pass, however slow the test is. */
static void hold_pause(void)
{
	uv_timer_t *timer = &server.flush.timer;

	ck_assert(uv_is_active((uv_handle_t *)timer));
	uv_timer_start(timer, timer->timer_cb, UINT32_MAX, 0);
}

/* It passes. */
static void end_pause(void)
{
	uv_timer_t *timer = &server.flush.timer;

	if (uv_is_active((uv_handle_t *)timer))
		uv_timer_start(timer, timer->timer_cb, 0, 0);
	run_handles();
}

START_TEST(a_flush_covers_the_datagrams_that_were_sent_before)
{
	int fd;

	start_lanes();
	fd = connect_client();
	send_bytes(2, 10);
	request(fd, LANE_WIRE_FLUSH, 5);
	ck_assert_uint_eq(flushes(), 1);
	ck_assert_uint_eq(load_relaxed(&workers.orders.flush_up_to),
			  ring_published(&c.ring));
	ck_assert_uint_eq(ring_waiting(&c.ring), 2);
	ck_assert(is_answered(fd, 5));
	close(fd);
	finish_lanes();
}
END_TEST

START_TEST(clients_that_ask_in_a_pause_share_the_next_flush)
{
	int fd[3], i;

	start_lanes();
	for (i = 0; i < 3; i++)
		fd[i] = connect_client();
	request(fd[0], LANE_WIRE_FLUSH, 0);
	hold_pause();
	ck_assert(is_answered(fd[0], 0));
	request(fd[1], LANE_WIRE_FLUSH, 1);
	request(fd[2], LANE_WIRE_FLUSH, 2);
	ck_assert(!is_answered(fd[1], 1) && !is_answered(fd[2], 2));
	end_pause();
	ck_assert_uint_eq(flushes(), 2);
	ck_assert(is_answered(fd[1], 1) && is_answered(fd[2], 2));
	for (i = 0; i < 3; i++)
		close(fd[i]);
	finish_lanes();
}
END_TEST

/*
 * The ring is full all the time, and the queue is never found empty.  After
 * 65536 datagrams the flush begins all the same, however long that takes.
 */
START_TEST(a_flood_does_not_put_a_flush_off_for_ever)
{
	int fd;

	start_lanes();
	fd = connect_client();
	request(fd, LANE_WIRE_FLUSH, 1);
	ck_assert(is_answered(fd, 1));
	send_bytes(SLOTS + 1, 10);
	request(fd, LANE_WIRE_FLUSH, 2);
	end_pause();
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	ck_assert(!is_answered(fd, 2));
	stats_add(&listener.stats.received, 40000);
	end_pause();
	ck_assert(!is_answered(fd, 2));
	stats_add(&listener.stats.received, 40000);
	ck_assert(is_answered(fd, 2));
	close(fd);
	finish_lanes();
}
END_TEST

/* Both wait, but what the second has sent is further back in the queue. */
START_TEST(a_flush_waits_for_the_datagrams_of_its_own_client)
{
	int first, second;

	start_lanes();
	first = connect_client();
	second = connect_client();
	send_bytes(SLOTS + 1, 10);
	request(first, LANE_WIRE_FLUSH, 1);
	ck_assert_int_eq(listener.state, LISTENER_WAITING);
	stats_add(&listener.stats.received, 40000);
	request(second, LANE_WIRE_FLUSH, 2);
	stats_add(&listener.stats.received, 40000);
	ck_assert(is_answered(first, 1));
	end_pause();
	ck_assert(!is_answered(second, 2));
	stats_add(&listener.stats.received, 40000);
	ck_assert(is_answered(second, 2));
	ck_assert_uint_eq(flushes(), 2);
	close(first);
	close(second);
	finish_lanes();
}
END_TEST

/* -- the end -------------------------------------------------------------- */

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* As if nothing had happened for so long. */
static void be_idle(unsigned ms)
{
	uv_timer_t *timer = &server.clients.idle_timer;
	uint64_t i;

	ck_assert(uv_is_active((uv_handle_t *)timer));
	for (i = 0; i < server.clients.most; i++)
		server.clients.list[i].idle_ns -= ms * CLOCK_MS;
	uv_timer_start(timer, timer->timer_cb, 0, 0);
	run_handles();
}

/* Not while it waits for an answer. */
START_TEST(a_client_without_a_lane_is_closed_when_it_is_idle)
{
	int flushing, silent;

	start_lanes();
	flushing = connect_client();
	silent = connect_client();
	send_bytes(SLOTS + 1, 10);
	request(flushing, LANE_WIRE_FLUSH, 1);
	be_idle(LANE_CLIENTS_IDLE_MS);
	ck_assert(is_closed(silent));
	be_idle(LANE_CLIENTS_IDLE_MS);
	stats_add(&listener.stats.received, 65536);
	ck_assert(is_answered(flushing, 1));
	be_idle(LANE_CLIENTS_IDLE_MS);
	ck_assert(is_closed(flushing));
	close(flushing);
	close(silent);
	finish_lanes();
}
END_TEST

static unsigned notified;

/* As main.c does it. */
static void on_notified(void *arg)
{
	ck_assert_ptr_eq(arg, &notified);
	notified++;
	lane_server_notified(&server);
}

/*
 * A worker that looks at a lane for a moment keeps its slot.  The whole daemon
 * learns when the slot is free, as a stop waits for the last one.
 */
START_TEST(a_slot_that_was_held_at_the_end_of_its_lane_is_told_of)
{
	struct lanes_slot *slot;
	int fd;

	workers.orders.notify = on_notified;
	workers.orders.arg = &notified;
	start_lanes();
	fd = connect_client();
	request(fd, LANE_WIRE_OPEN, 0);
	ck_assert_uint_eq(lane_server_lanes(&server), 1);
	slot = &workers.lanes.slot[server.clients.list[0].slot];
	store_relaxed(&slot->claimed, true);
	store_relaxed(&slot->state, LANES_ENDED);
	store_relaxed(&workers.lanes.ended, 1);
	lane_server_notified(&server);
	ck_assert_uint_eq(lane_server_lanes(&server), 1);
	store_relaxed(&slot->claimed, false);
	while (!notified)
		uv_run(&loop.uv, UV_RUN_ONCE);
	ck_assert_uint_eq(lane_server_lanes(&server), 0);
	close(fd);
	finish_lanes();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("the lanes' socket");
	TCase *t = core_case(suite, "start");

	tcase_add_test(t, a_start_without_stored_lanes_wakes_no_worker);
	tcase_add_test(
		t, a_lane_whose_memory_was_not_stored_is_closed_at_the_start);
	t = core_case(suite, "flush");
	tcase_add_test(t, a_flush_covers_the_datagrams_that_were_sent_before);
	tcase_add_test(t, clients_that_ask_in_a_pause_share_the_next_flush);
	tcase_add_test(t, a_flood_does_not_put_a_flush_off_for_ever);
	tcase_add_test(t, a_flush_waits_for_the_datagrams_of_its_own_client);
	t = core_case(suite, "end");
	tcase_add_test(t, a_client_without_a_lane_is_closed_when_it_is_idle);
	tcase_add_test(t,
		       a_slot_that_was_held_at_the_end_of_its_lane_is_told_of);
	return suite_run(suite, CK_FORK);
}
