/* SPDX-License-Identifier: MIT */
/*
 * Header and manual have the same example program.  It compiles as it stands
 * without a warning, and it sends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/lib/receiver.h"

/* Copies the lines from `first` to a lone `}`, without `margin` before each. */
static void example_copy(const char *path, const char *margin, char *to,
			 size_t size)
{
	const char *const first = "#include <bufwriter.h>\n";
	FILE *file = fopen(path, "r");
	char line[256];
	char *text, *escape;
	size_t end = 0;

	ck_assert_msg(file != NULL, "runs from the top of the sources");
	while (fgets(line, sizeof(line), file) != NULL) {
		text = line;
		if (strncmp(line, margin, strlen(margin)) == 0)
			text += strlen(margin);
		else if (strcmp(line, " *\n") == 0)
			text += 2;
		if (end == 0 && strcmp(text, first) != 0)
			continue;
		/* a backslash in mdoc(7) */
		escape = strstr(text, "\\e");
		if (escape != NULL)
			memmove(escape + 1, escape + 2, strlen(escape + 2) + 1);
		ck_assert_uint_lt(end + strlen(text), size);
		strcpy(to + end, text);
		end += strlen(text);
		if (strcmp(text, "}\n") == 0)
			break;
	}
	fclose(file);
	ck_assert_uint_gt(end, 0);
}

START_TEST(example_compiles_and_sends)
{
	static char header[4096], manual[4096];
	char path[160], command[1024];
	const char *cc = getenv("CC");
	FILE *file;

	receiver_listen();
	example_copy("client/library/bufwriter.h", " *\t", header,
		     sizeof(header));
	example_copy("client/library/libbufwriter.3", "", manual,
		     sizeof(manual));
	ck_assert_str_eq(header, manual);

	snprintf(path, sizeof(path), "%s/example.c", receiver.dir);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(header, file);
	ck_assert_int_eq(fclose(file), 0);
	/* Compiled with the library's source, so that sanitizers do not matter. */
	snprintf(command, sizeof(command),
		 "%s -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror "
		 "-I. -Iclient/library -o '%s/example' '%s' "
		 "client/library/*.c",
		 cc != NULL ? cc : "cc", receiver.dir, path);
	ck_assert_int_eq(system(command), 0);
	setenv("BUFWRITER_SOCKET", receiver.path, 1);
	snprintf(command, sizeof(command), "'%s/example'", receiver.dir);
	ck_assert_int_eq(system(command), 0);
	receiver_expect("the answer is 42", 16);
	receiver_vanish();
	snprintf(command, sizeof(command), "'%s/example' 2>/dev/null",
		 receiver.dir);
	ck_assert_int_eq(WEXITSTATUS(system(command)), 1);
}
END_TEST

/* The header is strict C99, and C++ where a compiler is installed. */
START_TEST(header_is_plain)
{
	ck_assert_int_eq(
		system("echo '#include <bufwriter.h>' | "
		       "${CC:-cc} -std=c99 -pedantic-errors -Wall "
		       "-Wextra -Werror -Iclient/library -fsyntax-only "
		       "-x c -"),
		0);
	ck_assert_int_eq(
		system("! command -v c++ >/dev/null || "
		       "echo '#include <bufwriter.h>' | "
		       "c++ -std=c++11 -Wall -Wextra -Werror -Iclient/library "
		       "-fsyntax-only -x c++ -"),
		0);
}
END_TEST

/* Header, manual and symbol map list the same functions. */
START_TEST(map_and_manual_have_every_call)
{
	ck_assert_int_eq(
		system("set -e; for f in $(sed -n "
		       "'s/^[a-z].*[ *]\\(bw_[a-z_]*\\)(.*/\\1/p' "
		       "client/library/bufwriter.h); do n=x$n; "
		       "grep -q \"^\t$f;\" client/library/libbufwriter.map; "
		       "grep -q \"^.Fn $f \" client/library/libbufwriter.3; "
		       "done; test $n = xxxxxxxxx"),
		0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_man");
	TCase *tc = receiver_case(suite, "man");

	tcase_add_test(tc, example_compiles_and_sends);
	tcase_add_test(tc, header_is_plain);
	tcase_add_test(tc, map_and_manual_have_every_call);
	return suite_run(suite, CK_FORK);
}
