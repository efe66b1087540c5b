/* SPDX-License-Identifier: MIT */
/* See run.h. */
#define _GNU_SOURCE
#include "tests/lib/run.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/receiver.h"

struct run run = { .in = -1 };

const char *run_program(void)
{
	static char path[512];
	const char *build = getenv("BW_BUILD");

	snprintf(path, sizeof(path), "%s/bufwriter", build ? build : "build");
	return path;
}

static const char *path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", receiver.dir, name);
	return path;
}

void run_file(const char *name, const char *data, size_t len)
{
	file_write(path_of(name), data, len);
}

void run_input(const char *data, size_t len)
{
	run_file("input", data, len);
	if (run.in >= 0)
		close(run.in);
	run.in = open(path_of("input"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(run.in, 0);
}

/* Forks.  Returns 0 in the child, which is ready to become the program. */
static pid_t start(void)
{
	int err;

	run.len = 0;
	run.count = 0;
	run.pid = fork();
	ck_assert_int_ge(run.pid, 0);
	if (run.pid)
		return run.pid;
	if (chdir(receiver.dir) != 0)
		_exit(99);
	err = open("stderr", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (err < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(99);
	if (run.in >= 0 && dup2(run.in, STDIN_FILENO) < 0)
		_exit(99);
	setenv("BUFWRITER_SOCKET", receiver.path, 1);
	return 0;
}

void run_start_list(const char *const *argv)
{
	char program[1024];

	ck_assert_ptr_nonnull(realpath(run_program(), program));
	if (start())
		return;
	execv(program, (char *const *)argv);
	_exit(98);
}

void run_start_shell(const char *command)
{
	char program[1024], path[2048];

	ck_assert_ptr_nonnull(realpath(run_program(), program));
	*strrchr(program, '/') = '\0';
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", program);
	if (start())
		return;
	setenv("PATH", path, 1);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(98);
}

static void add_message(const char *data, size_t len)
{
	if (run.len + len > run.room) {
		run.room = 2 * run.room + len;
		run.bytes = realloc(run.bytes, run.room);
		ck_assert_ptr_nonnull(run.bytes);
	}
	/* The list has room for a power of two, and doubles when it is full. */
	if ((run.count & (run.count - 1)) == 0) {
		run.ends = realloc(run.ends,
				   (2 * run.count + 1) * sizeof(*run.ends));
		ck_assert_ptr_nonnull(run.ends);
	}
	if (len)
		memcpy(run.bytes + run.len, data, len);
	run.len += len;
	run.ends[run.count++] = run.len;
}

void run_take(void)
{
	static char buf[1 << 20];
	ssize_t n;

	while ((n = receiver_take(receiver.fd, buf, sizeof(buf))) >= 0)
		add_message(buf, n);
}

static void read_error(void)
{
	int file = open(path_of("stderr"), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ck_assert_int_ge(file, 0);
	n = read(file, run.err, sizeof(run.err) - 1);
	run.err[n > 0 ? n : 0] = '\0';
	close(file);
}

void run_wait(void)
{
	struct pollfd pfd = { .fd = receiver.fd, .events = POLLIN };

	while (waitpid(run.pid, &run.status, WNOHANG) == 0) {
		poll(&pfd, 1, 5);
		run_take();
	}
	run_take();
	read_error();
}

void run_wait_only(void)
{
	ck_assert_int_eq(waitpid(run.pid, &run.status, 0), run.pid);
	read_error();
}

void run_expect_status(int status)
{
	ck_assert_msg(WIFEXITED(run.status) &&
			      WEXITSTATUS(run.status) == status,
		      "ended with %#x and not with exit status %d: %s",
		      (unsigned)run.status, status, run.err);
}

void run_expect_part(const char *part)
{
	ck_assert_msg(strstr(run.err, part) != NULL, "no '%s' in: %s", part,
		      run.err);
}

void run_expect_error(const char *text)
{
	ck_assert_str_eq(run.err, text);
}

void run_expect_count(size_t count)
{
	ck_assert_uint_eq(run.count, count);
}

void run_expect_message(size_t i, const char *data, size_t len)
{
	size_t start = i == 0 ? 0 : run.ends[i - 1];

	ck_assert_uint_lt(i, run.count);
	ck_assert_uint_eq(run.ends[i] - start, len);
	ck_assert(len == 0 || memcmp(run.bytes + start, data, len) == 0);
}
