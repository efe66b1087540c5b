/* SPDX-License-Identifier: MIT */
/* See process.h. */
#include "tests/lib/process.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>

unsigned process_descriptors(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

long process_resident(pid_t pid)
{
	char path[64];
	long size, resident;
	FILE *from;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	from = fopen(path, "r");
	ck_assert_ptr_nonnull(from);
	ck_assert_int_eq(fscanf(from, "%ld %ld", &size, &resident), 2);
	fclose(from);
	return resident;
}
