/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter report`: what a developer needs to know for a bug report, in one
 * text.  It has no message and no byte of a message in it.
 *
 * The daemon is asked for its status.  What other programs know better is
 * asked of them: systemctl(1), journalctl(1), bufwriterd(8) and this command.
 * A program that is missing, or that may not look, says so in its part.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/command/ask.h"
#include "client/command/cmd.h"
#include "client/command/json.h"

#define LOG_LINES "--lines=200"
/* A program that hangs does not hold up the rest. */
#define PROGRAM_LIMIT "20"

static const char usage[] =
	"Usage: bufwriter report [OPTION]...\n"
	"Prints all that a bug report needs: versions, status, settings, limits "
	"of the\n"
	"kernel, what 'bufwriter doctor' finds, and the last lines of the "
	"daemon's log.\n"
	"It has no message in it. Run it as root to see all of that.\n"
	"\n"
	"  -u, --unit NAME    the daemon's unit (default bufwriter.service)\n"
	"  -o, --output FILE  write a new file instead of standard "
	"output\n" ASK_HELP;

struct order {
	const char *unit, *output;
};

static void title(const char *text)
{
	printf("\n== %s\n\n", text);
}

/* The first `room` bytes of a file, which may be one of /proc. */
static void show_file(const char *path)
{
	char text[8192];
	FILE *f = fopen(path, "re");
	size_t n;

	printf("%s: ", path);
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = 0;
	/* A file of one line stands behind its name. */
	if (strchr(text, '\n') != strrchr(text, '\n'))
		putchar('\n');
	if (f && !ferror(f))
		printf("%s%s", text, n && text[n - 1] == '\n' ? "" : "\n");
	else
		printf("%s\n", strerror(errno));
	if (f)
		fclose(f);
}

/* Runs in the child. */
static void run_program(char **argv)
{
	dup2(STDOUT_FILENO, STDERR_FILENO);
	execvp(argv[0], argv);
	printf("%s: %s\n", argv[0], strerror(errno));
	fflush(stdout);
	_exit(EX_UNAVAILABLE);
}

/* The output of a program, standard error as well. */
static void show_program(const char *const *words)
{
	const char *argv[16] = { "timeout", PROGRAM_LIMIT };
	int status = 0;
	unsigned i;
	pid_t pid;

	for (i = 0; words[i]; i++)
		argv[i + 2] = words[i];
	fflush(stdout);
	pid = fork();
	if (!pid)
		run_program((char **)argv);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		printf("%s: %s\n", words[0], strerror(errno));
	else if (status)
		printf("(%s: exit status %d)\n", words[0],
		       WIFEXITED(status) ? WEXITSTATUS(status) :
					   128 + WTERMSIG(status));
}

#define SHOW(...) show_program((const char *const[]){ __VA_ARGS__, NULL })

static void show_versions(void)
{
	struct utsname u;

	title("Versions");
	printf("bufwriter " BW_VERSION "\n");
	SHOW("bufwriterd", "--version");
	if (!uname(&u))
		printf("%s %s %s %s\n", u.sysname, u.release, u.version,
		       u.machine);
	show_file("/etc/os-release");
}

static void show_kernel(void)
{
	static const char *const files[] = {
		"/proc/sys/net/unix/max_dgram_qlen",
		"/proc/sys/net/core/wmem_default",
		"/proc/sys/net/core/wmem_max",
		"/proc/sys/fs/file-max",
		"/proc/loadavg",
		"/proc/meminfo",
	};
	size_t i;

	title("Kernel");
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		show_file(files[i]);
	SHOW("nproc");
}

/* Texts that each end with a NUL, as words of one line. */
static void show_words(const char *path)
{
	FILE *f = fopen(path, "re");
	int c;

	printf("%s:", path);
	if (!f)
		printf(" %s", strerror(errno));
	else
		putchar(' ');
	while (f && (c = getc(f)) != EOF)
		putchar(c ? c : ' ');
	putchar('\n');
	if (f)
		fclose(f);
}

static void show_process(uint64_t pid)
{
	static const char *const names[] = { "status", "limits", "cgroup" };
	char path[64];
	size_t i;

	title("Process");
	snprintf(path, sizeof(path), "/proc/%llu/cmdline",
		 (unsigned long long)pid);
	/* Options have precedence over the file. */
	show_words(path);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%llu/%s",
			 (unsigned long long)pid, names[i]);
		show_file(path);
	}
}

/* The settings as the daemon understands them. */
static void show_settings(const char *file)
{
	title("Settings");
	if (*file)
		SHOW("bufwriterd", "--test", "--config", file);
	else
		SHOW("bufwriterd", "--test");
}

static void show_places(const char *files_path)
{
	title("Places");
	if (*files_path) {
		SHOW("df", "-hT", files_path, "/run");
		SHOW("df", "-i", files_path, "/run");
		SHOW("ls", "-ld", files_path);
	}
	SHOW("ls", "-la", "/run/bufwriter.sock", "/run/bufwriter");
}

static void show_unit(const char *unit)
{
	title("Unit");
	printf("%s\n", unit);
	SHOW("systemctl", "status", "--no-pager", "--lines=0", unit);
	SHOW("systemctl", "cat", "--no-pager", unit);
	title("Log");
	SHOW("journalctl", "--no-pager", "--output=short-iso-precise",
	     LOG_LINES, "--unit", unit);
}

/*
 * The daemon beside this command, as in a build directory, and what a user's
 * search path does not have.
 */
static void extend_search_path(void)
{
	const char *old = getenv("PATH");
	char self[PATH_MAX] = "", path[3 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = n > 0 ? strrchr(self, '/') : NULL;

	if (slash)
		*slash = 0;
	snprintf(path, sizeof(path), "%s:%s:/usr/local/sbin:/usr/sbin:/sbin",
		 slash ? self : "/usr/bin", old ? old : "/usr/bin:/bin");
	setenv("PATH", path, 1);
}

static void show_all(struct ask *a, const struct order *order)
{
	bool answered = ask_command(a, "status", ASK_TIMEOUT_MS);
	char settings[PATH_MAX] = "", files[PATH_MAX] = "";
	const char *s = answered ? a->answer : NULL;

	printf("bufwriter report; there is no message in it\n");
	show_versions();
	title("Status");
	puts(answered ? s : a->reason);
	json_string(json_at(s, "settings"), settings, sizeof(settings));
	json_string(json_at(s, "files_path"), files, sizeof(files));
	show_settings(settings);
	show_kernel();
	if (answered)
		show_process(json_count(json_at(s, "pid")));
	show_places(files);
	title("Doctor");
	SHOW("bufwriter", "doctor", "--socket", a->path);
	show_unit(order->unit);
}

static const char *take_option(void *arg, int letter, const char *value)
{
	struct order *order = arg;

	if (!*value)
		return "is empty";
	if (letter == 'u')
		order->unit = value;
	else
		order->output = value;
	return NULL;
}

/* A new file: what is there is nobody's to overwrite. */
static int redirect(const char *path)
{
	if (freopen(path, "wxe", stdout))
		return 0;
	fprintf(stderr, "bufwriter report: %s: %s; name a new file\n", path,
		strerror(errno));
	return EX_CANTCREAT;
}

int cmd_report(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "unit", required_argument, NULL, 'u' },
		{ "output", required_argument, NULL, 'o' },
		ASK_LONGS,
	};
	struct order order = { .unit = "bufwriter.service" };
	const struct ask_options options = { usage, ":u:o:" ASK_SHORTS, longs,
					     take_option, &order };
	const char *socket = NULL;
	int status = ask_options_read(&options, argc, argv, &socket);
	struct ask a;

	if (status >= 0)
		return status;
	if (order.output && (status = redirect(order.output)) > 0)
		return status;
	extend_search_path();
	ask_init(&a, socket);
	show_all(&a, &order);
	ask_close(&a);
	return cmd_output("report");
}
