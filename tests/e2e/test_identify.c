/* SPDX-License-Identifier: MIT */
/*
 * Who sends, with the real daemon and real users: what status, top and metrics
 * say, and a limit that costs the one who floods, and nobody else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/metrics.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"
#include "tests/lib/terminal.h"

#define LOUD 4242
#define QUIET 4243

static bool am_root(void)
{
	if (!getuid())
		return true;
	suite_skip("only root can send as two users");
	return false;
}

/* -- senders of another user ----------------------------------------------- */

static void write_message(char text[64], const char *who, unsigned i)
{
	snprintf(text, 64, "[%s %u]", who, i);
}

/*
 * A process of this user and with this command sends so many messages; 0: until
 * it is killed.
 */
static pid_t start_user(uint32_t uid, const char *who, unsigned messages)
{
	pid_t pid = fork();
	char text[64];
	unsigned i;
	int fd;

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = send_open();
	if (setgid(uid) || setuid(uid))
		_exit(2);
	prctl(PR_SET_NAME, who);
	for (i = 0; !messages || i < messages; i++) {
		write_message(text, uid == LOUD ? "loud" : "quiet", i);
		if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
			_exit(1);
	}
	/* It has sent all, and can still be looked up. */
	raise(SIGSTOP);
	_exit(0);
}

static void wait_until_sent(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
}

