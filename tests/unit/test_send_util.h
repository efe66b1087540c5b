/* SPDX-License-Identifier: MIT */
/*
 * Runs `bufwriter` as a process of its own and collects what arrives at the
 * socket that stands for the daemon.
 */
#ifndef TEST_SEND_UTIL_H
#define TEST_SEND_UTIL_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/test_client_util.h"

/* What arrived: messages one after the other, and where each one ends. */
struct taken {
	char *bytes;
	size_t len;
	size_t room;
	size_t *ends;
	size_t count;
};

struct run {
	pid_t pid;
	int status;	/* as of waitpid(2), after run_wait() */
	char err[8192]; /* standard error */
};

static UNUSED const char *run_program(void)
{
	static char path[512];
	const char *build = getenv("BW_BUILD");

	snprintf(path, sizeof(path), "%s/bufwriter",
		 build != NULL ? build : "build");
	return path;
}

static UNUSED void write_file(const char *name, const char *data, size_t len)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", util_dir, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

/* Starts argv, ended by NULL, with standard input from in, in util_dir. */
static UNUSED void run_start_in(struct run *run, int in,
				const char *const *argv)
{
	char program[1024];
	int err;

	ck_assert_ptr_nonnull(realpath(run_program(), program));
	run->pid = fork();
	ck_assert_int_ge(run->pid, 0);
	if (run->pid != 0)
		return;
	if (chdir(util_dir) != 0)
		_exit(99);
	err = open("stderr", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (err < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(99);
	setenv("BUFWRITER_SOCKET", util_socket, 1);
	execv(program, (char *const *)argv);
	_exit(98);
}

/* The same with the arguments after `bufwriter send`, ended by NULL. */
#define run_start(run, in, ...)                                  \
	run_start_in(run, in,                                    \
		     (const char *const[]){ "bufwriter", "send", \
					    __VA_ARGS__ })

static UNUSED void taken_add(struct taken *t, int fd)
{
	static char buf[1 << 20];
	ssize_t n;

	while (t != NULL && (n = util_receive(fd, buf, sizeof(buf))) >= 0) {
		if (t->len + (size_t)n > t->room) {
			t->room = 2 * t->room + (size_t)n;
			t->bytes = realloc(t->bytes, t->room);
		}
		/* a size that doubles each time it is reached */
		if ((t->count & (t->count - 1)) == 0)
			t->ends = realloc(t->ends, (2 * t->count + 1) *
							   sizeof(*t->ends));
		ck_assert_ptr_nonnull(t->ends);
		if (n > 0)
			memcpy(t->bytes + t->len, buf, (size_t)n);
		t->len += (size_t)n;
		t->ends[t->count++] = t->len;
	}
}

static UNUSED void taken_free(struct taken *t)
{
	free(t->bytes);
	free(t->ends);
	memset(t, 0, sizeof(*t));
}

/* Message number i (from 0) is exactly this. */
static UNUSED void taken_expect(const struct taken *t, size_t i,
				const char *data, size_t len)
{
	size_t start = i == 0 ? 0 : t->ends[i - 1];

	ck_assert_uint_lt(i, t->count);
	ck_assert_uint_eq(t->ends[i] - start, len);
	ck_assert(len == 0 || memcmp(t->bytes + start, data, len) == 0);
}

/* Takes messages from fd (t NULL: none) until the process has ended. */
static UNUSED void run_wait(struct run *run, int fd, struct taken *t)
{
	struct pollfd pfd = { .fd = t != NULL ? fd : -1, .events = POLLIN };
	char path[160];
	ssize_t n;
	int file;

	while (waitpid(run->pid, &run->status, WNOHANG) == 0) {
		poll(&pfd, 1, 5);
		taken_add(t, fd);
	}
	taken_add(t, fd);
	snprintf(path, sizeof(path), "%s/stderr", util_dir);
	file = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(file, 0);
	n = read(file, run->err, sizeof(run->err) - 1);
	run->err[n > 0 ? n : 0] = '\0';
	close(file);
}

static UNUSED void run_expect_status(const struct run *run, int status)
{
	ck_assert_msg(WIFEXITED(run->status) &&
			      WEXITSTATUS(run->status) == status,
		      "ended with %#x and not with exit status %d: %s",
		      run->status, status, run->err);
}

/* A descriptor from which exactly these bytes can be read. */
static UNUSED int input_of(const char *data, size_t len)
{
	char path[160];
	int fd;

	write_file("input", data, len);
	snprintf(path, sizeof(path), "%s/input", util_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

#endif
