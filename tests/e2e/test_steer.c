/* SPDX-License-Identifier: MIT */
/*
 * What an operator may change, who may do so, and the answers to wrong
 * commands: flush, reload, permissions, errors.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/examples.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

/* --- flush --------------------------------------------------------------- */

START_TEST(after_a_flush_everything_sent_before_is_in_files)
{
	static const struct flow noise = { .id = 9, .min = 10, .max = 500 };
	struct sender *other;
	struct tally tally;
	int fd, i, runs = (int)suite_scale(200);
	char text[32];

	daemon_start("buffer.forced=0", "buffer.workers=3",
		     "buffer.queue_size=64", "buffer.timeout=never");
	other = sender_start(&noise);
	fd = send_open();
	for (i = 0; i < runs; i++) {
		snprintf(text, sizeof(text), "<%d>", i);
		send_one(fd, text, strlen(text));
		ck_assert_ptr_nonnull(json_at(ask("flush"), "flushed"));
		/*
		 * The message is in a file when the answer comes, not a moment
		 * later.
		 */
		ck_assert_int_eq(
			system(bed_text("grep -qr '^%s$' %s", text, bed.files)),
			0);
	}
	sender_finish(other);
	ck_assert_int_eq(command("flush"), 0);
	tally_open(&tally);
	tally_expect_sender(&tally, other);
	for (i = 0; i < runs; i++) {
		snprintf(text, sizeof(text), "<%d>", i);
		tally_expect(&tally, text, strlen(text));
	}
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_flush_covers_the_queue_of_the_kernel)
{
	int fd, control, i;

	daemon_start("buffer.forced=0");
	control = ask_open();
	ask_on(control, "ping");
	fd = send_open();
	daemon_signal(SIGSTOP);
	/* The command comes first, and the loop may see it first. */
	for (i = 0; i < 8; i++)
		send_one(fd, "waits in the queue", 18);
	ck_assert_int_eq(ask_send(control, "flush\n", 6), 0);
	daemon_signal(SIGCONT);
	ck_assert_ptr_nonnull(json_at(ask_receive(control), "flushed"));
	ck_assert_uint_eq(files_count(bed.files), 1);
	ck_assert_double_eq(ask_number("messages.written"), 8);
	close(control);
	daemon_stop(NULL);
}
END_TEST

/* I7: nothing is called filed that was dropped, and each drop is told once. */
START_TEST(a_flush_tells_of_what_was_dropped_since_the_last)
{
	static char large[2000];
	unsigned i;
	int fd;

	daemon_start("socket.max_message=1000");
	fd = send_open();
	for (i = 0; i < 3; i++)
		send_one(fd, large, sizeof(large));
	send_one(fd, "small", 5);
	ck_assert_int_eq(command("flush"), EX_DATAERR);
	command_expect("the daemon has dropped 3 messages since the last "
		       "flush: 3 larger than max_message, 0 because the ring "
		       "was full; everything else");
	ck_assert_uint_eq(files_count(bed.files), 1);
	ck_assert_int_eq(command("flush"), 0);
	command_expect("everything sent before is in files");
	/* Quiet is for what is well. */
	send_one(fd, large, sizeof(large));
	ck_assert_int_eq(command("flush -q"), EX_DATAERR);
	command_expect("has dropped 1 message since");
	ck_assert_int_eq(command("flush -q"), 0);
	close(fd);
	daemon_stop(NULL);
}
END_TEST

/* Neither of two that wait at the same time takes the other's answer. */
START_TEST(flushes_at_the_same_time_each_tell_of_a_drop)
{
	static char large[2000];
	int fd, controls[2], i;
	const char *answer;

	daemon_start("socket.max_message=1000");
	for (i = 0; i < 2; i++) {
		controls[i] = ask_open();
		ask_on(controls[i], "ping");
	}
	fd = send_open();
	daemon_signal(SIGSTOP);
	send_one(fd, large, sizeof(large));
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(ask_send(controls[i], "flush\n", 6), 0);
	daemon_signal(SIGCONT);
	for (i = 0; i < 2; i++) {
		answer = ask_receive(controls[i]);
		ck_assert_double_eq(ask_at(answer, "dropped.too_large"), 1);
		ck_assert_double_eq(ask_at(answer, "dropped.ring_full"), 0);
		close(controls[i]);
	}
	answer = ask("flush");
	ck_assert_double_eq(ask_at(answer, "dropped.too_large"), 0);
	close(fd);
	daemon_stop(NULL);
}
END_TEST

