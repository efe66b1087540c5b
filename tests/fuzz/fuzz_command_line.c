/* SPDX-License-Identifier: MIT */
/*
 * The command lines of bufwriterd and bufwriter, in this process.
 *
 * The input is a digit that says how many of the first sends fail, the words
 * of the command line, one a line, up to a line `---`, and then what the
 * command reads: settings, standard input, a file, the daemon's answer.  The
 * first word is the program.  Of bufwriterd only the reading of the command
 * line and of the settings runs, and --is-clean; `bufwriter top` refuses,
 * because no terminal is there.  `bufwriter report` starts no program and
 * writes no file.
 *
 * No system call with a name from the input is made: open() gives the rest of
 * the input whatever the path is, or fails if there is `none` in it; connect()
 * always succeeds, send() takes everything, recv() gives the rest of the
 * input.
 *
 * - An exit status is one that the manual knows.
 * - A wrong command line is told in lines, and with where to find help.
 * - What is printed has no control characters that were not in the command
 *   line, but for the metrics and the JSON that the daemon made.
 * - Everything is closed and freed.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/config.h"
#include "daemon/arguments.h"
#include "daemon/region/region.h"
#include "tests/fuzz/fuzz.h"

int bufwriter_main(int argc, char **argv);
#define main bufwriter_main
#include "client/command/main.c"
#undef main

#define WORDS 32
#define OPENED 64

/* The rest of the input as a file, and how much recv() has given of it. */
static int content_fd;
static struct fuzz_input content, answer;
static unsigned sends_fail;
static int opened[OPENED];
static unsigned opens;

/* --- in place of the system ---------------------------------------------- */

int __wrap_open(const char *path, int flags, ...);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t room, int flags);
long __wrap_syscall(long number, ...);
long __real_syscall(long number, ...);

