/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter doctor`: looks at what people get wrong, as the user who runs it
 * would meet it, and says for each finding what to do.
 *
 * It asks the daemon for its status, and looks itself at what the status
 * cannot know: whether this user may send, and whether a socket is there at
 * all.  It sends no message and changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "client/command/cmd.h"
#include "client/command/ask.h"
#include "client/command/format.h"
#include "client/command/json.h"

/* Below this, senders block or drop in a burst; as the daemon's own warning. */
#define QLEN_GOOD 512

static const char usage[] =
	"Usage: bufwriter doctor [OPTION]...\n"
	"Looks for what is often wrong, and says what to do. The exit status "
	"is 0 if\n"
	"nothing was found, and 1 otherwise.\n"
	"\n"
	"  -d, --data PATH    the daemon's socket for messages\n"
	"                     (default: all that the daemon names, or\n"
	"                     $BUFWRITER_SOCKET or " BW_SOCKET ")\n" ASK_HELP;

struct doctor {
	unsigned findings;
	const char *data; /* of the option, or NULL */
};

/* One finding: what is wrong, and the remedy. */
__attribute__((format(printf, 3, 4))) static void
find(struct doctor *d, const char *remedy, const char *fmt, ...)
{
	va_list args;

	d->findings++;
	printf("%u. ", d->findings);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n   %s\n", remedy);
}

/* -- the socket ----------------------------------------------------------- */

/* Can this user send to the socket?  0 or -errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strcpy(addr.sun_path, path);
	if (connect(fd, (void *)&addr, sizeof(addr)))
		err = -errno;
	close(fd);
	return err;
}

/* What this user lacks: the mode of the socket, or of a directory above it. */
static void find_refusal(struct doctor *d, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		find(d,
		     "Let the user enter each directory of the path; namei -l "
		     "shows their modes.",
		     "User %u cannot reach %s: %s.", (unsigned)geteuid(), path,
		     strerror(errno));
	else
		find(d,
		     "Put the user into the group of the socket, or set "
		     "socket.mode (SocketMode= in bufwriter.socket).",
		     "User %u may not send to %s: it has mode %04o, user %u "
		     "and group %u.",
		     (unsigned)geteuid(), path, (unsigned)st.st_mode & 07777,
		     (unsigned)st.st_uid, (unsigned)st.st_gid);
}

static void look_at_socket(struct doctor *d, const char *path)
{
	struct stat st;
	int err;

	/* An abstract socket has no file. */
	if (path[0] != '/')
		return;
	if (lstat(path, &st) && errno == ENOENT) {
		find(d,
		     "Start the daemon, for example with 'systemctl start "
		     "bufwriter.socket', or look into its log.",
		     "There is no socket %s.", path);
		return;
	}
	err = try_connect(path);
	if (err == -EACCES)
		find_refusal(d, path);
	else if (err == -ECONNREFUSED)
		find(d,
		     "A daemon was killed and left it, or it is no socket. "
		     "Start the daemon.",
		     "Nobody reads %s.", path);
	else if (err == -EPROTOTYPE)
		find(d,
		     "Another program has the path. Stop it, or give the "
		     "daemon another socket.path.",
		     "%s is no datagram socket, so no bufwriter daemon "
		     "reads it.",
		     path);
	else if (err)
		find(d, "Look at the path, and at the daemon's log.",
		     "Nobody can send to %s: %s.", path, strerror(-err));
}

/* Without the link a sender does not know how large a message may be. */
static void look_at_limit(struct doctor *d, const char *path)
{
	size_t len = strlen(path);
	const char *name = strrchr(path, '/');
	bool is_sock = name && strlen(name) > 6 &&
		       !strcmp(path + len - 5, ".sock");
	char link[512], text[64];

	if (path[0] != '/')
		return;
	snprintf(link, sizeof(link), "%.*s%s", (int)(is_sock ? len - 5 : len),
		 path, is_sock ? "/limits" : ".limits");
	if (readlink(link, text, sizeof(text)) > 0)
		return;
	find(d,
	     "Let senders enter its directory, or look into the daemon's log "
	     "for why it could not make the link.",
	     "Senders do not learn how large a message may be: %s: %s.", link,
	     strerror(errno));
}

static void look_at_sockets(struct doctor *d, const char *s)
{
	const char *list = json_at(s, "sockets"), *item, *path;
	unsigned i;

	for (i = 0; (item = json_item(list, i)); i++) {
		path = format_text(json_at(item, "path"), "");
		if (d->data && strcmp(path, d->data) != 0)
			continue;
		if (json_is_true(json_at(item, "lost"))) {
			find(d,
			     "Stop what has taken the path, and restart the "
			     "socket unit or the daemon.",
			     "%s was removed, or it is the socket of another "
			     "daemon: what is sent there does not reach this "
			     "one.",
			     path);
			continue;
		}
		look_at_socket(d, path);
		look_at_limit(d, path);
	}
}

/* -- the daemon ----------------------------------------------------------- */

static double number(const char *s, const char *path)
{
	return json_number(json_at(s, path));
}

static void look_at_queue(struct doctor *d, const char *s)
{
	double qlen = number(s, "gauges.max_dgram_qlen");

	if (!json_at(s, "gauges.max_dgram_qlen") || qlen < 0 ||
	    qlen >= QLEN_GOOD)
		return;
	find(d,
	     "Run 'sysctl -w net.unix.max_dgram_qlen=512', then restart the "
	     "unit or the program that makes the socket.",
	     "The kernel queues %.0f datagrams only before senders wait: "
	     "net.unix.max_dgram_qlen is too low.",
	     qlen);
}

/* What senders send, and the settings do not suit. */
static void look_at_drops(struct doctor *d, const char *s)
{
	static const struct {
		const char *counter, *what, *remedy;
	} kinds[] = {
		{ "dropped.too_large",
		  "messages were dropped because they are larger than "
		  "socket.max_message.",
		  "Raise socket.max_message, up to 208K, or let the senders "
		  "send less in one message." },
		{ "dropped.ring_full",
		  "messages were dropped because the ring was full for longer "
		  "than buffer.timeout.",
		  "Look at the workers in 'bufwriter status'. If their disk "
		  "keeps up, raise buffer.queue_size, workers or timeout." },
		{ "dropped.sender_rate",
		  "messages were dropped because their sender is above "
		  "senders.rate.",
		  "Look at the senders in 'bufwriter status'. Let that "
		  "program send less, or raise senders.rate." },
		{ "dropped.lane_lost",
		  "messages in lanes were lost, because the last stop could "
		  "neither file nor copy them.",
		  "Make the file system of state.path larger, and look why "
		  "the disk refused at the last stop." },
	};
	double n;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		n = number(s, kinds[i].counter);
		if (n > 0)
			find(d, kinds[i].remedy, "%.0f %s", n, kinds[i].what);
	}
}

/* A shipper of this user takes files away: it changes the directory. */
static void look_at_files(struct doctor *d, const char *s)
{
	const char *path = format_text(json_at(s, "files_path"), "");
	struct stat st;

	if (stat(path, &st)) {
		find(d,
		     errno == EACCES ?
			     "Let the user enter it, if a shipper of this user "
			     "shall take files." :
			     "Make the directory, or name another in "
			     "files.path.",
		     "User %u cannot see files.path %s: %s.",
		     (unsigned)geteuid(), path, strerror(errno));
		return;
	}
	/* With the rights of this process, not of the one who started it. */
	if (!faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS))
		return;
	find(d,
	     "If a shipper of this user shall take files, see 'A shipper of "
	     "another user' in bufwriterd(8).",
	     "User %u cannot take files out of %s: it has mode %04o, user %u "
	     "and group %u.",
	     (unsigned)geteuid(), path, (unsigned)st.st_mode & 07777,
	     (unsigned)st.st_uid, (unsigned)st.st_gid);
}

static void look_at_health(struct doctor *d, const char *s)
{
	const char *health = format_text(json_at(s, "health"), "ok");

	if (!strcmp(health, "ok"))
		return;
	find(d, "bufwriter-troubleshooting(7) has each of these sentences.",
	     "The daemon says that it is %s: %s.", health,
	     format_text(json_at(s, "why"), "?"));
}

static void look_at_daemon(struct doctor *d, struct ask *a)
{
	const char *path = d->data ? d->data : getenv("BUFWRITER_SOCKET");

	if (ask_command(a, "status", ASK_TIMEOUT_MS)) {
		look_at_health(d, a->answer);
		look_at_sockets(d, a->answer);
		look_at_queue(d, a->answer);
		look_at_drops(d, a->answer);
		look_at_files(d, a->answer);
		return;
	}
	find(d,
	     "If the daemon runs, name its control socket with --socket, and "
	     "put this user into the socket's group.",
	     "The daemon cannot be asked: %s.", a->reason);
	look_at_socket(d, path && *path ? path : BW_SOCKET);
}

static const char *take_option(void *arg, int letter, const char *value)
{
	(void)letter;
	if (!*value)
		return "is empty";
	((struct doctor *)arg)->data = value;
	return NULL;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "data", required_argument, NULL, 'd' },
		ASK_LONGS,
	};
	struct doctor d = { 0 };
	const struct ask_options options = { usage, ":d:" ASK_SHORTS, longs,
					     take_option, &d };
	const char *socket = NULL;
	int status = ask_options_read(&options, argc, argv, &socket);
	struct ask a;

	if (status >= 0)
		return status;
	ask_init(&a, socket);
	look_at_daemon(&d, &a);
	ask_close(&a);
	if (!d.findings)
		puts("nothing is wrong");
	return cmd_output("doctor") ? EX_IOERR : d.findings > 0;
}
