/* SPDX-License-Identifier: MIT */
/* See ask.h. */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/json.h"
#include "client/command/format.h"

/* The memory for an answer begins with this and doubles up to the limit. */
#define ANSWER_FIRST_BYTES ((size_t)32 << 10)
#define ANSWER_MAX_BYTES ((size_t)4 << 20)

void ask_init(struct ask *a, const char *option)
{
	const char *env = getenv("BUFWRITER_CONTROL");

	memset(a, 0, sizeof(*a));
	a->fd = -1;
	a->path = ASK_SOCKET;
	if (option)
		a->path = option;
	else if (env && *env)
		a->path = env;
}

static void disconnect(struct ask *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

void ask_close(struct ask *a)
{
	disconnect(a);
	free(a->answer);
	a->answer = NULL;
	a->answer_bytes = 0;
}

/* Notes the failure and closes the connection.  Returns false. */
__attribute__((format(printf, 3, 4))) static bool
fail(struct ask *a, int status, const char *fmt, ...)
{
	va_list args;

	a->status = status;
	va_start(args, fmt);
	vsnprintf(a->reason, sizeof(a->reason), fmt, args);
	va_end(args);
	/* A part of an answer is not valid JSON, so json_at() may not see it. */
	ask_close(a);
	return false;
}

static bool fail_connect(struct ask *a, int err)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		return fail(a, EX_UNAVAILABLE,
			    "no daemon answers on %s; is bufwriterd "
			    "running? (--socket names another path)",
			    a->path);
	case EACCES:
		return fail(a, EX_NOPERM,
			    "%s: not permitted; only root and those whom "
			    "control.mode and control.group admit may "
			    "connect",
			    a->path);
	case EAGAIN:
		return fail(a, EX_TEMPFAIL,
			    "%s: the daemon does not accept a connection "
			    "now; try again",
			    a->path);
	case EPROTOTYPE:
		return fail(a, EX_USAGE,
			    "%s is not a control socket; is it the socket "
			    "that applications send to?",
			    a->path);
	default:
		return fail(a, EX_OSERR, "%s: %s", a->path, strerror(err));
	}
}

/* Applies to connect(2), and to each send and receive from now on. */
static void set_timeout(int fd, int timeout_ms)
{
	struct timeval tv = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static bool open_connection(struct ask *a, int timeout_ms)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(a->path) >= sizeof(addr.sun_path))
		return fail(a, EX_USAGE,
			    "the path of the socket is longer than %zu "
			    "bytes: %s",
			    sizeof(addr.sun_path) - 1, a->path);
	strcpy(addr.sun_path, a->path);
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return fail(a, EX_OSERR, "socket: %s", strerror(errno));
	set_timeout(a->fd, timeout_ms);
	if (connect(a->fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fail_connect(a, errno);
	return true;
}

static bool grow(struct ask *a)
{
	size_t bytes = ANSWER_FIRST_BYTES;
	char *answer = NULL;

	if (a->answer_bytes)
		bytes = 2 * a->answer_bytes;
	if (bytes <= ANSWER_MAX_BYTES)
		answer = realloc(a->answer, bytes);
	if (!answer)
		return fail(a, EX_OSERR, "not enough memory for the answer");
	a->answer = answer;
	a->answer_bytes = bytes;
	return true;
}

static bool fail_receive(struct ask *a, ssize_t n)
{
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return fail(a, EX_TEMPFAIL,
			    "the daemon did not answer in time");
	return fail(a, EX_UNAVAILABLE, "the daemon closed the connection%s%s",
		    n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
}

/* Receives one line.  The daemon sends one line for one command. */
static bool receive(struct ask *a)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		if (len + 1 >= a->answer_bytes && !grow(a))
			return false;
		assert(len + 1 < a->answer_bytes);
		n = recv(a->fd, a->answer + len, a->answer_bytes - len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail_receive(a, n);
		len += n;
		if (a->answer[len - 1] != '\n')
			continue;
		a->answer[len - 1] = '\0';
		return true;
	}
}

/* The exit status for the `code` of an error, see bufwriter-control(7). */
static int exit_status(const char *code)
{
	static const struct {
		const char *code;
		int status;
	} table[] = {
		{ "permission", EX_NOPERM }, { "settings", EX_CONFIG },
		{ "busy", EX_TEMPFAIL },     { "timeout", EX_TEMPFAIL },
		{ "stopping", EX_TEMPFAIL }, { "idle", EX_TEMPFAIL },
		{ "command", EX_PROTOCOL },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(code, table[i].code))
			return table[i].status;
	return EX_SOFTWARE;
}

/* True if the answer is one of bufwriterd's, and not an error. */
static bool check_answer(struct ask *a)
{
	char text[400], code[32];

	if (!json_valid(a->answer) || *a->answer != '{')
		return fail(a, EX_PROTOCOL,
			    "what answers on %s is not bufwriterd", a->path);
	if (!json_is_string(json_at(a->answer, "error")))
		return true;
	format_copy(json_at(a->answer, "error"), text, sizeof(text));
	json_string(json_at(a->answer, "code"), code, sizeof(code));
	/* The daemon closes the connection after these two. */
	if (!strcmp(code, "busy") || !strcmp(code, "idle"))
		disconnect(a);
	a->status = exit_status(code);
	snprintf(a->reason, sizeof(a->reason), "%s", text);
	return false;
}

bool ask_command(struct ask *a, const char *command, int timeout_ms)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "%s\n", command);

	assert(len > 0 && len < (int)sizeof(line));
	if (a->fd < 0 && !open_connection(a, timeout_ms))
		return false;
	set_timeout(a->fd, timeout_ms);
	/*
	 * EPIPE: the daemon has closed the connection already.  The reason
	 * may still be there to be received.
	 */
	if (send(a->fd, line, len, MSG_NOSIGNAL) != len && errno != EPIPE)
		return fail(a, EX_UNAVAILABLE, "%s: %s", a->path,
			    strerror(errno));
	return receive(a) && check_answer(a);
}

int ask_print_failure(const struct ask *a, const char *cmd)
{
	fprintf(stderr, "bufwriter %s: %s\n", cmd, a->reason);
	return a->status;
}

int ask_options_read(const struct ask_options *options, int argc, char **argv,
		     const char **socket)
{
	const char *wrong;
	int c;

	while ((c = getopt_long(argc, argv, options->shorts, options->longs,
				NULL)) != -1) {
		switch (c) {
		case 's':
			if (!*optarg)
				return cmd_misuse(argv[0],
						  "the socket path is empty");
			*socket = optarg;
			break;
		case 'h':
			fputs(options->usage, stdout);
			return cmd_output(argv[0]);
		case 'V':
			return cmd_version(argv[0]);
		case '?':
		case ':':
			return cmd_bad_option(argv[0], argv, c);
		default:
			wrong = options->take(options->arg, c, optarg);
			if (wrong)
				return cmd_misuse(argv[0], "'%s' %s", optarg,
						  wrong);
		}
	}
	if (optind < argc)
		return cmd_misuse(argv[0], "the argument '%s' is not expected",
				  argv[optind]);
	return -1;
}
