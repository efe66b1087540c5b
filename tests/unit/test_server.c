/* SPDX-License-Identifier: MIT */
/*
 * Connections to the control socket: what a peer can do, and that it can do
 * no more.  The clock is the test's own, so that no test waits.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/command/json.h"
#include "tests/lib/caught.h"
#include "tests/lib/core.h"
#include "daemon/base/clock.h"
#include "daemon/control/server.h"

#define ROOM 8192

static struct server s;
static int listener;
static uint64_t now;
/* What the owner saw. */
static unsigned lines, late;
static char last[SERVER_LINE + 1];
static size_t last_len;

static bool on_line(void *arg, struct connection *c, char *line, size_t len,
		    struct text *out)
{
	ck_assert_ptr_eq(arg, &s);
	ck_assert_uint_le(len, SERVER_LINE);
	ck_assert_int_eq(line[len], 0);
	memcpy(last, line, len + 1);
	last_len = len;
	lines++;
	if (!strcmp(line, "later")) {
		c->deadline_ns = now + CLOCK_SECOND;
		return false;
	}
	if (!strcmp(line, "big"))
		while (out->len + 100 < out->room)
			text_add(out, "%s",
				 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	else if (!strcmp(line, "huge"))
		while (!out->cut)
			text_add(out, "xxxx");
	else
		text_add(out, "{\"line\":%u}", lines);
	return true;
}

static void on_late(void *arg, struct connection *c, struct text *out)
{
	(void)arg;
	ck_assert(c->waiting);
	late++;
	text_add(out, "{\"late\":true}");
}

static struct sockaddr_un address(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s",
		 core_path("sock"));
	return addr;
}

