/* SPDX-License-Identifier: MIT */
/*
 * Asks the control socket of bufwriterd, well or badly, until it is killed:
 *
 *	crowd status SOCKET	`status` each second, as monitoring does
 *	crowd flood SOCKET	1,000 connections, all of which send commands
 *				that do not exist, take what comes back, and
 *				connect again when they are refused
 *
 * A pass over all connections is followed by a sleep of a millisecond, so
 * that what is measured is the daemon rather than the fight for processors.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CROWD 1000

static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void nap(long ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&ts, NULL);
}

/* -1: refused for now. */
static int dial(int flags)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0) {
		perror("crowd: socket");
		exit(1);
	}
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static void ask_status(void)
{
	static char answer[1 << 16];
	ssize_t n;
	int fd;

	fd = dial(0);
	if (fd >= 0 && write(fd, "status\n", 7) == 7) {
		do {
			n = read(fd, answer, sizeof(answer));
		} while (n > 0 && answer[n - 1] != '\n');
	}
	if (fd >= 0)
		close(fd);
}

/* A few bad commands, and whatever is there to be read. */
static void pester(int *fd)
{
	static const char bad[] = "nonsense\nstatus please\n\nflush -f\n";
	char answer[4096];
	ssize_t n;

	if (*fd < 0)
		*fd = dial(SOCK_NONBLOCK);
	if (*fd < 0)
		return;
	n = write(*fd, bad, sizeof(bad) - 1);
	if (n < 0 && errno != EAGAIN) {
		close(*fd);
		*fd = -1;
		return;
	}
	do {
		n = read(*fd, answer, sizeof(answer));
	} while (n > 0);
	if (!n || errno != EAGAIN) {
		close(*fd);
		*fd = -1;
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	static int fd[CROWD];
	unsigned i;

	if (argc != 3 || strlen(argv[2]) >= sizeof(address.sun_path) ||
	    (strcmp(argv[1], "status") && strcmp(argv[1], "flood"))) {
		fprintf(stderr, "usage: crowd status|flood SOCKET\n");
		return 2;
	}
	strcpy(address.sun_path, argv[2]);
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(argv[1], "status"))
		for (;;) {
			ask_status();
			nap(1000000000);
		}
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (i = 0; i < CROWD; i++)
		fd[i] = -1;
	for (;;) {
		for (i = 0; i < CROWD; i++)
			pester(&fd[i]);
		nap(1000000);
	}
}
