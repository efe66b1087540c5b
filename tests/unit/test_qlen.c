/* SPDX-License-Identifier: MIT */
/*
 * The length of the socket's queue: the unit's word for it, or our own.
 */
#include "tests/unit/core_bed.h"
#include "daemon/base/unix_socket.h"

/* What the kernel says to this process, or what it says instead. */
static int own(void)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	return unix_socket_qlen();
}

static void write_credential(const char *text)
{
	core_write(core_path("max_dgram_qlen"), text, strlen(text));
}

START_TEST(a_credential_counts_more_than_our_own_namespace)
{
	int other = own() + 1;
	char text[32];

	snprintf(text, sizeof(text), "%d\n", other);
	write_credential(text);
	setenv("CREDENTIALS_DIRECTORY", core_path(""), 1);
	ck_assert_int_eq(unix_socket_qlen(), other);
}
END_TEST

/* The unit's default is "unknown". */
START_TEST(a_credential_that_is_no_number_is_none)
{
	static const char *const texts[] = { "", "\n", "-1\n", "unknown" };
	int n = own();

	write_credential(texts[_i]);
	setenv("CREDENTIALS_DIRECTORY", core_path(""), 1);
	ck_assert_int_eq(unix_socket_qlen(), n);
}
END_TEST

START_TEST(without_a_credential_it_is_our_own)
{
	int n = own();

	setenv("CREDENTIALS_DIRECTORY", core_path("none"), 1);
	ck_assert_int_eq(unix_socket_qlen(), n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("qlen");
	TCase *tc = core_case(suite, "qlen");

	tcase_add_test(tc, a_credential_counts_more_than_our_own_namespace);
	tcase_add_loop_test(tc, a_credential_that_is_no_number_is_none, 0, 4);
	tcase_add_test(tc, without_a_credential_it_is_our_own);
	return core_run(suite);
}
