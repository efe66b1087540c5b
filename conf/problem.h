/* SPDX-License-Identifier: MIT */
/*
 * Problems found while settings are loaded.  Each is one line that says
 * where it is and what it is about, and goes to the caller's function at
 * once.  Any thread; a struct problems belongs to one load.
 */
#ifndef BUFWRITER_PROBLEM_H
#define BUFWRITER_PROBLEM_H

typedef void problem_report_fn(void *arg, const char *line);

struct problems {
	const char *file; /* the settings file, or NULL */
	problem_report_fn *report;
	void *arg;
	unsigned count;
};

/* After this many problems the others are only counted. */
#define PROBLEM_MAX 100

/* Where a problem is: a line of the file, or one of these. */
#define PROBLEM_NO_LINE 0u
#define PROBLEM_OPTION ((unsigned)-1)

/* Reports one problem at `line`; `name` is what it is about, or NULL. */
void problem_add(struct problems *problems, unsigned line, const char *name,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Reports how many problems exceeded PROBLEM_MAX, if any did. */
void problem_end(struct problems *problems);

#endif