/* A flush that fails has told nobody. */
START_TEST(a_drop_is_told_by_the_first_flush_that_succeeds)
{
	static char large[2000];
	int fd;

	bed.points = bed_point("flush.write", "ENOSPC", "");
	bed_block();
	daemon_start("socket.max_message=1000", "buffer.forced=0");
	fd = send_open();
	send_one(fd, large, sizeof(large));
	send_one(fd, "small", 5);
	ck_assert_int_eq(command("flush -t 100ms"), EX_TEMPFAIL);
	bed_release();
	ck_assert_int_eq(command("flush"), EX_DATAERR);
	command_expect("has dropped 1 message since");
	ck_assert_int_eq(command("flush"), 0);
	close(fd);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_flush_of_nothing_is_done_at_once)
{
	daemon_start();
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_int_eq(command("flush --quiet"), 0);
	ck_assert_str_eq(command_output, "");
	ck_assert_uint_eq(files_count(bed.files), 0);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_flush_that_takes_too_long_says_why)
{
	int fd;

	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.forced=0");
	fd = send_open();
	send_one(fd, "one", 3);
	ck_assert_int_eq(command("flush --timeout 300ms"), EX_TEMPFAIL);
	command_expect("not everything was in files");
	command_expect(strerror(ENOSPC));
	ck_assert_uint_eq(files_count(bed.files), 0);
	bed_release();
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_uint_eq(files_count(bed.files), 1);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_flush_waits_for_a_full_ring)
{
	static const struct flow flow = {
		.id = 1, .count = 500, .min = 100, .max = 100
	};
	struct sender *sender;
	struct tally tally;
	int control;

	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.workers=1", "buffer.size=1K",
		     "buffer.queue_size=16", "buffer.timeout=never");
	sender = sender_start(&flow);
	control = ask_open();
	UNTIL(!strcmp("waiting",
		      (json_string(json_at(ask("status"), "listener"),
				   command_output, 64),
		       command_output)));
	ck_assert_int_eq(ask_send(control, "flush\n", 6), 0);
	bed_release();
	ck_assert_ptr_nonnull(json_at(ask_receive(control), "flushed"));
	close(control);
	sender_wait(sender);
	daemon_stop(NULL);
	tally_open(&tally);
	tally_expect_sender(&tally, sender);
	tally_read(&tally, bed.files, NEWLINE);
	tally_require_exact(&tally);
	tally_close(&tally);
}
END_TEST

START_TEST(a_stop_answers_clients_that_wait_for_a_flush)
{
	int fd, control;
	const char *answer;

	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.forced=0",
		     bed_text("buffer.stop_timeout=%s", _i ? "100ms" : "60s"));
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(ask_number("messages.received") == 1);
	control = ask_open();
	ck_assert_int_eq(ask_send(control, "flush\n", 6), 0);
	UNTIL(ask_number("gauges.workers_failing") == 1);
	daemon_signal(SIGTERM);
	if (!_i)
		bed_release();
	answer = ask_receive(control);
	REQUIRE(answer != NULL, "closed without an answer");
	if (_i)
		ask_expect_text(answer, "code", "stopping");
	else
		ck_assert_ptr_nonnull(json_at(answer, "flushed"));
	close(control);
	daemon_wait();
	ck_assert_uint_eq(files_count(bed.files), !_i);
}
END_TEST

/* --- reload -------------------------------------------------------------- */

START_TEST(a_reload_answers_what_changed_and_what_needs_a_restart)
{
	bed_write_conf("[buffer]\nforced = 0\nworkers = 2\n");
	daemon_start();
	ck_assert_int_eq(command("reload"), 0);
	command_expect("no setting changed");
	bed_write_conf("[buffer]\nforced = 1h\nworkers = 2\n");
	ck_assert_int_eq(command("reload"), 0);
	ck_assert_str_eq(command_output, "changed: buffer.forced\n");
	bed_write_conf("[buffer]\nforced = 1m\nworkers = 3\n");
	ck_assert_int_eq(command("reload"), 1);
	command_expect("changed: buffer.forced\n");
	command_expect("needs a restart: buffer.workers\n");
	ck_assert_double_eq(ask_number("gauges.workers"), 2);
	daemon_stop(NULL);
}
END_TEST

