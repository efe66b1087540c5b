/* SPDX-License-Identifier: MIT */
/* See bind.h. */
#include "daemon/base/unix_socket.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/path.h"

#define QLEN_OWN "/proc/sys/net/unix/max_dgram_qlen"

/* Group by name or number: 0 and *gid, or -ENOENT. */
static int find_group(const char *name, gid_t *gid)
{
	struct group *g = getgrnam(name);
	unsigned long n;
	char *end;

	if (g) {
		*gid = g->gr_gid;
		return 0;
	}
	if (!isdigit((unsigned char)*name))
		return -ENOENT;
	n = strtoul(name, &end, 10);
	if (*end || n >= (gid_t)-1)
		return -ENOENT;
	*gid = n;
	return 0;
}

/* What connect(2) says: 0 or an errno; below 0: there is no socket for it. */
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

/* 0: nobody listens on it and it is gone now, or it was not there. */
static int remove_stale(int type, const struct sockaddr_un *addr)
{
	struct stat st;
	int err;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	err = probe(type, addr);
	if (err == EACCES && st.st_uid == geteuid()) {
		/* of our own, with a mode that lets only others in */
		(void)chmod(addr->sun_path, (st.st_mode & 07777) | 0600);
		err = probe(type, addr);
		(void)chmod(addr->sun_path, st.st_mode & 07777);
	}
	if (err < 0)
		return err;
	if (err == ENOENT)
		return 0;
	if (err == EACCES)
		/* of another user, who may have left it behind */
		return -EACCES;
	if (err != ECONNREFUSED)
		/* a full backlog (EAGAIN), a wrong type: somebody is there */
		return -EADDRINUSE;
	return unlink(addr->sun_path) && errno != ENOENT ? -errno : 0;
}

static int set_owner(const char *path, uint64_t mode, const char *group,
		     const char *key, char *why, size_t n)
{
	gid_t gid;

	if (*group && find_group(group, &gid)) {
		snprintf(why, n,
			 "%s.group: there is no group \"%s\"; name one from "
			 "/etc/group, or leave it empty",
			 key, group);
		return -ENOENT;
	}
	if (*group && chown(path, (uid_t)-1, gid)) {
		snprintf(why, n, "%s.group: cannot give %s to group %s: %s",
			 key, path, group, strerror(errno));
		return -errno;
	}
	if (chmod(path, mode)) {
		snprintf(why, n, "%s.mode: cannot set the mode of %s: %s", key,
			 path, strerror(errno));
		return -errno;
	}
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
		return "; the daemon's user needs a directory there that it "
		       "can write to, and no socket of another user in it";
	default:
		return "";
	}
}

static int explain(int err, const char *key, const char *path, char *why,
		   size_t n)
{
	if (err == -EADDRINUSE)
		snprintf(why, n,
			 "%s.path: %s is in use; is another daemon running? "
			 "Stop it first, or choose another path",
			 key, path);
	else if (err == -ENOTSOCK)
		snprintf(why, n,
			 "%s.path: %s exists and is not a socket; remove it, "
			 "or choose another path",
			 key, path);
	else
		snprintf(why, n, "%s.path: cannot make the socket %s: %s%s",
			 key, path, strerror(-err), directory_hint(err));
	return err;
}

int unix_socket_bind(struct unix_socket *b, int type, const char *path,
		     uint64_t mode, const char *group, const char *key,
		     char *why, size_t n)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int err;

	b->fd = -1;
	if (strlen(path) >= sizeof(addr.sun_path))
		return explain(-ENAMETOOLONG, key, path, why, n);
	strcpy(addr.sun_path, path);
	strcpy(b->path, path);
	path_make_parent(path);
	err = remove_stale(type, &addr);
	if (err)
		return explain(err, key, path, why, n);
	b->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (b->fd < 0)
		return explain(-errno, key, path, why, n);
	/* Nobody but us until mode and group are as they should be. */
	mask = umask(0177);
	err = bind(b->fd, (void *)&addr, sizeof(addr)) ? -errno : 0;
	umask(mask);
	if (!err && lstat(path, &st))
		err = -errno;
	if (err) {
		close(b->fd);
		b->fd = -1;
		return explain(err, key, path, why, n);
	}
	b->dev = st.st_dev;
	b->ino = st.st_ino;
	err = set_owner(path, mode, group, key, why, n);
	if (err)
		unix_socket_close(b);
	return err;
}

void unix_socket_name(int fd, char name[UNIX_SOCKET_NAME])
{
	/* The kernel need not end a path of full length with a NUL. */
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

void unix_socket_close(struct unix_socket *b)
{
	struct stat st;

	if (b->fd < 0)
		return;
	if (!lstat(b->path, &st) && st.st_dev == b->dev && st.st_ino == b->ino)
		unlink(b->path);
	close(b->fd);
	b->fd = -1;
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
	return read_number(QLEN_OWN);
}