int __wrap_open(const char *path, int flags, ...)
{
	char self[64];
	int fd;

	(void)flags;
	if (strstr(path, "none") || opens == OPENED) {
		errno = ENOENT;
		return -1;
	}
	if (strstr(path, "dir"))
		snprintf(self, sizeof(self), "/proc/self");
	else
		snprintf(self, sizeof(self), "/proc/self/fd/%d", content_fd);
	fd = openat(AT_FDCWD, self, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		opened[opens++] = fd;
	return fd;
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	FUZZ_CHECK(fd >= 0 && to->sa_family == AF_UNIX && len <= 110,
		   "connect to no path");
	return 0;
}

static ssize_t sent(size_t len)
{
	static const int errors[] = { EAGAIN, ECONNREFUSED, EINTR, EACCES };

	if (sends_fail) {
		sends_fail--;
		errno = errors[sends_fail % 4];
		return -1;
	}
	return len;
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
	(void)fd;
	(void)data;
	(void)flags;
	return sent(len);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	(void)fd;
	(void)flags;
	return sent(msg->msg_iov[0].iov_len);
}

ssize_t __wrap_recv(int fd, void *data, size_t room, int flags)
{
	size_t n = answer.left < room ? answer.left : room;

	(void)fd;
	(void)flags;
	memcpy(data, answer.data, n);
	answer.data += n;
	answer.left -= n;
	return n;
}

/* The library connects by the bare call. */
long __wrap_syscall(long number, ...)
{
	va_list ap;
	long a[6];
	int i;

	if (number == SYS_connect)
		return 0;
	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

pid_t __wrap_fork(void);
FILE *__wrap_freopen(const char *path, const char *mode, FILE *f);

pid_t __wrap_fork(void)
{
	errno = EAGAIN;
	return -1;
}

FILE *__wrap_freopen(const char *path, const char *mode, FILE *f)
{
	(void)path;
	(void)mode;
	(void)f;
	errno = EACCES;
	return NULL;
}

static void close_opened(void)
{
	while (opens)
		close(opened[--opens]);
}

/* --- what is printed ----------------------------------------------------- */

struct printed {
	char *out, *err;
	size_t out_len, err_len;
	FILE *to_out, *to_err;
};

static FILE *real_out, *real_err;

static void begin_print(struct printed *p)
{
	memset(p, 0, sizeof(*p));
	p->to_out = open_memstream(&p->out, &p->out_len);
	p->to_err = open_memstream(&p->err, &p->err_len);
	FUZZ_CHECK(p->to_out && p->to_err, "out of memory");
	stdout = p->to_out;
	stderr = p->to_err;
}

static void end_print(struct printed *p)
{
	stdout = real_out;
	stderr = real_err;
	fclose(p->to_out);
	fclose(p->to_err);
}

static void free_print(struct printed *p)
{
	free(p->out);
	free(p->err);
}

/* Lines of text; `tabs` are allowed in tables. */
static void check_text(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		FUZZ_CHECK(((unsigned char)text[i] >= ' ' && text[i] != 0x7f) ||
				   text[i] == '\n',
			   "byte %u of what is printed is 0x%02x: %s",
			   (unsigned)i, (unsigned char)text[i], text);
	FUZZ_CHECK(!len || text[len - 1] == '\n', "no line: %s", text);
}

/* --- bufwriterd ---------------------------------------------------------- */

static void on_problem(void *arg, const char *line)
{
	unsigned *problems = arg;

	++*problems;
	FUZZ_CHECK(fuzz_is_line(line), "a problem is no line: %s", line);
}

static void load(const struct arguments *a)
{
	unsigned problems = 0;
	struct config *cfg;
	int err = config_load(a->file, a->options, a->noptions, on_problem,
			      &problems, &cfg);

	FUZZ_CHECK(!err == !problems, "error %d with %u problems", err,
		   problems);
	if (!err)
		config_print(cfg, stdout);
	config_free(cfg);
}

static void run_daemon(int argc, char **argv, const struct printed *p)
{
	struct failure failure = { 0 };
	struct arguments a = { 0 };
	enum action action = arguments_parse(&a, argc, argv);

	fflush(stdout);
	fflush(stderr);
	switch (action) {
	case ACTION_DONE:
		FUZZ_CHECK(p->out_len && !p->err_len, "done, and nothing said");
		break;
	case ACTION_WRONG:
		FUZZ_CHECK(p->err && strstr(p->err, "--help"), "no help: %s",
			   p->err);
		break;
	case ACTION_CLEAN:
		FUZZ_CHECK(!region_check_clean(a.region, &failure) ||
				   failure.text[0],
			   "not clean, and nothing said");
		break;
	default:
		FUZZ_CHECK(!p->err_len, "right, and an error: %s", p->err);
		FUZZ_CHECK(a.noptions < (size_t)argc, "too many options");
		load(&a);
	}
	arguments_free(&a);
}

/* --- bufwriter ----------------------------------------------------------- */

static void run_command(int argc, char **argv, const struct printed *p)
{
	static const int known[] = { 0,
				     1,
				     2,
				     EX_USAGE,
				     EX_DATAERR,
				     EX_NOINPUT,
				     EX_UNAVAILABLE,
				     EX_SOFTWARE,
				     EX_OSERR,
				     EX_CANTCREAT,
				     EX_IOERR,
				     EX_TEMPFAIL,
				     EX_PROTOCOL,
				     EX_NOPERM,
				     EX_CONFIG };
	int status = bufwriter_main(argc, argv);
	size_t i;

	fflush(stdout);
	fflush(stderr);
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (status == known[i])
			break;
	FUZZ_CHECK(i < sizeof(known) / sizeof(known[0]), "exit status %d",
		   status);
	FUZZ_CHECK(status != EX_USAGE || p->err_len, "wrong, and nothing said");
}

/* Prints what the daemon says as it is. */
static bool is_verbatim(int argc, char **argv)
{
	int i;

	if (argc > 1 &&
	    (!strcmp(argv[1], "metrics") || !strcmp(argv[1], "report")))
		return true;
	if (argc < 2 || strcmp(argv[1], "status"))
		return false;
	for (i = 2; i < argc; i++)
		if (argv[i][0] == '-' && strchr(argv[i], 'j'))
			return true;
	return false;
}

/* --- the input ----------------------------------------------------------- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	real_out = stdout;
	real_err = stderr;
	/* standard input is what is read */
	content_fd = memfd_create("content", MFD_CLOEXEC);
	FUZZ_CHECK(content_fd >= 0, "memfd_create: %s", strerror(errno));
	unsetenv("BUFWRITER_SOCKET");
	unsetenv("BUFWRITER_CONTROL");
	return 0;
}

static void set_content(struct fuzz_input rest)
{
	content = answer = rest;
	FUZZ_CHECK(!ftruncate(content_fd, 0) &&
			   pwrite(content_fd, rest.data, rest.left, 0) ==
				   (ssize_t)rest.left &&
			   !lseek(content_fd, 0, SEEK_SET) &&
			   dup2(content_fd, STDIN_FILENO) == STDIN_FILENO,
		   "no standard input: %s", strerror(errno));
}

/* The words; returns how many, at least the program's name. */
static int read_words(struct fuzz_input words, char *argv[WORDS + 1])
{
	const uint8_t *nl;
	int argc = 0;

	while (argc < WORDS && (words.left || !argc)) {
		nl = words.left ? memchr(words.data, '\n', words.left) : NULL;
		argv[argc++] = fuzz_text(
			&words, nl ? (size_t)(nl - words.data) : words.left);
		if (nl) {
			words.data++;
			words.left--;
		}
	}
	argv[argc] = NULL;
	return argc;
}

/* A process parses one command line; here it forgets the last one. */
static void reset_getopt(void)
{
	char name[] = "none";
	char *argv[] = { name, NULL };

	opterr = 1;
	optind = 0;
	FUZZ_CHECK(getopt(1, argv, "") == -1 && optind == 1, "getopt");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	char *argv[WORDS + 1], *free_these[WORDS + 1];
	bool plain = true, verbatim;
	struct printed printed;
	int argc, i, before;
	sigset_t mask;

	sends_fail = fuzz_number(&in, 1) % 4;
	argc = read_words(fuzz_until_line(&in, "---"), argv);
	set_content(in);
	for (i = 0; i < argc; i++)
		plain = plain && fuzz_is_line(argv[i]);
	verbatim = is_verbatim(argc, argv);
	/* getopt changes the order */
	memcpy(free_these, argv, sizeof(argv));
	before = dup(STDIN_FILENO);
	close(before);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	reset_getopt();
	begin_print(&printed);
	if (!strcmp(argv[0], "bufwriterd"))
		run_daemon(argc, argv, &printed);
	else
		run_command(argc, argv, &printed);
	end_print(&printed);

	if (plain)
		check_text(printed.err, printed.err_len);
	if (plain && !verbatim)
		check_text(printed.out, printed.out_len);
	free_print(&printed);
	close_opened();
	sigprocmask(SIG_SETMASK, &mask, NULL);
	i = dup(STDIN_FILENO);
	close(i);
	FUZZ_CHECK(i == before, "a descriptor stays open");
	while (argc)
		free(free_these[--argc]);
	return 0;
}
