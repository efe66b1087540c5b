/* SPDX-License-Identifier: MIT */
/* See unix_socket.h. */
#include "daemon/base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/group.h"
#include "daemon/base/path.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* asm-generic/socket.h, Linux 6.16 */
#endif

/* How long another daemon may take over a stale socket. */
#define LOCK_WAIT_MS 1000
#define LOCK_TRY_MS 5

#define QLEN_SYSCTL "/proc/sys/net/unix/max_dgram_qlen"

/*
 * A descriptor that stands for the socket file, or -errno: -ESTALE if another
 * file took its place.  The directory may be another user's, who could lay a
 * link there, and mode and group must not be those of what it leads to.
 */
static int open_file(const struct unix_socket *s)
{
	int fd = open(s->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && st.st_dev == s->dev && st.st_ino == s->ino)
		return fd;
	close(fd);
	return -ESTALE;
}

static int set_group(const struct unix_socket *s, gid_t gid)
{
	int fd = open_file(s);
	int err;

	if (fd < 0)
		return fd;
	err = fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) ? -errno : 0;
	close(fd);
	return err;
}

static int set_mode(const struct unix_socket *s, mode_t mode)
{
	int fd = open_file(s);
	char path[32];
	int err;

	if (fd < 0)
		return fd;
	/* fchmod(2) refuses such a descriptor */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = chmod(path, mode) ? -errno : 0;
	close(fd);
	return err;
}

/* The errno of a connect(2) to it, or 0; below 0: no socket to try with. */
static int probe(int type, const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = connect(fd, (const void *)addr, sizeof(*addr)) ? errno : 0;
	close(fd);
	return err;
}

/* 1: nobody listens on this socket; 0: the path is free; or -errno. */
static int is_stale(int type, const struct sockaddr_un *addr)
{
	struct unix_socket old;
	struct stat st;
	int err;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	/* being removed: its owner has it open, but bind(2) finds it gone */
	if (!st.st_nlink)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	err = probe(type, addr);
	if (err == EACCES && st.st_uid == geteuid()) {
		/* our own, with a mode that admits others only */
		old = (struct unix_socket){ .fd = -1,
					    .dev = st.st_dev,
					    .ino = st.st_ino };
		strcpy(old.path, addr->sun_path);
		(void)set_mode(&old, (st.st_mode & 07777) | 0600);
		err = probe(type, addr);
		(void)set_mode(&old, st.st_mode & 07777);
	}
	if (err < 0)
		return err;
	if (err == ENOENT)
		return 0;
	if (err == EACCES)
		/* another user's; whether it is stale cannot be seen */
		return -EACCES;
	if (err != ECONNREFUSED)
		/* a full backlog (EAGAIN) or another type: it is in use */
		return -EADDRINUSE;
	return 1;
}

/*
 * The lock of the socket's directory, or -errno.  Two daemons that start at the
 * same moment may find one stale socket, and the second must not remove the
 * socket that the first has just made.  Whoever may read the directory can hold
 * its lock, so the wait is short, and a daemon without the lock goes on.
 */