static void end_user(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* The row of a user in the status, or NULL. */
static const char *find_row(const char *status, uint32_t uid)
{
	const char *list = json_at(status, "senders.busiest"), *row;
	unsigned i;

	for (i = 0; (row = json_item(list, i)); i++)
		if (json_count(json_at(row, "uid")) == uid)
			return row;
	return NULL;
}

static bool has_command(uint32_t uid)
{
	const char *row = find_row(ask("status"), uid);

	return row && json_is_string(json_at(row, "command"));
}

static bool has_sent(uint32_t uid, uint64_t messages)
{
	const char *row = find_row(ask("status"), uid);

	return row && json_count(json_at(row, "messages")) >= messages;
}

/* The status is a correct sum, and so are the senders'. */
static void check_sums(void)
{
	const char *s = ask("status"), *list, *unit;
	uint64_t sum, dropped;
	unsigned i;

	ck_assert_uint_eq(json_count(json_at(s, "messages.received")),
			  json_count(json_at(s, "messages.written")) +
				  json_count(json_at(s, "messages.in_arenas")) +
				  json_count(json_at(s, "messages.in_ring")) +
				  json_count(json_at(s, "messages.dropped")));
	ck_assert_uint_eq(json_count(json_at(s, "senders.total.messages")),
			  json_count(json_at(s, "counters.received")));
	ck_assert_uint_eq(json_count(json_at(s, "senders.total.bytes")),
			  json_count(json_at(s, "counters.received_bytes")));
	ck_assert_uint_eq(json_count(json_at(s, "senders.total.dropped")),
			  json_count(json_at(s, "messages.dropped")));
	sum = json_count(json_at(s, "senders.pending.messages"));
	dropped = json_count(json_at(s, "senders.pending.dropped"));
	list = json_at(s, "senders.units");
	for (i = 0; (unit = json_item(list, i)); i++) {
		sum += json_count(json_at(unit, "messages"));
		dropped += json_count(json_at(unit, "dropped"));
	}
	ck_assert_uint_eq(sum,
			  json_count(json_at(s, "senders.total.messages")));
	ck_assert_uint_eq(dropped,
			  json_count(json_at(s, "senders.total.dropped")));
}

/* -- what is shown --------------------------------------------------------- */

START_TEST(without_the_setting_nobody_is_asked_for)
{
	int fd, on = 1;
	socklen_t len = sizeof(on);

	bed_hold_socket();
	ck_assert_int_eq(setsockopt(bed.held, SOL_SOCKET, SO_PASSCRED, &on,
				    sizeof(on)),
			 0);
	daemon_start();
	fd = send_open();
	send_one(fd, "x", 1);
	send_drain(fd);
	ck_assert_ptr_nonnull(strstr(ask("status"), "\"identify\":false"));
	ck_assert_ptr_null(strstr(ask("metrics"), "sender_messages"));
	ck_assert_int_eq(command("status"), 0);
	ck_assert_ptr_null(strstr(command_output, "datagrams from"));
	/* what a former life asked systemd's socket for */
	ck_assert_int_eq(
		getsockopt(bed.held, SOL_SOCKET, SO_PASSCRED, &on, &len), 0);
	ck_assert_int_eq(on, 0);
	close(fd);
	daemon_stop(NULL);
}
END_TEST

/* A name of this process that harms terminals, JSON and metrics. */
#define HOSTILE "\x1b[2J\"\\\n}{\xff"

START_TEST(status_top_and_metrics_show_who_sends)
{
	static struct terminal t;
	char text[65536];
	pid_t loud, quiet;
	const char *row;

	if (!am_root())
		return;
	daemon_start("senders.identify=yes", "socket.mode=0666",
		     "buffer.workers=1");
	loud = start_user(LOUD, HOSTILE, 500);
	quiet = start_user(QUIET, "quiet one", 20);
	UNTIL(has_sent(LOUD, 500) && has_sent(QUIET, 20));
	UNTIL(has_command(LOUD) && has_command(QUIET));
	check_sums();
	row = find_row(ask("status"), QUIET);
	ask_expect_text(row, "command", "quiet one");
	ck_assert_uint_eq(json_count(json_at(row, "pid")), (uint64_t)quiet);
	ck_assert_uint_eq(json_count(json_at(row, "messages")), 20);
	ck_assert_uint_eq(json_count(json_at(row, "dropped")), 0);
	ck_assert(json_is_string(json_at(row, "unit")));
	ck_assert_int_eq(command("status"), 0);
	command_expect("datagrams from");
	command_expect("quiet one");
	command_expect("4242");
	ck_assert_ptr_null(strchr(command_output, '\x1b'));
	json_string(json_at(ask("metrics"), "metrics"), text, sizeof(text));
	ck_assert_ptr_null(metrics_check(text, 0));
	ck_assert_ptr_nonnull(strstr(text, "bufwriter_sender_messages_total{"
					   "stream=\"bed\",unit=\""));
	json_string(json_at(ask("metrics openmetrics"), "metrics"), text,
		    sizeof(text));
	ck_assert_ptr_null(metrics_check(text, 1));
	terminal_start(&t, 200, "bufwriter top -d 100ms");
	UNTIL(terminal_find(&t, "quiet one"));
	terminal_type(&t, "q");
	ck_assert_int_eq(terminal_end(&t), 0);
	end_user(loud);
	end_user(quiet);
	daemon_stop(NULL);
}
END_TEST

/* In a process namespace of the daemon's own, it is nobody's number. */
START_TEST(a_process_of_another_namespace_has_no_number_but_a_user)
{
	pid_t pid;

	if (!am_root())
		return;
	bed.is_process_1 = 1;
	daemon_start("senders.identify=yes", "socket.mode=0666");
	pid = start_user(QUIET, "outside", 7);
	UNTIL(has_sent(QUIET, 7));
	ck_assert_uint_eq(
		json_count(json_at(find_row(ask("status"), QUIET), "pid")), 0);
	check_sums();
	end_user(pid);
	daemon_stop(NULL);
}
END_TEST

START_TEST(what_waited_in_the_socket_of_systemd_has_no_sender)
{
	const char *row;
	int fd;

	bed_hold_socket();
	fd = send_open();
	send_one(fd, "early", 5);
	daemon_start("senders.identify=yes");
	send_drain(fd);
	send_one(fd, "late", 4);
	send_drain(fd);
	UNTIL(ask_number("senders.total.messages") >= 2);
	row = find_row(ask("status"), getuid());
	ck_assert_uint_eq(json_count(json_at(row, "messages")), 1);
	ck_assert_uint_eq(json_count(json_at(row, "pid")), (uint64_t)getpid());
	ck_assert_double_eq(ask_number("senders.processes"), 2);
	check_sums();
	close(fd);
	daemon_stop(NULL);
}
END_TEST

/* The daemon makes its socket anew, and asks that one, too. */
START_TEST(a_socket_in_place_of_a_removed_one_says_who_sends)
{
	struct stat st;
	int fd;

	daemon_start("senders.identify=yes");
	ck_assert_int_eq(unlink(bed.sock), 0);
	UNTIL(log_count("it is there again") && !stat(bed.sock, &st));
	fd = send_open();
	send_one(fd, "x", 1);
	send_drain(fd);
	UNTIL(has_sent(getuid(), 1));
	ck_assert_double_eq(ask_number("senders.processes"), 1);
	close(fd);
	daemon_stop(NULL);
}
END_TEST

/* -- the limit ------------------------------------------------------------- */

#define QUIET_MESSAGES 300
#define LOUD_MOST 200000

/* All of the quiet user's, once; any number of the other's, each once. */
static void check_files(void)
{
	struct tally tally;
	char text[64];
	unsigned i;

	tally_open(&tally);
	for (i = 0; i < QUIET_MESSAGES; i++) {
		write_message(text, "quiet", i);
		tally_expect(&tally, text, strlen(text));
	}
	for (i = 0; i < LOUD_MOST; i++) {
		write_message(text, "loud", i);
		tally_may(&tally, text, strlen(text));
	}
	tally_read(&tally, bed.files, NEWLINE);
	tally_judge(&tally);
	ck_assert_msg(!tally.lost && !tally.doubled && !tally.torn,
		      "%" PRIu64 " lost, %" PRIu64 " doubled, %" PRIu64
		      " torn: %s",
		      tally.lost, tally.doubled, tally.torn, tally.first);
	tally_close(&tally);
}

static const char *const bys[] = { "uid", "unit" };

START_TEST(a_flood_is_dropped_and_every_message_of_others_arrives)
{
	struct totals totals;
	pid_t loud, quiet;
	unsigned i;

	if (!am_root())
		return;
	daemon_start("senders.identify=yes", "senders.rate=400",
		     "socket.mode=0666");
	loud = start_user(LOUD, "loud", LOUD_MOST / 10);
	quiet = start_user(QUIET, "quiet", QUIET_MESSAGES);
	for (i = 0; i < 20; i++)
		check_sums();
	UNTIL(has_sent(LOUD, LOUD_MOST / 10));
	UNTIL(has_sent(QUIET, QUIET_MESSAGES));
	check_sums();
	ck_assert_double_gt(ask_number("dropped.sender_rate"), 0);
	ck_assert_int_eq(command("status"), 0);
	command_expect("each user may send 400 messages a second");
	ck_assert_int_eq(command("flush"), 65);
	command_expect("above senders.rate");
	end_user(loud);
	end_user(quiet);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, totals.written + totals.dropped);
	ck_assert_uint_eq(totals.dropped, totals.sender_rate);
	ck_assert_uint_eq(totals.received, LOUD_MOST / 10 + QUIET_MESSAGES);
	ck_assert_uint_ge(log_count("messages above senders.rate were dropped",
				    "of user 4242"),
			  1);
	ck_assert_uint_eq(log_count("of user 4243"), 0);
	check_files();
}
END_TEST

