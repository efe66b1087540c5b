/* SPDX-License-Identifier: MIT */
/*
 * The daemon's own log.
 *
 * Any thread writes; a line is put together on its stack and goes out in one
 * write(2), which a pipe and a file in append mode keep in one piece up to
 * PIPE_BUF bytes, so nothing is shared but the level.  An error of that write
 * has nowhere to go and is ignored.
 */
#include "daemon/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* constant after start */
static int log_priorities; /* systemd reads `<N>` */

/* shared, atomic */
static _Atomic int log_level = LEVEL_INFO;

/*
 * JOURNAL_STREAM names the stream that systemd connected (systemd.exec(5));
 * everything that a service starts inherits it, also what redirects its
 * standard error, so that it counts only if it is the one we have.
 */
static int is_systemds(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev;
	uintmax_t ino;
	struct stat st;

	if (!stream)
		return getenv("INVOCATION_ID") && !isatty(STDERR_FILENO);
	return sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

void log_open(void)
{
	log_priorities = is_systemds();
	/* localtime_r() reads the time zone here once and not in a thread */
	tzset();
}

int log_has_priorities(void)
{
	return log_priorities;
}

/* Relaxed: a level orders nothing, a line more or less is all it does. */
void log_set_level(enum config_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

int log_enabled(enum config_level level)
{
	return (int)level <=
	       atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* `<4>`, or the local time and the level's word. */
static size_t head(char *out, size_t room, enum config_level level)
{
	struct timespec now;
	struct tm tm;
	size_t used;

	if (log_priorities)
		return (size_t)snprintf(out, room, "<%d>", (int)level);
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	used = strftime(out, room, "%Y-%m-%d %H:%M:%S", &tm);
	used += (size_t)snprintf(out + used, room - used,
				 ".%03d %s: ", (int)(now.tv_nsec / 1000000),
				 config_level_word(level));
	return used;
}

void log_write(enum config_level level, const char *fmt, ...)
{
	static const char cut[] = "...";
	char line[PIPE_BUF];
	size_t room = sizeof(line) - 1; /* the newline has the last byte */
	int saved = errno;
	size_t used;
	size_t len;
	va_list ap;
	int n;

	if (!log_enabled(level))
		return;
	used = head(line, room, level);
	errno = saved; /* for %m */
	va_start(ap, fmt);
	n = vsnprintf(line + used, room - used, fmt, ap);
	va_end(ap);
	len = n < 0 ? used : used + (size_t)n;
	if (len >= room) {
		len = room - 1;
		memcpy(line + len - strlen(cut), cut, strlen(cut));
	}
	for (size_t i = used; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == '\x7f')
			line[i] = '?';
	line[len++] = '\n';
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}

int log_limit(struct log_limit *limit, uint64_t now_ns, uint64_t *missed)
{
	if (now_ns < limit->next_ns) {
		limit->missed++;
		return 0;
	}
	*missed = limit->missed;
	limit->missed = 0;
	limit->next_ns = now_ns + limit->every_ns;
	return 1;
}