static int lock_directory(const char *path, unsigned wait_ms)
{
	const struct timespec pause = { .tv_nsec = LOCK_TRY_MS * CLOCK_MS };
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uint64_t until_ns = clock_now() + wait_ms * CLOCK_MS;
	int fd;

	/* Settings have absolute paths. */
	snprintf(dir, sizeof(dir), "%s", path);
	strrchr(dir, '/')[1] = 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		if (clock_now() >= until_ns) {
			close(fd);
			return -EWOULDBLOCK;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

/*
 * 0: the path is free now; a socket that nobody listens on was removed.  Needs
 * the directory's lock where there is one to remove.
 */
static int remove_stale(int type, const struct sockaddr_un *addr, int *lock)
{
	int stale = is_stale(type, addr);

	if (stale == 1 && *lock < 0) {
		*lock = lock_directory(addr->sun_path, LOCK_WAIT_MS);
		stale = is_stale(type, addr);
	}
	if (stale != 1)
		return stale;
	(void)FAILPOINT("socket.stale");
	return unlink(addr->sun_path) && errno != ENOENT ? -errno : 0;
}

/* 0, or -errno with a failure. */
static int set_owner(const struct unix_socket *s, uint64_t mode,
		     const char *group, const char *section,
		     struct failure *failure)
{
	gid_t gid = 0;
	int err;

	if (*group && group_find(group, &gid))
		return failure_set(failure, -ENOENT,
				   "%s.group: there is no group \"%s\"; name "
				   "one from /etc/group, or leave it empty",
				   section, group);
	(void)FAILPOINT("socket.owner");
	err = *group ? set_group(s, gid) : 0;
	if (err)
		return failure_set(failure, err,
				   "%s.group: cannot give %s to group %s: %s",
				   section, s->path, group, strerror(-err));
	err = set_mode(s, mode);
	if (err)
		return failure_set(failure, err,
				   "%s.mode: cannot set the mode of %s: %s",
				   section, s->path, strerror(-err));
	return 0;
}

static const char *directory_hint(int err)
{
	switch (-err) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case EPERM:
	case EROFS:
		return "; the daemon's user must be able to write to that "
		       "directory, and no socket of another user may be in it";
	default:
		return "";
	}
}

/* Why there is no socket at this path.  Returns err. */
static int explain(struct failure *failure, int err, const char *section,
		   const char *path)
{
	if (err == -EADDRINUSE)
		return failure_set(failure, err,
				   "%s.path: %s is in use; is another daemon "
				   "running? Stop it first, or choose another "
				   "path",
				   section, path);
	if (err == -ENOTSOCK)
		return failure_set(failure, err,
				   "%s.path: %s exists and is not a socket; "
				   "remove it, or choose another path",
				   section, path);
	return failure_set(failure, err,
			   "%s.path: cannot make the socket %s: %s%s", section,
			   path, strerror(-err), directory_hint(err));
}

/*
 * Binds it, and remembers which file that made.  One with connections
 * listens at once, because without that it looks stale.  0 or -errno.
 */
static int bind_file(struct unix_socket *s, int type,
		     const struct sockaddr_un *addr)
{
	struct stat st;
	mode_t mask;
	int err;

	/* Only this user may connect until mode and group are set. */
	mask = umask(0177);
	err = bind(s->fd, (const void *)addr, sizeof(*addr)) ? -errno : 0;
	umask(mask);
	if (!err && type != SOCK_DGRAM && listen(s->fd, SOMAXCONN))
		err = -errno;
	if (!err && lstat(s->path, &st))
		err = -errno;
	if (err)
		return err;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

void unix_socket_refuse_descriptors(int fd)
{
	int no = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
}

void unix_socket_ask_sender(int fd, bool ask)
{
	int on = ask;

	(void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

static int make_socket(struct unix_socket *s, int type,
		       const struct sockaddr_un *addr)
{
	int err;

	s->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	/* Before the name: nobody can have sent anything by then. */
	unix_socket_refuse_descriptors(s->fd);
	if (s->credentials)
		unix_socket_ask_sender(s->fd, true);
	err = bind_file(s, type, addr);
	if (err) {
		close(s->fd);
		s->fd = -1;
	}
	return err;
}

static int take_path(struct unix_socket *s, int type,
		     const struct sockaddr_un *addr)
{
	int lock = lock_directory(addr->sun_path, 0);
	int err = remove_stale(type, addr, &lock);

	if (!err)
		err = make_socket(s, type, addr);
	if (lock >= 0)
		close(lock);
	return err;
}

int unix_socket_bind(struct unix_socket *s, int type, const char *path,
		     uint64_t mode, const char *group, const char *section,
		     struct failure *failure)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err;

	s->fd = -1;
	if (strlen(path) >= sizeof(addr.sun_path))
		return explain(failure, -ENAMETOOLONG, section, path);
	strcpy(addr.sun_path, path);
	strcpy(s->path, path);
	path_make_parent(path);
	err = take_path(s, type, &addr);
	if (err)
		return explain(failure, err, section, path);
	err = set_owner(s, mode, group, section, failure);
	if (err)
		unix_socket_close(s);
	return err;
}

void unix_socket_name(int fd, char name[UNIX_SOCKET_NAME])
{
	/* The kernel may return a path of full length without a NUL. */
	struct sockaddr_un addr = { 0 };
	socklen_t len = sizeof(addr);
	size_t n;

	name[0] = 0;
	if (getsockname(fd, (void *)&addr, &len) || addr.sun_family != AF_UNIX)
		return;
	if (len > sizeof(addr))
		len = sizeof(addr);
	n = len - offsetof(struct sockaddr_un, sun_path);
	if (!n)
		return;
	memcpy(name, addr.sun_path, n);
	name[n] = 0;
	if (!name[0])
		name[0] = '@';
}

void unix_socket_close(struct unix_socket *s)
{
	struct stat st;

	if (s->fd < 0)
		return;
	if (!lstat(s->path, &st) && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	close(s->fd);
	s->fd = -1;
}

/* -- length of the kernel's queue ---------------------------------------- */

static int read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	int n;

	if (!f)
		return -errno;
	if (fscanf(f, "%d", &n) != 1 || n < 0)
		n = -EINVAL;
	fclose(f);
	return n;
}

int unix_socket_qlen(void)
{
	/* systemd.exec(5), LoadCredential= */
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int n;

	if (dir) {
		snprintf(path, sizeof(path), "%s/max_dgram_qlen", dir);
		n = read_number(path);
		if (n >= 0)
			return n;
	}
	return read_number(QLEN_SYSCTL);
}
