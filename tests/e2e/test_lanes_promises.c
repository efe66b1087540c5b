/* SPDX-License-Identifier: MIT */
/*
 * What lanes promise, with the library or a hostile client and the real daemon:
 * bounds on waiting, large messages, quiet, and who suffers from whom.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/handle.h"
#include "tests/lib/lane_client.h"
#include "tests/lib/tally.h"

static struct tally tally;

static struct bw *open_handle(int timeout_ms)
{
	return handle_open_with_lane(bed.sock, timeout_ms);
}

static void require_all(void)
{
	daemon_stop(NULL);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
}

/* -- bounds -------------------------------------------------------------- */

/* All workers are stuck; a call that failed has left nothing. */
START_TEST(a_full_lane_is_a_timeout_that_the_status_counts)
{
	struct bw *bw;
	char text[128];
	const char *row;
	unsigned n;
	int err, len;

	bed.points = bed_point("flush.write", "stall", "");
	bed_block();
	daemon_start("buffer.workers=2", "buffer.size=4K",
		     "buffer.queue_size=8");
	bw = open_handle(50);
	for (n = 0; n < 1000000; n++) {
		len = sprintf(text, "message %u ...........................",
			      n);
		err = bw_write(bw, text, (size_t)len);
		if (err)
			break;
		tally_expect(&tally, text, (size_t)len);
	}
	ck_assert_int_eq(err, BW_TIMEOUT);
	row = json_item(json_at(json_at(ask("status"), "lanes"), "busiest"), 0);
	ck_assert_double_eq(json_number(json_at(row, "pid")), getpid());
	ck_assert_double_ge(json_number(json_at(row, "timeouts")), 1);
	bed_release();
	bw_close(bw);
	require_all();
}
END_TEST

START_TEST(messages_up_to_the_limit_are_a_file_each)
{
	static const size_t lengths[] = { 1 << 20, 10 << 20, 64 << 20 };
	char *text = malloc((64 << 20) + 1);
	struct bw *bw;
	unsigned i;
	size_t n;
	int err;

	ck_assert_ptr_nonnull(text);
	for (n = 0; n <= 64 << 20; n++)
		text[n] = (char)('a' + (n * 31 + n / 1000) % 26);
	daemon_start("buffer.forced=0");
	bw = open_handle(60000);
	for (i = 0; i < 3; i++) {
		err = bw_write(bw, text, lengths[i]);
		REQUIRE(!err, "%zu bytes: %s", lengths[i], bw_strerror(err));
		tally_expect(&tally, text, lengths[i]);
	}
	ck_assert_int_eq(bw_write(bw, text, (64 << 20) + 1), BW_TOO_LARGE);
	ck_assert_int_eq(bw_flush(bw), 0);
	ck_assert_double_eq(ask_number("counters.files"), 3);
	bw_close(bw);
	free(text);
	require_all();
}
END_TEST

/* -- quiet --------------------------------------------------------------- */

/* How often the daemon's threads have slept so far. */
static uint64_t sleeps(void)
{
	DIR *tasks = opendir(bed_text("/proc/%d/task", (int)bed.pid));
	struct dirent *task;
	uint64_t sum = 0, n;
	char line[128];
	FILE *f;

	ck_assert_ptr_nonnull(tasks);
	while ((task = readdir(tasks))) {
		f = fopen(bed_text("/proc/%d/task/%.16s/status", (int)bed.pid,
				   task->d_name),
			  "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64,
				   &n) == 1)
				sum += n;
		if (f)
			fclose(f);
	}
	closedir(tasks);
	return sum;
}

/* A span in which no thread of the daemon woke up. */
static bool is_quiet(void)
{
	uint64_t before = sleeps();

	suite_sleep_ms(300);
	/* A sanitizer has a thread of its own, which wakes up. */
	return sleeps() == before || suite_sanitized();
}

START_TEST(where_nothing_is_written_nobody_wakes_up)
{
	struct bw *bw;

	daemon_start("buffer.forced=5ms");
	bw = open_handle(1000);
	ck_assert_int_eq(bw_write(bw, "message", 7), 0);
	tally_expect(&tally, "message", 7);
	ck_assert_int_eq(bw_flush(bw), 0);
	UNTIL(ask_number("gauges.lanes_open") == 1);
	UNTIL(is_quiet());
	bw_close(bw);
	require_all();
}
END_TEST

