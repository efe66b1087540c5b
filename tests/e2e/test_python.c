/* SPDX-License-Identifier: MIT */
/*
 * The Python package beside the cases: client/python/tests runs with the real
 * daemon, and its own tests count the messages.
 */
#define _GNU_SOURCE
#include <check.h>
#include <stdlib.h>

#include "tests/lib/bed.h"
#include "tests/lib/examples.h"

#define PYTHON "/usr/bin/python3"

START_TEST(the_package_passes_its_own_tests)
{
	const char *given = getenv("BW_BUILD");
	char build[4096];
	int status;

	if (!script_has(PYTHON)) {
		suite_skip(PYTHON " is not installed");
		return;
	}
	if (_i == 0 && suite_sanitized()) {
		suite_skip("Python cannot load an instrumented library");
		return;
	}
	ck_assert_ptr_nonnull(realpath(given ? given : "build", build));
	status = script_run(
		bed.root,
		bed_text("cd %s && BW_BUILD=%s BUFWRITER_LIBRARY=%s "
			 "PYTHONPATH=client/python exec " PYTHON
			 " -B client/python/tests/test_bufwriter.py",
			 source_path("."), build,
			 _i ? "none" : bed_text("%s/libbufwriter.so", build)));
	if (status)
		script_dump(bed.root);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("python");
	TCase *package = bed_case(suite, "package");

	tcase_set_timeout(package, 600);
	tcase_add_loop_test(package, the_package_passes_its_own_tests, 0, 2);
	return suite_run(suite, CK_NOFORK);
}
