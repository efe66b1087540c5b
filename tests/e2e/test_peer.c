/* SPDX-License-Identifier: MIT */
/*
 * Another program listens on the control socket.  Each command prints one line
 * that says what is wrong, and ends with the exit status of the manual.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/peer.h"
#include "tests/lib/terminal.h"

static const char *const commands[] = {
	"status", "flush -t 0", "reload", "metrics", "top",
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct answer {
	const char *answer;
	int keep; /* the connection stays open */
	int status;
	const char *error; /* a part of it */
} answers[] = {
	{ "", 0, EX_UNAVAILABLE, "closed the connection" },
	{ "{\"answer\":\"cut of", 0, EX_UNAVAILABLE, "closed the connection" },
	{ "{\"x\n", 1, EX_PROTOCOL, "is not bufwriterd" },
	{ "{\"x\"\n", 1, EX_PROTOCOL, "is not bufwriterd" },
	{ "{\"x\":[{\"why\n", 1, EX_PROTOCOL, "is not bufwriterd" },
	{ "[]\n", 1, EX_PROTOCOL, "is not bufwriterd" },
	{ "\n", 1, EX_PROTOCOL, "is not bufwriterd" },
	{ "HTTP/1.1 400 Bad Request\r\n\r\n", 1, EX_PROTOCOL,
	  "is not bufwriterd" },
	{ "{\"error\":\"too many connections\",\"code\":\"busy\"}\n", 0,
	  EX_TEMPFAIL, "too many connections" },
	{ "{\"error\":\"of a later version\"}\n", 1, EX_SOFTWARE,
	  "of a later version" },
	/* nothing reaches the terminal but text */
	{ "{\"error\":\"two\\nlines\\u001b[31m\\u007f\"}\n", 1, EX_SOFTWARE,
	  "two?lines?[31m?" },
};

/* After each of these a command waits for seconds. */
static const struct answer silent[] = {
	{ "{\"x", 1, EX_TEMPFAIL, "did not answer in time" },
	{ "", 1, EX_TEMPFAIL, "did not answer in time" },
};

#define SILENT (sizeof(silent) / sizeof(silent[0]))

static void start_commands(struct terminal terminals[COMMANDS])
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		terminal_start(&terminals[i], 80,
			       bed_text("bufwriter %s", commands[i]));
}

/* Each command ends as the answer wants it. */
static void require_errors(struct terminal terminals[COMMANDS],
			   const struct answer *answer)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++) {
		int status = terminal_end(&terminals[i]);
		const char *seen = terminals[i].seen;

		REQUIRE(status == answer->status, "%s: %d, %s", commands[i],
			status, seen);
		REQUIRE(strstr(seen, answer->error) != NULL, "%s: %s",
			commands[i], seen);
		REQUIRE(strchr(seen, '\n') == seen + strlen(seen) - 1,
			"%s: not one line: %s", commands[i], seen);
	}
}

START_TEST(every_command_prints_what_is_wrong_with_the_answer)
{
	static struct terminal terminals[COMMANDS];
	pid_t peer = peer_start(answers[_i].answer, answers[_i].keep);

	start_commands(terminals);
	require_errors(terminals, &answers[_i]);
	peer_stop(peer);
}
END_TEST

/* All commands and peers at the same time, because each waits for seconds. */
START_TEST(every_command_gives_up_a_peer_that_is_silent)
{
	static struct terminal terminals[SILENT][COMMANDS];
	pid_t peers[SILENT];
	size_t i;

	for (i = 0; i < SILENT; i++) {
		snprintf(bed.control, sizeof(bed.control), "%s/control%zu",
			 bed.root, i);
		peers[i] = peer_start(silent[i].answer, silent[i].keep);
		start_commands(terminals[i]);
	}
	for (i = 0; i < SILENT; i++)
		require_errors(terminals[i], &silent[i]);
	for (i = 0; i < SILENT; i++)
		peer_stop(peers[i]);
}
END_TEST

/* The answer is longer than the largest that the command accepts. */
START_TEST(an_answer_without_an_end_is_an_error)
{
	static char endless[(8 << 20) + 1];
	pid_t peer;

	memset(endless, ' ', sizeof(endless) - 1);
	peer = peer_start(endless, 1);
	ck_assert_int_eq(command("reload"), EX_OSERR);
	ck_assert_str_eq(
		command_output,
		"bufwriter reload: not enough memory for the answer\n");
	peer_stop(peer);
}
END_TEST

/* The lists and texts of an answer are shown as lines of text, too. */
START_TEST(what_an_answer_says_cannot_control_the_terminal)
{
	static const char *const lines[] = { "reload", "flush" };
	pid_t peer = peer_start("{\"error\":\"e\",\"code\":\"settings\","
				"\"problems\":[\"a\\u001b[2Jb\\n\"],"
				"\"why\":\"a\\u001b[2Jb\\n\"}\n",
				1);
	size_t i;

	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(command("%s", lines[i]), EX_CONFIG);
		ck_assert_ptr_nonnull(strstr(command_output, "a?[2Jb?\n"));
	}
	peer_stop(peer);
}
END_TEST

/* No number is too large to be shown. */
START_TEST(a_status_may_have_any_number)
{
	pid_t peer = peer_start("{\"started\":1e999,\"uptime\":1e300,"
				"\"gauges\":{\"oldest_seconds\":-1e300}}\n",
				1);

	ck_assert_int_eq(command("status"), 0);
	ck_assert_ptr_nonnull(
		strstr(command_output, "up 115740740740740 d 17 h"));
	peer_stop(peer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peer");
	TCase *t = bed_case(suite, "peer");

	tcase_add_loop_test(t,
			    every_command_prints_what_is_wrong_with_the_answer,
			    0, sizeof(answers) / sizeof(answers[0]));
	tcase_add_test(t, every_command_gives_up_a_peer_that_is_silent);
	tcase_add_test(t, what_an_answer_says_cannot_control_the_terminal);
	tcase_add_test(t, a_status_may_have_any_number);
	tcase_add_test(t, an_answer_without_an_end_is_an_error);
	return suite_run(suite, CK_NOFORK);
}
