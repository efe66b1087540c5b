/* SPDX-License-Identifier: MIT */
/* See machine_id.h. */
#include "conf/machine_id.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DIGITS "0123456789abcdef"

int machine_id_read(const char *file, char id[MACHINE_ID])
{
	/* O_NONBLOCK: a pipe in its place must not hold up a reload. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[MACHINE_ID + 1];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	/* A newline may follow, and nothing else. */
	if (n < MACHINE_ID - 1 || strspn(text, DIGITS) != MACHINE_ID - 1 ||
	    (text[MACHINE_ID - 1] && text[MACHINE_ID - 1] != '\n'))
		return -EINVAL;
	/* All zeroes is the id of nobody. */
	if (strspn(text, "0") == MACHINE_ID - 1)
		return -EINVAL;
	memcpy(id, text, MACHINE_ID - 1);
	id[MACHINE_ID - 1] = '\0';
	return 0;
}
