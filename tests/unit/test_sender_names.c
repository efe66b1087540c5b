/* SPDX-License-Identifier: MIT */
/*
 * What /proc says about a sender: the unit as systemd sees it, commands with any
 * bytes, and never the name of another user's process.  And the thread that
 * reads it.
 */
#include <pwd.h>
#include <sys/prctl.h>

#include "daemon/base/clock.h"
#include "daemon/intake/sender_names.h"
#include "daemon/intake/sender_proc.h"
#include "tests/lib/core.h"

/* -- units ---------------------------------------------------------------- */

static const struct {
	const char *cgroup, *unit;
} units[] = {
	{ "0::/system.slice/nginx.service\n", "nginx.service" },
	{ "0::/system.slice/system-getty.slice/getty@tty1.service\n",
	  "getty@tty1.service" },
	/* what is below a unit is no unit */
	{ "0::/system.slice/a.service/b.service/c\n", "a.service" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope",
	  "user@1000.service" },
	{ "0::/user.slice/user-1000.slice/session-3.scope\n",
	  "session-3.scope" },
	{ "0::/init.scope\n", "init.scope" },
	{ "0::/system.slice/docker-0123abcd.scope\n", "docker-0123abcd.scope" },
	{ "0::/system.slice/srv-a\\x2db.mount\n", "srv-a\\x2db.mount" },
	/* cg_unescape() */
	{ "0::/system.slice/_cgroup.service\n", "cgroup.service" },
	/* of a zombie: cgroups(7) */
	{ "0::/system.slice/cron.service (deleted)\n", "cron.service" },
	{ "0::/system.slice/cron.service/a (deleted)\n", "cron.service" },
	{ "0::/system.slice (deleted)\n", "" },
	{ "0::/user.slice/session-2.scope (deleted)\n", "session-2.scope" },
	{ "0::/system.slice/ (deleted)\n", "" },
	/* the old hierarchies, in any order */
	{ "12:pids:/x.service\n1:name=systemd:/system.slice/old.service\n0::/\n",
	  "old.service" },
	{ "0::/\n1:name=systemd:/system.slice/old.service\n", "old.service" },
	/* none */
	{ "0::/\n", "" },
	{ "0::/user.slice\n", "" },
	{ "0::/kubepods/burstable/pod1/abc\n", "" },
	{ "0::/../../system.slice/x.service\n", "" },
	{ "0::/a b.service\n", "" },
	{ "0::/.service\n", "" },
	{ "0::/x\xff.service\n", "" },
	{ "0::/x\"{}=.service\n", "" },
	{ "0::/x.device\n", "" },
	{ "4:memory:/:name=systemd:/x.service\n", "" },
	{ "9:name=systemdx:/x.service\n", "" },
	{ "0:", "" },
	{ "\n\n", "" },
	{ "", "" },
};

START_TEST(the_unit_is_the_one_that_systemd_would_name)
{
	char unit[SENDER_UNIT_NAME] = "before";

	sender_proc_unit(units[_i].cgroup, unit);
	ck_assert_str_eq(unit, units[_i].unit);
}
END_TEST

START_TEST(a_long_unit_is_cut_and_a_longer_one_is_none)
{
	char text[600], unit[SENDER_UNIT_NAME];

	snprintf(text, sizeof(text), "0::/%0200d.service\n", 7);
	sender_proc_unit(text, unit);
	ck_assert_uint_eq(strlen(unit), SENDER_UNIT_NAME - 1);
	snprintf(text, sizeof(text), "0::/%0300d.service\n", 7);
	sender_proc_unit(text, unit);
	ck_assert_str_eq(unit, "");
}
END_TEST

/* -- the other texts ------------------------------------------------------ */

#define REST " 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 "

static const struct {
	const char *stat, *command;
	uint64_t started; /* 0: it makes no sense */
} stats[] = {
	{ "7 (nginx) S" REST "4711 1 1", "nginx", 4711 },
	{ "7 (a) b (c) S" REST "4711 1 1", "a) b (c", 4711 },
	{ "7 (\n0 (x) R) S" REST "9 1 1", "\n0 (x) R", 9 },
	{ "7 () S" REST "9 1 1", "", 9 },
	{ "7 (\x1b[2J\xff\"\\) S" REST "9 1 1", "\x1b[2J\xff\"\\", 9 },
	{ "7 (0123456789abcdefgh) S" REST "9 1 1", "0123456789abcde", 9 },
	{ "7 (nginx) S" REST, "nginx", 0 },
	{ "7 (nginx", "", 0 },
	{ "7 nginx)(", "", 0 },
	{ "", "", 0 },
};

