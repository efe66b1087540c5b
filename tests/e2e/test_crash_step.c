/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at every named step: nothing lost, nothing doubled, nothing torn.
 * test_crash_again kills the recovery as well.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/bed.h"
#include "tests/lib/steps.h"

static int have_points(const char *start)
{
	unsigned i, n = 0;

	for (i = 0; i < steps_count; i++)
		n += !strncmp(steps[i], start, strlen(start));
	return (int)n;
}

START_TEST(a_daemon_under_load_passes_points_in_every_part)
{
	static const char *const parts[] = { "recv.",	"publish.", "claim.",
					     "append.", "commit.",  "release.",
					     "flush.",	"recover.", "region." };
	unsigned i;

	steps_list();
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		ck_assert_msg(have_points(parts[i]), "no point %s*", parts[i]);
	ck_assert_uint_ge(steps_count, 25);
}
END_TEST

/*
 * Takes the steps of a flush once more, with compressed files.  At most every
 * third daemon compresses, so what the one before took is filed as it was then.
 */
START_TEST(a_kill_in_a_compressed_flush_loses_and_doubles_nothing)
{
	static const unsigned passes[] = { 1, 2, 7 };
	unsigned i, j, kills;
	bool found = false;

	if (!file_can_unpack()) {
		suite_skip("built without libzstd");
		return;
	}
	steps_list();
	for (i = 0; i < steps_count; i++) {
		if (strncmp(steps[i], "flush.", 6) &&
		    strcmp(steps[i], "compress.piece"))
			continue;
		found |= steps[i][0] == 'c';
		for (j = kills = 0; j < 3; j++) {
			steps_bed();
			bed.points = bed_text("%s=kill@%u", steps[i],
					      passes[j]);
			steps_compressed = true;
			steps_spawn(0);
			steps_send(100);
			kills += (unsigned)steps_killed_or_done();
			steps_compressed = j == 1;
			steps_finish();
		}
		steps_compressed = false;
		REQUIRE(kills > 0, "never killed at %s", steps[i]);
	}
	ck_assert(found);
}
END_TEST

/* A life up to this step; 1 if it died there. */
static unsigned die_at(const char *step, unsigned pass)
{
	unsigned killed;

	steps_bed();
	bed.points = bed_text("%s=kill@%u", step, pass);
	steps_spawn(0);
	steps_send(100);
	killed = (unsigned)steps_killed_or_done();
	steps_finish();
	return killed;
}

START_TEST(a_kill_at_any_step_of_a_life_loses_and_doubles_nothing)
{
	static const unsigned passes[] = { 1, 2, 7, 40 };
	unsigned i, j, kills, all = 0;

	steps_list();
	for (i = 0; i < steps_count; i++) {
		if (steps_is_start(steps[i]) || steps_is_elsewhere(steps[i]))
			continue;
		for (j = kills = 0; j < 4; j++)
			kills += die_at(steps[i], passes[j]);
		/* A worker takes some steps of a stop only if it has time. */
		for (j = 0; j < 40 && !kills; j++)
			kills += die_at(steps[i], 1);
		REQUIRE(kills > 0, "never killed at %s", steps[i]);
		all += kills;
	}
	printf("%u kills at %u points: all once\n", all, steps_count);
}
END_TEST

/* One worker waits for its disk, with an old claim, while others die. */
START_TEST(a_kill_beside_a_stuck_worker_loses_and_doubles_nothing)
{
	unsigned i;

	steps_list();
	for (i = 0; i < steps_count; i++) {
		if (steps_is_start(steps[i]))
			continue;
		steps_bed();
		bed_block();
		bed.points = bed_text("flush.write=stall:%s@1;%s=kill@20",
				      bed.block, steps[i]);
		steps_spawn(0);
		steps_send(60);
		UNTIL(!daemon_alive() || steps_all_taken());
		bed_release();
		steps_killed_or_done();
		steps_finish();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash at every step");
	TCase *t = bed_case(suite, "steps");

	tcase_add_test(t, a_daemon_under_load_passes_points_in_every_part);
	tcase_add_test(t,
		       a_kill_at_any_step_of_a_life_loses_and_doubles_nothing);
	tcase_add_test(t,
		       a_kill_beside_a_stuck_worker_loses_and_doubles_nothing);
	t = bed_case(suite, "compressed");
	tcase_add_test(t,
		       a_kill_in_a_compressed_flush_loses_and_doubles_nothing);
	return suite_run(suite, CK_NOFORK);
}
