/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter report`: each part is there, whatever is missing on the host, and
 * no message is.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/lib/ask.h"
#include "tests/lib/bed.h"

#define SECRET "secret-of-a-message"

static const char *const parts[] = {
	"== Versions\n", "== Status\n", "== Settings\n",
	"== Kernel\n",	 "== Places\n", "== Doctor\n",
	"== Unit\n",	 "== Log\n",	"max_dgram_qlen: ",
};

static void expect_parts(void)
{
	unsigned i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		command_expect(parts[i]);
}

START_TEST(a_report_has_all_parts_and_no_message)
{
	daemon_start();
	ck_assert_int_eq(command("send " SECRET), 0);
	ck_assert_int_eq(command("flush"), 0);
	ck_assert_int_eq(command("report"), 0);
	expect_parts();
	command_expect("bufwriterd 0.");
	command_expect("{\"schema\":");
	command_expect(bed.sock);
	command_expect("Max open files");
	/* The daemon's options count, too. */
	command_expect(bed_text("files.path=%s", bed.files));
	ck_assert_ptr_null(strstr(command_output, SECRET));
	daemon_stop(NULL);
}
END_TEST

START_TEST(a_daemon_that_is_gone_is_no_reason_for_no_report)
{
	ck_assert_int_eq(command("report"), 0);
	expect_parts();
	command_expect("is bufwriterd running?");
}
END_TEST

START_TEST(a_program_that_is_missing_says_so)
{
	ck_assert_int_eq(command("report --unit none-of-this-name.service"), 0);
	command_expect("none-of-this-name.service");
}
END_TEST

START_TEST(a_report_goes_into_a_new_file_only)
{
	const char *path = bed_text("%s/report", bed.root);
	char *text;

	ck_assert_int_eq(command("report -o %s", path), 0);
	ck_assert_str_eq(command_output, "");
	text = file_read(path, NULL);
	ck_assert_ptr_nonnull(strstr(text, "== Kernel"));
	free(text);
	file_write(path, "mine", 4);
	ck_assert_int_eq(command("report -o %s", path), EX_CANTCREAT);
	command_expect("File exists; name a new file\n");
	text = file_read(path, NULL);
	ck_assert_str_eq(text, "mine");
	free(text);
	ck_assert_int_eq(command("report -o %s/none/report", bed.root),
			 EX_CANTCREAT);
	command_expect("No such file or directory; name a new file\n");
	ck_assert_int_eq(command("report -o ''"), EX_USAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bug report");
	TCase *t = bed_case(suite, "report");

	tcase_add_test(t, a_report_has_all_parts_and_no_message);
	tcase_add_test(t, a_daemon_that_is_gone_is_no_reason_for_no_report);
	tcase_add_test(t, a_program_that_is_missing_says_so);
	tcase_add_test(t, a_report_goes_into_a_new_file_only);
	return suite_run(suite, CK_NOFORK);
}
