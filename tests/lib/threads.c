/* SPDX-License-Identifier: MIT */
/* See threads.h. */
#include "tests/lib/threads.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static bool runs(int pid, const char *task, const char *name)
{
	char path[64], comm[32], state;
	bool runs;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", pid, task);
	stat = fopen(path, "r");
	if (!stat)
		return false;
	runs = fscanf(stat, "%*d (%31[^)]) %c", comm, &state) == 2 &&
	       !strncmp(comm, name, strlen(name)) && strchr("RD", state);
	fclose(stat);
	return runs;
}

bool threads_sleep(int pid, const char *name)
{
	bool sleep = true;
	struct dirent *e;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && sleep && (e = readdir(dir)))
		sleep = !runs(pid, e->d_name, name);
	if (dir)
		closedir(dir);
	return sleep;
}
