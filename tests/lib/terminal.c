/* SPDX-License-Identifier: MIT */
/* See terminal.h. */
#define _GNU_SOURCE
#include "tests/lib/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/lib/bed.h"

/* In the child: the shell, with the terminal as its own. */
static void run_shell(const char *slave, const char *script)
{
	const char *build = getenv("BW_BUILD");
	const char *path = getenv("PATH");
	int fd, i;

	setsid();
	/*
	 * The first terminal that the leader of a session opens becomes its
	 * controlling terminal.
	 */
	fd = open(slave, O_RDWR);
	for (i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	setenv("PATH", bed_text("%s:%s", build ? build : "build", path), 1);
	setenv("TERM", "xterm", 1);
	setenv("BUFWRITER_CONTROL", bed.control, 1);
	setenv("BUFWRITER_SOCKET", bed.sock, 1);
	execl("/bin/sh", "sh", "-mc", script, NULL);
	_exit(99);
}

void terminal_start(struct terminal *t, int columns, const char *script)
{
	struct winsize size = { .ws_row = 40, .ws_col = (uint16_t)columns };

	t->len = 0;
	t->seen[0] = '\0';
	t->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	ck_assert_int_ge(t->fd, 0);
	ck_assert_int_eq(grantpt(t->fd), 0);
	ck_assert_int_eq(unlockpt(t->fd), 0);
	ck_assert_int_eq(ioctl(t->fd, TIOCSWINSZ, &size), 0);
	t->pid = fork();
	ck_assert_int_ge(t->pid, 0);
	if (t->pid == 0)
		run_shell(ptsname(t->fd), script);
}

void terminal_type(struct terminal *t, const char *keys)
{
	ck_assert_int_eq(write(t->fd, keys, strlen(keys)), (int)strlen(keys));
}

const char *terminal_find(struct terminal *t, const char *text)
{
	size_t room = sizeof(t->seen) - 1 - t->len;
	ssize_t n = read(t->fd, t->seen + t->len, room);

	ck_assert_uint_gt(room, 0);
	if (n > 0)
		t->len += (size_t)n;
	t->seen[t->len] = '\0';
	return strstr(t->seen, text);
}

int terminal_cooked(const struct terminal *t)
{
	struct termios now;

	/* Of the other side, where there is only one. */
	ck_assert_int_eq(tcgetattr(t->fd, &now), 0);
	return (now.c_lflag & (ICANON | ECHO)) == (ICANON | ECHO);
}

int terminal_end(struct terminal *t)
{
	int status;

	UNTIL((terminal_find(t, ""), waitpid(t->pid, &status, WNOHANG)));
	terminal_find(t, "");
	close(t->fd);
	REQUIRE(WIFEXITED(status), "the shell ended with %#x: %s", status,
		t->seen);
	return WEXITSTATUS(status);
}
