/* SPDX-License-Identifier: MIT */
/*
 * All clients behave alike, whatever their language: the steps of
 * client/cases/cases.txt, with a small program in each language and the real
 * daemon, and at the end every message is counted in the files.
 *
 * Environment: BW_CLIENTS (names of clients; default: those that need no more
 * than a C compiler, a shell and Python).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/examples.h"
#include "tests/lib/sender.h"
#include "tests/lib/store.h"
#include "tests/lib/tally.h"

#define TABLE "client/cases/cases.txt"
#define LARGEST (512 * 1024)
#define FILL "[fill]"
#define PAGE "exec client/languages/case.sh "

/*
 * `command` runs from the top of the tree, with $BUILD (where the binaries
 * are) and $WORK (a directory of the test) set, and $BUILD in PATH.
 */
static const struct client {
	const char *name;
	const char *needs;   /* a program, or NULL */
	const char *compile; /* a command, or NULL */
	const char *command;
	bool usual; /* without BW_CLIENTS */
} clients[] = {
	{ "c", NULL,
	  "${CC:-cc} -Wall -Wextra -Werror $SANITIZE -I . -o "
	  "$WORK/case client/cases/case.c $BUILD/libbufwriter.a -pthread",
	  "exec $WORK/case", true },
	{ "python", "/usr/bin/python3", NULL,
	  "PYTHONPATH=client/python BUFWRITER_LIBRARY=none "
	  "exec /usr/bin/python3 -B client/python/tests/case.py",
	  true },
	{ "python-library", "/usr/bin/python3", NULL,
	  "PYTHONPATH=client/python BUFWRITER_LIBRARY=$BUILD/libbufwriter.so "
	  "exec /usr/bin/python3 -B client/python/tests/case.py",
	  true },
	{ "go", "go",
	  "cd client/go && GOFLAGS=-mod=mod CGO_ENABLED=0 "
	  "GOCACHE=$BUILD/tests/gocache go build -o $WORK/case ./cases",
	  "exec $WORK/case", false },
	{ "node", "node", NULL, "exec node client/node/tests/case.js", false },
	{ "php", "php", NULL, PAGE "php", false },
	{ "ruby", "ruby", NULL, PAGE "ruby", false },
	{ "perl", "perl", NULL, PAGE "perl", true },
	{ "lua", "lua5.3", NULL, PAGE "lua", false },
	{ "cpp", "c++", PAGE "cpp compile", PAGE "cpp", false },
	{ "rust", "rustc", PAGE "rust compile", PAGE "rust", false },
	{ "shell", "perl", NULL, PAGE "shell", true },
};

#define CLIENTS (int)(sizeof(clients) / sizeof(clients[0]))
#define GO 3 /* in the table */

static struct tally tally;
static struct {
	pid_t pid;
	int in;	   /* what it reads */
	FILE *out; /* what it says */
} program;
static char directory[4096]; /* the build's */
static int line_number;

/* --- the program --------------------------------------------------------- */

static void set_environment(void)
{
	const char *san = getenv("BW_SAN");
	const char *path = getenv("PATH");

	setenv("BUFWRITER_SOCKET", bed.sock, 1);
	setenv("BUILD", directory, 1);
	setenv("WORK", bed.root, 1);
	setenv("SANITIZE", san && *san ? bed_text("-fsanitize=%s", san) : "",
	       1);
	if (strncmp(path, directory, strlen(directory)))
		setenv("PATH", bed_text("%s:%s", directory, path), 1);
}

static void program_start(const char *command)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	program.pid = fork();
	ck_assert_int_ge(program.pid, 0);
	if (program.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 ||
		    chdir(source_path(".")))
			_exit(126);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	program.in = in[1];
	program.out = fdopen(out[0], "r");
	ck_assert_ptr_nonnull(program.out);
}

static void program_end(void)
{
	int status;

	close(program.in);
	fclose(program.out);
	ck_assert_int_eq(waitpid(program.pid, &status, 0), program.pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "the program ended with wait status %d", status);
}

static void request(const char *verb, const char *data, size_t len)
{
	static char line[2 * LARGEST + 64];
	char *to = line + sprintf(line, "%s ", verb);
	size_t done = 0, i;
	ssize_t n;

	for (i = 0; i < len; i++)
		to += sprintf(to, "%02x", (unsigned char)data[i]);
	*to++ = '\n';
	while (done < (size_t)(to - line)) {
		n = write(program.in, line + done, (size_t)(to - line) - done);
		REQUIRE(n > 0, TABLE ":%d: the program is gone", line_number);
		done += (size_t)n;
	}
}

