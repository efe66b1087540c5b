/* SPDX-License-Identifier: MIT */
/* See say.h. */
#include "client/ship/say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ship/verdict.h"

static struct {
	bool quiet;
	bool has_priorities;
	bool is_terminal;
	bool is_visible; /* the progress line */
} voice;

/* As daemon/base/log.c: JOURNAL_STREAM counts if it is standard error. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == dev &&
	       st.st_ino == ino;
}

void say_open(bool quiet)
{
	voice.quiet = quiet;
	voice.has_priorities = is_journal();
	voice.is_terminal = isatty(STDERR_FILENO);
}

bool say_has_progress(void)
{
	return voice.is_terminal && !voice.quiet;
}

void say_progress_end(void)
{
	if (voice.is_visible)
		fputs("\r\033[K", stderr);
	voice.is_visible = false;
}

void say(enum say_level level, const char *fmt, ...)
{
	char line[2048], priority[8] = "";
	va_list args;

	if (voice.quiet && level > SAY_WARNING)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	verdict_clean(line);
	if (voice.has_priorities)
		snprintf(priority, sizeof(priority), "<%d>", level);
	say_progress_end();
	fprintf(stderr, "%s%s%s\n", priority,
		voice.has_priorities ? "" : "bufwriter ship: ", line);
}

void say_progress(const char *fmt, ...)
{
	va_list args;

	if (!say_has_progress())
		return;
	say_progress_end();
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fflush(stderr);
	voice.is_visible = true;
}