/* A kill at each of these: what was dropped is gone, everything else is there. */
static const char *const points[] = {
	"recv.after",	 "publish.before", "publish.metas", "publish.head",
	"publish.after", "claim.after",	   "release.mid",   "commit.*",
};

START_TEST(a_kill_in_a_flood_loses_and_doubles_nothing_of_others)
{
	pid_t loud, quiet;
	unsigned pass;

	if (!am_root())
		return;
	bed_hold_socket();
	ck_assert_int_eq(chmod(bed.sock, 0666), 0);
	loud = start_user(LOUD, "loud", LOUD_MOST);
	quiet = start_user(QUIET, "quiet", QUIET_MESSAGES);
	for (pass = 1; pass <= 4; pass++) {
		bed.points = bed_text("%s=kill@%u", points[_i], 3 * pass);
		daemon_spawn("senders.identify=yes", "senders.rate=400",
			     "buffer.queue_size=16", "buffer.size=4K",
			     bed_text("senders.by=%s", bys[pass % 2]));
		UNTIL(!daemon_alive());
		daemon_kill();
	}
	bed.points = NULL;
	daemon_start("senders.identify=yes", "senders.rate=400",
		     "buffer.queue_size=16", "buffer.size=4K");
	wait_until_sent(quiet);
	check_sums();
	end_user(loud);
	end_user(quiet);
	UNTIL(bed_queue_empty());
	daemon_stop(NULL);
	ck_assert_uint_eq(log_count("set aside"), 0);
	check_files();
}
END_TEST

START_TEST(a_reload_changes_the_limit_and_not_who_is_asked)
{
	int fd, i;

	bed_write_conf("[senders]\nidentify = yes\n");
	daemon_start();
	fd = send_open();
	for (i = 0; i < 100; i++)
		send_one(fd, "x", 1);
	send_drain(fd);
	bed_write_conf("[senders]\nidentify = yes\nrate = 5\nburst = 7\n");
	ck_assert_int_eq(command("reload"), 0);
	command_expect("senders.rate");
	for (i = 0; i < 100; i++)
		send_one(fd, "x", 1);
	send_drain(fd);
	UNTIL(ask_number("counters.received") >= 200);
	ck_assert_double_gt(ask_number("dropped.sender_rate"), 0);
	ck_assert_double_le(ask_number("dropped.sender_rate"), 93);
	check_sums();
	bed_write_conf("[senders]\nrate = 5\n");
	ck_assert_int_ne(command("reload"), 0);
	command_expect("senders.rate: 5 needs senders.identify = yes");
	bed_write_conf("");
	/* some need a restart */
	ck_assert_int_eq(command("reload"), 1);
	command_expect("senders.identify");
	check_sums();
	close(fd);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_limit_without_senders_is_a_mistake)
{
	int status;

	daemon_spawn("senders.rate=5");
	status = daemon_wait();
	ck_assert_int_eq(WEXITSTATUS(status), 78);
	ck_assert_uint_eq(log_count("senders.rate: 5 needs senders.identify = "
				    "yes; allowed without it: 0"),
			  1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("identify");
	TCase *t = bed_case(suite, "shown");

	tcase_add_test(t, without_the_setting_nobody_is_asked_for);
	tcase_add_test(t, status_top_and_metrics_show_who_sends);
	tcase_add_test(t,
		       a_process_of_another_namespace_has_no_number_but_a_user);
	tcase_add_test(t, what_waited_in_the_socket_of_systemd_has_no_sender);
	tcase_add_test(t, a_socket_in_place_of_a_removed_one_says_who_sends);
	t = bed_case(suite, "limit");
	tcase_add_test(t,
		       a_flood_is_dropped_and_every_message_of_others_arrives);
	tcase_add_loop_test(
		t, a_kill_in_a_flood_loses_and_doubles_nothing_of_others, 0,
		sizeof(points) / sizeof(points[0]));
	tcase_add_test(t, a_reload_changes_the_limit_and_not_who_is_asked);
	tcase_add_test(t, a_limit_without_senders_is_a_mistake);
	return suite_run(suite, CK_NOFORK);
}
