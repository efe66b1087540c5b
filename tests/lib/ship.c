/* SPDX-License-Identifier: MIT */
/* See ship.h. */
#define _GNU_SOURCE
#include "tests/lib/ship.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/examples.h"
#include "tests/lib/process.h"

#define WORDS 64

struct ship ship;

void ship_open(void)
{
	bed_open();
	memset(&ship, 0, sizeof(ship));
	snprintf(ship.to, sizeof(ship.to), "%s", bed_text("%s/to", bed.root));
	snprintf(ship.said, sizeof(ship.said), "%s",
		 bed_text("%s/said", bed.root));
	ck_assert_int_eq(mkdir(ship.to, 0755), 0);
	if (mkdir(bed.files, 0755))
		ck_assert_int_eq(errno, EEXIST);
}

void ship_close(void)
{
	if (ship.pid > 0) {
		kill(ship.pid, SIGKILL);
		waitpid(ship.pid, NULL, 0);
	}
	ship_kill_group();
	bed_close();
}

const char *ship_name(unsigned i)
{
	return bed_text("%u_77_%llu.log", i % 4,
			1795597042000000000ull + i * 1000ull);
}

void ship_files(unsigned from, unsigned to)
{
	char text[32];

	for (; from < to; from++) {
		snprintf(text, sizeof(text), "%05u\n", from);
		file_write(bed_text("%s/%s", bed.files, ship_name(from)), text,
			   strlen(text));
	}
}

void ship_command(const char *script)
{
	static char command[4096];

	script_write(bed_text("%s/command", bed.root), script, 0755);
	/* sh is the program that the log names */
	snprintf(command, sizeof(command), "sh %s/start %%H", bed.root);
	script_write(bed_text("%s/start", bed.root),
		     bed_text("ROOT=%s; export ROOT; . $ROOT/command\n",
			      bed.root),
		     0755);
	ship.command = command;
}

static const char *program(void)
{
	const char *build = getenv("BW_BUILD");

	return bed_text("%s/bufwriter", build ? build : "build");
}

static void start(const char *option, const char *const *settings)
{
	const char *argv[WORDS] = { "bufwriter", "ship" };
	unsigned n = 2;

	if (option)
		argv[n++] = option;
	argv[n++] = bed_text("-ofiles.path=%s", bed.files);
	argv[n++] = bed_text("-ocontrol.path=%s", bed.control);
	argv[n++] = bed_text("-ostate.path=%s", bed.state);
	argv[n++] = bed_text("-osocket.path=%s", bed.sock);
	if (ship.command)
		argv[n++] = bed_text("-oship.command=%s", ship.command);
	for (; settings && *settings && n < WORDS - 1; settings++)
		argv[n++] = bed_text("-o%s", *settings);
	ship.pid = fork();
	ck_assert_int_ge(ship.pid, 0);
	if (!ship.pid) {
		int out = open(ship.said,
			       O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
			_exit(126);
		execv(program(), (char *const *)argv);
		_exit(127);
	}
}

static int wait_end(void)
{
	int status = 0;
	pid_t ended;

	UNTIL((ended = waitpid(ship.pid, &status, WNOHANG)) != 0);
	ck_assert_int_eq(ended, ship.pid);
	ship.pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void ship_start_list(const char *const *settings)
{
	/* what the last one said is not of this one */
	unlink(ship.said);
	start(NULL, settings + 1);
}

int ship_stop(void)
{
	UNTIL(process_heeds(ship.pid, SIGTERM));
	ck_assert_int_eq(kill(ship.pid, SIGTERM), 0);
	return wait_end();
}

int ship_once_list(const char *const *settings)
{
	start("--once", settings + 1);
	return wait_end();
}

int ship_run(const char *option, const char *setting)
{
	const char *const settings[] = { setting, NULL };

	start(option, settings);
	return wait_end();
}

unsigned ship_said(const char *text)
{
	unsigned n = 0;
	char *said, *at;

	if (!file_exists(ship.said))
		return 0;
	said = file_read(ship.said, NULL);
	for (at = said; (at = strstr(at, text)); at++)
		n++;
	free(said);
	return n;
}

double ship_number(const char *name, const char *result)
{
	const char *path = bed_text("%s/ship.prom", bed.root);
	const char *start = bed_text("\nbufwriter_ship_%s{", name);
	double number = -1;
	char *text, *at;

	if (!file_exists(path))
		return -1;
	text = file_read(path, NULL);
	for (at = text; (at = strstr(at, start)); at++) {
		char *end = strchr(at + 1, '\n');
		char *value = strchr(at, '}');

		if (result &&
		    !memmem(at, (size_t)(value - at), result, strlen(result)))
			continue;
		ck_assert(end && value && value < end);
		number = strtod(value + 1, NULL);
		break;
	}
	free(text);
	return number;
}

static int group(void)
{
	const char *path = bed_text("%s/pid", bed.root);
	char *text;
	int pid;

	if (!file_exists(path))
		return 0;
	text = file_read(path, NULL);
	pid = atoi(text);
	free(text);
	return pid;
}

int ship_group_left(void)
{
	int pid = group();

	ck_assert_int_gt(pid, 1);
	return (int)process_group_runs(pid);
}

void ship_kill_group(void)
{
	int pid = group();

	if (pid > 1)
		kill(-pid, SIGKILL);
}
