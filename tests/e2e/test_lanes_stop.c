/* SPDX-License-Identifier: MIT */
/*
 * A stop that cannot file what is in lanes, because the disk refuses: it leaves
 * copies beside the region, and the next start files each message once.  Or it
 * cannot copy them either, and each message is counted.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/handle.h"
#include "tests/lib/lane_client.h"
#include "tests/lib/store.h"
#include "tests/lib/tally.h"

#define CLIENTS 2
#define LARGE 300000

static struct tally tally;
static struct lane_client client[CLIENTS], large;
static uint64_t written; /* messages */
static char line[LARGE];

/* One worker, which is soon stuck with a full arena. */
#define SMALL                                                             \
	"buffer.workers=1", "buffer.size=4K", "buffer.stop_timeout=50ms", \
		"buffer.forced=5ms"

/* -- the stop ------------------------------------------------------------ */

static void expect(const char *text, uint32_t len)
{
	tally_expect(&tally, text, len);
	written++;
}

/* Writes so much that the worker cannot hold it, and each lane has a rest. */
static void fill_lanes(void)
{
	unsigned n, i;
	int len;

	for (i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(lane_open(&client[i]), 0);
	for (n = 0; n < 600; n++) {
		for (i = 0; i < CLIENTS; i++) {
			len = sprintf(
				line, "%u %u %.*s", i, n, (int)(n * 31 % 80),
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
			ck_assert(lane_write(&client[i], line, (uint32_t)len));
			expect(line, (uint32_t)len);
		}
	}
}

static void fill_large(void)
{
	struct lane_reply reply;
	unsigned i;

	ck_assert_int_eq(lane_connect(&large), 0);
	lane_request(&large, 1, LARGE);
	reply = lane_reply(&large, &large.memory);
	ck_assert_int_eq(reply.status, 0);
	lane_use(&large, &reply);
	for (i = 0; i < LARGE; i++)
		line[i] = (char)('a' + i % 26);
	ck_assert(lane_write(&large, line, LARGE));
	expect(line, LARGE);
}

static void end_clients(void)
{
	unsigned i;

	for (i = 0; i < CLIENTS; i++)
		if (client[i].head)
			lane_end(&client[i]);
	if (large.head)
		lane_end(&large);
}

/* A disk that refuses everything from now on, and lanes that hold a rest. */
static void fill(const char *points)
{
	bed.points = bed_text("%s;%s", bed_point("flush.write", "ENOSPC", ""),
			      points);
	daemon_start(SMALL);
	bed_block();
	fill_lanes();
	UNTIL(log_count("the data is kept and tried again") > 0);
}

/* A stop that gives up. */
static int stop(void)
{
	int status;

	daemon_signal(SIGTERM);
	status = daemon_wait();
	bed_release();
	return status;
}

static void require_given_up(void)
{
	int status = stop();

	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL,
		"a stop that gives up ended with %#x", status);
}

/* Calls `each`, unless that is NULL; returns how many there are. */
static unsigned each_copy(void (*each)(const char *path))
{
	unsigned n = 0;
	glob_t found;

	if (!glob(bed_text("%s.lane-*", bed.state), 0, NULL, &found))
		for (; n < found.gl_pathc; n++)
			if (each)
				each(found.gl_pathv[n]);
	globfree(&found);
	return n;
}

static unsigned copies(void)
{
	return each_copy(NULL);
}

/* -- the next start ------------------------------------------------------ */

static void require_all(void)
{
	UNTIL(ask_number("gauges.lanes_open") == 0);
	ck_assert_double_eq(ask_number("dropped.lane_lost"), 0);
	daemon_stop(NULL);
	REQUIRE(copies() == 0, "%u copies are left", copies());
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	REQUIRE(dir_empty(bed.temp), "temp files are left behind");
}

static void next_start(void)
{
	bed.points = NULL;
	daemon_start("buffer.forced=5ms");
}

static void hold(int with_store)
{
	bed_hold_socket();
	bed_hold_lanes();
	if (with_store)
		store_open();
}

static int is_clean(void)
{
	const char *build = getenv("BW_BUILD");

	return system(bed_text("%s/bufwriterd --is-clean %s 2>/dev/null",
			       build ? build : "build", bed.state)) == 0;
}

/* _i: is there a store that keeps the lanes? */
START_TEST(what_a_stop_cannot_file_of_ended_programs_is_filed_by_the_next_start)
{
	hold(_i);
	fill("");
	end_clients();
	require_given_up();
	ck_assert_uint_eq(copies(), CLIENTS);
	ck_assert_uint_eq(
		log_count("messages in lanes could not be filed",
			  "there are copies of them beside state.path"),
		1);
	ck_assert(!is_clean());
	next_start();
	require_all();
	ck_assert(is_clean());
	if (_i)
		UNTIL(store_count() == 0);
}
END_TEST

/* systemd forgets a unit's descriptors when it is stopped. */
START_TEST(a_stop_that_ends_the_store_loses_nothing)
{
	hold(1);
	fill("");
	end_clients();
	require_given_up();
	store_clear();
	next_start();
	require_all();
}
END_TEST

/* So bw_close() need not wait for the next daemon. */
START_TEST(a_program_that_runs_learns_that_all_of_it_was_taken)
{
	unsigned i;

	hold(_i);
	fill("");
	require_given_up();
	for (i = 0; i < CLIENTS; i++) {
		ck_assert_uint_eq(lane_get(&client[i], AT_ATTENDED), CLOSED);
		ck_assert_uint_eq(lane_get(&client[i], AT_FINAL),
				  client[i].written);
	}
	next_start();
	end_clients();
	require_all();
}
END_TEST

static void write_with_handle(struct bw *bw, unsigned n)
{
	int len = sprintf(line, "%u of a handle %080u", n, n);

	ck_assert_int_eq(bw_write(bw, line, (size_t)len), 0);
	expect(line, (uint32_t)len);
}

/*
 * The library, in a process that goes on after the stop or ends.  No daemon is
 * there when it closes its handle.
 */
START_TEST(a_handle_is_closed_while_what_it_wrote_is_in_a_copy)
{
	struct bw *bw;
	unsigned n;

	hold(0);
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start(SMALL);
	bed_block();
	bw = handle_open(bed.sock, _i ? 100 : BW_FOREVER, BW_LANES_ALWAYS);
	for (n = 0; n < 600; n++)
		write_with_handle(bw, n);
	require_given_up();
	ck_assert_uint_eq(copies(), 1);
	if (_i)
		write_with_handle(bw, n);
	bw_close(bw);
	next_start();
	require_all();
}
END_TEST

/* As a program does that missed the end of its lane. */
START_TEST(a_program_that_asks_learns_that_all_of_it_was_taken)
{
	struct lane_client again;
	struct lane_reply reply;

	hold(0);
	fill("");
	require_given_up();
	next_start();
	ck_assert_int_eq(lane_connect(&again), 0);
	lane_request(&again, 2, client[0].id);
	reply = lane_reply(&again, NULL);
	ck_assert_int_eq(reply.status, 0);
	ck_assert_uint_eq(reply.value2, client[0].written);
	lane_end(&again);
	end_clients();
	require_all();
}
END_TEST

START_TEST(a_large_message_is_kept_as_well)
{
	static const char *const framings[] = { "newline", "length" };
	enum framing framing = _i ? LENGTH : NEWLINE;

	hold(0);
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start(SMALL, bed_text("files.framing=%s", framings[_i]));
	bed_block();
	fill_large();
	UNTIL(log_count("the data is kept and tried again") > 0);
	fill_lanes();
	end_clients();
	require_given_up();
	ck_assert_uint_eq(copies(), CLIENTS + 1);
	bed.points = NULL;
	daemon_start(bed_text("files.framing=%s", framings[_i]));
	UNTIL(ask_number("gauges.lanes_open") == 0);
	daemon_stop(NULL);
	REQUIRE(copies() == 0, "%u copies are left", copies());
	tally_read(&tally, bed.files, framing);
	tally_require_exact(&tally);
}
END_TEST

/* The second one has filed a part of a copy, and its worker hangs. */
START_TEST(a_second_stop_that_gives_up_keeps_the_copies)
{
	hold(_i);
	fill("");
	end_clients();
	require_given_up();
	bed.points = bed_point("lane.copied", "stall", "@2");
	bed_block();
	daemon_start(SMALL);
	UNTIL(ask_number("counters.lane_messages") > 0);
	require_given_up();
	ck_assert_uint_eq(log_count("there are copies of them"), 1);
	ck_assert_uint_gt(copies(), 0);
	next_start();
	require_all();
}
END_TEST

/* The disk refuses already what the region holds. */
START_TEST(a_stop_while_the_start_recovers_keeps_the_copies)
{
	hold(_i);
	fill("");
	end_clients();
	require_given_up();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	bed_block();
	daemon_spawn(SMALL);
	UNTIL(log_count("recovery: ", "the data is kept and tried again") > 0);
	require_given_up();
	ck_assert_uint_eq(copies(), CLIENTS);
	next_start();
	require_all();
}
END_TEST

/* What systemd passes to a start that does not get so far as to read it. */
START_TEST(a_stop_while_the_start_recovers_keeps_lanes_of_a_killed_daemon)
{
	hold(1);
	fill("");
	end_clients();
	daemon_kill();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_spawn(SMALL);
	UNTIL(log_count("recovery: ", "the data is kept and tried again") > 0);
	require_given_up();
	ck_assert_uint_eq(copies(), CLIENTS);
	ck_assert_uint_eq(log_count("there are copies of them"), 1);
	if (_i)
		store_clear();
	next_start();
	require_all();
}
END_TEST

/* No client has to ask the next daemon, which may have no lanes. */
static void require_told(void)
{
	unsigned i;

	for (i = 0; i < CLIENTS; i++) {
		UNTIL(lane_get(&client[i], AT_ATTENDED) == CLOSED);
		ck_assert_uint_eq(lane_get(&client[i], AT_FINAL),
				  client[i].written);
	}
	end_clients();
}

START_TEST(a_stop_while_the_start_recovers_tells_the_clients)
{
	hold(1);
	fill("");
	daemon_kill();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_spawn(SMALL);
	UNTIL(log_count("recovery: ", "the data is kept and tried again") > 0);
	require_given_up();
	require_told();
	next_start();
	require_all();
}
END_TEST

/* The stop was killed before it told them.  _i: the next start recovers. */
START_TEST(a_start_that_finds_copies_tells_the_clients)
{
	int status;

	hold(1);
	fill("lane.kept=kill@2");
	status = stop();
	REQUIRE(WIFSIGNALED(status), "the stop ended with %#x", status);
	ck_assert_uint_eq(copies(), CLIENTS);
	if (_i) {
		bed.points = bed_point("flush.write", "ENOSPC", "");
		bed_block();
		daemon_spawn(SMALL);
		UNTIL(log_count("recovery: ",
				"the data is kept and tried again") > 0);
		require_given_up();
	} else {
		bed.points = NULL;
		daemon_start("lanes.count=0");
		daemon_stop(NULL);
	}
	require_told();
	next_start();
	require_all();
}
END_TEST

/* What was in an arena is gone with the region; what was in lanes is filed. */
static void require_copies_filed(void)
{
	UNTIL(ask_number("gauges.lanes_open") == 0);
	daemon_stop(NULL);
	REQUIRE(copies() == 0, "%u copies are left", copies());
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	/* No more than an arena. */
	ck_assert_uint_gt(tally.lost, 0);
	ck_assert_uint_lt(tally.lost, 4096 / 4);
	ck_assert_uint_eq(tally.doubled + tally.torn, 0);
}

/* _i: does the next daemon give out lanes? */
START_TEST(copies_without_their_region_are_filed)
{
	hold(0);
	fill("");
	end_clients();
	require_given_up();
	ck_assert_int_eq(unlink(bed.state), 0);
	bed.points = NULL;
	daemon_start(_i ? "lanes.count=64" : "lanes.count=0");
	require_copies_filed();
}
END_TEST

static void hide(const char *path)
{
	ck_assert_int_eq(rename(path, bed_text("%s.hidden", path)), 0);
}

static void show(const char *path)
{
	ck_assert_int_eq(
		rename(path, bed_text("%.*s", (int)strlen(path) - 7, path)), 0);
}

/* The region is sound, and has no place for a lane. */
START_TEST(copies_beside_a_region_without_lanes_are_filed)
{
	hold(0);
	fill("");
	end_clients();
	require_given_up();
	ck_assert_int_eq(unlink(bed.state), 0);
	ck_assert_uint_eq(each_copy(hide), CLIENTS);
	bed.points = NULL;
	daemon_start("lanes.count=0");
	daemon_stop(NULL);
	ck_assert_uint_eq(each_copy(show), CLIENTS);
	daemon_start("lanes.count=0");
	require_copies_filed();
}
END_TEST

static void spoil_mode(const char *path)
{
	ck_assert_int_eq(chmod(path, 0640), 0);
}

static void mend_mode(const char *path)
{
	ck_assert_int_eq(chmod(path, 0600), 0);
}

static void spoil_size(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size + 1), 0);
}

