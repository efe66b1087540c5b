/* SPDX-License-Identifier: MIT */
/* See peer.h. */
#define _GNU_SOURCE
#include "tests/lib/peer.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"

#define CONNECTIONS 16

/* Answers one line.  False: the connection can be closed. */
static int serve(int fd, const char *answer, int keep)
{
	char line[512];

	/* A command is short, so it arrives in one piece. */
	if (recv(fd, line, sizeof(line), 0) <= 0)
		return 0;
	send(fd, answer, strlen(answer), MSG_NOSIGNAL);
	return keep;
}

static void run(int listener, const char *answer, int keep)
{
	struct pollfd fds[CONNECTIONS] = { { listener, POLLIN, 0 } };
	nfds_t n = 1, i;

	while (poll(fds, n, -1) > 0) {
		for (i = n - 1; i > 0; i--) {
			if (!fds[i].revents || serve(fds[i].fd, answer, keep))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--n];
		}
		if (fds[0].revents && n < CONNECTIONS) {
			fds[n].fd = accept(listener, NULL, NULL);
			fds[n++].events = POLLIN;
		}
	}
}

pid_t peer_start(const char *answer, int keep)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", bed.control);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, CONNECTIONS), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(fd, answer, keep);
		_exit(0);
	}
	close(fd);
	return pid;
}

void peer_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	unlink(bed.control);
}
