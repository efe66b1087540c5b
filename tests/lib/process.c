/* SPDX-License-Identifier: MIT */
/* See process.h. */
#include "tests/lib/process.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/random.h"

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

bool process_heeds(pid_t pid, int sig)
{
	unsigned long long set, heeded = 0;
	bool has_ended = true;
	char path[32], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "State:", 6))
			has_ended = strpbrk(line + 6, "ZX") != NULL;
		else if (sscanf(line, "SigIgn: %llx", &set) == 1 ||
			 sscanf(line, "SigBlk: %llx", &set) == 1 ||
			 sscanf(line, "SigCgt: %llx", &set) == 1)
			heeded |= set;
	}
	if (f)
		fclose(f);
	return has_ended || (heeded >> (sig - 1) & 1);
}

struct entry {
	int pid, parent, group;
	char state;
};

/* The next process; false: that was the last one. */
static bool read_entry(DIR *proc, struct entry *e)
{
	const struct dirent *entry;
	char path[300];
	FILE *from;
	int n;

	while ((entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		from = fopen(path, "r");
		if (!from)
			continue;
		n = fscanf(from, "%d (%*[^)]) %c %d %d", &e->pid, &e->state,
			   &e->parent, &e->group);
		fclose(from);
		if (n == 4)
			return true;
	}
	return false;
}

unsigned process_group_runs(pid_t group)
{
	DIR *proc = opendir("/proc");
	struct entry e;
	unsigned n = 0;

	ck_assert_ptr_nonnull(proc);
	while (read_entry(proc, &e))
		n += e.group == group && e.state != 'Z';
	closedir(proc);
	return n;
}

void process_kill_one(pid_t parent, pid_t group, pid_t besides)
{
	DIR *proc = opendir("/proc");
	struct entry e;
	uint64_t n = 0;
	int pid = 0;

	ck_assert_ptr_nonnull(proc);
	while (read_entry(proc, &e))
		if ((e.parent == parent || e.group == group) &&
		    e.pid != besides && random_below(++n) == 0)
			pid = e.pid;
	closedir(proc);
	if (pid > 1)
		kill(pid, SIGKILL);
}