static void mend_size(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size - 1), 0);
}

static const struct {
	void (*spoil)(const char *path), (*mend)(const char *path);
	int with_store;
} unread[] = {
	{ spoil_mode, mend_mode, 0 },
	{ spoil_mode, mend_mode, 1 },
	{ spoil_size, mend_size, 0 },
	{ spoil_size, mend_size, 1 },
};

/* The region says that nothing of them is filed, for as long as it takes. */
START_TEST(copies_that_a_start_cannot_read_wait_for_one_that_can)
{
	unsigned lives;
	int status;

	hold(unread[_i].with_store);
	fill("");
	end_clients();
	require_given_up();
	each_copy(unread[_i].spoil);
	for (lives = 0; lives < 2; lives++) {
		next_start();
		ck_assert_uint_eq(log_count("lanes: ", " cannot be read: "),
				  CLIENTS);
		ck_assert_int_eq(ask_number("gauges.lanes_open"), 0);
		ck_assert_int_eq(command("status"), 0);
		command_expect(" 2 copies of lanes that cannot be read");
		daemon_signal(SIGTERM);
		status = daemon_wait();
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), EX_TEMPFAIL);
		ck_assert_uint_eq(log_count("2 copies of lanes beside "
					    "state.path could not be read"),
				  1);
		ck_assert(!is_clean());
		ck_assert_uint_eq(copies(), CLIENTS);
	}
	each_copy(unread[_i].mend);
	next_start();
	require_all();
	ck_assert(is_clean());
}
END_TEST

