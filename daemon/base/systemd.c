/* SPDX-License-Identifier: MIT */
/*
 * See systemd.h.  The protocols are documented, stable and a few lines each.
 * All calls but systemd_insist() return at once: a manager that does not read
 * its socket must not stop the daemon.
 */
#include "daemon/base/systemd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/unix_socket.h"

/* The pause between two tries of systemd_insist(). */
#define TRY_MS 10
/* The first passed descriptor, SD_LISTEN_FDS_START. */
#define FIRST_FD 3
#define MAX_FDS 4096

static int notify_fd = -1;
static struct sockaddr_un notify_addr;
static socklen_t notify_len;

/* False: the text is not a decimal number up to max, or not only that. */
static bool parse(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && !*end && *out <= max;
}

/* --- readiness and status ------------------------------------------------ */

void systemd_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	systemd_close();
	memset(&notify_addr, 0, sizeof(notify_addr));
	/* Not vsock:, which systemd uses for virtual machines. */
	if (len > 1 && len < sizeof(notify_addr.sun_path) &&
	    (*path == '/' || *path == '@')) {
		notify_addr.sun_family = AF_UNIX;
		memcpy(notify_addr.sun_path, path, len);
		notify_len = offsetof(struct sockaddr_un, sun_path) + len;
		if (*path == '@')
			notify_addr.sun_path[0] = 0;
		else
			notify_len++;
		notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
	unsetenv("NOTIFY_SOCKET");
}

void systemd_close(void)
{
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
}

__attribute__((format(printf, 1, 0))) static int send_text(const char *fmt,
							   va_list ap)
{
	char text[PATH_MAX + 256];
	int len;

	if (notify_fd < 0)
		return 0;
	len = vsnprintf(text, sizeof(text), fmt, ap);
	if (len < 0 || (size_t)len >= sizeof(text))
		return -EMSGSIZE;
	if (sendto(notify_fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT,
		   (const void *)&notify_addr, notify_len) < 0)
		return -errno;
	return 0;
}

int systemd_notify(const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = send_text(fmt, ap);
	va_end(ap);
	return err;
}

int systemd_insist(unsigned ms, const char *fmt, ...)
{
	const struct timespec pause = { .tv_nsec = TRY_MS * CLOCK_MS };
	va_list ap;
	int err;

	for (;;) {
		va_start(ap, fmt);
		err = send_text(fmt, ap);
		va_end(ap);
		if (err != -EAGAIN || ms < TRY_MS)
			return err;
		ms -= TRY_MS;
		nanosleep(&pause, NULL);
	}
}

int systemd_reloading(void)
{
	return systemd_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
			      clock_now() / CLOCK_US);
}

/* --- watchdog ------------------------------------------------------------ */

uint64_t systemd_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t n;

	if (pid && (!parse(pid, INT_MAX, &n) || n != (uint64_t)getpid()))
		return 0;
	if (!usec || !parse(usec, UINT64_MAX / CLOCK_US, &n))
		return 0;
	return n * CLOCK_US;
}

/* --- the descriptor store ------------------------------------------------ */

int systemd_store(int fd, const char *name, bool stays)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char text[SYSTEMD_NAME + 64];
	struct iovec iov = { .iov_base = text };
	struct msghdr msg = {
		.msg_name = &notify_addr,
		.msg_namelen = notify_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (notify_fd < 0)
		return 0;
	/* Without FDPOLL=0 systemd forgets a connection that ended. */
	iov.iov_len = (size_t)snprintf(text, sizeof(text),
				       "FDSTORE=1\nFDNAME=%s%s", name,
				       stays ? "\nFDPOLL=0" : "");
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(notify_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ?
		       -errno :
		       0;
}

int systemd_forget(const char *name)
{
	return systemd_notify("FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* --- sockets ------------------------------------------------------------- */

/* What is wrong with this socket of the type `want`, or NULL. */
static const char *check_socket(int fd, int want)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(int);
	int value;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len) < 0)
		return "the descriptor is not a socket";
	if (value != AF_UNIX)
		return "the socket is not a Unix socket; "
		       "use ListenDatagram=/run/bufwriter.sock";
	len = sizeof(value);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) < 0 ||
	    value != want)
		return "the socket is not a datagram socket; "
		       "use ListenDatagram=";
	len = sizeof(addr);
	if (getsockname(fd, (void *)&addr, &len) < 0 ||
	    len <= sizeof(sa_family_t))
		return "the socket is bound to no address";
	return NULL;
}

static bool is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) &&
	       value;
}