/* -- hostile clients ------------------------------------------------------ */

static uint64_t any(void)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Right records and wrong ones, changed while they are read. */
static void scribble(void)
{
	static const unsigned words[] = { AT_WRITTEN,  AT_READ,	   AT_ATTENDED,
					  AT_FINAL,    AT_WAITERS, AT_ID,
					  AT_ROOM_WAKE };
	struct lane_client c;
	uint32_t len;
	unsigned i;

	if (lane_open(&c))
		return;
	for (i = 0; send(c.fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
		    errno == EAGAIN;
	     i++) {
		len = (uint32_t)(any() % 500);
		memcpy(c.data + c.written % c.size, &len, 4);
		c.written += 8 + (len + 7) / 8 * 8;
		lane_set(&c, AT_WRITTEN, c.written);
		len = (uint32_t)any();
		if (any() % 16 == 0)
			memcpy(c.data + any() % c.size, &len, 4);
		if (any() % 512 == 0)
			lane_set(&c, words[any() % 7], any() % (4 * c.size));
	}
	lane_end(&c);
}

/* Opens lanes without end; none is written to. */
static void open_more(void)
{
	static struct lane_client kept[80];
	static unsigned n;
	struct lane_client *c = &kept[n++ % 80];

	if (n > 80 && c->fd > 0)
		lane_end(c);
	if (lane_open(c))
		c->fd = 0;
}

static pid_t start_hostile(void (*act)(void))
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
	for (;;)
		act();
}

static unsigned descriptors(void)
{
	DIR *d = opendir(bed_text("/proc/%d/fd", (int)bed.pid));
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Anonymous memory of the daemon, in KiB. */
static uint64_t memory(void)
{
	FILE *f = fopen(bed_text("/proc/%d/status", (int)bed.pid), "r");
	uint64_t kib = 0;
	char line[128];

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
			break;
	fclose(f);
	return kib;
}

START_TEST(hostile_clients_harm_their_own_messages_only)
{
	uint64_t n, most = suite_scale(20000), before_kib;
	unsigned before;
	struct lane_client c;
	char text[64];
	pid_t pid[2];
	int len;

	daemon_start("buffer.forced=5ms");
	ck_assert_int_eq(lane_open(&c), 0);
	before = descriptors();
	before_kib = memory();
	pid[0] = start_hostile(scribble);
	pid[1] = start_hostile(open_more);
	for (n = 0; n < most; n++) {
		len = sprintf(text, "honest %" PRIu64, n);
		ck_assert(lane_write(&c, text, (uint32_t)len));
		tally_expect(&tally, text, (size_t)len);
	}
	UNTIL(lane_get(&c, AT_READ) == c.written);
	UNTIL(ask_number("counters.lanes_broken") > 0);
	UNTIL(ask_number("counters.lanes_refused") > 0);
	for (n = 0; n < 2; n++) {
		kill(pid[n], SIGKILL);
		ck_assert_int_eq(waitpid(pid[n], NULL, 0), pid[n]);
	}
	UNTIL(ask_number("gauges.lanes_open") == 1);
	UNTIL(descriptors() <= before);
	if (!suite_sanitized())
		ck_assert_uint_lt(memory(), before_kib + 4096);
	lane_end(&c);
	daemon_stop(NULL);
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	/* What the hostile one wrote was never expected. */
	ck_assert_uint_eq(tally.lost, 0);
	ck_assert_uint_eq(tally.doubled, 0);
}
END_TEST

static void open_test(void)
{
	bed_open();
	tally_open(&tally);
}

static void close_test(void)
{
	tally_close(&tally);
	bed_close();
}

int main(void)
{
	Suite *suite = suite_create("promises of lanes");
	TCase *t = suite_case(suite, "promises", open_test, close_test);

	tcase_add_test(t, a_full_lane_is_a_timeout_that_the_status_counts);
	tcase_add_test(t, messages_up_to_the_limit_are_a_file_each);
	tcase_add_test(t, where_nothing_is_written_nobody_wakes_up);
	tcase_add_test(t, hostile_clients_harm_their_own_messages_only);
	return suite_run(suite, CK_NOFORK);
}
