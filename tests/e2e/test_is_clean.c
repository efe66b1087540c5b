/* SPDX-License-Identifier: MIT */
/*
 * `bufwriterd --is-clean`: whoever deletes a state region asks first, and is
 * told the truth about a region in use, after an orderly stop, and after a
 * kill.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

static char output[4096];

/* Its exit status; what it printed is in `output`. */
static int is_clean(const char *path)
{
	const char *build = getenv("BW_BUILD");
	FILE *pipe = popen(bed_text("%s/bufwriterd --is-clean '%s' 2>&1",
				    build ? build : "build", path),
			   "r");
	size_t n;
	int status;

	ck_assert_ptr_nonnull(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = 0;
	status = pclose(pipe);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect(int status, const char *part)
{
	ck_assert_int_eq(is_clean(bed.state), status);
	ck_assert_msg(strstr(output, part) != NULL, "%s", output);
	/* one line, with the path, or nothing */
	ck_assert_int_eq(*output != 0, status);
	ck_assert(!status || strchr(output, '\n') == strrchr(output, '\n'));
	ck_assert(!status || strstr(output, bed.state));
}

START_TEST(a_region_is_clean_after_an_orderly_stop_and_no_earlier)
{
	daemon_start("buffer.forced=0");
	expect(1, "may hold messages");
	send_one(send_open(), "!", 1);
	daemon_stop(NULL);
	expect(0, "");
}
END_TEST

START_TEST(a_region_that_a_killed_daemon_left_is_not_clean)
{
	daemon_start("buffer.forced=0");
	daemon_kill();
	expect(1, "may hold messages");
	/* the next one files it and stops in order */
	daemon_start();
	daemon_stop(NULL);
	expect(0, "");
}
END_TEST

START_TEST(what_is_not_a_region_is_not_clean)
{
	expect(1, "No such file");
	file_write(bed.state, "", 0);
	expect(1, "cut short");
	file_write(bed.state, output, sizeof(output));
	expect(1, "cut short");
	ck_assert_int_eq(is_clean("/dev/null"), 1);
	ck_assert_int_eq(is_clean("/"), 1);
}
END_TEST

START_TEST(one_damaged_byte_makes_it_unclean)
{
	size_t len;
	char *data;

	daemon_start();
	daemon_stop(NULL);
	data = file_read(bed.state, &len);
	data[24] ^= 1;
	file_write(bed.state, data, len);
	expect(1, "damaged");
	data[24] ^= 1;
	file_write(bed.state, data, len - 1);
	expect(1, "should have");
	free(data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("is_clean");
	TCase *t = bed_case(suite, "is_clean");

	tcase_add_test(t,
		       a_region_is_clean_after_an_orderly_stop_and_no_earlier);
	tcase_add_test(t, a_region_that_a_killed_daemon_left_is_not_clean);
	tcase_add_test(t, what_is_not_a_region_is_not_clean);
	tcase_add_test(t, one_damaged_byte_makes_it_unclean);
	return suite_run(suite, CK_NOFORK);
}
