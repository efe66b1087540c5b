/* SPDX-License-Identifier: MIT */
/* See leftovers.h. */
#include "daemon/filing/leftovers.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A clock that was set since may tell a wrong time of the boot. */
#define SLACK_SECONDS 3600
#define NS_DIGITS 18 /* since 2001 */

/* A digit, '_', a number, '_' and a time, anywhere in a name; 0: not there. */
static uint64_t number_in(const char *name)
{
	const char *at;
	uint64_t number;
	char *end;

	for (at = name; (at = strchr(at, '_')); at++) {
		if (at == name || !isdigit((unsigned char)at[-1]) ||
		    !isdigit((unsigned char)at[1]))
			continue;
		number = strtoull(at + 1, &end, 10);
		if (*end == '_' && strspn(end + 1, "0123456789") >= NS_DIGITS)
			return number;
	}
	return 0;
}

/* Seconds since 1970. */
static time_t boot_time(void)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - up.tv_sec;
}

static bool is_left(int fd, const char *name, uint64_t number, time_t boot)
{
	uint64_t maker = number_in(name);
	struct stat st;

	if (!maker || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		return false;
	return maker == number || st.st_mtime < boot - SLACK_SECONDS;
}

unsigned leftovers_remove(const char *dir, bool dots, uint64_t number)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	time_t boot = boot_time();
	struct dirent *entry;
	unsigned n = 0;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(d)))
		if ((entry->d_name[0] == '.') == dots &&
		    is_left(fd, entry->d_name, number, boot))
			n += !unlinkat(fd, entry->d_name, 0);
	closedir(d);
	return n;
}
