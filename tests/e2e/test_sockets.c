/* SPDX-License-Identifier: MIT */
/*
 * More than one socket: all feed one daemon, each over restarts and kills,
 * each has its limit, its watch and its place in the status; one of them can
 * be reached through a mounted directory only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

static char also[2][BED_PATH];
static char setting[3 * BED_PATH];

static void setup(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(also[i], BED_PATH, "%s/box%d", bed.root, i);
		ck_assert_int_eq(mkdir(also[i], 0755), 0);
		strcat(also[i], "/bw.sock");
	}
	snprintf(setting, sizeof(setting), "socket.also=%s %s", also[0],
		 also[1]);
}

/* One datagram with a connection of its own; 0 or -errno. */
static int try_send(const char *path, const char *text)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (void *)&addr, sizeof(addr)) ||
	    send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		err = -errno;
	close(fd);
	return err;
}

static void send_to(const char *path, const char *text)
{
	int err = try_send(path, text);

	REQUIRE(!err, "%s: %s", path, strerror(-err));
}

/* How often the files have this line. */
static unsigned times(const char *line)
{
	size_t len;
	char *text = files_content(bed.files, &len), *at = text;
	unsigned n = 0;

	while ((at = strstr(at, line))) {
		at += strlen(line);
		n++;
	}
	free(text);
	return n;
}

static bool is_socket(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISSOCK(st.st_mode);
}

START_TEST(each_socket_is_read_named_and_removed)
{
	struct totals totals;
	struct stat st;
	char text[64];

	setup();
	daemon_start(setting, "socket.mode=0640", "socket.max_message=1234");
	ck_assert_int_eq(stat(also[1], &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	send_to(bed.sock, "first");
	send_to(also[0], "second");
	send_to(also[1], "third");
	send_to(also[1], "fourth");
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_double_eq(ask_number("messages.written"), 4);
	ck_assert_int_eq(command("status --json"), 0);
	command_expect(bed_text("{\"path\":\"%s\",\"received\":2,"
				"\"lost\":false}",
				also[1]));
	ck_assert_int_eq(command("status"), 0);
	command_expect(bed_text("and from   %s, 1 messages\n", also[0]));
	/* what a program in the box learns */
	ck_assert_int_gt(readlink(bed_text("%s/box1/bw/limits", bed.root), text,
				  sizeof(text)),
			 0);
	ck_assert_int_eq(strncmp(text, "max_message=1234", 16), 0);
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.written, 4);
	ck_assert(!is_socket(also[0]) && !is_socket(also[1]));
	ck_assert_int_eq(access(bed_text("%s/box1/bw", bed.root), F_OK), -1);
}
END_TEST

/* What was sent before the stop is in files, whichever socket took it. */
START_TEST(a_stop_reads_each_queue)
{
	struct totals totals;
	unsigned n, m;

	setup();
	bed.points = bed_point("recv.before", "stall", "");
	daemon_start(setting);
	bed_block();
	n = send_fill(also[0], "queued");
	m = send_fill(also[1], "queued");
	daemon_signal(SIGTERM);
	bed_release();
	ck_assert_int_eq(daemon_wait(), 0);
	ck_assert_int_eq(daemon_totals(&totals), 0);
	ck_assert_uint_eq(totals.written, n + m);
}
END_TEST

START_TEST(a_path_that_was_removed_is_made_again)
{
	setup();
	daemon_start(setting);
	send_to(also[1], "one");
	ck_assert_int_eq(unlink(also[1]), 0);
	UNTIL(log_count("socket.also", also[1], "it is there again") == 1);
	send_to(also[1], "two");
	send_to(also[0], "three");
	send_to(bed.sock, "four");
	UNTIL(ask_number("messages.received") == 4);
	ck_assert_int_eq(command("status --check"), 0);
	daemon_stop(NULL);
	ck_assert(!is_socket(also[1]));
}
END_TEST

START_TEST(a_path_that_cannot_be_bound_is_said)
{
	int status;

	setup();
	daemon_spawn(
		bed_text("socket.also=%s %s/no/dir/sock", also[0], bed.root));
	status = daemon_wait();
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 78);
	ck_assert_uint_eq(log_count("no/dir"), 1);
	/* and what was made before is not left */
	ck_assert(!is_socket(also[0]) && !is_socket(bed.sock));
}
END_TEST

