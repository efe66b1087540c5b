/* SPDX-License-Identifier: MIT */
/* See control.h. */
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

/* No answer of a daemon is as long as this. */
#define ANSWER_MAX ((size_t)4 << 20)

void ask_init(struct asker *c, const char *option)
{
	const char *env = getenv("BUFWRITER_CONTROL");

	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->path = option != NULL	   ? option :
		  env != NULL && *env != 0 ? env :
					     ASK_SOCKET;
}

static void disconnect(struct asker *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void ask_close(struct asker *c)
{
	disconnect(c);
	free(c->answer);
	c->answer = NULL;
	c->room = 0;
}

__attribute__((format(printf, 3, 4))) static bool
failed(struct asker *c, int status, const char *fmt, ...)
{
	va_list args;

	c->status = status;
	va_start(args, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, args);
	va_end(args);
	/* What came until then is no answer, and nothing for json_at(). */
	ask_close(c);
	return false;
}

static bool failed_connect(struct asker *c, int err)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		return failed(c, EX_UNAVAILABLE,
			      "no daemon answers on %s; is bufwriterd "
			      "running? (another path: --socket)",
			      c->path);
	case EACCES:
		return failed(c, EX_NOPERM,
			      "%s: not permitted; be root, or in the group "
			      "that control.group and control.mode let in",
			      c->path);
	case EAGAIN:
		return failed(c, EX_TEMPFAIL,
			      "%s: the daemon accepts no connection; try "
			      "again",
			      c->path);
	case EPROTOTYPE:
		return failed(c, EX_USAGE,
			      "%s is not a control socket; is it where "
			      "applications send?",
			      c->path);
	default:
		return failed(c, EX_OSERR, "%s: %s", c->path, strerror(err));
	}
}

/* Of each send and receive from now on, and of connecting. */
static void set_timeout(int fd, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static bool open_connection(struct asker *c, int timeout)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(c->path) >= sizeof(addr.sun_path))
		return failed(c, EX_USAGE,
			      "the path of the socket is longer than %zu "
			      "bytes",
			      sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, c->path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return failed(c, EX_OSERR, "socket: %s", strerror(errno));
	set_timeout(c->fd, timeout);
	if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return failed_connect(c, errno);
	return true;
}

static bool grow(struct asker *c)
{
	size_t room = c->room ? 2 * c->room : 32 * 1024;
	char *more = room <= ANSWER_MAX ? realloc(c->answer, room) : NULL;

	if (more == NULL)
		return failed(c, EX_OSERR, "no memory for the answer");
	c->answer = more;
	c->room = room;
	return true;
}

static bool failed_receive(struct asker *c, ssize_t n)
{
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return failed(c, EX_TEMPFAIL,
			      "the daemon did not answer in time");
	return failed(c, EX_UNAVAILABLE, "the daemon closed the connection%s%s",
		      n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
}

/* One line; the daemon sends no more than was asked for. */
static bool receive(struct asker *c)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		if (len + 1 >= c->room && !grow(c))
			return false;
		n = recv(c->fd, c->answer + len, c->room - len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed_receive(c, n);
		len += (size_t)n;
		if (c->answer[len - 1] != '\n')
			continue;
		c->answer[len - 1] = '\0';
		return true;
	}
}

/* What an error's code means for whoever started us. */
static int status_of(const char *code)
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
		if (strcmp(code, table[i].code) == 0)
			return table[i].status;
	return EX_SOFTWARE;
}

static bool check(struct asker *c)
{
	char text[400], code[32];

	if (!json_valid(c->answer) || *c->answer != '{')
		return failed(c, EX_PROTOCOL,
			      "what answers on %s is not bufwriterd", c->path);
	if (!json_is_string(json_at(c->answer, "error")))
		return true;
	json_string(json_at(c->answer, "error"), text, sizeof(text));
	json_string(json_at(c->answer, "code"), code, sizeof(code));
	/* With these it closes the connection. */
	if (strcmp(code, "busy") == 0 || strcmp(code, "idle") == 0)
		disconnect(c);
	c->status = status_of(code);
	snprintf(c->why, sizeof(c->why), "%s", text);
	return false;
}

bool ask_command(struct asker *c, const char *command, int timeout)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "%s\n", command);

	if (c->fd < 0 && !open_connection(c, timeout))
		return false;
	set_timeout(c->fd, timeout);
	/*
	 * A daemon that refuses the connection may have closed it already,
	 * and left the reason to be read.
	 */
	if (send(c->fd, line, (size_t)len, MSG_NOSIGNAL) != len &&
	    errno != EPIPE)
		return failed(c, EX_UNAVAILABLE, "%s: %s", c->path,
			      strerror(errno));
	return receive(c) && check(c);
}

int ask_failed(const struct asker *c, const char *cmd)
{
	fprintf(stderr, "bufwriter %s: %s\n", cmd, c->why);
	return c->status;
}

int ask_options(const struct ask_line *line, int argc, char **argv,
		const char **socket)
{
	const char *wrong;
	int c;

	while ((c = getopt_long(argc, argv, line->shorts, line->longs, NULL)) !=
	       -1) {
		switch (c) {
		case 's':
			*socket = optarg;
			break;
		case 'h':
			fputs(line->usage, stdout);
			return cmd_output(argv[0]);
		case 'V':
			return cmd_version(argv[0]);
		case '?':
		case ':':
			return cmd_bad_option(argv[0], argv, c);
		default:
			wrong = line->take(line->arg, c, optarg);
			if (wrong != NULL)
				return cmd_misuse(argv[0], "'%s' %s", optarg,
						  wrong);
		}
	}
	if (optind < argc)
		return cmd_misuse(argv[0], "'%s' is not expected",
				  argv[optind]);
	return -1;
}