/* What lives without a right to remove copies leave, and what is said of it. */
static void leave_copies(bool without_region)
{
	unsigned lives;

	bed.points = "lane.remove=EROFS";
	for (lives = 0; lives < 3; lives++) {
		daemon_start("buffer.forced=5ms");
		UNTIL(ask_number("gauges.lanes_open") == 0);
		UNTIL(log_count("lanes: ",
				" cannot be removed: Read-only file system; "
				"what is in it is filed: remove it") ==
		      CLIENTS);
		daemon_stop(NULL);
		ck_assert_uint_eq(copies(), CLIENTS);
		if (without_region)
			ck_assert_int_eq(unlink(bed.state), 0);
	}
}

/* _i: do later lives have a region that knows of them? */
START_TEST(copies_that_cannot_be_removed_are_reported_and_filed_once)
{
	hold(0);
	fill("");
	end_clients();
	require_given_up();
	leave_copies(_i);
	next_start();
	require_all();
}
END_TEST

START_TEST(a_copy_that_is_filed_is_removed_although_it_cannot_be_read)
{
	hold(0);
	fill("");
	end_clients();
	require_given_up();
	leave_copies(false);
	each_copy(_i ? spoil_size : spoil_mode);
	next_start();
	ck_assert_uint_eq(log_count("lanes: ", " cannot be read: "), 0);
	require_all();
	ck_assert(is_clean());
}
END_TEST

