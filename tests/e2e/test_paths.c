/* SPDX-License-Identifier: MIT */
/*
 * Socket files, and the region's, that somebody removes, or replaces, while
 * the daemon runs.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

static int is_socket(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISSOCK(st.st_mode);
}

/* Another program that took the path, in one step: the daemon is quick. */
static int take_path(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s/taker", bed.root);
	ck_assert_int_eq(bind(fd, (void *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(rename(addr.sun_path, path), 0);
	return fd;
}

START_TEST(a_socket_file_that_was_removed_is_made_again)
{
	struct totals totals;
	int old, fd;

	daemon_start("socket.mode=0640");
	old = send_open();
	send_one(old, "one", 3);
	ck_assert_int_eq(unlink(bed.sock), 0);
	UNTIL(log_count("socket.path", "it is there again") == 1);
	ck_assert(is_socket(bed.sock));
	/* who was connected learns of it, as from a restart */
	ck_assert_int_lt(send(old, "lost", 4, MSG_NOSIGNAL), 0);
	fd = send_open();
	send_one(fd, "two", 3);
	UNTIL(ask_number("messages.received") == 2);
	ck_assert_int_eq(command("status --check"), 0);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.written, 2);
	/* and the new one is ours to remove */
	ck_assert(!is_socket(bed.sock));
}
END_TEST

/* Nothing of what the old socket's queue held is lost. */
START_TEST(the_queue_of_a_removed_socket_is_read)
{
	struct totals totals;
	unsigned n;

	bed.points = bed_point("recv.before", "stall", "");
	daemon_start();
	bed_block();
	n = send_fill(bed.sock, "queued");
	ck_assert_int_eq(unlink(bed.sock), 0);
	bed_release();
	UNTIL(log_count("it is there again") == 1);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.received, n);
	ck_assert_uint_eq(totals.written, n);
}
END_TEST

START_TEST(a_control_socket_that_was_removed_is_made_again)
{
	int fd;

	daemon_start();
	fd = ask_open();
	ck_assert_int_eq(unlink(bed.control), 0);
	UNTIL(log_count("control.path", "it is there again") == 1);
	ck_assert_ptr_nonnull(strstr(ask_on(fd, "ping"), "pong"));
	ck_assert_ptr_nonnull(strstr(ask("ping"), "pong"));
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_path_that_another_program_took_is_failing)
{
	int other;

	daemon_start();
	other = take_path(bed.sock);
	UNTIL(log_count("in use", "it is tried again") == 1);
	ck_assert_int_eq(command("status --check"), 2);
	ck_assert_ptr_nonnull(
		strstr(command_output, "cannot reach the daemon"));
	close(other);
	daemon_stop(NULL);
}
END_TEST

/* The log names each path that is taken, also while another one is tried. */
START_TEST(each_further_path_that_is_taken_is_named)
{
	char path[2][BED_PATH];
	int other[2], i;

	for (i = 0; i < 2; i++)
		snprintf(path[i], BED_PATH, "%.90s/also%d", bed.root, i);
	daemon_start(bed_text("socket.also=%s %s", path[0], path[1]));
	for (i = 0; i < 2; i++) {
		other[i] = take_path(path[i]);
		UNTIL(log_count(path[i], "it is tried again") == 1);
	}
	for (i = 0; i < 2; i++)
		close(other[i]);
	for (i = 0; i < 2; i++)
		UNTIL(log_count(path[i], "it is there again") == 1);
	daemon_stop(NULL);
}
END_TEST

/* The control socket tells what is wrong, so it does not wait for the other. */
START_TEST(a_control_socket_is_made_again_beside_a_path_that_is_taken)
{
	int other;

	daemon_start();
	other = take_path(bed.sock);
	UNTIL(log_count("in use", "it is tried again") == 1);
	ck_assert_int_eq(unlink(bed.control), 0);
	UNTIL(log_count("control.path", "it is there again") == 1);
	ck_assert_int_eq(command("status --check"), 2);
	ck_assert_ptr_nonnull(
		strstr(command_output, "cannot reach the daemon"));
	close(other);
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_lost_path_of_systemds_socket_is_failing)
{
	bed_hold_socket();
	daemon_start();
	ck_assert_int_eq(command("status --check"), 0);
	ck_assert_int_eq(unlink(bed.sock), 0);
	UNTIL(log_count("cannot reach the daemon", "restart the socket unit") ==
	      1);
	ck_assert_int_eq(command("status --check"), 2);
	ck_assert_ptr_nonnull(
		strstr(command_output, "restart the socket unit"));
	daemon_stop(NULL);
}
END_TEST

/* --- the region ---------------------------------------------------------- */

/* Removed, or replaced by another file. */
START_TEST(a_region_that_lost_its_file_is_failing)
{
	const char *path = _i & 1 ? bed_text("%s.lock", bed.state) : bed.state;

	daemon_start();
	ck_assert_int_eq(command("status --check"), 0);
	if (_i & 2) {
		file_touch(bed_text("%s/x", bed.root));
		ck_assert_int_eq(rename(bed_text("%s/x", bed.root), path), 0);
	} else {
		ck_assert_int_eq(unlink(path), 0);
	}
	UNTIL(log_count("error: state.path:", path, "restart the daemon") == 1);
	ck_assert_int_eq(command("status --check"), 2);
	ck_assert_ptr_nonnull(strstr(command_output, path));
	ck_assert_ptr_nonnull(strstr(command_output, "restart the daemon"));
	daemon_stop(NULL);
}
END_TEST

/* I7: the next start cannot find what the disk refuses. */
START_TEST(a_stop_says_that_a_lost_region_loses_messages)
{
	int fd, status;

	bed_block();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	daemon_start("buffer.stop_timeout=100ms", "buffer.forced=10ms");
	fd = send_open();
	send_one(fd, "one", 3);
	UNTIL(log_count("No space left") == 1);
	ck_assert_int_eq(unlink(bed.state), 0);
	daemon_signal(SIGTERM);
	status = daemon_wait();
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 75);
	REQUIRE(log_count("1 messages could not be filed", "they are lost",
			  "removed or replaced") == 1,
		"the loss is not named");
	ck_assert_uint_eq(log_count("the next start files"), 0);
	close(fd);
}
END_TEST