static void open_server(void)
{
	struct sockaddr_un addr;

	core_open();
	addr = address();
	now = 1000 * CLOCK_SECOND;
	lines = late = 0;
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			  0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(bind(listener, (void *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(server_open(&s, listener, ROOM, on_line, on_late, &s),
			 0);
}

static void close_server(void)
{
	server_close(&s);
	close(listener);
	core_close();
}

static bool is_ready(void)
{
	struct pollfd p = { .fd = s.epoll, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* As the loop does: turns while there are events, with unlimited credit. */
static void run(void)
{
	unsigned turns = 0;

	while (is_ready()) {
		s.credit_ns = SERVER_CREDIT_NS;
		server_turn(&s, now);
		ck_assert_msg(++turns < 10000, "the server spins");
	}
}

static int peer(void)
{
	struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (void *)&addr, sizeof(addr)), 0);
	run();
	return fd;
}

static void say(int fd, const char *bytes)
{
	size_t len = strlen(bytes);

	ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), len);
	run();
}

/* What came; NULL: the connection is closed; "": nothing. */
static const char *hear(int fd)
{
	static char text[64 * 1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return "";
	if (n <= 0)
		return NULL;
	text[n] = 0;
	return text;
}

#define EXPECT(fd, text) ck_assert_pstr_eq(hear(fd), text)

START_TEST(a_line_has_an_answer)
{
	int fd = peer();

	say(fd, "hello world\n");
	ck_assert_str_eq(last, "hello world");
	EXPECT(fd, "{\"line\":1}\n");
	say(fd, "\n");
	ck_assert_str_eq(last, "");
	EXPECT(fd, "{\"line\":2}\n");
	close(fd);
	run();
	ck_assert_uint_eq(s.open, 0);
}
END_TEST

START_TEST(a_line_may_come_in_pieces)
{
	int fd = peer();

	say(fd, "he");
	say(fd, "l");
	EXPECT(fd, "");
	say(fd, "lo\nnext");
	ck_assert_str_eq(last, "hello");
	EXPECT(fd, "{\"line\":1}\n");
	say(fd, "\n");
	ck_assert_str_eq(last, "next");
	EXPECT(fd, "{\"line\":2}\n");
	close(fd);
}
END_TEST

START_TEST(lines_sent_ahead_are_answered_in_order)
{
	int fd = peer();

	say(fd, "a\nb\nc\nd");
	EXPECT(fd, "{\"line\":1}\n{\"line\":2}\n{\"line\":3}\n");
	ck_assert_str_eq(last, "c");
	/* The end of what is sent ends the last line. */
	shutdown(fd, SHUT_WR);
	run();
	EXPECT(fd, "{\"line\":4}\n");
	ck_assert_str_eq(last, "d");
	EXPECT(fd, NULL);
	ck_assert_uint_eq(s.open, 0);
	close(fd);
}
END_TEST

START_TEST(a_nul_is_a_byte_like_any_other)
{
	int fd = peer();

	ck_assert_int_eq(send(fd, "a\0b\n", 4, 0), 4);
	run();
	ck_assert_uint_eq(last_len, 3);
	EXPECT(fd, "{\"line\":1}\n");
	close(fd);
}
END_TEST

START_TEST(a_line_of_the_longest_length_is_taken_a_longer_one_is_not)
{
	char line[SERVER_LINE + 2];
	int fd = peer();

	memset(line, 'x', sizeof(line));
	line[SERVER_LINE - 1] = '\n';
	line[SERVER_LINE] = 0;
	say(fd, line);
	ck_assert_uint_eq(last_len, SERVER_LINE - 1);
	EXPECT(fd, "{\"line\":1}\n");
	line[SERVER_LINE - 1] = 'x';
	say(fd, line);
	ck_assert_ptr_nonnull(strstr(hear(fd), "longer than 256"));
	EXPECT(fd, NULL);
	ck_assert_uint_eq(lines, 1);
	ck_assert_uint_eq(s.open, 0);
	close(fd);
}
END_TEST

START_TEST(an_endless_line_has_one_error)
{
	static char garbage[1 << 20];
	int fd = peer();
	ssize_t n;

	memset(garbage, 0xa5, sizeof(garbage));
	n = send(fd, garbage, sizeof(garbage), MSG_DONTWAIT | MSG_NOSIGNAL);
	ck_assert_int_gt(n, SERVER_LINE);
	run();
	ck_assert(json_valid(hear(fd)));
	ck_assert_uint_eq(stats_get(&s.stats.control_wrong), 1);
	ck_assert_int_lt(send(fd, garbage, 1, MSG_NOSIGNAL), 0);
	close(fd);
}
END_TEST

START_TEST(an_answer_larger_than_its_room_becomes_an_error)
{
	int fd = peer();
	const char *text;

	say(fd, "huge\n");
	text = hear(fd);
	ck_assert(json_valid(text));
	ck_assert_ptr_nonnull(strstr(text, "\"code\":\"internal\""));
	say(fd, "x\n");
	EXPECT(fd, "{\"line\":2}\n");
	close(fd);
}
END_TEST

START_TEST(an_answer_may_come_later)
{
	struct connection *c = NULL;
	int fd = peer(), i;

	say(fd, "later\nnext\n");
	EXPECT(fd, "");
	ck_assert_uint_eq(lines, 1);
	for (i = 0; i < SERVER_CONNECTIONS; i++)
		if (s.connections[i].fd >= 0)
			c = &s.connections[i];
	ck_assert(c->waiting);
	text_add(server_begin(&s, c), "done");
	server_send(&s, c, now);
	/* A command that was sent ahead is answered next. */
	run();
	EXPECT(fd, "done\n{\"line\":2}\n");
	close(fd);
}
END_TEST

START_TEST(a_waiting_connection_has_a_deadline_of_its_own)
{
	int fd = peer();

	say(fd, "later\n");
	ck_assert_uint_eq(server_expire(&s, now), now + CLOCK_SECOND);
	now += CLOCK_SECOND;
	ck_assert_uint_eq(server_expire(&s, now), now + SERVER_IDLE_NS);
	ck_assert_uint_eq(late, 1);
	EXPECT(fd, "{\"late\":true}\n");
	say(fd, "x\n");
	EXPECT(fd, "{\"line\":2}\n");
	close(fd);
}
END_TEST

START_TEST(a_peer_that_leaves_while_waiting_is_forgotten)
{
	int fd = peer();

	say(fd, "later\n");
	close(fd);
	run();
	ck_assert_uint_eq(s.open, 0);
	/* A peer that only shut down its side still reads. */
	fd = peer();
	say(fd, "later\n");
	shutdown(fd, SHUT_WR);
	run();
	ck_assert_uint_eq(s.open, 1);
	now += CLOCK_SECOND;
	server_expire(&s, now);
	EXPECT(fd, "{\"late\":true}\n");
	run();
	EXPECT(fd, NULL);
	close(fd);
	/* Shut down first, then closed. */
	fd = peer();
	say(fd, "later\n");
	shutdown(fd, SHUT_WR);
	run();
	close(fd);
	run();
	ck_assert_uint_eq(s.open, 0);
}
END_TEST

START_TEST(idle_connections_are_closed_with_a_reason)
{
	int busy = peer(), idle = peer();

	now += SERVER_IDLE_NS - 1;
	say(busy, "x\n");
	EXPECT(busy, "{\"line\":1}\n");
	ck_assert_uint_eq(server_expire(&s, now), now + 1);
	now += 1;
	server_expire(&s, now);
	ck_assert_ptr_nonnull(strstr(hear(idle), "\"code\":\"idle\""));
	EXPECT(idle, NULL);
	EXPECT(busy, "");
	ck_assert_uint_eq(s.open, 1);
	ck_assert_uint_eq(stats_get(&s.stats.control_expired), 1);
	close(idle);
	close(busy);
	run();
	ck_assert_uint_eq(server_expire(&s, now), 0);
}
END_TEST

START_TEST(a_line_that_never_ends_is_idle)
{
	int fd = peer(), i;

	for (i = 0; i < 10; i++) {
		say(fd, "x");
		now += SERVER_IDLE_NS / 10;
	}
	server_expire(&s, now);
	ck_assert_ptr_nonnull(strstr(hear(fd), "\"code\":\"idle\""));
	EXPECT(fd, NULL);
	close(fd);
}
END_TEST

/* Asks for large answers and reads none, until one is stuck. */
static void get_stuck(int fd)
{
	unsigned before = 0;

	do {
		before = lines;
		say(fd, "big\n");
	} while (lines > before);
	ck_assert_uint_gt(before, 4);
}

START_TEST(a_peer_that_stops_reading_is_closed)
{
	int slow = peer(), other = peer();
	unsigned stuck;

	get_stuck(slow);
	stuck = lines;
	say(slow, "more\n");
	ck_assert_uint_eq(lines, stuck);
	say(other, "x\n");
	ck_assert_ptr_nonnull(strstr(hear(other), "line"));
	now += SERVER_TAKE_NS;
	server_expire(&s, now);
	ck_assert_uint_eq(s.open, 1);
	close(slow);
	close(other);
}
END_TEST

START_TEST(a_slow_reader_that_reads_on_gets_everything)
{
	int fd = peer();
	size_t all = 0;
	const char *text;

	get_stuck(fd);
	while (*(text = hear(fd))) {
		all += strlen(text);
		run();
	}
	/* Every answer whole: they all have the same length. */
	ck_assert_uint_eq(all % lines, 0);
	say(fd, "x\n");
	ck_assert_ptr_nonnull(strstr(hear(fd), "line"));
	close(fd);
}
END_TEST

START_TEST(more_slow_readers_than_buffers_lose_the_slowest)
{
	int fds[SERVER_ANSWERS], i, other = peer();
	const char *text;

	for (i = 0; i < SERVER_ANSWERS; i++) {
		fds[i] = peer();
		get_stuck(fds[i]);
		now++;
	}
	/* Other connections are served as before. */
	say(other, "x\n");
	ck_assert_ptr_nonnull(strstr(hear(other), "line"));
	ck_assert_uint_eq(s.open, SERVER_ANSWERS);
	ck_assert_uint_eq(stats_get(&s.stats.control_expired), 1);
	/* The connection that was stuck first is closed. */
	while ((text = hear(fds[0])))
		ck_assert_str_ne(text, "");
	for (i = 0; i < SERVER_ANSWERS; i++)
		close(fds[i]);
	close(other);
}
END_TEST

START_TEST(one_connection_too_many_is_refused_with_a_reason)
{
	int fds[SERVER_CONNECTIONS], fd, i;

	for (i = 0; i < SERVER_CONNECTIONS; i++)
		fds[i] = peer();
	fd = peer();
	EXPECT(fd, "{\"error\":\"too many connections\","
		   "\"code\":\"busy\"}\n");
	EXPECT(fd, NULL);
	close(fd);
	ck_assert_uint_eq(stats_get(&s.stats.control_refused), 1);
	/* The others go on, and a place that becomes free can be used. */
	say(fds[7], "x\n");
	EXPECT(fds[7], "{\"line\":1}\n");
	close(fds[9]);
	run();
	fds[9] = peer();
	say(fds[9], "x\n");
	EXPECT(fds[9], "{\"line\":2}\n");
	for (i = 0; i < SERVER_CONNECTIONS; i++)
		close(fds[i]);
	run();
	ck_assert_uint_eq(s.open, 0);
}
END_TEST

static int fill_as_nobody(void *arg)
{
	int fds[SERVER_CONNECTIONS], *done = arg, i;
	struct sockaddr_un addr = address();
	char byte;

	if (setuid(65534))
		return 1;
	for (i = 0; i < SERVER_CONNECTIONS; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		/* The parent accepts from a full backlog. */
		if (connect(fds[i], (void *)&addr, sizeof(addr)))
			return 2;
	}
	if (write(done[1], "x", 1) != 1 || read(done[2], &byte, 1) != 1)
		return 3;
	return 0;
}

START_TEST(places_are_reserved_for_trusted_peers)
{
	int done[4], fd, status;
	struct pollfd p;
	pid_t pid;

	if (getuid()) {
		printf("skipped: not root\n");
		return;
	}
	ck_assert_int_eq(chmod(address().sun_path, 0666), 0);
	ck_assert_int_eq(pipe(done), 0);
	ck_assert_int_eq(pipe(done + 2), 0);
	pid = fork();
	if (!pid)
		_exit(fill_as_nobody(done));
	p = (struct pollfd){ .fd = done[0], .events = POLLIN };
	while (poll(&p, 1, 1) == 0)
		run();
	run();
	ck_assert_uint_eq(s.open, SERVER_CONNECTIONS - SERVER_RESERVED);
	ck_assert_uint_eq(stats_get(&s.stats.control_refused), SERVER_RESERVED);
	fd = peer();
	say(fd, "x\n");
	EXPECT(fd, "{\"line\":1}\n");
	close(fd);
	ck_assert_int_eq(write(done[3], "x", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_used_up_share_of_time_makes_a_pause)
{
	int fd = peer();
	uint64_t pause;

	s.credit_ns = 0;
	s.refilled_ns = now;
	ck_assert_int_eq(send(fd, "x\n", 2, 0), 2);
	pause = server_turn(&s, now);
	ck_assert_uint_gt(pause, 0);
	ck_assert_int_lt(s.credit_ns, 0);
	ck_assert_uint_eq(stats_get(&s.stats.control_pauses), 1);
	EXPECT(fd, "{\"line\":1}\n");
	/* After the pause there is credit again, but never above its bound. */
	now += pause + 100 * CLOCK_SECOND;
	ck_assert_uint_eq(server_turn(&s, now), 0);
	ck_assert_int_le(s.credit_ns, SERVER_CREDIT_NS);
	ck_assert_int_gt(s.credit_ns, SERVER_CREDIT_NS / 2);
	close(fd);
}
END_TEST

START_TEST(a_turn_handles_a_bounded_number_of_events)
{
	int fds[32], i;
	unsigned before;

	for (i = 0; i < 32; i++)
		fds[i] = peer();
	for (i = 0; i < 32; i++)
		ck_assert_int_eq(send(fds[i], "x\ny\n", 4, 0), 4);
	while (is_ready()) {
		before = lines;
		s.credit_ns = SERVER_CREDIT_NS;
		server_turn(&s, now);
		ck_assert_uint_le(lines - before, SERVER_TURN);
	}
	ck_assert_uint_eq(lines, 64);
	for (i = 0; i < 32; i++)
		close(fds[i]);
}
END_TEST

/* One turn; for how long the server wants to pause then. */
static uint64_t turn_without_descriptors(void)
{
	struct rlimit before, none;
	uint64_t pause;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	pause = server_turn(&s, now);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	return pause;
}

static void require_said(const char *part)
{
	const char *log = caught_end();

	ck_assert_msg(strstr(log, part) != NULL, "%s", log);
}

START_TEST(accepting_pauses_when_no_descriptor_is_free)
{
	struct sockaddr_un addr = address();
	uint64_t next;
	unsigned i;
	int fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(fd, (void *)&addr, sizeof(addr)), 0);
	caught_begin();
	ck_assert_uint_ge(turn_without_descriptors(), CLOCK_SECOND);
	require_said("Too many open files (1 times");
	ck_assert_uint_eq(s.open, 0);
	/* Further failures are said later, all of them. */
	caught_begin();
	for (i = 0; i < 3; i++)
		turn_without_descriptors();
	next = server_expire(&s, now);
	ck_assert_uint_gt(next, now);
	ck_assert_str_eq(caught_end(), "");
	caught_begin();
	ck_assert_uint_eq(server_expire(&s, next), 0);
	require_said("Too many open files (3 times");
	/* The connection is accepted later. */
	ck_assert(is_ready());
	run();
	ck_assert_uint_eq(s.open, 1);
	close(fd);
}
END_TEST

START_TEST(a_closed_server_leaves_no_descriptor)
{
	unsigned before = process_descriptors(getpid());
	int fds[3], i;

	for (i = 0; i < 3; i++)
		fds[i] = peer();
	ck_assert_uint_eq(process_descriptors(getpid()), before + 6);
	server_close(&s);
	for (i = 0; i < 3; i++)
		close(fds[i]);
	ck_assert_uint_eq(process_descriptors(getpid()), before - 1);
	ck_assert_int_eq(server_open(&s, listener, ROOM, on_line, on_late, &s),
			 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control server");
	TCase *tcase = suite_case(suite, "connections", open_server,
				  close_server);

	tcase_add_test(tcase, a_line_has_an_answer);
	tcase_add_test(tcase, a_line_may_come_in_pieces);
	tcase_add_test(tcase, lines_sent_ahead_are_answered_in_order);
	tcase_add_test(tcase, a_nul_is_a_byte_like_any_other);
	tcase_add_test(
		tcase,
		a_line_of_the_longest_length_is_taken_a_longer_one_is_not);
	tcase_add_test(tcase, an_endless_line_has_one_error);
	tcase_add_test(tcase, an_answer_larger_than_its_room_becomes_an_error);
	tcase_add_test(tcase, an_answer_may_come_later);
	tcase_add_test(tcase, a_waiting_connection_has_a_deadline_of_its_own);
	tcase_add_test(tcase, a_peer_that_leaves_while_waiting_is_forgotten);
	tcase_add_test(tcase, idle_connections_are_closed_with_a_reason);
	tcase_add_test(tcase, a_line_that_never_ends_is_idle);
	tcase_add_test(tcase, a_peer_that_stops_reading_is_closed);
	tcase_add_test(tcase, a_slow_reader_that_reads_on_gets_everything);
	tcase_add_test(tcase, more_slow_readers_than_buffers_lose_the_slowest);
	tcase_add_test(tcase, one_connection_too_many_is_refused_with_a_reason);
	tcase_add_test(tcase, places_are_reserved_for_trusted_peers);
	tcase_add_test(tcase, a_used_up_share_of_time_makes_a_pause);
	tcase_add_test(tcase, a_turn_handles_a_bounded_number_of_events);
	tcase_add_test(tcase, accepting_pauses_when_no_descriptor_is_free);
	tcase_add_test(tcase, a_closed_server_leaves_no_descriptor);
	return suite_run(suite, CK_FORK);
}
