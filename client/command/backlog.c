/* SPDX-License-Identifier: MIT */
/* See backlog.h. */
#include "client/command/backlog.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A time has at least as many digits: 0.1 s after the start of 1970. */
#define TIME_DIGITS 9

static size_t digits(const char *text)
{
	size_t n = 0;

	while (isdigit((unsigned char)text[n]))
		n++;
	return n;
}

/* <worker>_<daemon>_<time> at the beginning of the text, or 0. */
static uint64_t time_at(const char *text)
{
	int part;
	size_t n;

	for (part = 0; part < 2; part++) {
		n = digits(text);
		if (!n || text[n] != '_')
			return 0;
		text += n + 1;
	}
	return digits(text) < TIME_DIGITS ? 0 : strtoull(text, NULL, 10);
}

uint64_t backlog_time(const char *name)
{
	uint64_t time_ns = 0;
	uint64_t found;
	size_t n;

	/*
	 * Dots mark unfinished files.  rsync takes the other two for comments,
	 * and the settings refuse them.
	 */
	if (strchr(".#;", *name))
		return 0;
	/* A prefix may have numbers of its own, so the last match counts. */
	for (; *name; name += n ? n : 1) {
		n = digits(name);
		found = n ? time_at(name) : 0;
		if (found)
			time_ns = found;
	}
	return time_ns;
}

void backlog_add(struct backlog *b, uint64_t time_ns, uint64_t bytes)
{
	b->files++;
	b->bytes += bytes;
	if (!b->oldest_ns || time_ns < b->oldest_ns)
		b->oldest_ns = time_ns;
}

double backlog_age(const struct backlog *b)
{
	struct timespec now;
	double age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (double)now.tv_sec + now.tv_nsec / 1e9 - b->oldest_ns / 1e9;
	return b->oldest_ns && age > 0 ? age : 0;
}

static void count_name(struct backlog *b, int dir, const char *name)
{
	uint64_t time_ns = backlog_time(name);
	struct stat st;

	if (time_ns && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    S_ISREG(st.st_mode))
		backlog_add(b, time_ns, (uint64_t)st.st_size);
}

int backlog_count(struct backlog *b, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned names = 0;
	struct dirent *entry;
	DIR *dir;
	int err;

	memset(b, 0, sizeof(*b));
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		if (++names > BACKLOG_NAMES) {
			b->is_part = true;
			break;
		}
		count_name(b, fd, entry->d_name);
	}
	err = entry ? 0 : -errno;
	closedir(dir);
	return err;
}
