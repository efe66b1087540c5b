/* SPDX-License-Identifier: MIT */
/*
 * A disk that neither takes a file nor refuses it for more than 10 s.  A suite
 * of its own, so that the others of test_disk.c do not wait for it.
 */
#define _GNU_SOURCE
#include "tests/lib/bed.h"
#include "tests/lib/sender.h"

START_TEST(a_flush_that_takes_long_is_in_the_log_and_so_is_its_end)
{
	int fd;

	bed.points = "flush.write=sleep:10500@1";
	daemon_start("buffer.workers=2", "buffer.forced=10ms");
	fd = send_open();
	send_one(fd, "x", 1);
	UNTIL(log_count("has been writing one file", "the disk is slow") == 1);
	UNTIL(log_count("a file took 10.", "s to write") == 1);
	daemon_stop(NULL);
	ck_assert_uint_eq(log_count("the disk is slow"), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slow disk");
	TCase *t = bed_case(suite, "slow");

	tcase_add_test(t,
		       a_flush_that_takes_long_is_in_the_log_and_so_is_its_end);
	return suite_run(suite, CK_NOFORK);
}
