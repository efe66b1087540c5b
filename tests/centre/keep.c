/* SPDX-License-Identifier: MIT */
/*
 *   keep [-s SOCKET -l LANES] PIDFILE COMMAND...
 *
 * What a service manager does for a daemon: starts the command again when it
 * has ended, and holds its sockets meanwhile, so that no datagram is lost.
 * PIDFILE has the number of its process.  On SIGTERM the command gets one, and
 * `keep` ends with its exit status.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int bound(const char *path, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		errx(64, "%s: too long", path);
	memcpy(addr.sun_path, path, strlen(path));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err(71, "%s", path);
	if (type == SOCK_SEQPACKET && listen(fd, 128))
		err(71, "%s", path);
	return fd;
}

/* As systemd passes sockets: from descriptor 3 on. */
static void pass(int datagrams, int lanes)
{
	char pid[16];

	/* not where the other one has to go */
	datagrams = fcntl(datagrams, F_DUPFD_CLOEXEC, 5);
	lanes = fcntl(lanes, F_DUPFD_CLOEXEC, 5);
	if (dup2(datagrams, 3) < 0 || dup2(lanes, 4) < 0)
		_exit(126);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
}

static pid_t start(char **argv, int datagrams, int lanes, const char *pidfile)
{
	sigset_t none;
	pid_t pid = fork();
	FILE *to;

	if (pid < 0)
		err(71, "fork");
	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (datagrams >= 0)
			pass(datagrams, lanes);
		execvp(argv[0], argv);
		_exit(127);
	}
	to = fopen(pidfile, "w");
	if (!to || fprintf(to, "%d\n", (int)pid) < 0 || fclose(to))
		err(74, "%s", pidfile);
	return pid;
}

int main(int argc, char **argv)
{
	const char *path = NULL, *lanes_path = NULL;
	int datagrams = -1, lanes = -1, option, status;
	bool stopping = false;
	sigset_t wanted;
	pid_t pid;

	while ((option = getopt(argc, argv, "+s:l:")) != -1)
		if (option == 's')
			path = optarg;
		else if (option == 'l')
			lanes_path = optarg;
		else
			return 64;
	argv += optind;
	if (argc - optind < 2 || !path != !lanes_path)
		errx(64, "keep [-s SOCKET -l LANES] PIDFILE COMMAND...");
	if (path) {
		datagrams = bound(path, SOCK_DGRAM);
		lanes = bound(lanes_path, SOCK_SEQPACKET);
	}
	/* blocked, both wait until they are asked for */
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	for (;;) {
		pid = start(argv + 1, datagrams, lanes, argv[0]);
		while (waitpid(pid, &status, WNOHANG) == 0)
			if (sigwaitinfo(&wanted, NULL) == SIGTERM) {
				stopping = true;
				kill(pid, SIGTERM);
			}
		if (stopping)
			break;
		usleep(100000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
