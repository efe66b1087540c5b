/* SPDX-License-Identifier: MIT */
/*
 * See log.h.
 *
 * Each thread composes its line on its own stack and writes it with one
 * write(2), which a pipe and a file in append mode keep in one piece up to
 * PIPE_BUF bytes.  So threads share nothing but the level.  An error of that
 * write cannot be reported anywhere and is ignored.
 */
#include "daemon/base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"

/* constant after start */
static bool log_priorities; /* systemd reads `<N>` */

/* shared, atomic */
static _Atomic int log_level = LEVEL_INFO;

/*
 * JOURNAL_STREAM names the stream that systemd connected (systemd.exec(5)).
 * Every descendant of a service inherits the variable, even one whose standard
 * error was redirected; so it counts only if it names our standard error.
 */
static bool is_systemds(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	if (!stream)
		return getenv("INVOCATION_ID") && !isatty(STDERR_FILENO);
	return sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev &&
	       st.st_ino == ino;
}

void log_open(void)
{
	log_priorities = is_systemds();
	/* Reads the time zone now, so that localtime_r() in a thread need not. */
	tzset();
}

bool log_has_priorities(void)
{
	return log_priorities;
}

/* relaxed, as is the load: a level orders nothing */
void log_set_level(enum config_level level)
{
	store_relaxed(&log_level, level);
}

bool log_enabled(enum config_level level)
{
	return (int)level <= load_relaxed(&log_level);
}

/* `<4>`, or the local time and the level's word. */
static size_t head(char *out, size_t room, enum config_level level)
{
	struct timespec now;
	struct tm tm;
	size_t used;

	if (log_priorities)
		return snprintf(out, room, "<%d>", level);
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	used = strftime(out, room, "%Y-%m-%d %H:%M:%S", &tm);
	return used + snprintf(out + used, room - used,
			       ".%03d %s: ", (int)(now.tv_nsec / CLOCK_MS),
			       config_level_word(level));
}

void log_write(enum config_level level, const char *fmt, ...)
{
	static const char cut[] = "...";
	char line[PIPE_BUF];
	size_t room = sizeof(line) - 1; /* the last byte is the newline's */
	size_t used, len, i;
	int saved = errno;
	va_list ap;
	int n;

	if (!log_enabled(level))
		return;
	used = head(line, room, level);
	assert(used < room);
	errno = saved; /* for %m */
	va_start(ap, fmt);
	n = vsnprintf(line + used, room - used, fmt, ap);
	va_end(ap);
	len = n < 0 ? used : used + n;
	if (len >= room) {
		len = room - 1;
		memcpy(line + len - strlen(cut), cut, strlen(cut));
	}
	for (i = used; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == '\x7f')
			line[i] = '?';
	line[len++] = '\n';
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}

bool log_limit(struct log_limit *limit, uint64_t now_ns, uint64_t *missed)
{
	if (now_ns < limit->next_ns) {
		limit->missed++;
		return false;
	}
	*missed = limit->missed;
	limit->missed = 0;
	limit->next_ns = now_ns + limit->every_ns;
	return true;
}
