/* SPDX-License-Identifier: MIT */
/* Finds the examples of the documents.  See examples.h. */
#define _GNU_SOURCE
#include "tests/lib/examples.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/bed.h"

const char *source_path(const char *name)
{
	static const char self[] = "tests/lib/examples.c";
	static char top[1024];

	if (!top[0]) {
		char rel[1024];

		snprintf(rel, sizeof(rel), "%.*s.",
			 (int)(strlen(__FILE__) - strlen(self)), __FILE__);
		ck_assert_ptr_nonnull(realpath(rel, top));
	}
	return bed_text("%s/%s", top, name);
}

char *source_read(const char *name)
{
	const char *path = name[0] == '/' ? name : source_path(name);
	FILE *from = fopen(path, "r");
	struct stat st;
	char *text;

	ck_assert_msg(from != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(fstat(fileno(from), &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	ck_assert_uint_eq(fread(text, 1, (size_t)st.st_size, from),
			  (size_t)st.st_size);
	fclose(from);
	return text;
}

char *source_fill(const char *name, const char *const (*values)[2], unsigned n)
{
	char *text = source_read(name), *next;
	unsigned i;

	for (i = 0; i < n; i++) {
		next = text_replace(text, values[i][0], values[i][1]);
		free(text);
		text = next;
	}
	return text;
}

/* --- what is collected --------------------------------------------------- */

/* The example that is being read. */
struct block {
	char *text;
	size_t size;
	FILE *to;
};

static void block_open(struct block *b)
{
	b->to = open_memstream(&b->text, &b->size);
	ck_assert_ptr_nonnull(b->to);
}

static void block_close(struct block *b, struct examples *all, const char *page,
			const char *lang, int line)
{
	struct example *e = &all->list[all->n++];

	ck_assert_uint_le(all->n, sizeof(all->list) / sizeof(all->list[0]));
	ck_assert_int_eq(fclose(b->to), 0);
	b->to = NULL;
	e->page = page;
	snprintf(e->lang, sizeof(e->lang), "%.15s", lang);
	e->text = b->text;
	e->line = line;
}

void examples_free(struct examples *all)
{
	while (all->n)
		free(all->list[--all->n].text);
}

/* --- README -------------------------------------------------------------- */

void examples_fenced(struct examples *all, const char *page)
{
	char *text = source_read(page);
	char *rest = text;
	struct block b = { 0 };
	char lang[16] = "";
	int number = 0;
	int inside = 0;
	char *line;

	while ((line = strsep(&rest, "\n"))) {
		number++;
		if (strncmp(line, "```", 3)) {
			if (b.to)
				fprintf(b.to, "%s\n", line);
			continue;
		}
		if (b.to)
			block_close(&b, all, page, lang, number);
		inside = !inside;
		if (!inside || !line[3])
			continue;
		snprintf(lang, sizeof(lang), "%.15s", line + 3);
		block_open(&b);
	}
	ck_assert_msg(!inside, "%s: a code block without an end", page);
	free(text);
}

/* --- manual pages -------------------------------------------------------- */

/*
 * A text line of roff(7) as it is printed.  Knows the escapes that our pages
 * use.
 */
static void print_roff(FILE *to, const char *line)
{
	static const struct {
		const char *escape, *text;
	} escapes[] = {
		{ "\\e", "\\" },   { "\\-", "-" },   { "\\&", "" },
		{ "\\(aq", "'" },  { "\\(mu", "x" }, { "\\(dq", "\"" },
		{ "\\(ha", "^" },  { "\\(ti", "~" }, { "\\(ga", "`" },
		{ "\\(rs", "\\" }, { "\\ ", " " },   { "\\fB", "" },
		{ "\\fI", "" },	   { "\\fR", "" },   { "\\fP", "" },
		{ "\\(lB", "[" },  { "\\(rB", "]" },
	};
	size_t i;

	while (*line) {
		for (i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
			if (!strncmp(line, escapes[i].escape,
				     strlen(escapes[i].escape)))
				break;
		if (i < sizeof(escapes) / sizeof(escapes[0])) {
			fputs(escapes[i].text, to);
			line += strlen(escapes[i].escape);
			continue;
		}
		ck_assert_msg(*line != '\\', "teach this test to read: %s",
			      line);
		fputc(*line++, to);
	}
}

void examples_manual(struct examples *all, const char *page)
{
	const char *lang = page[strlen(page) - 1] == '3' ? "c" : "sh";
	char *text = source_read(page);
	char *rest = text;
	struct block b = { 0 };
	int number = 0;
	int shown = 0; /* in EXAMPLES */
	char *line;

	while ((line = strsep(&rest, "\n"))) {
		number++;
		if (!strncmp(line, ".Sh ", 4)) {
			shown = !strcmp(line, ".Sh EXAMPLES");
		} else if (shown && !strncmp(line, ".Bd -literal", 12)) {
			block_open(&b);
		} else if (shown && !strncmp(line, ".Dl ", 4)) {
			line += strncmp(line, ".Dl $ ", 6) ? 4 : 6;
			block_open(&b);
			print_roff(b.to, line);
			fputc('\n', b.to);
			block_close(&b, all, page, "sh", number);
		} else if (b.to && !strcmp(line, ".Ed")) {
			block_close(&b, all, page, lang, number);
		} else if (b.to) {
			print_roff(b.to, line);
			fputc('\n', b.to);
		}
	}
	ck_assert_msg(!b.to, "%s: .Bd without .Ed", page);
	free(text);
}

/* A macro of mdoc(7), which is not printed. */
static int is_macro(const char *word)
{
	return strlen(word) == 2 && isupper((unsigned char)word[0]) &&
	       islower((unsigned char)word[1]);
}

static int is_punctuation(const char *word)
{
	return ispunct((unsigned char)word[0]) && !word[1];
}

/* `.Fl c , -config Ar file`: `-c, --config file`. */
static void print_macro_line(FILE *to, char *line)
{
	int glue = 0; /* no space before the next word */
	int flag = 0; /* within Fl */
	char *word = strsep(&line, " ");

	while (word) {
		if (is_macro(word)) {
			flag = !strcmp(word, "Fl");
			glue = glue || !strcmp(word, "Ns");
		} else if (*word) {
			if (!glue && !is_punctuation(word))
				fputc(' ', to);
			if (flag && !is_punctuation(word))
				fputc('-', to);
			print_roff(to, word);
			glue = 0;
		}
		word = strsep(&line, " ");
	}
}

/* Single spaces and no quotes, for a comparison with messages. */
static void squeeze(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '"')
			continue;
		if (isspace((unsigned char)*text)) {
			if (to[-1] != ' ')
				*to++ = ' ';
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

char *manual_words(const char *page)
{
	char *text = source_read(page);
	char *rest = text;
	char *out = NULL;
	size_t size;
	FILE *to = open_memstream(&out, &size);
	char *line;

	ck_assert_ptr_nonnull(to);
	fputc(' ', to);
	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, ".\\\"", 3))
			continue;
		if (line[0] == '.')
			print_macro_line(to, line + 1);
		else
			fputc(' ', to), print_roff(to, line);
	}
	ck_assert_int_eq(fclose(to), 0);
	squeeze(out + 1);
	free(text);
	return out;
}

/* --- headers ------------------------------------------------------------- */

/* The code of a line of a comment (` *<tab>code`), or NULL. */
static const char *comment_code(const char *line)
{
	if (!strncmp(line, " *\t", 3))
		return line + 3;
	return strcmp(line, " *") ? NULL : "";
}

void examples_header(struct examples *all, const char *page)
{
	char *text = source_read(page);
	char *rest = text;
	struct block b = { 0 };
	int number = 0;
	const char *code;
	char *line;

	while ((line = strsep(&rest, "\n"))) {
		number++;
		code = comment_code(line);
		if (!b.to && code && !strncmp(code, "#include", 8))
			block_open(&b);
		if (b.to && !code)
			block_close(&b, all, page, "c", number);
		else if (b.to)
			fprintf(b.to, "%s\n", code);
	}
	ck_assert_ptr_null(b.to);
	free(text);
}

/* --- texts --------------------------------------------------------------- */

char *text_replace(const char *text, const char *from, const char *to)
{
	char *out = NULL;
	size_t size;
	FILE *stream = open_memstream(&out, &size);
	const char *at;

	ck_assert_ptr_nonnull(stream);
	while ((at = strstr(text, from))) {
		fwrite(text, 1, (size_t)(at - text), stream);
		fputs(to, stream);
		text = at + strlen(from);
	}
	fputs(text, stream);
	ck_assert_int_eq(fclose(stream), 0);
	return out;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *text_sorted(const char *text)
{
	char *copy = strdup(text);
	char *rest = copy;
	char *lines[256];
	char *out = NULL;
	size_t size;
	size_t n = 0;
	size_t i;
	FILE *to = open_memstream(&out, &size);

	while (n < 256 && rest && *rest)
		lines[n++] = strsep(&rest, "\n");
	qsort(lines, n, sizeof(lines[0]), compare);
	for (i = 0; i < n; i++)
		fprintf(to, "%s\n", lines[i]);
	ck_assert_int_eq(fclose(to), 0);
	free(copy);
	return out;
}
