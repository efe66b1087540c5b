/* SPDX-License-Identifier: MIT */
/* Runs the commands of an example in a directory.  See examples.h. */
#define _GNU_SOURCE
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"

int script_has(const char *program)
{
	return system(bed_text("command -v %s >/dev/null 2>&1", program)) == 0;
}

void script_write(const char *path, const char *text, unsigned mode)
{
	FILE *to = fopen(path, "w");

	ck_assert_msg(to != NULL, "%s", path);
	fputs(text, to);
	ck_assert_int_eq(fclose(to), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

/* The shell leads a process group, so that a signal reaches its children. */
int script_start(const char *dir, const char *command)
{
	const char *output = bed_text("%s/output", dir);
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);
		int out = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
			       0644);

		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (null < 0 || out < 0 || dup2(null, 0) < 0 ||
		    dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir(dir))
			_exit(126);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	setpgid(pid, pid);
	return pid;
}

int script_wait(int pid)
{
	double since = suite_now();
	int status = 0;
	pid_t ended;

	while ((ended = waitpid(pid, &status, WNOHANG)) == 0) {
		if (suite_now() - since > suite_limit()) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return 128 + SIGKILL;
		}
		usleep(2000);
	}
	ck_assert_int_eq(ended, pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int script_run(const char *dir, const char *command)
{
	return script_wait(script_start(dir, command));
}

void script_dump(const char *dir)
{
	FILE *from = fopen(bed_text("%s/output", dir), "r");
	char line[1024];

	while (from && fgets(line, sizeof(line), from))
		fprintf(stderr, "  %s", line);
	if (from)
		fclose(from);
}
