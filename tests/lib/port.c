/* SPDX-License-Identifier: MIT */
/* See port.h. */
#include "tests/lib/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Below the ports that the kernel gives to sockets which do not ask for one
 * (net.ipv4.ip_local_port_range, 32768 and up).  Such a port could be given to
 * the server of another test in the moment before ours listens.  A client
 * could even connect to itself.
 */
#define PORT_FIRST 12000
#define PORTS 20000

static struct sockaddr_in loopback(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };

	return addr;
}

static bool is_free(int port)
{
	struct sockaddr_in addr = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = !bind(fd, (struct sockaddr *)&addr, sizeof(addr));

	close(fd);
	return yes;
}

int port_free(void)
{
	/* Processes that run at the same time have different numbers. */
	static int calls;
	int port;

	do
		port = PORT_FIRST + (getpid() * 8 + calls++) % PORTS;
	while (!is_free(port));
	return port;
}

bool port_answers(int port)
{
	struct sockaddr_in addr = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = !connect(fd, (struct sockaddr *)&addr, sizeof(addr));

	close(fd);
	return yes;
}
