/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at every named step of a start, and of a recovery from another
 * SIGKILL: nothing lost, nothing doubled, nothing torn.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/bed.h"
#include "tests/lib/steps.h"

/* Kills a daemon, then the next one in its recovery; 1 if that one died. */
static int die_twice(const char *first, const char *second, int changed)
{
	int killed;

	steps_bed();
	bed.points = first;
	steps_spawn(0);
	steps_send(60);
	steps_killed_or_done();
	bed.points = second;
	steps_spawn(changed);
	killed = steps_killed_or_done();
	steps_finish();
	return killed;
}

START_TEST(a_kill_at_any_step_of_a_recovery_loses_and_doubles_nothing)
{
	unsigned n = STEPS_DEATHS;
	/* With a sanitizer all of them would take minutes. */
	unsigned each = (unsigned)suite_scale(n);
	unsigned i, j, kills, all = 0;
	char point[64], once[64];

	steps_list();
	for (i = 0; i < steps_count; i++) {
		if (steps_is_elsewhere(steps[i]))
			continue;
		snprintf(point, sizeof(point), "%s=kill@%u", steps[i],
			 1 + i % 2);
		snprintf(once, sizeof(once), "%s=kill@1", steps[i]);
		for (j = kills = 0; j < each; j++)
			kills += (unsigned)die_twice(steps_deaths[(i + j) % n],
						     point, 0);
		/*
		 * Some steps are only taken with another geometry or after
		 * another death.
		 */
		for (j = 0; j < n && !kills; j++)
			kills += (unsigned)die_twice(
				steps_deaths[j],
				bed_text("%s=kill@1", steps[i]), 1);
		for (j = 0; j < n && !kills; j++)
			kills += (unsigned)die_twice(
				steps_deaths[j],
				bed_text("%s=kill@1", steps[i]), 0);
		REQUIRE(kills > 0, "never killed at %s", steps[i]);
		all += kills;
	}
	printf("%u kills while recovering: all once\n", all);
}
END_TEST

START_TEST(a_kill_at_the_first_start_is_followed_by_a_good_one)
{
	unsigned i;

	steps_list();
	for (i = 0; i < steps_count; i++) {
		if (strncmp(steps[i], "region.", 7))
			continue;
		steps_bed();
		bed.points = bed_text("%s=kill@1", steps[i]);
		steps_spawn(0);
		steps_send(50);
		steps_killed_or_done();
		steps_finish();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash again");
	TCase *t = bed_case(suite, "starts");

	tcase_add_test(
		t, a_kill_at_any_step_of_a_recovery_loses_and_doubles_nothing);
	tcase_add_test(t, a_kill_at_the_first_start_is_followed_by_a_good_one);
	return suite_run(suite, CK_NOFORK);
}
