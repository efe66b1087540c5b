/* SPDX-License-Identifier: MIT */
/*
 * The examples of bufwriter(1) run as they stand, and the manual and --help
 * name the same options.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/receiver.h"
#include "tests/lib/run.h"

#define EXAMPLES 6

/* Removes those escapes of mdoc(7) that the examples use. */
static void unescape(char *line)
{
	char *to = line;

	for (; *line != '\0'; line++) {
		if (strncmp(line, "\\(dq", 4) == 0) {
			*to++ = '"';
			line += 3;
		} else if (strncmp(line, "\\&", 2) == 0) {
			line++;
		} else if (strncmp(line, "\\e", 2) == 0) {
			*to++ = '\\';
			line++;
		} else if (*line != '\n') {
			*to++ = *line;
		}
	}
	*to = '\0';
}

/*
 * The command of line number n, from 0, of the form `.Dl $ COMMAND`, of those
 * that send; or NULL.
 */
static char *example(int n)
{
	static char line[256];
	FILE *page = fopen("client/bufwriter.1", "r");
	int found = 0;

	ck_assert_msg(page != NULL, "runs from the top of the sources");
	while (!found && fgets(line, sizeof(line), page) != NULL)
		found = strncmp(line, ".Dl $ ", 6) == 0 &&
			strstr(line, "bufwriter send") && n-- == 0;
	fclose(page);
	if (!found)
		return NULL;
	unescape(line);
	return line + 6;
}

START_TEST(example_sends_something)
{
	char *command = example(_i);

	receiver_listen();
	ck_assert_ptr_nonnull(command);
	run_file("access.log", "a\n", 2);
	run_file("error.log", "e\n", 2);
	run_file("event.json", "{\n}\n", 4);
	run_start_shell(command);
	run_wait();
	run_expect_status(0);
	ck_assert_msg(run.count > 0, "nothing sent: %s", command);
}
END_TEST

START_TEST(there_are_no_more_examples)
{
	ck_assert_ptr_null(example(EXAMPLES));
}
END_TEST

/* Each `--name` of the help is in the manual as `Fl -name` or `, -name`. */
START_TEST(help_and_manual_have_the_same_options)
{
	static char page[32768];
	char command[600], line[256], option[64], search[80];
	FILE *file = fopen("client/bufwriter.1", "r");
	int options = 0;

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(page, 1, sizeof(page) - 1, file), 0);
	fclose(file);
	snprintf(command, sizeof(command), "'%s' send --help", run_program());
	file = popen(command, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		ck_assert_uint_le(strlen(line), 80);
		if (sscanf(line, "  -%*c, --%60[a-z]", option) != 1)
			continue;
		snprintf(search, sizeof(search), ", -%s", option);
		ck_assert_msg(strstr(page, search) != NULL, "%s", option);
		options++;
	}
	ck_assert_int_eq(pclose(file), 0);
	ck_assert_int_eq(options, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("send_man");
	TCase *tc = receiver_case(suite, "man");

	tcase_add_loop_test(tc, example_sends_something, 0, EXAMPLES);
	tcase_add_test(tc, there_are_no_more_examples);
	tcase_add_test(tc, help_and_manual_have_the_same_options);
	return suite_run(suite, CK_FORK);
}
