/* SPDX-License-Identifier: MIT */
/*
 * Every message of the daemon's log is explained: the first words of each are
 * in bufwriter-troubleshooting(7).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <glob.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"

#define PAGE "daemon/bufwriter-troubleshooting.7"

/* Calls that make a text for the log, up to the place of the text. */
static const char *const makers[] = {
	"log_error(",	  "log_warning(", "log_notice(",
	"log_info(",	  "log_debug(",	  "failed(error,",
	"write_warning(", "failure_set(", "snprintf(error->",
};

/*
 * The first string of a statement, its pieces together, with every
 * conversion written as '%'; returns 0 without one.
 */
static int read_format(const char *at, char *out, size_t room)
{
	size_t n = 0;
	int inside = 0;

	for (; *at && (inside || !strchr(n ? ";,?:" : ";", *at)); at++) {
		if (*at == '"') {
			inside = !inside;
		} else if (inside && *at == '\\') {
			at++;
			out[n++] = *at == 'n' ? ' ' : *at;
		} else if (inside && *at == '%') {
			/* to the conversion, or to a PRIu64 behind the quote */
			at += strspn(at + 1, "-+ #.0123456789lz");
			at += at[1] != '"';
			out[n++] = '%';
		} else if (inside) {
			out[n++] = *at;
		}
		ck_assert_uint_lt(n + 2, room);
	}
	out[n] = '\0';
	return n > 0;
}

/* The first words as a regular expression; a conversion stands for one word. */
static void write_pattern(const char *format, char *out, size_t room)
{
	unsigned words = 0;
	size_t n = 0;

	for (; *format && words < 6; format++) {
		ck_assert_uint_lt(n + 8, room);
		if (*format == '%') {
			n += (size_t)snprintf(out + n, room - n, "[^ ]+");
			continue;
		}
		words += *format == ' ';
		if (*format == '"')
			continue;
		if (strchr("\\^$.|?*+()[]{}", *format))
			out[n++] = '\\';
		out[n++] = *format;
	}
	while (n && strchr(" ,;:", out[n - 1]))
		n--;
	out[n] = '\0';
}

static int letters(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += isalpha((unsigned char)*text) != 0;
	return n;
}

/* Returns 1, after a line on standard error, if it is missing. */
static unsigned check_message(const char *manual, const char *source,
			      const char *format)
{
	char pattern[1024];
	regex_t regex;
	unsigned missing;

	/* The text of `%s: %s` comes from elsewhere. */
	if (letters(format) < 3)
		return 0;
	write_pattern(format, pattern, sizeof(pattern));
	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	missing = regexec(&regex, manual, 0, NULL, 0) != 0;
	if (missing)
		fprintf(stderr, PAGE " says nothing about \"%s\", %s\n", format,
			source);
	regfree(&regex);
	return missing;
}

static unsigned check_messages_of(const char *manual, const char *source,
				  unsigned *missing)
{
	char *text = source_read(source);
	unsigned found = 0;
	char format[1024];
	const char *at;
	unsigned i;

	for (i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		for (at = text; (at = strstr(at, makers[i])); found++) {
			at += strlen(makers[i]);
			if (read_format(at, format, sizeof(format)))
				*missing += check_message(manual, source,
							  format);
		}
	free(text);
	return found;
}

START_TEST(the_manual_explains_every_message)
{
	char *manual = manual_words(PAGE);
	unsigned found = 0;
	unsigned missing = 0;
	glob_t files;
	size_t i;

	ck_assert_int_eq(glob(source_path("daemon/{*.c,*/*.c}"), GLOB_BRACE,
			      NULL, &files),
			 0);
	for (i = 0; i < files.gl_pathc; i++)
		found += check_messages_of(manual, files.gl_pathv[i], &missing);
	ck_assert_uint_eq(missing, 0);
	ck_assert_uint_ge(found, 50);
	globfree(&files);
	free(manual);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("messages");
	TCase *tcase = tcase_create("messages");

	tcase_add_test(tcase, the_manual_explains_every_message);
	suite_add_tcase(suite, tcase);
	return suite_run(suite, CK_NOFORK);
}
