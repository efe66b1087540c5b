/* SPDX-License-Identifier: MIT */
/* See ask.h. */
#define _GNU_SOURCE
#include "tests/lib/ask.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
/* The command's own reader: it is no part of the library. */
#include "client/command/json.c"

char command_output[256 * 1024];

int ask_open(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = (time_t)suite_limit() };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", bed.control);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	REQUIRE(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0,
		"%s: %s", bed.control, strerror(errno));
	return fd;
}

int ask_send(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;
	ssize_t n;

	while (len) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

const char *ask_receive(int fd)
{
	static char line[256 * 1024];
	size_t len = 0;
	ssize_t n;

	/* Look for the end of the line first, then take no byte more. */
	for (;;) {
		char *end;
		size_t take;

		n = recv(fd, line + len, sizeof(line) - 1 - len, MSG_PEEK);
		if (n < 0 && errno == EINTR)
			continue;
		REQUIRE(n >= 0 || errno == ECONNRESET, "no answer: %s",
			strerror(errno));
		if (n <= 0)
			return NULL;
		end = memchr(line + len, '\n', (size_t)n);
		take = end ? (size_t)(end - line) - len + 1 : (size_t)n;
		ck_assert_int_eq(recv(fd, line + len, take, 0), (int)take);
		len += take;
		if (end)
			break;
	}
	line[len - 1] = 0;
	return line;
}

const char *ask_on(int fd, const char *text)
{
	char line[300];
	int len = snprintf(line, sizeof(line), "%s\n", text);
	const char *answer;

	ck_assert_int_eq(ask_send(fd, line, (size_t)len), 0);
	answer = ask_receive(fd);
	REQUIRE(answer != NULL, "'%s': closed without an answer", text);
	REQUIRE(json_valid(answer) && *answer == '{', "'%s': no JSON: %s", text,
		answer);
	return answer;
}

const char *ask(const char *text)
{
	int fd = ask_open();
	const char *answer = ask_on(fd, text);

	close(fd);
	return answer;
}

double ask_at(const char *answer, const char *path)
{
	const char *value = json_at(answer, path);

	REQUIRE(value != NULL, "there is no %s in %s", path, answer);
	return json_number(value);
}

void ask_expect_text(const char *answer, const char *path, const char *expected)
{
	char text[512];

	json_string(json_at(answer, path), text, sizeof(text));
	REQUIRE(strcmp(text, expected) == 0, "%s is '%s', not '%s'", path, text,
		expected);
}

double ask_number(const char *path)
{
	return ask_at(ask("status"), path);
}

int command(const char *fmt, ...)
{
	const char *build = getenv("BW_BUILD");
	char args[1024], line[4096];
	size_t n;
	va_list ap;
	FILE *pipe;
	int status;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line),
		 "BUFWRITER_CONTROL='%s' BUFWRITER_SOCKET='%s' "
		 "%s/bufwriter %s 2>&1",
		 bed.control, bed.sock, build ? build : "build", args);
	pipe = popen(line, "r");
	ck_assert_ptr_nonnull(pipe);
	n = fread(command_output, 1, sizeof(command_output) - 1, pipe);
	command_output[n] = 0;
	status = pclose(pipe);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void command_expect(const char *part)
{
	REQUIRE(strstr(command_output, part) != NULL, "no '%s' in: %s", part,
		command_output);
}