static const char *answer(void)
{
	static char text[128];
	struct pollfd pfd = { .fd = fileno(program.out), .events = POLLIN };

	REQUIRE(poll(&pfd, 1, (int)(suite_limit() * 1000)) == 1,
		TABLE ":%d: the program does not answer", line_number);
	REQUIRE(fgets(text, sizeof(text), program.out),
		TABLE ":%d: the program ended without an answer", line_number);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* --- the table ----------------------------------------------------------- */

/* Decodes the text of a message; its length. */
static size_t decode(const char *text, char *to)
{
	const char *star = strrchr(text, '*');
	char *at = to;
	unsigned byte;
	size_t n;

	if (!strcmp(text, "-"))
		return 0;
	if (star == text + 1 && isdigit((unsigned char)star[1])) {
		n = strtoul(star + 1, NULL, 10);
		ck_assert_uint_le(n, LARGEST);
		memset(to, text[0], n);
		return n;
	}
	while (*text) {
		if (*text != '\\') {
			*at++ = *text++;
			continue;
		}
		switch (text[1]) {
		case 'n':
			*at++ = '\n';
			break;
		case 'r':
			*at++ = '\r';
			break;
		case '0':
			*at++ = '\0';
			break;
		case '\\':
			*at++ = '\\';
			break;
		default:
			ck_assert_msg(sscanf(text, "\\x%2x", &byte) == 1,
				      TABLE ":%d: %s", line_number, text);
			*at++ = (char)byte;
			text += 2;
		}
		text += 2;
	}
	return (size_t)(at - to);
}

/* The words of a line's rest as settings of the daemon. */
static void start_daemon(char *settings)
{
	const char *list[9] = { NULL };
	char *word;
	int n = 1;

	while ((word = strsep(&settings, " \t")))
		if (*word && n < 6)
			list[n++] = bed_text("%s", word);
	list[n++] = "files.framing=length";
	/* With lanes the library also sends what no datagram holds. */
	list[n++] = "lanes.count=0";
	list[n] = NULL;
	daemon_spawn_list(list);
	REQUIRE(daemon_ready(), "the daemon did not start");
}

static void stop_daemon(void)
{
	if (bed.pid)
		daemon_stop(NULL);
}

/* The kill finds every message so far in the daemon, not in the kernel. */
static void kill_daemon(void)
{
	static const char last[] = "the last one before a kill";
	int fd = send_open();

	send_one(fd, last, strlen(last));
	tally_expect(&tally, last, strlen(last));
	send_drain(fd);
	close(fd);
	daemon_kill();
}

static void fill(void)
{
	siginfo_t info;
	unsigned n;

	daemon_signal(SIGSTOP);
	/* Until then one of its threads may still receive. */
	ck_assert_int_eq(
		waitid(P_PID, (id_t)bed.pid, &info, WSTOPPED | WNOWAIT), 0);
	for (n = send_fill(bed.sock, FILL); n > 0; n--)
		tally_expect(&tally, FILL, strlen(FILL));
}

/*
 * A write waits for nothing where the queue has room.  Without this, a daemon
 * that gets no processor for 100 ms is a timeout.
 */
static void wait_for_room(void)
{
	struct pollfd p = { .fd = send_open(), .events = POLLOUT };

	UNTIL(poll(&p, 1, 0) == 1 && (p.revents & POLLOUT));
	close(p.fd);
}

/* `write` and `fork`: RESULT MESSAGE. */
static void take_message(const char *verb, const char *rest)
{
	static char message[LARGEST];
	char result[32];
	const char *said, *text;
	size_t len;

	ck_assert_int_eq(sscanf(rest, "%31s", result), 1);
	text = rest + strlen(result);
	/* The column of messages is the 13th after RESULT began. */
	for (len = strlen(result); len < 13 && *text == ' '; len++)
		text++;
	ck_assert_msg(len == 13, TABLE ":%d: %s", line_number, rest);
	len = decode(text, message);
	if (!strcmp(result, "ok"))
		wait_for_room();
	request(verb, message, len);
	said = answer();
	if (!strcmp(verb, "fork") && !strcmp(said, "unsupported"))
		return;
	REQUIRE(!strcmp(said, result), TABLE ":%d: the result is %s, not %s",
		line_number, said, result);
	if (!strcmp(said, "ok"))
		tally_expect(&tally, message, len);
}

static void take_step(char *line)
{
	char *rest = line + strcspn(line, " \t");

	if (*rest)
		*rest++ = '\0';
	rest += strspn(rest, " \t");
	if (!strcmp(line, "daemon")) {
		stop_daemon();
		start_daemon(rest);
	} else if (!strcmp(line, "kill")) {
		kill_daemon();
		start_daemon(rest);
	} else if (!strcmp(line, "stop")) {
		stop_daemon();
	} else if (!strcmp(line, "stall")) {
		fill();
	} else if (!strcmp(line, "resume")) {
		daemon_signal(SIGCONT);
	} else {
		ck_assert_msg(!strcmp(line, "write") || !strcmp(line, "fork"),
			      TABLE ":%d: %s", line_number, line);
		take_message(line, rest);
	}
}

static void take_table(void)
{
	char *text = source_read(TABLE);
	char *next = text;
	char *line;

	line_number = 0;
	while ((line = strsep(&next, "\n"))) {
		line_number++;
		if (*line && *line != '#')
			take_step(line);
	}
	free(text);
}

/* --- the test ------------------------------------------------------------ */

static bool is_chosen(const struct client *client)
{
	const char *names = getenv("BW_CLIENTS");

	if (!names || !*names)
		return client->usual;
	return !strcmp(names, "all") ||
	       strstr(bed_text(" %s ", names), bed_text(" %s ", client->name));
}

START_TEST(a_client_does_what_the_cases_say)
{
	const struct client *client = &clients[_i];
	const char *build = getenv("BW_BUILD");

	if (!is_chosen(client))
		return;
	if (client->needs && !script_has(client->needs)) {
		suite_skip(bed_text("%s: %s is not installed", client->name,
				    client->needs));
		return;
	}
	if (strstr(client->name, "library") && suite_sanitized()) {
		suite_skip("Python cannot load an instrumented library");
		return;
	}
	fprintf(stderr, "%s\n", client->name);
	ck_assert_ptr_nonnull(realpath(build ? build : "build", directory));
	tally_open(&tally);
	set_environment();
	if (client->compile)
		ck_assert_msg(system(bed_text("cd %s && %s", source_path("."),
					      client->compile)) == 0,
			      "%s does not compile", client->name);
	program_start(client->command);
	take_table();
	program_end();
	stop_daemon();
	tally_read(&tally, bed.files, LENGTH);
	tally_require_exact(&tally);
	tally_close(&tally);
}
END_TEST

/* --- lanes without the library -------------------------------------------- */

/* Where the daemon is killed, while it takes from a lane or ends one. */
static const struct kill {
	const char *point;
	bool in_stop;
} kills[] = {
	{ "commit.after=kill@20", false },  { "lane.position=kill@1", false },
	{ "lane.position=kill@20", false }, { "lane.read=kill@20", false },
	{ "lane.sealed=kill@1", true },	    { "lane.final=kill@1", true },
	{ "lane.finished=kill@1", true },
};

#define KILLS (int)(sizeof(kills) / sizeof(kills[0]))

/* Messages of a flood that may be in the files. */
#define FLOOD_MOST 5000000

static void expect_flood(unsigned long count)
{
	char text[64];
	unsigned long i;

	ck_assert_uint_le(count, FLOOD_MOST);
	tally_open(&tally);
	for (i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "[flood %lu]", i);
		tally_expect(&tally, text, strlen(text));
	}
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}

