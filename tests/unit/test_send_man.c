/* SPDX-License-Identifier: MIT */
/*
 * The examples of bufwriter(1) run as they stand, and the manual and --help
 * name the same options.
 */
#include "tests/unit/test_send_util.h"

#define EXAMPLES 6

/* From mdoc(7) to what a reader sees, as far as the examples need it. */
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

/* The n-th line `.Dl $ COMMAND`, or NULL. */
static char *example(int n)
{
	static char line[256];
	FILE *page = fopen("client/bufwriter.1", "r");
	int found = 0;

	ck_assert_msg(page != NULL, "runs from the top of the sources");
	while (!found && fgets(line, sizeof(line), page) != NULL)
		found = strncmp(line, ".Dl $ ", 6) == 0 && n-- == 0;
	fclose(page);
	if (!found)
		return NULL;
	unescape(line);
	return line + 6;
}

static void start_shell(struct run *run, const char *command)
{
	char program[1024], path[2048];
	char *end;

	ck_assert_ptr_nonnull(realpath(run_program(), program));
	end = strrchr(program, '/');
	*end = '\0';
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", program);
	run->pid = fork();
	if (run->pid != 0)
		return;
	if (chdir(util_dir) != 0 || freopen("stderr", "w", stderr) == NULL)
		_exit(99);
	setenv("PATH", path, 1);
	setenv("BUFWRITER_SOCKET", util_socket, 1);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(98);
}

START_TEST(example_sends_something)
{
	struct taken taken = { 0 };
	struct run run;
	int fd = util_listen();
	char *command = example(_i);

	ck_assert_ptr_nonnull(command);
	write_file("access.log", "a\n", 2);
	write_file("error.log", "e\n", 2);
	write_file("event.json", "{\n}\n", 4);
	start_shell(&run, command);
	run_wait(&run, fd, &taken);
	run_expect_status(&run, 0);
	ck_assert_msg(taken.count > 0, "nothing sent: %s", command);
	taken_free(&taken);
	close(fd);
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
	ck_assert_int_eq(options, 8);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("send_man");
	TCase *tc = tcase_create("man");

	tcase_add_checked_fixture(tc, util_setup, util_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, example_sends_something, 0, EXAMPLES);
	tcase_add_test(tc, there_are_no_more_examples);
	tcase_add_test(tc, help_and_manual_have_the_same_options);
	suite_add_tcase(suite, tc);
	return util_run(suite);
}
