/* SPDX-License-Identifier: MIT */
/* A plain write(2) to a file for each message; O_APPEND, one file. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sink.h"

static int file;

void *sink_open(const char *target, const char *mode)
{
	char path[4096];

	(void)mode;
	snprintf(path, sizeof(path), "%s/%d.log", target, (int)getpid());
	file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (file < 0)
		perror(path);
	return file < 0 ? NULL : &file;
}

int sink_log(void *sink, const char *data, size_t len)
{
	return write(*(int *)sink, data, len) != (ssize_t)len;
}

int sink_close(void *sink)
{
	return close(*(int *)sink);
}