/* I4: a sender at any of the sockets waits for buffer.timeout and no longer. */
START_TEST(no_sender_at_any_socket_waits_for_a_dead_disk)
{
	struct totals totals;
	unsigned i, sent = 0;

	setup();
	bed.points = bed_point("flush.write", "ENOSPC", "");
	bed_block();
	bed.own_timeout = true;
	daemon_start(setting, "buffer.timeout=20ms", "buffer.size=64",
		     "buffer.workers=1", "buffer.queue_size=4",
		     "buffer.forced=1ms");
	for (i = 0; i < 300; i++) {
		send_to(i % 3 == 2 ? bed.sock : also[i % 3], "12345678");
		sent++;
	}
	UNTIL(ask_number("messages.received") == sent);
	ck_assert_double_gt(ask_number("dropped.ring_full"), 0);
	bed_release();
	daemon_stop(&totals);
	ck_assert_uint_eq(totals.written + totals.dropped, sent);
}
END_TEST

/* --- a directory for containers ------------------------------------------ */

/* The process in the box: it sends what it is told, and says how that went. */
static void live_in_box(int in, int out, const char *dir, const char *box)
{
	char path[BED_PATH + 32], text;
	int err;

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(dir, box, NULL, MS_BIND, NULL) ||
	    /* Nothing but the mounted directory leads to the socket. */
	    mount("none", dir, "tmpfs", 0, NULL))
		_exit(1);
	snprintf(path, sizeof(path), "%s/bw.sock", box);
	while (read(in, &text, 1) == 1) {
		char message[] = { 'b', 'o', 'x', '-', text, 0 };

		err = try_send(path, message);
		if (write(out, &err, sizeof(err)) != sizeof(err))
			_exit(1);
	}
	_exit(0);
}

START_TEST(a_mounted_directory_survives_a_restart_and_a_kill)
{
	char box[BED_PATH + 8], dir[BED_PATH + 8];
	int to[2], from[2], err, letter;
	pid_t pid;

	if (geteuid() != 0) {
		suite_skip("a mount namespace needs root");
		return;
	}
	setup();
	snprintf(dir, sizeof(dir), "%s/box1", bed.root);
	snprintf(box, sizeof(box), "%s/mounted", bed.root);
	ck_assert_int_eq(mkdir(box, 0755), 0);
	ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
	daemon_start(setting);
	pid = fork();
	if (!pid) {
		close(to[1]);
		close(from[0]);
		live_in_box(to[0], from[1], dir, box);
	}
	close(to[0]);
	close(from[1]);
	for (letter = 'a'; letter <= 'c'; letter++) {
		if (letter == 'b') {
			daemon_stop(NULL);
			daemon_start(setting);
		} else if (letter == 'c') {
			daemon_kill();
			daemon_start(setting);
		}
		ck_assert_int_eq(write(to[1], &(char){ (char)letter }, 1), 1);
		if (read(from[0], &err, sizeof(err)) != sizeof(err)) {
			suite_skip("no mount namespace here");
			break;
		}
		ck_assert_msg(!err, "%c: %s", letter, strerror(-err));
		UNTIL(ask_number("messages.received") == 1);
	}
	close(to[1]);
	close(from[0]);
	waitpid(pid, NULL, 0);
	daemon_stop(NULL);
	if (letter > 'c') {
		ck_assert_uint_eq(times("box-a\n"), 1);
		ck_assert_uint_eq(times("box-b\n"), 1);
		ck_assert_uint_eq(times("box-c\n"), 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sockets");
	TCase *t = bed_case(suite, "sockets");

	tcase_add_test(t, each_socket_is_read_named_and_removed);
	tcase_add_test(t, a_stop_reads_each_queue);
	tcase_add_test(t, a_path_that_was_removed_is_made_again);
	tcase_add_test(t, a_path_that_cannot_be_bound_is_said);
	tcase_add_test(t, no_sender_at_any_socket_waits_for_a_dead_disk);
	tcase_add_test(t, a_mounted_directory_survives_a_restart_and_a_kill);
	return suite_run(suite, CK_NOFORK);
}