/* The settings are the same, and yet files get other names. */
START_TEST(a_reload_names_a_new_host_name)
{
	char before[HOST_NAME_MAX + 1] = "";
	int fd;

	gethostname(before, sizeof(before) - 1);
	if (unshare(CLONE_NEWUTS) || sethostname("first", 5)) {
		suite_skip("no host name of our own here");
		return;
	}
	bed_write_conf("[files]\nprefix = %H-\n");
	daemon_start();
	ck_assert_int_eq(sethostname("second", 6), 0);
	ck_assert_int_eq(command("reload"), 0);
	ck_assert_str_eq(command_output, "changed: files.prefix\n");
	ck_assert_uint_eq(
		log_count(
			"reload: the host name or the machine id has changed: "
			"files.prefix is now second-, and was "
			"first-"),
		1);
	ck_assert_uint_eq(log_count("no setting changed"), 0);
	fd = send_open();
	send_one(fd, "one", 3);
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_int_eq(
		system(bed_text("ls %s/second-* >/dev/null", bed.files)), 0);
	ck_assert_int_eq(command("reload"), 0);
	command_expect("no setting changed");
	close(fd);
	daemon_stop(NULL);
	ck_assert_int_eq(sethostname(before, strlen(before)), 0);
}
END_TEST

START_TEST(a_reload_of_a_wrong_file_is_answered_line_by_line)
{
	int fd;

	bed_write_conf("[buffer]\nforced = 0\n");
	daemon_start();
	bed_write_conf("[buffer]\nforced = 1ms\nsize = 10 parsecs\nsise = 1\n");
	ck_assert_int_eq(command("reload"), EX_CONFIG);
	command_expect("bed.ini:3: buffer.size: ");
	command_expect("bed.ini:4: buffer.sise: ");
	command_expect("the settings stay as they are");
	fd = send_open();
	send_one(fd, "one", 3);
	suite_sleep_ms(100);
	ck_assert_uint_eq(files_count(bed.files), 0);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_reload_of_a_file_full_of_mistakes_is_answered)
{
	static char conf[300 * 1024];
	const char *answer;
	size_t n = 0;
	unsigned i;

	daemon_start();
	for (i = 0; i < 100; i++)
		n += (size_t)snprintf(conf + n, sizeof(conf) - n,
				      "[buffer]\nno_such_%u_%0*d = \"\\\\\n", i,
				      150, 0);
	bed_write_conf(conf);
	answer = ask("reload");
	ask_expect_text(answer, "code", "settings");
	ck_assert_ptr_nonnull(json_item(json_at(answer, "problems"), 20));
	daemon_stop(NULL);
}
END_TEST

/* --- who may ------------------------------------------------------------- */

/* Runs the command as the user nobody; its exit status. */
static int command_as_nobody(const char *args)
{
	/* The user nobody may not enter the directory of the build. */
	return command("--version >/dev/null && cp ${BW_BUILD:-build}/"
		       "bufwriter %s/bufwriter && setpriv --reuid=65534 "
		       "--regid=65534 "
		       "--clear-groups %s/bufwriter %s -s %s",
		       bed.root, bed.root, args, bed.control);
}

START_TEST(another_user_may_read_the_status_by_the_mode_and_change_nothing)
{
	if (getuid()) {
		suite_skip("not root");
		return;
	}
	daemon_start("control.mode=0666");
	ck_assert_int_eq(command_as_nobody("status"), 0);
	ck_assert_int_eq(command_as_nobody("metrics"), 0);
	ck_assert_int_eq(command_as_nobody("flush"), EX_NOPERM);
	command_expect("only root and the daemon's own user");
	ck_assert_int_eq(command_as_nobody("reload"), EX_NOPERM);
	ck_assert_uint_eq(log_count("reload: asked"), 0);
	daemon_stop(NULL);
	daemon_start("control.mode=0660");
	ck_assert_int_eq(command_as_nobody("status"), EX_NOPERM);
	command_expect("not permitted");
	daemon_stop(NULL);
}
END_TEST

START_TEST(the_daemons_own_user_may_flush_and_reload)
{
	if (getuid()) {
		suite_skip("not root");
		return;
	}
	bed.unprivileged = 1;
	daemon_start();
	ck_assert_int_eq(command_as_nobody("flush"), 0);
	ck_assert_int_eq(command_as_nobody("reload"), 0);
	/* Root may do so, too. */
	ck_assert_int_eq(command("flush"), 0);
	daemon_stop(NULL);
}
END_TEST

