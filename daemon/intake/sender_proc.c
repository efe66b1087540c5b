/* SPDX-License-Identifier: MIT */
/* See sender_proc.h. */
#define _GNU_SOURCE
#include "daemon/intake/sender_proc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Most of a file that is looked at; a path may have 4096 bytes. */
#define TEXT 8192
/* Fields of /proc/PID/stat: 2 is the command, 22 the start. */
#define FIELD_START 22

/* -- the unit ------------------------------------------------------------- */

/* As systemd's unit_name_is_valid() for names and instances. */
static bool has_type(const char *name, size_t len, const char *type)
{
	size_t n = strlen(type);

	return len > n && !memcmp(name + len - n, type, n);
}

static bool is_unit(const char *name, size_t len)
{
	static const char *const types[] = {
		".service", ".scope", ".socket", ".swap", ".mount",
	};
	static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@";
	unsigned i;

	/* UNIT_NAME_MAX */
	if (len >= 256 || !len || *name == '.' || *name == '@' ||
	    strspn(name, allowed) < len)
		return false;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (has_type(name, len, types[i]))
			return true;
	return false;
}

/* The path of a line, if it is one of systemd's hierarchy. */
static const char *path_of(const char *line, size_t len)
{
	static const char *const marks[] = { "0::", ":name=systemd:" };
	const char *at;

	if (len > 3 && !memcmp(line, marks[0], 3))
		return line + 3;
	at = memmem(line, len, marks[1], strlen(marks[1]));
	/* Behind the number, and not in the path. */
	if (!at || memchr(line, ':', len) != at)
		return NULL;
	return at + strlen(marks[1]);
}

static void unit_in(const char *path, size_t len, char unit[SENDER_UNIT_NAME])
{
	const char *end = path + len, *slash;

	for (; path < end; path = slash + (slash < end)) {
		slash = memchr(path, '/', (size_t)(end - path));
		slash = slash ? slash : end;
		len = (size_t)(slash - path);
		if (!len || has_type(path, len, ".slice"))
			continue;
		/* cg_unescape() */
		if (*path == '_') {
			path++;
			len--;
		}
		if (is_unit(path, len))
			snprintf(unit, SENDER_UNIT_NAME, "%.*s", (int)len,
				 path);
		return;
	}
}

/* A zombie may be the last one of a group that was removed: cgroups(7). */
static size_t without_mark(const char *path, size_t len)
{
	static const char mark[] = " (deleted)";

	return has_type(path, len, mark) ? len - strlen(mark) : len;
}

void sender_proc_unit(const char *cgroup, char unit[SENDER_UNIT_NAME])
{
	const char *path;
	size_t len;

	for (unit[0] = 0; *cgroup && !unit[0];
	     cgroup += len + (cgroup[len] != 0)) {
		len = strcspn(cgroup, "\n");
		path = path_of(cgroup, len);
		if (path)
			unit_in(path,
				without_mark(path,
					     (size_t)(cgroup + len - path)),
				unit);
	}
}

/* -- the other files ------------------------------------------------------ */

bool sender_proc_stat(const char *stat, size_t len,
		      struct sender_answer *answer)
{
	const char *open = memchr(stat, '(', len), *close, *at;
	unsigned field;
	size_t n;

	close = memrchr(stat, ')', len);
	if (!open || !close || close < open)
		return false;
	n = (size_t)(close - open - 1);
	if (n >= SENDER_COMMAND)
		n = SENDER_COMMAND - 1;
	memset(answer->command, 0, SENDER_COMMAND);
	memcpy(answer->command, open + 1, n);
	at = close;
	for (field = 2; at && field < FIELD_START; field++)
		at = strchr(at + 1, ' ');
	answer->started = at ? strtoull(at, NULL, 10) : 0;
	return answer->started > 0;
}

bool sender_proc_is_user(const char *status, uint32_t uid)
{
	const char *line = strstr(status, "\nUid:");
	unsigned i;
	char *end;

	if (!line)
		return false;
	line += strlen("\nUid:");
	for (i = 0; i < 4; i++, line = end)
		if (strtoul(line, &end, 10) == uid && end != line)
			return true;
	return false;
}

/* Its length; the text ends in a NUL.  0: it cannot be read. */
static size_t read_text(int dir, const char *name, char text[TEXT])
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? 0 : read(fd, text, TEXT - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		n = 0;
	text[n] = 0;
	return (size_t)n;
}

/* All files through one descriptor, so that all are of one process. */
static bool read_process(int dir, struct sender_answer *answer)
{
	char text[TEXT];
	size_t len = read_text(dir, "stat", text);

	if (!len || !sender_proc_stat(text, len, answer))
		return false;
	if (!read_text(dir, "status", text) ||
	    !sender_proc_is_user(text, answer->id.uid))
		return false;
	if (!read_text(dir, "cgroup", text))
		return false;
	sender_proc_unit(text, answer->unit);
	return true;
}

void sender_proc_read(struct sender_answer *answer)
{
	char path[32];
	int dir;

	answer->found = false;
	answer->unit[0] = 0;
	if (!answer->id.pid)
		return;
	snprintf(path, sizeof(path), "/proc/%" PRIu32, answer->id.pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	answer->found = read_process(dir, answer);
	close(dir);
}

bool sender_proc_is_visible(void)
{
	/*
	 * With hidepid=1 and above a user reads files of its own processes
	 * only, see proc(5).
	 */
	int fd = open("/proc/1/stat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}
