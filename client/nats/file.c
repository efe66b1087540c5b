/* SPDX-License-Identifier: MIT */
/* See file.h. */
#include "client/nats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

int file_fail(const char *op, const char *path)
{
	fprintf(stderr, "bufwriter-nats: %s %s: %s\n", op, path,
		strerror(errno));
	return EX_IOERR;
}

bool file_is_name(const char *name)
{
	return name && name[0] && name[0] != '.' && !strchr(name, '/') &&
	       strlen(name) < NAME_MAX;
}

uint64_t file_hash(const char *data, size_t len)
{
	uint64_t h = UINT64_C(14695981039346656037);

	while (len--)
		h = (h ^ (unsigned char)*data++) * UINT64_C(1099511628211);
	return h;
}

int file_read(const char *path, char **data, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	size_t done = 0;
	ssize_t n;

	*data = NULL;
	if (fd < 0)
		return file_fail("open", path);
	if (fstat(fd, &st)) {
		close(fd);
		return file_fail("stat", path);
	}
	*len = st.st_size;
	*data = malloc(*len + 1);
	while (*data && done < *len) {
		n = read(fd, *data + done, *len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (!n)
			errno = ENODATA; /* it was cut meanwhile */
		if (n <= 0)
			break;
		done += n;
	}
	close(fd);
	if (*data && done == *len)
		return 0;
	free(*data);
	return file_fail("read", path);
}

enum found { NONE, SAME, OTHER };

/* Whether DIR/HOST/NAME is there, and has this content. */
static enum found find(const char *dir, const char *host, const char *name,
		       const char *data, size_t len)
{
	char path[PATH_MAX];
	enum found found = OTHER;
	struct stat st;
	size_t size;
	char *is;

	if (!dir ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s/%s", dir, host, name) >=
		    sizeof(path) ||
	    lstat(path, &st))
		return NONE;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size != len ||
	    file_read(path, &is, &size))
		return OTHER;
	if (size == len && !memcmp(is, data, len))
		found = SAME;
	free(is);
	return found;
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

/* DIR/HOST/NAME from the message, on the disk.  0, or an exit status. */
static int store(const char *dir, const char *host, const char *name,
		 const char *data, size_t len)
{
	char folder[PATH_MAX], temp[PATH_MAX], path[PATH_MAX];
	int fd, bad;

	if ((size_t)snprintf(folder, sizeof(folder), "%s/%s", dir, host) >=
		    sizeof(folder) ||
	    (size_t)snprintf(temp, sizeof(temp), "%s/.%s", folder, name) >=
		    sizeof(temp) ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >=
		    sizeof(path)) {
		errno = ENAMETOOLONG;
		return file_fail("write below", dir);
	}
	if (mkdir(folder, 0750) && errno != EEXIST)
		return file_fail("make", folder);
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0440);
	if (fd < 0)
		return file_fail("open", temp);
	bad = write_all(fd, data, len) || fsync(fd);
	bad |= close(fd);
	if (bad)
		return file_fail("write", temp);
	if (rename(temp, path))
		return file_fail("rename", temp);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd)) {
		bad = file_fail("sync", folder);
		if (fd >= 0)
			close(fd);
		return bad;
	}
	close(fd);
	return 0;
}

int file_store_once(const char *dir, const char *done, const char *host,
		    const char *name, const char *data, size_t len)
{
	enum found in = find(dir, host, name, data, len);
	enum found moved = find(done, host, name, data, len);
	char twin[NAME_MAX + 16];

	if (in == SAME || moved == SAME)
		return 0;
	if (in == NONE && moved == NONE)
		return store(dir, host, name, data, len);
	snprintf(twin, sizeof(twin), "%s.%08" PRIx32 "~", name,
		 (uint32_t)file_hash(data, len));
	if (find(dir, host, twin, data, len) == SAME)
		return 0;
	fprintf(stderr,
		"bufwriter-nats: %s came from two hosts of the name %s; one is "
		"%s\n",
		name, host, twin);
	return store(dir, host, twin, data, len);
}