/* Close-on-exec for all `n` descriptors, so that no child inherits one. */
static bool set_cloexec(int n)
{
	int fd, flags;

	for (fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		flags = fcntl(fd, F_GETFD);
		if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC))
			return false;
	}
	return true;
}

/* Of the descriptors that were passed: -1, or a stored one and its name. */
static struct stored {
	int fd;
	char name[SYSTEMD_NAME];
} stored[MAX_FDS];
static unsigned stored_count;

/* The name of the i-th descriptor in LISTEN_FDNAMES; empty: none. */
static void name_of(unsigned i, char name[SYSTEMD_NAME])
{
	const char *at = getenv("LISTEN_FDNAMES");

	while (at && i--) {
		at = strchr(at, ':');
		at += at ? 1 : 0;
	}
	snprintf(name, SYSTEMD_NAME, "%.*s", at ? (int)strcspn(at, ":") : 0,
		 at ? at : "");
}

/* All descriptors of the store have names that this daemon gave them. */
static bool take_stored(struct systemd_passed *passed, unsigned i)
{
	struct stored *s = &stored[passed->stored];

	name_of(i, s->name);
	if (strncmp(s->name, SYSTEMD_STORED, strlen(SYSTEMD_STORED)) != 0)
		return false;
	s->fd = FIRST_FD + (int)i;
	stored_count = ++passed->stored;
	return true;
}

static const char *make_ready(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return "the socket cannot be made non-blocking";
	unix_socket_refuse_descriptors(fd);
	return NULL;
}

/* What is wrong with the `n` descriptors that were passed, or NULL. */
static const char *take_passed(unsigned n, struct systemd_passed *passed,
			       int *data)
{
	const char *wrong = NULL;
	unsigned i;
	int fd;

	assert(n > 0 && n <= MAX_FDS);
	if (!set_cloexec((int)n))
		return "LISTEN_FDS promises a descriptor that is not open";
	for (i = 0; i < n && !wrong; i++) {
		fd = FIRST_FD + (int)i;
		if (take_stored(passed, i))
			continue;
		if (passed->lanes < 0 && !check_socket(fd, SOCK_SEQPACKET) &&
		    is_listening(fd)) {
			passed->lanes = fd;
			wrong = make_ready(fd);
			continue;
		}
		wrong = check_socket(fd, SOCK_DGRAM);
		if (!wrong)
			wrong = make_ready(fd);
		if (*data < 0)
			*data = fd;
		else if (passed->further < SYSTEMD_SOCKETS - 1)
			passed->also[passed->further++] = fd;
		else
			return "more than 16 sockets were passed; a socket "
			       "unit has up to 16 ListenDatagram=, and one "
			       "ListenSequentialPacket= for lanes";
	}
	return wrong;
}

/* What LISTEN_PID said, 0: nothing; noted because it is unset then. */
static uint64_t listen_pid;

/* Descriptors passed to this process, 0 without any; NULL or what is wrong. */
static const char *count_passed(uint64_t *n)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	uint64_t passed_to;

	*n = 0;
	listen_pid = 0;
	if (!pid || !fds)
		return NULL;
	if (!parse(pid, INT_MAX, &passed_to))
		return "LISTEN_PID is not a number";
	listen_pid = passed_to;
	if (passed_to != (uint64_t)getpid())
		return NULL;
	if (!parse(fds, MAX_FDS, n))
		return "LISTEN_FDS is not a number of descriptors";
	return NULL;
}

int systemd_socket(struct systemd_passed *passed, struct failure *failure)
{
	int data = -1;
	uint64_t n;
	const char *wrong = count_passed(&n);

	passed->lanes = -1;
	passed->stored = stored_count = 0;
	passed->further = 0;
	if (!wrong && n)
		wrong = take_passed((unsigned)n, passed, &data);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (wrong)
		return failure_set(failure, -EINVAL,
				   "the socket passed by systemd cannot be "
				   "used: %s",
				   wrong);
	return data >= 0 ? data : -ENOENT;
}

unsigned systemd_stored_count(void)
{
	return stored_count;
}

int systemd_stored(unsigned i, char name[SYSTEMD_NAME])
{
	int fd = stored[i].fd;

	memcpy(name, stored[i].name, SYSTEMD_NAME);
	stored[i].fd = -1;
	return fd;
}

bool systemd_missed(struct systemd_missed *missed)
{
	if (check_socket(FIRST_FD, SOCK_DGRAM))
		return false;
	unix_socket_name(FIRST_FD, missed->name);
	missed->pid = listen_pid;
	return true;
}
