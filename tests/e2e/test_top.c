/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter top` on a terminal: what it shows, and how it stops and continues
 * as a job of a shell.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/peer.h"
#include "tests/lib/terminal.h"

#define FRAME "\033[H\033[7m bufwriterd"
#define LAST_OF_FRAME "\033[J"
#define ENTER "\033[?1049h"
#define LEAVE "\033[?1049l"

static unsigned frames(struct terminal *t)
{
	const char *at = terminal_find(t, FRAME);
	unsigned n = 0;

	for (; at; at = strstr(at + 1, FRAME))
		n++;
	return n;
}

/* --- the frame ----------------------------------------------------------- */

/* A status in which every number is this one. */
static const char *status_of(const char *number)
{
	const char *rates = bed_text(
		"{\"received\":%1$s,\"received_bytes\":%1$s,\"written\":%1$s,"
		"\"files\":%1$s,\"file_bytes\":%1$s,\"dropped\":%1$s}",
		number);
	const char *worker = bed_text(
		"{\"worker\":255,\"state\":\"retrying\",\"error\":null,"
		"\"arena_bytes\":%1$s,\"arena_size\":1,\"messages\":%1$s,"
		"\"files\":%1$s,\"file_bytes\":%1$s,\"failures\":%1$s}",
		number);

	const char *lane_user = bed_text(
		"{\"pid\":4194304,\"uid\":4294967294,\"messages\":%1$s,"
		"\"bytes\":%1$s,\"unread_bytes\":%1$s,\"waits\":%1$s}",
		number);

	const char *sender = bed_text(
		"{\"pid\":4194304,\"uid\":4294967294,"
		"\"command\":\"a command name!\",\"unit\":\"a.service\","
		"\"messages_per_second\":%1$s,\"bytes_per_second\":%1$s,"
		"\"messages\":%1$s,\"bytes\":%1$s,\"dropped\":%1$s}",
		number);

	return bed_text(
		"{\"version\":\"10.20.30\",\"pid\":4194304,\"uptime\":%1$s,"
		"\"health\":\"degraded\",\"why\":\"of numbers\","
		"\"listener\":\"waiting\",\"rates\":{\"now\":%2$s,"
		"\"minute\":%2$s},\"dropped\":{\"too_large\":%1$s,"
		"\"ring_full\":%1$s,\"sender_rate\":%1$s},\"gauges\":{\"in_ring\":%1$s,"
		"\"ring_slots\":%1$s,\"ring_high\":%1$s,\"in_arenas\":%1$s,"
		"\"arena_bytes\":%1$s,\"oldest_seconds\":%1$s},"
		"\"histograms\":{\"flush_seconds\":{\"le\":[0.0256,60],"
		"\"counts\":[0,%1$s,0]}},\"workers\":[%3$s],"
		"\"senders\":{\"identify\":true,\"busiest\":[%5$s]},"
		"\"lanes\":{\"busiest\":[%4$s]}}\n",
		number, rates, worker, lane_user, sender);
}

/* The columns of a line that ends before `end`, without escape sequences. */
static unsigned columns(const char *line, const char *end)
{
	unsigned n = 0;

	for (; line < end; line++)
		if (*line == '\033')
			line += strcspn(line, "HJKlmh");
		else
			n++;
	return n;
}

static const char *const numbers[] = {
	"0",	     "7",	   "1023.96",
	"99999.9",   "999999",	   "9999999",
	"123456789", "9999999999", "18446744073709551615",
	"-5",
};

/* The terminal is wider than 80 columns, so nothing is cut. */
START_TEST(every_line_of_numbers_fits_80_columns)
{
	static struct terminal t;
	pid_t peer = peer_start(status_of(numbers[_i]), 1);
	const char *line, *end;

	terminal_start(&t, 200, "bufwriter top -d 100ms");
	UNTIL(frames(&t) >= 2 && strstr(strrchr(t.seen, 'H'), LAST_OF_FRAME));
	terminal_type(&t, "q");
	ck_assert_int_eq(terminal_end(&t), 0);
	for (line = t.seen; (end = strstr(line, "\r\n")); line = end + 2)
		/* The sequence that clears the line needs the last column. */
		ck_assert_msg(columns(line, end) < 80, "%u columns: %.*s",
			      columns(line, end), (int)(end - line), line);
	ck_assert_ptr_nonnull(strstr(t.seen, "failed"));
	peer_stop(peer);
}
END_TEST

/* The daemon would close a connection that is idle for so long. */
START_TEST(with_a_long_delay_each_refresh_connects_anew)
{
	static struct terminal t;

	daemon_start();
	terminal_start(&t, 80, "bufwriter top -d 10s");
	UNTIL(frames(&t) == 1);
	terminal_type(&t, " ");
	UNTIL(frames(&t) == 2);
	terminal_type(&t, "q");
	ck_assert_int_eq(terminal_end(&t), 0);
	daemon_stop(NULL);
}
END_TEST

/* --- jobs ---------------------------------------------------------------- */

/* For a script: waits until process $pid is stopped. */
#define UNTIL_STOPPED \
	"until grep -q '^State:.T' /proc/$pid/status; do sleep 0.01; done;"

static const char *pid_file(void)
{
	return bed_text("%s/pid", bed.root);
}

/* A script that runs top in front, and knows its process when it stops. */
static const char *top_in_front(void)
{
	return bed_text("sh -c 'echo $$ >%s; exec bufwriter top -d 1h';"
			"pid=$(cat %s); echo stopped;",
			pid_file(), pid_file());
}

static pid_t pid_of_top(void)
{
	FILE *file = fopen(pid_file(), "r");
	int pid = 0;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

static void start(struct terminal *t, const char *script)
{
	daemon_start();
	terminal_start(t, 80, script);
}

/* The script printed `last`, and after that top does not enter the screen. */
static void finish(struct terminal *t, const char *last)
{
	const char *at;

	terminal_end(t);
	at = strstr(t->seen, last);
	REQUIRE(at != NULL, "no '%s' in: %s", last, t->seen);
	REQUIRE(strstr(at, ENTER) == NULL, "comes back after '%s'", last);
	daemon_stop(NULL);
}

START_TEST(top_stops_and_continues_as_the_shell_says)
{
	static struct terminal t;

	start(&t, "bufwriter top -d 1h; echo stopped $?; read line;"
		  "fg; echo ended $?");
	UNTIL(frames(&t) == 1);
	ck_assert_int_eq(terminal_cooked(&t), 0);
	terminal_type(&t, "\032");
	UNTIL(terminal_find(&t, "stopped 148"));
	ck_assert_int_eq(terminal_cooked(&t), 1);
	ck_assert_ptr_nonnull(strstr(t.seen, LEAVE));
	ck_assert_uint_eq(frames(&t), 1);
	terminal_type(&t, "\n");
	UNTIL(frames(&t) >= 2);
	ck_assert_int_eq(terminal_cooked(&t), 0);
	terminal_type(&t, "q");
	UNTIL(terminal_find(&t, "ended 0"));
	ck_assert_int_eq(terminal_cooked(&t), 1);
	finish(&t, "ended 0");
}
END_TEST

static const struct {
	const char *signal;
	int status;
} ends[] = {
	{ "HUP", 129 },
	{ "INT", 130 },
	{ "TERM", 143 },
};

#define ENDS (int)(sizeof(ends) / sizeof(ends[0]))

/*
 * For a script: ends the job as bash's `kill %1` does, by the signal and by a
 * SIGCONT, without which the signal would not act.  `wait` also returns while
 * the job is still stopped, with 128 + SIGSTOP or more.
 */
static const char *end_by(const char *signal)
{
	return bed_text("kill -%s $pid; kill -CONT $pid;"
			"while wait %%1; s=$?; [ $s -gt 146 ]; do sleep 0.01;"
			"done; echo ended $s",
			signal);
}

START_TEST(a_signal_ends_a_stopped_top)
{
	static struct terminal t;

	start(&t, bed_text("%s%s", top_in_front(), end_by(ends[_i].signal)));
	UNTIL(frames(&t) == 1);
	terminal_type(&t, "\032");
	finish(&t, bed_text("ended %d", ends[_i].status));
}
END_TEST

START_TEST(a_signal_ends_a_top_that_waits_in_the_background)
{
	static struct terminal t;

	start(&t, bed_text("bufwriter top & pid=$!; %s %s", UNTIL_STOPPED,
			   end_by(ends[_i].signal)));
	finish(&t, bed_text("ended %d", ends[_i].status));
	ck_assert_ptr_null(strstr(t.seen, ENTER));
}
END_TEST

START_TEST(a_top_in_the_background_starts_when_it_gets_the_terminal)
{
	static struct terminal t;

	start(&t, "bufwriter top & pid=$!;" UNTIL_STOPPED
		  "echo waits; fg; echo ended $?");
	UNTIL(frames(&t) >= 1);
	ck_assert_ptr_nonnull(strstr(strstr(t.seen, "waits"), ENTER));
	terminal_type(&t, "q");
	finish(&t, "ended 0");
}
END_TEST

/* A process cannot handle SIGSTOP, so the terminal stays as it is. */
START_TEST(after_a_sigstop_top_sets_the_terminal_up_again)
{
	static struct terminal t;

	start(&t, bed_text("%s stty icanon echo; echo cooked; read line; fg;"
			   "echo ended $?",
			   top_in_front()));
	UNTIL(frames(&t) == 1);
	ck_assert_int_eq(kill(pid_of_top(), SIGSTOP), 0);
	UNTIL(terminal_find(&t, "cooked"));
	ck_assert_int_eq(terminal_cooked(&t), 1);
	terminal_type(&t, "\n");
	UNTIL(strstr(terminal_find(&t, "cooked"), ENTER));
	UNTIL(!terminal_cooked(&t));
	terminal_type(&t, "q");
	finish(&t, "ended 0");
}
END_TEST

/* It continues in the background, where it may not use the terminal. */
START_TEST(after_a_sigstop_top_leaves_the_terminal_to_others)
{
	static struct terminal t;

	start(&t, bed_text("%s stty icanon echo; %s %s", top_in_front(),
			   _i ? "kill -CONT $pid;" UNTIL_STOPPED : "",
			   end_by("TERM")));
	UNTIL(frames(&t) == 1);
	ck_assert_int_eq(kill(pid_of_top(), SIGSTOP), 0);
	UNTIL(terminal_find(&t, "ended 143"));
	ck_assert_int_eq(terminal_cooked(&t), 1);
	ck_assert_ptr_nonnull(strstr(t.seen, LEAVE));
	finish(&t, "ended 143");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("top");
	TCase *t = bed_case(suite, "frame");

	tcase_add_loop_test(t, every_line_of_numbers_fits_80_columns, 0,
			    sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_test(t, with_a_long_delay_each_refresh_connects_anew);
	t = bed_case(suite, "jobs");
	tcase_add_test(t, top_stops_and_continues_as_the_shell_says);
	tcase_add_loop_test(t, a_signal_ends_a_stopped_top, 0, ENDS);
	tcase_add_loop_test(t, a_signal_ends_a_top_that_waits_in_the_background,
			    0, ENDS);
	tcase_add_test(
		t, a_top_in_the_background_starts_when_it_gets_the_terminal);
	tcase_add_test(t, after_a_sigstop_top_sets_the_terminal_up_again);
	tcase_add_loop_test(
		t, after_a_sigstop_top_leaves_the_terminal_to_others, 0, 2);
	return suite_run(suite, CK_NOFORK);
}
