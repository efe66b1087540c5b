/* SPDX-License-Identifier: MIT */
/*
 * Starts under odd conditions: without standard descriptors, two daemons that find
 * one stale socket at the same moment, and output that nobody can read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

static int can_connect(int type, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	int err;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	err = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	close(fd);
	return !err;
}

/* --- descriptors --------------------------------------------------------- */

START_TEST(no_file_of_the_daemon_is_its_standard_error)
{
	char *lock, target[64];
	ssize_t n;
	int fd;

	bed.bare = 1;
	daemon_spawn("buffer.forced=10ms");
	bed.bare = 0;
	UNTIL(can_connect(SOCK_STREAM, bed.control));
	UNTIL(strstr(ask("status"), "\"health\":\"ok\""));
	/* each is a line of the log */
	ask("reload");
	send_one(send_open(), "x", 1);
	UNTIL(files_count(bed.files) == 1);
	lock = file_read(bed_text("%s.lock", bed.state), NULL);
	ck_assert_str_eq(lock, bed_text("%d\n", (int)bed.pid));
	free(lock);
	for (fd = 0; fd < 3; fd++) {
		n = readlink(bed_text("/proc/%d/fd/%d", (int)bed.pid, fd),
			     target, sizeof(target) - 1);
		ck_assert_int_gt(n, 0);
		target[n] = 0;
		ck_assert_str_eq(target, "/dev/null");
	}
	daemon_signal(SIGTERM);
	ck_assert_int_eq(daemon_wait(), 0);
}
END_TEST

/* --- a stale socket ------------------------------------------------------ */

static void leave_stale(int type, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

/* Both use this path, and nothing else together. */
static void start_two(const char *path, int type)
{
	bool data = type == SOCK_DGRAM;
	pid_t first, loser;
	int status;

	leave_stale(type, path);
	bed.points = "socket.stale=sleep:300";
	daemon_spawn();
	first = bed.pid;
	bed.pid = 0;
	strcat(bed.log, "2");
	daemon_spawn(bed_text("socket.path=%s%s", bed.sock, data ? "" : "2"),
		     bed_text("control.path=%s%s", bed.control,
			      data ? "2" : ""),
		     bed_text("state.path=%s2", bed.state));
	/* One of the two ends, and says why. */
	loser = waitpid(-1, &status, 0);
	ck_assert(loser == first || loser == bed.pid);
	ck_assert_int_eq(WEXITSTATUS(status), 75);
	if (loser == bed.pid)
		REQUIRE(log_count("is in use; is another daemon running?") == 1,
			"no line says why");
	suite_sleep_ms(700);
	ck_assert_int_eq(waitpid(-1, &status, WNOHANG), 0);
	UNTIL(can_connect(type, path));
	if (loser == bed.pid)
		bed.pid = first;
	daemon_signal(SIGTERM);
	ck_assert_int_eq(daemon_wait(), 0);
}

START_TEST(one_of_two_daemons_takes_over_a_stale_socket)
{
	start_two(bed.sock, SOCK_DGRAM);
}
END_TEST

START_TEST(one_of_two_daemons_takes_over_a_stale_control_socket)
{
	start_two(bed.control, SOCK_STREAM);
}
END_TEST

/* --- no daemon at all ---------------------------------------------------- */

/* As bed.c finds it; with its errors as output, which cannot be written. */
static int print_to_full_disk(const char *args, char *said, size_t room)
{
	const char *build = getenv("BW_BUILD");
	FILE *from = popen(bed_text("%s/bufwriterd %s 2>&1 >/dev/full",
				    build ? build : "build", args),
			   "r");
	int ended;

	ck_assert_ptr_nonnull(from);
	said[fread(said, 1, room - 1, from)] = '\0';
	ended = pclose(from);
	ck_assert(WIFEXITED(ended));
	return WEXITSTATUS(ended);
}

START_TEST(output_that_cannot_be_written_is_an_error_and_a_line)
{
	static const char *const printing[] = { "--help", "--version", "-t" };
	char said[512];

	ck_assert_int_eq(print_to_full_disk(printing[_i], said, sizeof(said)),
			 74);
	ck_assert_str_eq(said, bed_text("bufwriterd: cannot write the output: "
					"%s\n",
					strerror(ENOSPC)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("odd_start");
	TCase *t = bed_case(suite, "odd_start");

	tcase_add_test(t, no_file_of_the_daemon_is_its_standard_error);
	tcase_add_test(t, one_of_two_daemons_takes_over_a_stale_socket);
	tcase_add_test(t, one_of_two_daemons_takes_over_a_stale_control_socket);
	tcase_add_loop_test(
		t, output_that_cannot_be_written_is_an_error_and_a_line, 0, 3);
	return suite_run(suite, CK_NOFORK);
}