/* Starts a daemon on the region of the first; its exit status. */
static int start_second(void)
{
	struct bed first = bed;
	int status = -1;

	bed.pid = 0;
	snprintf(bed.sock, sizeof(bed.sock), "%.90s/sock2", bed.root);
	snprintf(bed.control, sizeof(bed.control), "%.90s/control2", bed.root);
	snprintf(bed.log, sizeof(bed.log), "%.90s/log2", bed.root);
	daemon_spawn();
	if (daemon_ready())
		daemon_stop(NULL);
	else
		status = daemon_wait();
	bed = first;
	return status;
}

START_TEST(without_the_lock_file_the_region_is_still_locked)
{
	struct totals totals;
	unsigned i, lines = 0;
	size_t len;
	char *text;
	int fd, status;

	daemon_start("buffer.forced=0");
	fd = send_open();
	for (i = 0; i < 300; i++)
		send_one(fd, "message", 7);
	send_drain(fd);
	ck_assert_int_eq(unlink(bed_text("%s.lock", bed.state)), 0);
	status = start_second();
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 75,
		"a second daemon ran, %d", status);
	ck_assert_uint_eq(files_count(bed.files), 0);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.written, 300);
	text = files_content(bed.files, &len);
	for (i = 0; i < len; i++)
		lines += text[i] == '\n';
	free(text);
	ck_assert_uint_eq(lines, 300);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("paths");
	TCase *t = bed_case(suite, "sockets");

	tcase_add_test(t, a_socket_file_that_was_removed_is_made_again);
	tcase_add_test(t, the_queue_of_a_removed_socket_is_read);
	tcase_add_test(t, a_control_socket_that_was_removed_is_made_again);
	tcase_add_test(t, a_path_that_another_program_took_is_failing);
	tcase_add_test(t, each_further_path_that_is_taken_is_named);
	tcase_add_test(
		t, a_control_socket_is_made_again_beside_a_path_that_is_taken);
	tcase_add_test(t, a_lost_path_of_systemds_socket_is_failing);
	t = bed_case(suite, "region");
	tcase_add_test(t, a_stop_says_that_a_lost_region_loses_messages);
	tcase_add_loop_test(t, a_region_that_lost_its_file_is_failing, 0, 4);
	tcase_add_test(t, without_the_lock_file_the_region_is_still_locked);
	return suite_run(suite, CK_NOFORK);
}