START_TEST(the_control_socket_has_mode_and_group)
{
	struct group *group = getgrnam("nogroup");
	struct stat st;

	if (getuid() || !group) {
		suite_skip("not root, or no group nogroup");
		return;
	}
	daemon_start("control.mode=0620", "control.group=nogroup");
	ck_assert_int_eq(stat(bed.control, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0620);
	ck_assert_uint_eq(st.st_gid, group->gr_gid);
	daemon_stop(NULL);
	/* The daemon removes the socket at its end. */
	ck_assert_int_ne(access(bed.control, F_OK), 0);
}
END_TEST

START_TEST(a_stale_control_socket_is_replaced_and_a_living_one_is_not)
{
	struct bed first;

	daemon_start();
	daemon_kill();
	daemon_start();
	ck_assert_int_eq(command("status"), 0);
	first = bed;
	bed.pid = 0;
	snprintf(bed.log, sizeof(bed.log), "%s/second", bed.root);
	daemon_spawn(bed_text("socket.path=%s/sock2", bed.root),
		     bed_text("state.path=%s/state2", bed.root));
	ck_assert_int_eq(WEXITSTATUS(daemon_wait()), EX_TEMPFAIL);
	REQUIRE(log_count("control.path: ", "is in use") == 1,
		"not one line that says so");
	ck_assert_int_ne(access(bed_text("%s/sock2", bed.root), F_OK), 0);
	bed = first;
	ck_assert_int_eq(command("status"), 0);
	daemon_stop(NULL);
}
END_TEST

/* --- wrong questions ----------------------------------------------------- */

static const struct {
	const char *line, *code;
} wrongs[] = {
	{ "stop", "command" },
	{ "STATUS", "command" },
	{ "status now", "command" },
	{ " status", "command" },
	{ "", "command" },
	{ "flush soon", "command" },
	{ "flush -1", "command" },
	{ "flush 99999999999999999999", "command" },
	{ "metrics xml", "command" },
	{ "GET / HTTP/1.1", "command" },
	{ "\"};<script>%s%n\\", "command" },
	{ "status\t", "command" },
	{ "\xff\xfe\x01", "command" },
};

START_TEST(a_wrong_command_is_answered_with_an_error_and_no_echo)
{
	const char *answer;

	daemon_start();
	answer = ask(wrongs[_i].line);
	ck_assert_ptr_nonnull(json_at(answer, "error"));
	ask_expect_text(answer, "code", wrongs[_i].code);
	ck_assert_ptr_null(strstr(answer, "script"));
	ck_assert_double_eq(ask_number("counters.control_wrong"), 1);
	daemon_stop(NULL);
}
END_TEST

START_TEST(many_commands_on_one_connection_are_answered)
{
	int fd, i;

	daemon_start();
	fd = ask_open();
	for (i = 0; i < 100; i++)
		ck_assert_ptr_nonnull(json_at(ask_on(fd, "ping"), "pong"));
	/* Commands as people type them. */
	ck_assert_ptr_nonnull(json_at(ask_on(fd, "ping\r"), "pong"));
	/* A line without a newline, then the end. */
	ck_assert_int_eq(ask_send(fd, "ping", 4), 0);
	shutdown(fd, SHUT_WR);
	ck_assert_ptr_nonnull(json_at(ask_receive(fd), "pong"));
	ck_assert_ptr_null(ask_receive(fd));
	close(fd);
	daemon_stop(NULL);
}
END_TEST

static const struct {
	const char *args;
	int status;
	const char *said;
} commands[] = {
	{ "status -s /nonexistent/control", EX_UNAVAILABLE, "/nonexistent" },
	{ "status --nonsense", EX_USAGE, "--nonsense" },
	{ "status more", EX_USAGE, "'more'" },
	{ "status -s ''", EX_USAGE, "the socket path is empty" },
	{ "flush -s $(printf '/%0150d' 0)", EX_USAGE, "107 bytes: /000" },
	{ "flush -t 3", EX_USAGE, "'3' is not a duration; allowed are 0, " },
	{ "flush -t", EX_USAGE, "needs a value" },
	{ "top </dev/null", EX_USAGE, "needs a terminal" },
	{ "top -d 1us", EX_USAGE, "not a delay" },
	{ "reload --help", 0, "Usage: bufwriter reload" },
	{ "metrics --version", 0, "bufwriter " },
};

START_TEST(the_commands_print_what_is_wrong)
{
	int status = command("%s", commands[_i].args);

	ck_assert_msg(status == commands[_i].status, "%s: %d, %s",
		      commands[_i].args, status, command_output);
	command_expect(commands[_i].said);
}
END_TEST

static const char *const printing[] = {
	"--help",	"-h",	   "--version",	    "-V",
	"send --help",	"send -V", "status --help", "status -V",
	"flush --help", "top -V",
};

/* With its errors as output; command() has the last word on them. */
static int command_to_full_disk(const char *args)
{
	return command("%s 2>&1 >/dev/full || exit; :", args);
}

START_TEST(output_that_cannot_be_written_is_an_error)
{
	ck_assert_int_eq(command("%s", printing[_i]), 0);
	ck_assert_int_eq(command_to_full_disk(printing[_i]), EX_IOERR);
	command_expect(": cannot write the output: ");
	command_expect(strerror(ENOSPC));
}
END_TEST

START_TEST(an_answer_that_cannot_be_written_is_an_error)
{
	static const char *const asking[] = { "status",	       "status --check",
					      "status --json", "metrics",
					      "flush",	       "reload" };
	size_t i;

	daemon_start();
	for (i = 0; i < sizeof(asking) / sizeof(asking[0]); i++) {
		ck_assert_int_eq(command_to_full_disk(asking[i]), EX_IOERR);
		command_expect(": cannot write the output: ");
	}
	daemon_stop(NULL);
}
END_TEST

START_TEST(the_datagram_socket_is_told_from_the_control_socket)
{
	daemon_start();
	ck_assert_int_eq(command("status -s %s", bed.sock), EX_USAGE);
	command_expect("is not a control socket");
	daemon_stop(NULL);
}
END_TEST

/* The command of ExecReload= in a unit, with the bed's paths. */
static const char *reload_command(const char *unit)
{
	const char *build = getenv("BW_BUILD");
	char *text = file_read(unit, NULL);
	char *line = strstr(text, "\nExecReload=");
	char *end = line + 1;
	const char *made;

	/* to the end of a line that does not go on */
	do {
		end = strchr(end + 1, '\n');
		if (end[-1] == '\\')
			end[-1] = ' ';
	} while (end[-1] == ' ');
	*end = 0;
	/* systemd runs `/bin/sh -c '...'`, and writes a dollar twice */
	line = strchr(line, '\'') + 1;
	end[-1] = 0;
	file_write(bed_text("%s/reload", bed.root), line, strlen(line));
	made = bed_text("cd %s && sed -i 's:/usr/sbin:%s:g; "
			"s:/etc/bufwriter/[^ ]*:%s:g; s:[$][$]:$:g' reload && "
			"MAINPID=%d sh reload",
			bed.root, build ? build : "build", bed.conf,
			(int)bed.pid);
	free(text);
	return made;
}

static const char *const units[] = { "systemd/bufwriter.service",
				     "systemd/bufwriter@.service" };

/* With a mistake in the file, systemctl reload fails and changes nothing. */
START_TEST(the_reload_of_the_unit_checks_the_file_first)
{
	bed_write_conf("[files]\nprefix = one_\n");
	daemon_start();
	bed_write_conf("[files]\nprefix = two_\nnonsense = 1\n");
	ck_assert_int_ne(system(reload_command(units[_i])), 0);
	ck_assert_ptr_nonnull(strstr(ask("ping"), "pong"));
	ck_assert_uint_eq(log_count("reload"), 0);
	bed_write_conf("[files]\nprefix = two_\n");
	ck_assert_int_eq(system(reload_command(units[_i])), 0);
	UNTIL(log_count("reload: files.prefix changed") == 1);
	daemon_stop(NULL);
}
END_TEST

/* The script that a package runs, with the bed's paths and another systemctl. */
static int upgrade(void)
{
	const char *build = getenv("BW_BUILD");

	script_write(bed_text("%s/systemctl", bed.root),
		     bed_text("echo \"$@\" >>%s/asked\n", bed.root), 0755);
	return system(bed_text(
		"sed 's:/etc/bufwriter:%s/etc:g; s:/run/systemd/system:%s:g; "
		"s:/lib/systemd/[a-z-]*:true:g' "
		"systemd/debian/bufwriter.postinst >%s/postinst && "
		"PATH=%s:%s:$PATH sh %s/postinst configure 0.0.1 2>%s/said",
		bed.root, bed.root, bed.root, bed.root, build ? build : "build",
		bed.root, bed.root));
}

static bool upgrade_restarts(const char *unit)
{
	return !system(bed_text("grep -qxF 'try-restart %s.service' %s/asked",
				unit, bed.root));
}

/* A version that refuses what the version before took is not started. */
START_TEST(an_upgrade_restarts_what_will_start)
{
	ck_assert_int_eq(mkdir(bed_text("%s/etc", bed.root), 0755), 0);
	file_write(bed_text("%s/etc/bufwriter.ini", bed.root), "nonsense", 8);
	file_write(bed_text("%s/etc/good.ini", bed.root), "", 0);
	file_write(bed_text("%s/etc/bad.ini", bed.root), "[x]\n", 4);
	ck_assert_int_eq(upgrade(), 0);
	ck_assert(!upgrade_restarts("bufwriter"));
	ck_assert(!upgrade_restarts("bufwriter@bad"));
	ck_assert(upgrade_restarts("bufwriter@good"));
	ck_assert_int_eq(system(bed_text("grep -q 'bufwriter@bad.service still "
					 "runs the old version' %s/said",
					 bed.root)),
			 0);
	file_write(bed_text("%s/etc/bufwriter.ini", bed.root), "", 0);
	ck_assert_int_eq(upgrade(), 0);
	ck_assert(upgrade_restarts("bufwriter"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("steer");
	TCase *t = bed_case(suite, "flush");

	tcase_add_test(t, after_a_flush_everything_sent_before_is_in_files);
	tcase_add_test(t, a_flush_covers_the_queue_of_the_kernel);
	tcase_add_test(t, a_flush_tells_of_what_was_dropped_since_the_last);
	tcase_add_test(t, flushes_at_the_same_time_each_tell_of_a_drop);
	tcase_add_test(t, a_drop_is_told_by_the_first_flush_that_succeeds);
	tcase_add_test(t, a_flush_of_nothing_is_done_at_once);
	tcase_add_test(t, a_flush_that_takes_too_long_says_why);
	tcase_add_test(t, a_flush_waits_for_a_full_ring);
	tcase_add_loop_test(t, a_stop_answers_clients_that_wait_for_a_flush, 0,
			    2);
	t = bed_case(suite, "reload");
	tcase_add_test(t,
		       a_reload_answers_what_changed_and_what_needs_a_restart);
	tcase_add_test(t, a_reload_names_a_new_host_name);
	tcase_add_test(t, a_reload_of_a_wrong_file_is_answered_line_by_line);
	tcase_add_test(t, a_reload_of_a_file_full_of_mistakes_is_answered);
	t = bed_case(suite, "who");
	tcase_add_test(
		t,
		another_user_may_read_the_status_by_the_mode_and_change_nothing);
	tcase_add_test(t, the_daemons_own_user_may_flush_and_reload);
	tcase_add_test(t, the_control_socket_has_mode_and_group);
	tcase_add_test(
		t, a_stale_control_socket_is_replaced_and_a_living_one_is_not);
	t = bed_case(suite, "wrong");
	tcase_add_loop_test(
		t, a_wrong_command_is_answered_with_an_error_and_no_echo, 0,
		sizeof(wrongs) / sizeof(wrongs[0]));
	tcase_add_test(t, many_commands_on_one_connection_are_answered);
	tcase_add_loop_test(t, the_commands_print_what_is_wrong, 0,
			    sizeof(commands) / sizeof(commands[0]));
	tcase_add_loop_test(t, output_that_cannot_be_written_is_an_error, 0,
			    sizeof(printing) / sizeof(printing[0]));
	tcase_add_test(t, an_answer_that_cannot_be_written_is_an_error);
	tcase_add_test(t, the_datagram_socket_is_told_from_the_control_socket);
	tcase_add_loop_test(t, the_reload_of_the_unit_checks_the_file_first, 0,
			    2);
	tcase_add_test(t, an_upgrade_restarts_what_will_start);
	return suite_run(suite, CK_NOFORK);
}
