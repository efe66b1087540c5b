/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter doctor`: each finding is there when its cause is, and nothing is
 * found where nothing is wrong.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

/* The daemon reads the kernel's limit here first, as under systemd. */
static void set_queue_length(const char *text)
{
	const char *dir = bed_text("%s/credentials", bed.root);

	ck_assert_int_eq(mkdir(dir, 0755), 0);
	file_write(bed_text("%s/max_dgram_qlen", dir), text, strlen(text));
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
}

static void bind_at(const char *path, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	ck_assert_int_eq(bind(fd, (void *)&addr, sizeof(addr)), 0);
	close(fd);
}

/* The same as another user; false where that cannot be. */
static bool as_nobody(void)
{
	const char *build = getenv("BW_BUILD");
	FILE *pipe;
	size_t n;
	int status;

	if (geteuid() != 0)
		return false;
	pipe = popen(bed_text("setpriv --reuid=65534 --regid=65534 "
			      "--clear-groups env BUFWRITER_CONTROL='%s' "
			      "BUFWRITER_SOCKET='%s' %s/bufwriter doctor 2>&1",
			      bed.control, bed.sock, build ? build : "build"),
		     "r");
	n = fread(command_output, 1, sizeof(command_output) - 1, pipe);
	command_output[n] = 0;
	status = pclose(pipe);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void expect_finding(const char *text)
{
	int status = command("doctor");

	REQUIRE(status == 1, "exit status %d: %s", status, command_output);
	command_expect(text);
}

START_TEST(nothing_is_found_where_nothing_is_wrong)
{
	set_queue_length("512\n");
	daemon_start(bed_text("socket.also=%s/b.sock", bed.root));
	REQUIRE(command("doctor") == 0, "%s", command_output);
	ck_assert_str_eq(command_output, "nothing is wrong\n");
	ck_assert_int_eq(command("doctor --data %s", bed.sock), 0);
	/* It sends nothing. */
	ck_assert_double_eq(ask_number("messages.received"), 0);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_daemon_that_does_not_run_is_found)
{
	expect_finding("The daemon cannot be asked: ");
	command_expect(bed_text("There is no socket %s.", bed.sock));
	command_expect("Start the daemon");
}
END_TEST

START_TEST(a_socket_that_nobody_reads_is_found)
{
	bind_at(bed.sock, SOCK_DGRAM);
	expect_finding(bed_text("Nobody reads %s.", bed.sock));
}
END_TEST

START_TEST(a_socket_that_is_gone_or_another_s_is_found)
{
	set_queue_length("512\n");
	bed_hold_socket();
	daemon_start();
	ck_assert_int_eq(unlink(bed.sock), 0);
	if (_i)
		bind_at(bed.sock, SOCK_DGRAM);
	expect_finding(bed_text("%s was removed, or it is the socket of "
				"another daemon",
				bed.sock));
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_short_queue_of_the_kernel_is_found)
{
	set_queue_length("10\n");
	daemon_start();
	expect_finding("The kernel queues 10 datagrams only");
	command_expect("sysctl -w net.unix.max_dgram_qlen=512");
	daemon_stop(NULL);
}
END_TEST

START_TEST(messages_that_do_not_suit_the_settings_are_found)
{
	char large[200] = "";
	int fd;

	set_queue_length("512\n");
	daemon_start("socket.max_message=100");
	fd = send_open();
	send_one(fd, large, sizeof(large));
	UNTIL(ask_number("dropped.too_large") == 1);
	expect_finding("1 messages were dropped because they are larger than "
		       "socket.max_message.");
	close(fd);
	daemon_stop(NULL);
}
END_TEST

START_TEST(drops_by_a_full_ring_are_found)
{
	int fd, i;

	set_queue_length("512\n");
	bed.points = bed_point("flush.write", "ENOSPC", "");
	bed_block();
	bed.own_timeout = true;
	daemon_start("buffer.timeout=0", "buffer.size=8", "buffer.workers=1",
		     "buffer.queue_size=2");
	fd = send_open();
	for (i = 0; i < 50; i++)
		send_one(fd, "12345678", 8);
	UNTIL(ask_number("dropped.ring_full") > 0);
	expect_finding("messages were dropped because the ring was full");
	command_expect("The daemon says that it is failing: ");
	bed_release();
	close(fd);
	daemon_stop(NULL);
}
END_TEST

START_TEST(drops_above_the_limit_of_a_sender_are_found)
{
	int fd, i;

	set_queue_length("512\n");
	daemon_start("senders.identify=yes", "senders.rate=1");
	fd = send_open();
	for (i = 0; i < 50; i++)
		send_one(fd, "x", 1);
	UNTIL(ask_number("dropped.sender_rate") > 0);
	expect_finding("messages were dropped because their sender is above "
		       "senders.rate");
	close(fd);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_limit_that_senders_cannot_read_is_found)
{
	set_queue_length("512\n");
	daemon_start();
	ck_assert_int_eq(unlink(bed_text("%s.limits", bed.sock)), 0);
	expect_finding("Senders do not learn how large a message may be");
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_directory_of_files_that_is_gone_is_found)
{
	set_queue_length("512\n");
	daemon_start();
	ck_assert_int_eq(rmdir(bed.files), 0);
	expect_finding(
		bed_text("cannot see files.path %s: No such file", bed.files));
	daemon_stop(NULL);
}
END_TEST

/* What this user may not do, whoever asks. */
START_TEST(the_rights_of_the_caller_are_looked_at)
{
	if (geteuid() != 0 || system("setpriv --version >/dev/null 2>&1")) {
		suite_skip("root and setpriv are needed to be another user");
		return;
	}
	set_queue_length("512\n");
	daemon_start("control.mode=0666", "socket.mode=0640");
	ck_assert_int_eq(chmod(bed.files, 0755), 0);
	ck_assert(as_nobody());
	command_expect(bed_text("User 65534 may not send to %s: it has mode "
				"0640, user 0 and group 0.",
				bed.sock));
	command_expect(
		bed_text("User 65534 cannot take files out of %s", bed.files));
	ck_assert_int_eq(chmod(bed.root, 0700), 0);
	ck_assert(as_nobody());
	command_expect("The daemon cannot be asked: ");
	command_expect(bed_text("User 65534 cannot reach %s: Permission denied",
				bed.sock));
	ck_assert_int_eq(chmod(bed.root, 0755), 0);
	daemon_stop(NULL);
}
END_TEST

static void forget(void)
{
	unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
	Suite *suite = suite_create("doctor");
	TCase *t = bed_case(suite, "doctor");

	tcase_add_checked_fixture(t, forget, forget);
	tcase_add_test(t, nothing_is_found_where_nothing_is_wrong);
	tcase_add_test(t, a_daemon_that_does_not_run_is_found);
	tcase_add_test(t, a_socket_that_nobody_reads_is_found);
	tcase_add_loop_test(t, a_socket_that_is_gone_or_another_s_is_found, 0,
			    2);
	tcase_add_test(t, a_short_queue_of_the_kernel_is_found);
	tcase_add_test(t, messages_that_do_not_suit_the_settings_are_found);
	tcase_add_test(t, drops_by_a_full_ring_are_found);
	tcase_add_test(t, drops_above_the_limit_of_a_sender_are_found);
	tcase_add_test(t, a_limit_that_senders_cannot_read_is_found);
	tcase_add_test(t, a_directory_of_files_that_is_gone_is_found);
	tcase_add_test(t, the_rights_of_the_caller_are_looked_at);
	return suite_run(suite, CK_NOFORK);
}