/* Settings that give out no lanes, and have another region. */
START_TEST(copies_are_filed_whatever_the_settings_are)
{
	hold(0);
	fill("");
	end_clients();
	require_given_up();
	bed.points = NULL;
	daemon_start("lanes.count=0", "buffer.queue_size=100");
	require_all();
}
END_TEST

/* Such as a supervisor that ended, and whose socket is gone. */
START_TEST(copies_are_filed_although_nobody_takes_notifications)
{
	hold(0);
	fill("");
	end_clients();
	require_given_up();
	bed.points = NULL;
	bed.notify = bed_text("%s/nobody", bed.root);
	daemon_start("lanes.count=0");
	require_all();
}
END_TEST

/* -- no room for a copy -------------------------------------------------- */

static uint64_t count_lost(void)
{
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	ck_assert_uint_eq(tally.doubled + tally.torn, 0);
	return tally.lost;
}

START_TEST(what_can_neither_be_filed_nor_copied_is_counted_by_the_next_start)
{
	struct totals totals;

	hold(0);
	fill("lane.keep=ENOSPC");
	end_clients();
	require_given_up();
	REQUIRE(copies() == 0, "%u copies are left", copies());
	ck_assert_uint_eq(log_count("lanes of programs that have ended",
				    "No space left on device"),
			  1);
	next_start();
	ck_assert_uint_eq(log_count("lanes: ", " were lost"), CLIENTS);
	ck_assert_double_gt(ask_number("dropped.lane_lost"), 0);
	ck_assert_int_eq(command("status"), 0);
	command_expect(" in lanes that a stop could not keep\n");
	ck_assert_int_eq(command("flush"), EX_DATAERR);
	command_expect(" in lanes that a stop could not keep; everything");
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.dropped, count_lost());
	ck_assert_uint_gt(totals.dropped, 0);
}
END_TEST

