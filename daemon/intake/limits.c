/* SPDX-License-Identifier: MIT */
/* See limits.h. */
#include "daemon/intake/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/base/unix_socket.h"

/* The library derives the same path, see libbufwriter.c. */
static bool derive_path(char path[PATH_MAX], const char *socket)
{
	const char *name = strrchr(socket, '/');
	size_t len = strlen(socket);
	bool is_sock = name && len - (size_t)(name - socket) > 6 &&
		       !strcmp(socket + len - 5, ".sock");
	int n;

	/* An abstract socket has no directory. */
	if (*socket != '/')
		return false;
	n = snprintf(path, PATH_MAX, "%.*s%s", (int)(is_sock ? len - 5 : len),
		     socket, is_sock ? "/limits" : ".limits");
	return n < PATH_MAX;
}

/* Splits off the directory. */
static void directory_of(char dir[PATH_MAX], const char *path)
{
	memcpy(dir, path, PATH_MAX);
	*strrchr(dir, '/') = 0;
}

/* Senders are other users, so the umask of the daemon does not apply. */
/* Room for ",lanes=PATH,large=N". */
#define LANES_TEXT (40 + UNIX_SOCKET_NAME)

static bool make_directory(const char *dir)
{
	mode_t mask = umask(022);
	bool made = !mkdir(dir, 0755);

	umask(mask);
	return made;
}

/* Removes the link; what is no link is somebody's.  0 or -errno. */
static int remove_link(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISLNK(st.st_mode))
		return -EEXIST;
	return unlink(path) ? -errno : 0;
}

/* `lanes`: what is said of lanes, or nothing. */
static int make_link(struct limits *l, uint64_t max_message, const char *lanes)
{
	char text[32 + LANES_TEXT], temp[PATH_MAX + 8];
	struct stat st;
	int err;

	snprintf(text, sizeof(text), "max_message=%" PRIu64 "%s", max_message,
		 lanes);
	snprintf(temp, sizeof(temp), "%s.new", l->path);
	err = remove_link(temp);
	if (!err && symlink(text, temp))
		err = -errno;
	if (err)
		return err;
	if (!lstat(l->path, &st) && !S_ISLNK(st.st_mode))
		err = -EEXIST;
	else if (rename(temp, l->path) || lstat(l->path, &st))
		err = -errno;
	if (err) {
		unlink(temp);
		return err;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

/* A shipper would take the link. */
static bool is_among_files(const char *dir, const struct config *cfg)
{
	return !strcmp(dir, cfg->files_path) || !strcmp(dir, cfg->temp);
}

void limits_open(struct limits *l, const char *socket, const struct config *cfg)
{
	char dir[PATH_MAX];

	memset(l, 0, sizeof(*l));
	if (!derive_path(l->path, socket)) {
		l->path[0] = 0;
		return;
	}
	directory_of(dir, l->path);
	if (!is_among_files(dir, cfg))
		l->made_directory = make_directory(dir);
}

void limits_publish(struct limits *l, int lanes, const struct config *cfg)
{
	char name[UNIX_SOCKET_NAME], text[LANES_TEXT] = "";
	char dir[PATH_MAX];
	int err = -EEXIST;

	if (!l->path[0])
		return;
	directory_of(dir, l->path);
	if (lanes >= 0) {
		unix_socket_name(lanes, name);
		snprintf(text, sizeof(text), ",lanes=%s,large=%" PRIu64, name,
			 cfg->lanes_large_bytes);
	}
	if (!is_among_files(dir, cfg))
		err = make_link(l, cfg->socket_max_message_bytes, text);
	if (!err)
		return;
	log_notice("socket.max_message cannot be published as %s: %s; senders "
		   "are not told when a datagram is larger",
		   l->path, strerror(-err));
	/* Better no limit than that of another daemon. */
	(void)remove_link(l->path);
	if (l->made_directory)
		rmdir(dir);
	l->path[0] = 0;
}

void limits_remove(struct limits *l)
{
	char dir[PATH_MAX];
	struct stat st;

	if (!l->path[0])
		return;
	if (!lstat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	directory_of(dir, l->path);
	/* Fails if somebody uses it. */
	if (l->made_directory)
		rmdir(dir);
	l->path[0] = 0;
}
