/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log about what senders and clients can repeat: the first at
 * once, the others together, and none is left out, whatever happens next.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/intake/drops.h"
#include "daemon/intake/lane_report.h"
#include "tests/lib/caught.h"
#include "tests/lib/suite.h"

static uv_loop_t uv;
static struct drops drops;
static struct lane_report lanes;

static void open_all(void)
{
	log_open();
	log_set_level(LEVEL_INFO);
	ck_assert_int_eq(uv_loop_init(&uv), 0);
	drops_open(&drops, &uv);
	lane_report_open(&lanes, &uv);
}

static void close_all(void)
{
	drops_close(&drops);
	lane_report_close(&lanes);
	uv_run(&uv, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&uv), 0);
}

/* Event number n of a kind. */
static void too_large(unsigned n)
{
	struct drops_large large = { 1, 1000 - n, 1000 - n };

	drops_too_large(&drops, &large, 100);
}

static void receive_failed(unsigned n)
{
	drops_receive_failed(&drops, n % 2 ? EINVAL : ENOMEM);
}

static void ring_full(unsigned n)
{
	(void)n;
	drops_ring_full(&drops);
	drops_dropping(&drops, 5, false);
	drops_resumed(&drops);
}

static void refused(unsigned n)
{
	lane_report_refused(&lanes, (pid_t)(100 + n), 7, -EDQUOT);
}

static void broken(unsigned n)
{
	lane_report_broken(&lanes, (pid_t)(100 + n), 7);
}

static void no_accept(unsigned n)
{
	(void)n;
	lane_report_no_accept(&lanes, EMFILE);
}

/* The first event, and then four more, the second to the fifth. */
static const struct {
	void (*event)(unsigned n);
	struct report *report;
	const char *first, *others;
} kinds[] = {
	{ too_large, &drops.report,
	  "a message of 999 bytes is larger than socket.max_message (100)",
	  "4 messages were larger than socket.max_message (100) and were "
	  "dropped, since the last report: 3986 bytes, the largest of 998;" },
	{ receive_failed, &drops.report, "Invalid argument (1 times",
	  "Invalid argument (4 times" },
	{ ring_full, &drops.report, " s; 5 datagrams were dropped",
	  " s; 20 datagrams were dropped" },
	{ refused, &lanes.report, "process 101 of user 7 got no lane",
	  "process 105 of user 7 got no lane: Disk quota exceeded; it sends "
	  "datagrams, and larger messages wait; see lanes.count (4 times "
	  "since" },
	{ broken, &lanes.report, "a lane of process 101, user 7,",
	  "a lane of process 105, user 7, holds what no library writes; it was "
	  "closed, and what came before is filed; look for a fault in that "
	  "program (4 times since" },
	{ no_accept, &lanes.report, "accept: Too many open files; programs",
	  "accept: Too many open files; programs send datagrams (4 times" },
};
#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

static void require_line(const char *log, const char *part)
{
	ck_assert_msg(strstr(log, part) != NULL, "not \"%s\", but \"%s\"", part,
		      log);
}

static void happen(int kind, unsigned from, unsigned to)
{
	for (; from <= to; from++)
		kinds[kind].event(from);
}

/* The bound allows it now, and the timer runs. */
static void time_passes(struct report *r)
{
	unsigned i;

	ck_assert(uv_is_active((uv_handle_t *)&r->timer));
	for (i = 0; i < REPORT_LINES; i++)
		r->limit[i].next_ns = 0;
	uv_timer_start(&r->timer, r->timer.timer_cb, 0, 0);
	uv_run(&uv, UV_RUN_NOWAIT);
}

START_TEST(a_timer_says_what_the_bound_held_back)
{
	const char *log;

	caught_begin();
	happen(_i, 1, 1);
	require_line(caught_end(), kinds[_i].first);
	caught_begin();
	happen(_i, 2, 5);
	log = caught_end();
	ck_assert_str_eq(log, "");
	caught_begin();
	time_passes(kinds[_i].report);
	require_line(caught_end(), kinds[_i].others);
	/* and nothing twice */
	ck_assert(!uv_is_active((uv_handle_t *)&kinds[_i].report->timer));
	caught_begin();
	close_all();
	ck_assert_str_eq(caught_end(), "");
	open_all();
}
END_TEST

START_TEST(the_end_says_what_the_bound_held_back)
{
	happen(_i, 1, 1);
	caught_begin();
	happen(_i, 2, 5);
	close_all();
	require_line(caught_end(), kinds[_i].others);
	open_all();
}
END_TEST

START_TEST(one_kind_does_not_hold_back_another)
{
	int i;

	happen(_i, 1, 2);
	for (i = 0; i < KINDS; i++) {
		if (i == _i)
			continue;
		caught_begin();
		kinds[i].event(1);
		require_line(caught_end(), kinds[i].first);
	}
}
END_TEST

/* "reading again" would not be true. */
START_TEST(a_ring_that_is_full_again_is_not_said_to_be_read)
{
	drops_ring_full(&drops);
	drops_dropping(&drops, 1, false);
	drops_resumed(&drops);
	ring_full(2);
	drops_ring_full(&drops);
	caught_begin();
	time_passes(&drops.report);
	ck_assert_str_eq(caught_end(), "");
	drops_dropping(&drops, 2, false);
	caught_begin();
	drops_resumed(&drops);
	require_line(caught_end(), "; 7 datagrams were dropped");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *t = suite_case(suite, "report", open_all, close_all);

	tcase_add_loop_test(t, a_timer_says_what_the_bound_held_back, 0, KINDS);
	tcase_add_loop_test(t, the_end_says_what_the_bound_held_back, 0, KINDS);
	tcase_add_loop_test(t, one_kind_does_not_hold_back_another, 0, KINDS);
	tcase_add_test(t, a_ring_that_is_full_again_is_not_said_to_be_read);
	return suite_run(suite, CK_FORK);
}
