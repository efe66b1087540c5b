/* SPDX-License-Identifier: MIT */
/* See qlen.h. */
#include "qlen.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define OWN "/proc/sys/net/unix/max_dgram_qlen"

static int read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	int n;

	if (!f)
		return -errno;
	if (fscanf(f, "%d", &n) != 1 || n < 0)
		n = -EINVAL;
	fclose(f);
	return n;
}

int qlen_read(void)
{
	/* systemd.exec(5), LoadCredential= */
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int n;

	if (dir) {
		snprintf(path, sizeof(path), "%s/max_dgram_qlen", dir);
		n = read_number(path);
		if (n >= 0)
			return n;
	}
	return read_number(OWN);
}
