/* SPDX-License-Identifier: MIT */
/*
 * One line for each problem: where it is, what it is about, what is wrong.
 */
#include "conf/problem.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

/* `-o: `, `FILE:LINE: `, `FILE: ` or `default: ` */
static int print_place(const struct problems *problems, unsigned line,
		       char *out, size_t room)
{
	if (line == PROBLEM_OPTION)
		return snprintf(out, room, "-o: ");
	if (!problems->file)
		return snprintf(out, room, "default: ");
	if (line == PROBLEM_NO_LINE)
		return snprintf(out, room, "%.*s: ", PATH_MAX, problems->file);
	return snprintf(out, room, "%.*s:%u: ", PATH_MAX, problems->file, line);
}

void problem_add(struct problems *problems, unsigned line, const char *name,
		 const char *fmt, ...)
{
	char out[PATH_MAX + 2048];
	char *p;
	int used;
	va_list ap;

	if (problems->count++ >= PROBLEM_MAX)
		return;
	used = print_place(problems, line, out, sizeof(out));
	if (name)
		used += snprintf(out + used, sizeof(out) - used,
				 "%.200s: ", name);
	assert(used > 0 && (size_t)used < sizeof(out));
	va_start(ap, fmt);
	vsnprintf(out + used, sizeof(out) - used, fmt, ap);
	va_end(ap);
	for (p = out; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	problems->report(problems->arg, out);
}

void problem_end(struct problems *problems)
{
	char out[64];

	if (problems->count <= PROBLEM_MAX)
		return;
	snprintf(out, sizeof(out), "and %u more problems",
		 problems->count - PROBLEM_MAX);
	problems->report(problems->arg, out);
}
