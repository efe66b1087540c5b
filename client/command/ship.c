/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter ship`: becomes the program bufwriter-ship, which is beside this
 * one.  It needs more libraries than all other commands together.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/command/cmd.h"

int cmd_ship(int argc, char **argv)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 16);

	(void)argc;
	if (len < 0) {
		fprintf(stderr, "bufwriter ship: /proc/self/exe: %s\n",
			strerror(errno));
		return EX_OSERR;
	}
	path[len] = '\0';
	strcpy(strrchr(path, '/') + 1, "bufwriter-ship");
	execv(path, argv);
	fprintf(stderr,
		"bufwriter ship: %s: %s; this program belongs to bufwriter\n",
		path, strerror(errno));
	return EX_UNAVAILABLE;
}