START_TEST(what_systemd_has_kept_is_filed_although_there_was_no_room)
{
	hold(1);
	fill("lane.keep=ENOSPC");
	end_clients();
	require_given_up();
	next_start();
	require_all();
}
END_TEST

START_TEST(programs_that_run_send_what_could_not_be_copied)
{
	struct lane_client again;
	struct lane_reply reply;
	unsigned i;

	hold(0);
	fill("lane.keep=ENOSPC");
	require_given_up();
	ck_assert_uint_eq(log_count("their programs send them"), 1);
	next_start();
	ck_assert_double_eq(ask_number("dropped.lane_lost"), 0);
	for (i = 0; i < CLIENTS; i++) {
		ck_assert_uint_ne(lane_get(&client[i], AT_ATTENDED), CLOSED);
		ck_assert_int_eq(lane_connect(&again), 0);
		lane_request(&again, 2, client[i].id);
		reply = lane_reply(&again, NULL);
		ck_assert_int_eq(reply.status, 0);
		ck_assert_uint_lt(reply.value2, client[i].written);
		lane_end(&again);
	}
	end_clients();
	daemon_stop(NULL);
}
END_TEST

START_TEST(without_a_region_the_stop_counts_what_it_loses)
{
	struct totals totals;

	hold(0);
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start(SMALL, "state.path=");
	bed_block();
	fill_lanes();
	UNTIL(log_count("the data is kept and tried again") > 0);
	end_clients();
	require_given_up();
	ck_assert_int_eq(daemon_totals(&totals), 0);
	ck_assert_uint_gt(totals.dropped, 0);
	ck_assert_uint_eq(totals.received, written);
	ck_assert_uint_eq(count_lost(), written);
}
END_TEST

/* -- kills ---------------------------------------------------------------- */

/*
 * Steps of the stop and of the start after it.  A kill before the copy has its
 * name leaves the lane's memory only, so it needs a store.
 */
static const struct {
	const char *step;
	bool at_stop, needs_store;
} steps[] = {
	{ "lane.sealed=kill@1", true, true },
	{ "lane.copy=kill@1", true, true },
	{ "lane.copy=kill@2", true, true },
	{ "lane.kept=kill@1", true, true },
	{ "lane.kept=kill@2", true, false },
	{ "lane.final=kill@1", true, true },
	{ "lane.final=kill@2", true, false },
	{ "lane.handed=kill@1", true, true },
	{ "lane.handed=kill@2", true, false },
	{ "lane.copied=kill@1", false, false },
	{ "commit.before=kill@2", false, false },
	{ "commit.after=kill@2", false, false },
	{ "lane.position=kill@1", false, false },
	{ "lane.position=kill@2", false, false },
	{ "lane.read=kill@1", false, false },
	{ "lane.sealed=kill@1", false, false },
	{ "lane.closed=kill@1", false, false },
	{ "lane.final=kill@1", false, false },
	{ "lane.finished=kill@1", false, false },
	{ "lane.removed=kill@1", false, false },
	{ "lane.removed=kill@2", false, false },
	{ "flush.marked=kill@2", false, false },
	{ "flush.reset=kill@2", false, false },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void kill_at(const char *step, bool at_stop)
{
	int status;

	fill(at_stop ? step : "");
	end_clients();
	if (!at_stop) {
		require_given_up();
		bed.points = step;
		daemon_spawn("buffer.forced=5ms");
		status = daemon_wait();
	} else {
		status = stop();
	}
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"%s was not passed: %#x", step, status);
}