START_TEST(a_command_may_hold_any_bytes)
{
	struct sender_answer answer = { .command = "" };

	ck_assert_int_eq(sender_proc_stat(stats[_i].stat,
					  strlen(stats[_i].stat), &answer),
			 stats[_i].started > 0);
	ck_assert_str_eq(answer.command, stats[_i].command);
	if (stats[_i].started)
		ck_assert_uint_eq(answer.started, stats[_i].started);
}
END_TEST

START_TEST(only_the_ids_of_the_line_count)
{
	const char *status = "Name:\tUid: 9\nUid:\t1000\t1001\t1002\t1003\n"
			     "Gid:\t5\t5\t5\t5\n";

	ck_assert(sender_proc_is_user(status, 1000));
	ck_assert(sender_proc_is_user(status, 1003));
	ck_assert(!sender_proc_is_user(status, 9));
	ck_assert(!sender_proc_is_user(status, 5));
	ck_assert(!sender_proc_is_user("Name:\tx\n", 0));
	ck_assert(!sender_proc_is_user("Name:\tx\nUid:\n", 0));
	ck_assert(!sender_proc_is_user("", 0));
}
END_TEST

/* -- processes ------------------------------------------------------------ */

START_TEST(a_process_is_found_by_its_own_user_and_by_no_other)
{
	struct sender_answer answer = {
		.id = { (uint32_t)getpid(), getuid() },
	};

	prctl(PR_SET_NAME, "it is\n\"me\"");
	sender_proc_read(&answer);
	ck_assert(answer.found);
	ck_assert_str_eq(answer.command, "it is\n\"me\"");
	ck_assert_uint_gt(answer.started, 0);
	answer.id.uid++;
	sender_proc_read(&answer);
	ck_assert(!answer.found);
	answer.id = (struct sender_id){ 0, 0 };
	sender_proc_read(&answer);
	ck_assert(!answer.found);
}
END_TEST

START_TEST(a_process_that_has_ended_is_not_found)
{
	struct sender_answer answer = { .id = { 0, getuid() } };
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	ck_assert_int_gt(pid, 0);
	waitpid(pid, NULL, 0);
	answer.id.pid = (uint32_t)pid;
	sender_proc_read(&answer);
	ck_assert(!answer.found);
}
END_TEST

/* -- the thread ----------------------------------------------------------- */

static struct senders senders;
static struct sender_names names;

/* More than one batch: processes that do not exist, and this one. */
START_TEST(the_thread_names_all_senders_and_then_rests)
{
	struct config *cfg = CORE_SETTINGS("senders.identify=yes");
	struct sender_id id = { (uint32_t)getpid(), getuid() };
	const struct sender *told[1];
	uv_loop_t uv;
	uint32_t i;

	ck_assert_int_eq(uv_loop_init(&uv), 0);
	ck_assert_int_eq(senders_open(&senders, cfg, clock_now()), 0);
	ck_assert_int_eq(sender_names_open(&names, &uv, &senders), 0);
	for (i = 0; i < 9; i++)
		senders_count(&senders, &id, 1, false, clock_now());
	for (id.pid = 0x7ffffff0; id.pid < 0x7fffffff; id.pid++)
		for (id.uid = 0; id.uid < 4; id.uid++)
			senders_count(&senders, &id, 1, false, clock_now());
	sender_names_note(&names);
	sender_names_note(&names);
	/* The timer is all that keeps the loop. */
	uv_run(&uv, UV_RUN_DEFAULT);
	ck_assert_uint_eq(senders.nameless, 0);
	ck_assert_uint_eq(senders_busiest(&senders, told, 1, clock_now()), 1);
	ck_assert_uint_eq(told[0]->id.pid, (uint32_t)getpid());
	ck_assert_uint_gt(strlen(told[0]->command), 0);
	sender_names_close(&names);
	uv_run(&uv, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&uv), 0);
	senders_close(&senders);
	config_free(cfg);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sender names");
	TCase *t = suite_case(suite, "texts", NULL, NULL);

	tcase_add_loop_test(t, the_unit_is_the_one_that_systemd_would_name, 0,
			    sizeof(units) / sizeof(units[0]));
	tcase_add_test(t, a_long_unit_is_cut_and_a_longer_one_is_none);
	tcase_add_loop_test(t, a_command_may_hold_any_bytes, 0,
			    sizeof(stats) / sizeof(stats[0]));
	tcase_add_test(t, only_the_ids_of_the_line_count);
	t = core_case(suite, "processes");
	tcase_add_test(t, a_process_is_found_by_its_own_user_and_by_no_other);
	tcase_add_test(t, a_process_that_has_ended_is_not_found);
	tcase_add_test(t, the_thread_names_all_senders_and_then_rests);
	return suite_run(suite, CK_FORK);
}
