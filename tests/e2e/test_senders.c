/* SPDX-License-Identifier: MIT */
/*
 * What a sender without the library meets: each error that it can get is in
 * the manual, and so is what common senders need.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"
#include "tests/lib/sender.h"
#include "tests/lib/tally.h"

#define PAGE "daemon/bufwriter-troubleshooting.7"

/* -- errors -------------------------------------------------------------- */

/* 0 or the errno. */
static int connect_to(int fd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	return connect(fd, (void *)&addr, sizeof(addr)) ? errno : 0;
}

static int send_on(int fd, size_t len)
{
	static char data[1 << 20];

	return send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

static int open_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static int open_connected(void)
{
	int fd = open_socket(SOCK_DGRAM);

	ck_assert_int_eq(connect_to(fd, bed.sock), 0);
	return fd;
}

static int no_socket(void)
{
	return connect_to(open_socket(SOCK_DGRAM),
			  bed_text("%s/none", bed.root));
}

static int no_directory(void)
{
	return connect_to(open_socket(SOCK_DGRAM),
			  bed_text("%s/none", bed.conf));
}

static int nobody_listens(void)
{
	daemon_start();
	daemon_kill();
	return connect_to(open_socket(SOCK_DGRAM), bed.sock);
}

/* The daemon is back, and the old connection does not know. */
static int made_anew(unsigned sends)
{
	int fd, err = 0;

	daemon_start();
	fd = open_connected();
	ck_assert_int_eq(send_on(fd, 1), 0);
	daemon_stop(NULL);
	daemon_start();
	while (sends--)
		err = send_on(fd, 1);
	/* What the manual says to do. */
	ck_assert_int_eq(connect_to(fd, bed.sock), 0);
	ck_assert_int_eq(send_on(fd, 1), 0);
	daemon_stop(NULL);
	return err;
}

static int made_anew_first(void)
{
	return made_anew(1);
}

static int made_anew_later(void)
{
	return made_anew(5);
}

static int control_socket(void)
{
	int err;

	daemon_start();
	err = connect_to(open_socket(SOCK_DGRAM), bed.control);
	daemon_stop(NULL);
	return err;
}

static int stream_sender(void)
{
	int err;

	daemon_start();
	err = connect_to(open_socket(SOCK_STREAM), bed.sock);
	daemon_stop(NULL);
	return err;
}

static int too_large(void)
{
	int err;

	daemon_start();
	err = send_on(open_connected(), 1 << 20);
	daemon_stop(NULL);
	return err;
}

static int queue_full(void)
{
	int fd, err = 0;

	daemon_start();
	fd = open_connected();
	daemon_signal(SIGSTOP);
	while (!err)
		err = send_on(fd, 1);
	daemon_signal(SIGCONT);
	daemon_stop(NULL);
	return err;
}

static int not_permitted(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	int status;
	pid_t pid;

	if (getuid() || !nobody)
		return EACCES; /* only root can become another user */
	daemon_start();
	pid = fork();
	if (!pid)
		_exit(setgid(nobody->pw_gid) || setuid(nobody->pw_uid) ?
			      0 :
			      connect_to(open_socket(SOCK_DGRAM), bed.sock));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	daemon_stop(NULL);
	return WEXITSTATUS(status);
}

static int path_too_long(void)
{
	char addr[sizeof(struct sockaddr_un) + 10];
	struct sockaddr_un *un = (void *)addr;

	memset(addr, 'x', sizeof(addr));
	un->sun_family = AF_UNIX;
	return connect(open_socket(SOCK_DGRAM), (void *)addr, sizeof(addr)) ?
		       errno :
		       0;
}

#define NAMED(error) error, #error
static const struct {
	const char *what;
	int (*provoke)(void);
	int expected;
	const char *name; /* not every C library has a function for it */
} errors[] = {
	{ "no socket", no_socket, NAMED(ENOENT) },
	{ "no directory", no_directory, NAMED(ENOTDIR) },
	{ "nobody listens", nobody_listens, NAMED(ECONNREFUSED) },
	{ "made anew, the first send", made_anew_first, NAMED(ECONNREFUSED) },
	{ "made anew, a later send", made_anew_later, NAMED(ENOTCONN) },
	{ "the control socket", control_socket, NAMED(EPROTOTYPE) },
	{ "a stream socket", stream_sender, NAMED(EPROTOTYPE) },
	{ "larger than SO_SNDBUF", too_large, NAMED(EMSGSIZE) },
	{ "the queue is full", queue_full, NAMED(EAGAIN) },
	{ "another user", not_permitted, NAMED(EACCES) },
	{ "a long path", path_too_long, NAMED(EINVAL) },
};

/* The manual says something about this errno to senders. */
static int is_explained(const char *name)
{
	char *text = source_read(PAGE);
	char *from = strstr(text, ".Sh WHAT SENDERS SEE");
	int found = 0;
	char *line;

	ck_assert_ptr_nonnull(from);
	*strstr(from + 1, "\n.Sh ") = 0;
	while (!found && (line = strsep(&from, "\n")))
		found = !strncmp(line, ".It Er", 6) && strstr(line, name);
	free(text);
	return found;
}

START_TEST(each_error_of_a_sender_is_in_the_manual)
{
	int err = errors[_i].provoke();

	ck_assert_msg(err == errors[_i].expected, "%s: %s", errors[_i].what,
		      strerror(err));
	ck_assert_msg(is_explained(errors[_i].name),
		      PAGE " says nothing about %s", errors[_i].name);
}
END_TEST

/* -- common senders ------------------------------------------------------ */

static const struct {
	const char *program;
	/* in the manual, so that it is tried as it stands there; or NULL */
	const char *recipe;
	const char *script; /* a shell's, with RECIPE and SOCKET */
	const char *framing;
	const char *files; /* behind what is before the first `: ` */
	size_t len;
} senders[] = {
	{ "logger", "logger -u /run/bufwriter.sock -S 60K TEXT",
	  "RECIPE && logger -u SOCKET hello", "newline", NULL, 0 },
#define PYTHON(setting, log)                                         \
	"cat >py <<'EOF'\n"                                          \
	"import logging\n"                                           \
	"from logging.handlers import SysLogHandler\n" setting       \
	"log = logging.getLogger()\n"                                \
	"handler.setFormatter(logging.Formatter(': %(message)s'))\n" \
	"log.addHandler(handler)\n" log "EOF\npython3 py"
#define HANDLER "handler = SysLogHandler(\"SOCKET\")\n"
	/* as it is: what the manual warns of */
	{ "python3", "handler = SysLogHandler(/run/bufwriter.sock)",
	  PYTHON(HANDLER, "log.error('hello')\n"), "newline", "hello\0\n", 7 },
	{ "python3", "handler.append_nul = False",
	  PYTHON(HANDLER "RECIPE\n", "log.error('hello')\n"), "newline",
	  "hello\n", 6 },
	{ "python3", "handler.append_nul = False",
	  PYTHON(HANDLER "RECIPE\n", "log.error('one\\n two')\n"), "newline",
	  "one\n two\n", 9 },
	{ "python3", "handler.append_nul = False",
	  PYTHON(HANDLER "RECIPE\n", "log.error('one\\n two')\n"), "length",
	  "one\n two", 8 },
};

static char *fill_in(const char *script, const char *recipe)
{
	char *with = text_replace(script, "RECIPE", recipe);
	char *out = text_replace(with, "SOCKET", bed.sock);

	free(with);
	return out;
}

START_TEST(a_common_sender_is_as_the_manual_says)
{
	const char *recipe = senders[_i].recipe;
	char *manual = manual_words(PAGE), *local, *script, *content, *at;
	const char *wanted = senders[_i].files;
	size_t len;

	ck_assert_msg(strstr(manual, recipe) != NULL, PAGE " has no %s",
		      recipe);
	free(manual);
	if (!script_has(senders[_i].program)) {
		suite_skip(
			bed_text("%s is not installed", senders[_i].program));
		return;
	}
	daemon_start(bed_text("files.framing=%s", senders[_i].framing));
	local = text_replace(recipe, "/run/bufwriter.sock", bed.sock);
	script = fill_in(senders[_i].script, local);
	if (script_run(bed.root, script)) {
		script_dump(bed.root);
		ck_abort_msg("%s failed", senders[_i].program);
	}
	free(local);
	free(script);
	daemon_stop(NULL);
	content = files_content(bed.files, &len);
	at = memmem(content, len, ": ", 2);
	ck_assert_ptr_nonnull(at);
	at += 2;
	if (wanted) {
		ck_assert_uint_eq(len - (size_t)(at - content),
				  senders[_i].len);
		ck_assert_int_eq(memcmp(at, wanted, senders[_i].len), 0);
	} else {
		/* with a header each, and neither NUL nor another newline */
		ck_assert_ptr_null(memchr(content, 0, len));
		ck_assert_int_eq(memcmp(content + len - 6, "hello\n", 6), 0);
	}
	free(content);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("senders");
	TCase *t = bed_case(suite, "errors");

	tcase_add_loop_test(t, each_error_of_a_sender_is_in_the_manual, 0,
			    sizeof(errors) / sizeof(errors[0]));
	t = bed_case(suite, "common senders");
	tcase_add_loop_test(t, a_common_sender_is_as_the_manual_says, 0,
			    sizeof(senders) / sizeof(senders[0]));
	return suite_run(suite, CK_NOFORK);
}