START_TEST(a_kill_at_each_step_of_a_copy_loses_and_doubles_nothing)
{
	hold(1);
	kill_at(steps[_i].step, steps[_i].at_stop);
	next_start();
	require_all();
}
END_TEST

START_TEST(nor_does_it_without_a_store)
{
	if (steps[_i].needs_store)
		return;
	hold(0);
	kill_at(steps[_i].step, steps[_i].at_stop);
	next_start();
	require_all();
}
END_TEST

static void open_test(void)
{
	bed_open();
	tally_open(&tally);
	written = 0;
}

static void close_test(void)
{
	end_clients();
	tally_close(&tally);
	bed_close();
}

int main(void)
{
	Suite *suite = suite_create("lanes at a stop");
	TCase *t = suite_case(suite, "copies", open_test, close_test);

	tcase_add_loop_test(
		t,
		what_a_stop_cannot_file_of_ended_programs_is_filed_by_the_next_start,
		0, 2);
	tcase_add_test(t, a_stop_that_ends_the_store_loses_nothing);
	tcase_add_loop_test(
		t, a_program_that_runs_learns_that_all_of_it_was_taken, 0, 2);
	tcase_add_loop_test(
		t, a_handle_is_closed_while_what_it_wrote_is_in_a_copy, 0, 2);
	tcase_add_test(t, a_program_that_asks_learns_that_all_of_it_was_taken);
	tcase_add_loop_test(t, a_large_message_is_kept_as_well, 0, 2);
	tcase_add_loop_test(t, a_second_stop_that_gives_up_keeps_the_copies, 0,
			    2);
	tcase_add_loop_test(t, a_stop_while_the_start_recovers_keeps_the_copies,
			    0, 2);
	tcase_add_loop_test(
		t,
		a_stop_while_the_start_recovers_keeps_lanes_of_a_killed_daemon,
		0, 2);
	tcase_add_test(t, a_stop_while_the_start_recovers_tells_the_clients);
	tcase_add_loop_test(t, a_start_that_finds_copies_tells_the_clients, 0,
			    2);
	tcase_add_loop_test(t, copies_without_their_region_are_filed, 0, 2);
	tcase_add_test(t, copies_beside_a_region_without_lanes_are_filed);
	tcase_add_loop_test(
		t, copies_that_a_start_cannot_read_wait_for_one_that_can, 0,
		sizeof(unread) / sizeof(unread[0]));
	tcase_add_loop_test(
		t, copies_that_cannot_be_removed_are_reported_and_filed_once, 0,
		2);
	tcase_add_loop_test(
		t, a_copy_that_is_filed_is_removed_although_it_cannot_be_read,
		0, 2);
	tcase_add_test(t, copies_are_filed_whatever_the_settings_are);
	tcase_add_test(t, copies_are_filed_although_nobody_takes_notifications);

	t = suite_case(suite, "no room", open_test, close_test);
	tcase_add_test(
		t,
		what_can_neither_be_filed_nor_copied_is_counted_by_the_next_start);
	tcase_add_test(
		t, what_systemd_has_kept_is_filed_although_there_was_no_room);
	tcase_add_test(t, programs_that_run_send_what_could_not_be_copied);
	tcase_add_test(t, without_a_region_the_stop_counts_what_it_loses);

	t = suite_case(suite, "kills", open_test, close_test);
	tcase_add_loop_test(
		t, a_kill_at_each_step_of_a_copy_loses_and_doubles_nothing, 0,
		STEPS);
	tcase_add_loop_test(t, nor_does_it_without_a_store, 0, STEPS);
	return suite_run(suite, CK_NOFORK);
}
