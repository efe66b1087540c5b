/* SPDX-License-Identifier: MIT */
/*
 * The examples of README, manual pages and headers as a reader would copy them,
 * and a way to run them.
 */
#ifndef BUFWRITER_TEST_EXAMPLES_H
#define BUFWRITER_TEST_EXAMPLES_H

/* A file of the source tree, by its name from the top. */
const char *source_path(const char *name);
/*
 * The content of a source file, or of any file with an absolute path; the
 * caller frees.
 */
char *source_read(const char *name);
/* The same of a template, with each values[i][0] replaced by values[i][1]. */
char *source_fill(const char *name, const char *const (*values)[2], unsigned n);

struct example {
	const char *page; /* file of the source tree, as it was given */
	char lang[16];	  /* as README says it: c, sh, python ... */
	char *text;
	int line;
};

struct examples {
	struct example list[96];
	unsigned n;
};

/* Code blocks between ``` that name a language. */
void examples_fenced(struct examples *all, const char *page);
/*
 * The examples in the section EXAMPLES of a page: `.Bd -literal` is C in
 * section 3 and shell elsewhere; `.Dl` is shell, with `$ ` as the prompt.
 */
void examples_manual(struct examples *all, const char *page);
/* The complete programs in a header's comments. */
void examples_header(struct examples *all, const char *page);
void examples_free(struct examples *all);

/*
 * A manual page as plain words with single spaces and without quotes; the
 * caller frees.
 */
char *manual_words(const char *page);

/* True if there is such a program in PATH. */
int script_has(const char *program);
/* Writes a file with this mode; its directory exists. */
void script_write(const char *path, const char *text, unsigned mode);
/*
 * script_start() starts a shell command in `dir`, with its output in
 * dir/output; the command dies with the test.  script_run() also waits for it
 * and returns the exit status, or 128 + N for signal N.
 */
int script_start(const char *dir, const char *command);
int script_wait(int pid);
int script_run(const char *dir, const char *command);
/* Prints dir/output, to explain a failure. */
void script_dump(const char *dir);

/* Text with every `from` replaced; caller frees both. */
char *text_replace(const char *text, const char *from, const char *to);
/* Its lines in order, each ended with a newline; caller frees. */
char *text_sorted(const char *text);

#endif