START_TEST(a_kill_at_any_point_of_a_lane_of_go_loses_and_doubles_nothing)
{
	const struct client *client = &clients[GO];
	const char *build = getenv("BW_BUILD");
	const struct kill *kill = &kills[_i % KILLS];
	/* With systemd's store the program does not notice the kill. */
	const bool has_store = _i >= KILLS;
	unsigned long before;

	if (!is_chosen(client))
		return;
	if (!script_has(client->needs)) {
		suite_skip("go is not installed");
		return;
	}
	ck_assert_ptr_nonnull(realpath(build ? build : "build", directory));
	bed_hold_socket();
	if (has_store) {
		bed_hold_lanes();
		store_open();
	}
	bed.points = bed_text("%s", kill->point);
	daemon_spawn("buffer.timeout=never", "lanes.size=64K");
	REQUIRE(daemon_ready(), "the daemon did not start");
	set_environment();
	ck_assert_int_eq(system(bed_text("cd %s && %s", source_path("."),
					 client->compile)),
			 0);
	program_start(client->command);
	request("flood", "", 0);
	if (kill->in_stop) {
		UNTIL(ask_number("counters.lane_messages") > 10000);
		daemon_signal(SIGTERM);
	}
	UNTIL(!daemon_alive());
	daemon_kill();
	bed.points = NULL;
	daemon_start("buffer.timeout=never", "lanes.size=64K");
	before = (unsigned long)ask_number("messages.received");
	UNTIL(ask_number("messages.received") > (double)before + 10000);
	request("end", "", 0);
	before = strtoul(answer(), NULL, 10);
	program_end();
	daemon_stop(NULL);
	if (has_store)
		store_close();
	expect_flood(before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clients");
	TCase *cases = bed_case(suite, "cases");

	tcase_set_timeout(cases, 600);
	tcase_add_loop_test(cases, a_client_does_what_the_cases_say, 0,
			    CLIENTS);
	tcase_add_loop_test(
		cases,
		a_kill_at_any_point_of_a_lane_of_go_loses_and_doubles_nothing,
		0, 2 * KILLS);
	signal(SIGPIPE, SIG_IGN);
	return suite_run(suite, CK_NOFORK);
}
