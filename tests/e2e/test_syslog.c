/* SPDX-License-Identifier: MIT */
/*
 * socket.strip in the real daemon: syslog senders, counted in the files, also
 * over a kill between receipt and file, and when the setting changes meanwhile.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

#define MESSAGES 500

static void send_text(const char *text, size_t len)
{
	int fd = send_open();

	send_one(fd, text, len);
	close(fd);
}

#define SEND(text) send_text(text, sizeof(text) - 1)

static void require_files(const char *wanted, size_t len)
{
	size_t n;
	char *text = files_content(bed.files, &n);

	REQUIRE(n == len && !memcmp(text, wanted, n), "the files hold \"%s\"",
		text);
	free(text);
}

#define REQUIRE_FILES(text) require_files(text, sizeof(text) - 1)

static void send_samples(void)
{
	SEND("<134>Oct 11 22:14:15 edge1 haproxy[71]: one");
	SEND("<14>two\0");
	SEND("<192>three\0");
	SEND("<34>1 2003-10-11T22:14:15.003Z host su - ID47 - four\n");
	SEND("five");
}

static const struct {
	const char *setting;
	const char *files;
	size_t len;
} kinds[] = {
#define KIND(setting, files)                      \
	{                                         \
		setting, files, sizeof(files) - 1 \
	}
	KIND("socket.strip=syslog", "one\ntwo\n<192>three\0\nfour\nfive\n"),
	KIND("socket.strip=tag",
	     "haproxy[71]: one\ntwo\n<192>three\0\nsu: four\nfive\n"),
	KIND("socket.strip=none",
	     "<134>Oct 11 22:14:15 edge1 haproxy[71]: one\n<14>two\0\n"
	     "<192>three\0\n<34>1 2003-10-11T22:14:15.003Z host su - ID47 - "
	     "four\nfive\n"),
};

START_TEST(the_files_hold_what_the_setting_leaves)
{
	daemon_start(kinds[_i].setting, "buffer.workers=1");
	send_samples();
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_double_eq(ask_number("messages.written"), 5);
	require_files(kinds[_i].files, kinds[_i].len);
	daemon_stop(NULL);
}
END_TEST

/* A header is also one behind which nothing is. */
START_TEST(a_message_of_nothing_but_a_header_counts)
{
	struct totals totals;

	daemon_start("socket.strip=syslog");
	SEND("<13>");
	SEND("<13>Oct 11 22:14:15 app: ");
	SEND("<13>\0");
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, 3);
	ck_assert_uint_eq(totals.written, 3);
	ck_assert_uint_eq(totals.dropped, 0);
	REQUIRE_FILES("");
}
END_TEST

/*
 * What was taken under a setting is filed under it, whether it was in the ring
 * or in an arena when the daemon died.
 */
static const char *const deaths[] = {
	"publish.before=kill", "publish.after=kill", "claim.after=kill",
	"append.after=kill",   "commit.before=kill", "commit.after=kill",
	"release.after=kill",  "flush.marked=kill",  "flush.renamed=kill",
};

START_TEST(a_kill_does_not_change_what_is_removed)
{
	static const char *const after[] = { "socket.strip=none",
					     "socket.strip=tag" };
	int status;

	bed_hold_socket();
	bed.points = deaths[_i / 2];
	daemon_start("socket.strip=syslog", "buffer.workers=1",
		     "buffer.forced=1ms");
	SEND("<13>Oct 11 22:14:15 app[1]: precious\0");
	status = daemon_wait();
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		"%s did not kill: %#x", bed.points, status);
	bed.points = NULL;
	daemon_start(after[_i % 2]);
	daemon_stop(NULL);
	REQUIRE_FILES("precious\n");
}
END_TEST

/* The arena of 300 bytes is full at each moment: the cost is never too low. */
START_TEST(each_of_many_messages_is_there_once)
{
	char text[256], *content, *at;
	unsigned i, seen[MESSAGES] = { 0 };
	size_t len;
	int fd;

	daemon_start("socket.strip=syslog", "buffer.size=300",
		     "socket.max_message=220");
	fd = send_open();
	for (i = 0; i < MESSAGES; i++) {
		int n = snprintf(
			text, sizeof(text),
			"<%u>Oct 11 22:14:15 app[%u]: %u %.*s", i % 200, i, i,
			(int)(i % 180),
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

		send_one(fd, text, (size_t)n < 220 ? (size_t)n : 220);
	}
	close(fd);
	daemon_stop(NULL);
	content = files_content(bed.files, &len);
	for (at = strtok(content, "\n"); at; at = strtok(NULL, "\n")) {
		bool whole = *at == '<';
		unsigned number;

		if (whole)
			at = strstr(at, "]: ") + 3;
		ck_assert_int_eq(sscanf(at, "%u", &number), 1);
		ck_assert_uint_lt(number, MESSAGES);
		/* 192 and up are no priorities. */
		ck_assert_int_eq(whole, number % 200 > 191);
		seen[number]++;
	}
	for (i = 0; i < MESSAGES; i++)
		ck_assert_uint_eq(seen[i], 1);
	free(content);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syslog");
	TCase *t = bed_case(suite, "syslog");

	tcase_add_loop_test(t, the_files_hold_what_the_setting_leaves, 0,
			    sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_test(t, a_message_of_nothing_but_a_header_counts);
	tcase_add_loop_test(t, a_kill_does_not_change_what_is_removed, 0,
			    2 * sizeof(deaths) / sizeof(deaths[0]));
	tcase_add_test(t, each_of_many_messages_is_there_once);
	return suite_run(suite, CK_NOFORK);
}
